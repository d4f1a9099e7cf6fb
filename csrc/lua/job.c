/*
 * job.c: jobs of the worker on their way to and from Lua: submitted they give a ticket, and what
 * comes out of the mailbox under it is a userdata whose `outcome` gives what the job has to tell,
 * once.
 */
#include "binding.h"

static int collect_outcome(lua_State *L) {
  fl_job **held = lua_touserdata(L, 1);
  if (*held != NULL) fl_job_free(*held);
  *held = NULL;
  return 0;
}

static int take_outcome(lua_State *L) {
  fl_job **held = luaL_checkudata(L, 1, "flarelight.outcome");
  const fl_lua_job_class *class;
  int count;
  if (*held == NULL) return luaL_error(L, "the outcome of a job can be taken once");
  class = (const fl_lua_job_class *)(const void *)(*held)->class;
  luaL_checkstack(L, 20, "outcome");
  count = class->push(L, *held);
  fl_job_free(*held);
  *held = NULL;
  return count;
}

static const luaL_Reg methods[] = {{"outcome", take_outcome}, {NULL, NULL}};

fl_job **fl_push_job(lua_State *L) {
  fl_job **held = lua_newuserdata(L, sizeof *held);
  *held = NULL;
  fl_new_class(L, "flarelight.outcome", methods, collect_outcome);
  lua_setmetatable(L, -2);
  return held;
}

fl_mailbox *fl_job_mailbox(lua_State *L) {
  fl_mailbox *mailbox = fl_lua_mailbox(fl_lua_state_of(L));
  luaL_checkstack(L, 5, "job");
  if (mailbox == NULL) luaL_error(L, "no descriptor for the mailbox");
  return mailbox;
}

int fl_submit_job(lua_State *L, fl_job *job, const fl_lua_job_class *class, fl_mailbox *mailbox,
                  bool in_place) {
  const uint64_t ticket = fl_ticket_next();
  fl_job_init(job, &class->base, ticket, mailbox);
  fl_worker_submit(job, in_place);
  lua_pushnumber(L, (lua_Number)ticket);
  return 1;
}
