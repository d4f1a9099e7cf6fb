/* program.c: the output of a command line, as a job of the worker. The output may be a secret, so
 * its memory is overwritten. */
#include "files/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "job.h"

#define MOST_OUTPUT 65536 /* bytes */

typedef struct program_job {
  fl_job job;
  fl_time timeout;
  fl_program_code code;
  int status, reason;
  fl_buffer output;
  char command[];
} program_job;

static void run(fl_job *job) {
  program_job *self = (program_job *)(void *)job;
  self->code = fl_program_output(self->command, self->timeout, &self->output, &self->status);
  self->reason = errno;
}

static void free_job(fl_job *job) {
  program_job *self = (program_job *)(void *)job;
  fl_buffer_wipe(&self->output);
  free(self);
}

static int push(lua_State *L, fl_job *job) {
  const program_job *self = (const program_job *)(const void *)job;
  switch (self->code) {
    case FL_PROGRAM_ENDED: break;
    case FL_PROGRAM_KILLED: return fl_lua_fail(L, "was ended by a signal");
    case FL_PROGRAM_TIMED_OUT:
      return fl_lua_fail(L, "has not ended within %d s", (int)(self->timeout / FL_SECOND));
    case FL_PROGRAM_TOO_LONG: return fl_lua_fail(L, "has printed more than %d bytes", MOST_OUTPUT);
    default: return fl_lua_fail(L, "cannot be run: %s", strerror(self->reason));
  }
  if (self->status != 0) return fl_lua_fail(L, "ended with status %d", self->status);
  lua_pushlstring(L, self->output.length > 0 ? self->output.data : "", self->output.length);
  return 1;
}

static const fl_lua_job_class job_class = {{run, free_job}, push};

/* core.program_output(command, seconds, in_place) -> ticket; its outcome is what the command
 * printed | nil, what went wrong, for a message behind the command's name */
static int program_output(lua_State *L) {
  const char *command = fl_lua_check_path(L, 1);
  fl_time timeout = fl_lua_check_seconds(L, 2);
  size_t room = strlen(command) + 1;
  bool in_place = lua_toboolean(L, 3);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  program_job *job = calloc(1, sizeof *job + room);
  if (job == NULL) return luaL_error(L, "not enough memory");
  memcpy(job->command, command, room);
  job->timeout = timeout;
  fl_buffer_init(&job->output, MOST_OUTPUT);
  return fl_lua_job_submit(L, &job->job, &job_class, mailbox, in_place);
}

/* core.foreground(command) -> "exit", status | "signal", number | nil, message. Blocks, and passes
 * signals on. */
static int run_in_foreground(lua_State *L) {
  int status;
  switch (fl_program_foreground(fl_lua_check_path(L, 1), &status)) {
    case FL_PROGRAM_ENDED: lua_pushliteral(L, "exit"); break;
    case FL_PROGRAM_KILLED: lua_pushliteral(L, "signal"); break;
    default: return fl_lua_fail(L, "%s", strerror(errno));
  }
  lua_pushinteger(L, status);
  return 2;
}

/* core.remove_at_end([path]) -> true | nil, message. */
static int remove_at_end(lua_State *L) {
  int reason = fl_program_remove_at_end(lua_isnoneornil(L, 1) ? NULL : fl_lua_check_path(L, 1));
  if (reason != 0) return fl_lua_fail(L, "%s", strerror(reason));
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg fl_lua_program_functions[] = {{"program_output", program_output},
                                             {"foreground", run_in_foreground},
                                             {"remove_at_end", remove_at_end},
                                             {NULL, NULL}};
