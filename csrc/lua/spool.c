/* spool.c: copies of standard input and of pipes, each step a job of the worker. */
#include "files/spool.h"

#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "job.h"
#include "state.h"

#define CLASS "flarelight.spool"

typedef struct step_job {
  fl_job job;
  fl_spool *spool; /* a reference */
  fl_spool_code code;
} step_job;

static void run(fl_job *job) {
  step_job *self = (step_job *)(void *)job;
  self->code = fl_spool_step(self->spool);
}

static void free_job(fl_job *job) {
  step_job *self = (step_job *)(void *)job;
  fl_spool_release(self->spool);
  free(self);
}

static int push(lua_State *L, fl_job *job) {
  const step_job *self = (const step_job *)(const void *)job;
  if (self->code == FL_SPOOL_FAILED) return fl_lua_fail(L, "%s", fl_spool_message(self->spool));
  lua_pushboolean(L, self->code == FL_SPOOL_DONE);
  return 1;
}

static const fl_lua_job_class job_class = {{run, free_job}, push};

static fl_spool **check_box(lua_State *L) { return luaL_checkudata(L, 1, CLASS); }

static fl_spool *check_open(lua_State *L) {
  fl_spool **box = check_box(L);
  if (*box == NULL) luaL_error(L, "the spool is closed");
  return *box;
}

/* spool:step(in_place) -> ticket; its outcome is whether the copy is whole | nil, message. One step
 * at a time. */
static int spool_step(lua_State *L) {
  fl_spool *spool = check_open(L);
  bool in_place = lua_toboolean(L, 2);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  step_job *job = calloc(1, sizeof *job);
  if (job == NULL) return luaL_error(L, "not enough memory");
  job->spool = fl_spool_retain(spool);
  return fl_lua_job_submit(L, &job->job, &job_class, mailbox, in_place);
}

/* spool:path() -> the path of the copy, "" where there is none */
static int spool_path(lua_State *L) {
  lua_pushstring(L, fl_spool_path(check_open(L)));
  return 1;
}

/* spool:compression() -> ".gz" or the like: that of the content; nil if it is not compressed */
static int spool_compression(lua_State *L) {
  fl_compression content = fl_spool_content(check_open(L));
  if (content == FL_COMPRESSION_NONE) return 0;
  lua_pushstring(L, fl_archive_ending(content));
  return 1;
}

/* spool:close(): closes the files, so that other processes may remove the copy */
static int spool_close(lua_State *L) {
  fl_spool **box = check_box(L);
  if (*box != NULL) fl_spool_release(*box);
  *box = NULL;
  return 0;
}

static const luaL_Reg methods[] = {{"step", spool_step},
                                   {"path", spool_path},
                                   {"compression", spool_compression},
                                   {"close", spool_close},
                                   {NULL, NULL}};

/* core.spool(from, prefix, compression) -> spool; "-" is standard input. The copy gets the name
 * `prefix`, six characters, and the ending of the compression, which is ".zst" or the like, or nil.
 */
static int new_spool(lua_State *L) {
  const char *from = fl_lua_check_path(L, 1), *prefix = fl_lua_check_path(L, 2);
  fl_compression compression = fl_archive_compression_of(luaL_optstring(L, 3, ""));
  fl_spool **box;
  if (compression != FL_COMPRESSION_NONE && fl_archive_installed() == NULL)
    return luaL_error(L, "the module of compressed files is not loaded");
  luaL_checkstack(L, 5, "spool");
  box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  fl_lua_new_class(L, CLASS, methods, spool_close);
  lua_setmetatable(L, -2);
  *box = fl_spool_new(from, prefix, compression);
  if (*box == NULL) return luaL_error(L, "not enough memory");
  return 1;
}

/* core.needs_spool(path) -> whether reading the path would use up its content */
static int needs_spool(lua_State *L) {
  lua_pushboolean(L, fl_spool_is_needed(fl_lua_check_path(L, 1)));
  return 1;
}

/* Without memory a path is left out: the next call finds it. */
static void add_path(void *context, const char *path) {
  fl_buffer *paths = context;
  fl_result appended = fl_buffer_append(paths, path, strlen(path) + 1);
  (void)appended;
}

/* core.left_spools(prefix) -> array of the paths of spools at this prefix that no process keeps
 * open */
static int left_spools(lua_State *L) {
  const char *prefix = fl_lua_check_path(L, 1);
  fl_buffer *paths = &fl_lua_state_of(L)->scratch;
  int count = 0;
  luaL_checkstack(L, 5, "spools");
  paths->length = 0;
  fl_spool_each_left(prefix, add_path, paths);
  lua_newtable(L);
  for (size_t at = 0; at < paths->length; at += strlen(paths->data + at) + 1) {
    lua_pushstring(L, paths->data + at);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const luaL_Reg fl_lua_spool_functions[] = {
    {"spool", new_spool}, {"needs_spool", needs_spool}, {"left_spools", left_spools}, {NULL, NULL}};
