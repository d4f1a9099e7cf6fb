/* durable.c: syncs a file to the disk, as a job of the worker because the disk may take long. */
#include "base/durable.h"

#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "job.h"

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
  if (self->reason != 0) return fl_lua_fail(L, "%s: %s", self->path, strerror(self->reason));
  lua_pushboolean(L, true);
  return 1;
}

static const fl_lua_job_class job_class = {{run, free_job}, push};

/* core.durable(path, in_place) -> ticket; its outcome is true | nil, message */
static int durable(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  size_t room = strlen(path) + 1;
  bool in_place = lua_toboolean(L, 2);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  durable_job *job = calloc(1, sizeof *job + room);
  if (job == NULL) return luaL_error(L, "not enough memory");
  memcpy(job->path, path, room);
  return fl_lua_job_submit(L, &job->job, &job_class, mailbox, in_place);
}

const luaL_Reg fl_lua_durable_functions[] = {{"durable", durable}, {NULL, NULL}};
