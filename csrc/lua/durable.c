/* durable.c of the binding: files are synced by the worker, which the disk may hold up. */
#include "base/durable.h"

#include <stdlib.h>
#include <string.h>

#include "binding.h"

typedef struct durable_job {
  fl_job job;
  int reason;
  char path[];
} durable_job;

static void run(fl_job *job) {
  durable_job *self = (durable_job *)(void *)job;
  self->reason = fl_make_durable(self->path);
}

static void free_job(fl_job *job) { free(job); }

static int push(lua_State *L, fl_job *job) {
  const durable_job *self = (const durable_job *)(const void *)job;
  if (self->reason == 0) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", self->path, strerror(self->reason));
  return 2;
}

static const fl_lua_job_class class = {{run, free_job}, push};

int fl_lua_durable(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  bool in_place = lua_toboolean(L, 2);
  fl_mailbox *mailbox = fl_job_mailbox(L);
  /* No Lua call from here to the hand-over. */
  durable_job *job = calloc(1, sizeof *job + length + 1);
  if (job == NULL) return luaL_error(L, "not enough memory");
  memcpy(job->path, path, length + 1);
  return fl_submit_job(L, &job->job, &class, mailbox, in_place);
}
