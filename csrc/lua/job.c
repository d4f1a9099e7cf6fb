/*
 * job.c: jobs of the worker, submitted and taken back. See job.h.
 */
#include "job.h"

#include "engine/call.h"
#include "state.h"

#define CLASS "flarelight.outcome"

static void end_job(fl_job **held) {
  if (*held != NULL) fl_job_free(*held);
  *held = NULL;
}

static int collect(lua_State *L) {
  end_job(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static int take_outcome(lua_State *L) {
  fl_job **held = luaL_checkudata(L, 1, CLASS);
  const fl_lua_job_class *class;
  int count;
  if (*held == NULL) return luaL_error(L, "the outcome of a job can be taken once");
  class = (const fl_lua_job_class *)(const void *)(*held)->class;
  luaL_checkstack(L, 20, "outcome");
  if ((*held)->dropped) {
    lua_pushnil(L);
    lua_pushliteral(L, "the client is closed");
    lua_pushnil(L);
    lua_pushliteral(L, "closed");
    count = 4;
  } else {
    count = class->push(L, *held);
  }
  end_job(held);
  return count;
}

static const luaL_Reg methods[] = {{"outcome", take_outcome}, {NULL, NULL}};

fl_job **fl_lua_job_push(lua_State *L) {
  fl_job **held = lua_newuserdata(L, sizeof *held);
  *held = NULL;
  fl_lua_new_class(L, CLASS, methods, collect);
  lua_setmetatable(L, -2);
  return held;
}

fl_mailbox *fl_lua_job_mailbox(lua_State *L) {
  luaL_checkstack(L, 5, "job");
  return fl_lua_state_check_mailbox(L);
}

int fl_lua_job_submit(lua_State *L, fl_job *job, const fl_lua_job_class *class, fl_mailbox *mailbox,
                      bool in_place) {
  const uint64_t ticket = fl_item_next_ticket();
  fl_job_init(job, &class->base, ticket, mailbox);
  fl_worker_submit(job, in_place);
  lua_pushnumber(L, (lua_Number)ticket);
  return 1;
}
