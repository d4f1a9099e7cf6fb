/*
 * recording.c: records of Lua written to a temporary file, to be read as a source afterwards.
 *
 * Records are encoded in place and gathered; the worker compresses and writes them. Members are
 * sorted by name, so that equal records give equal text in every process.
 */
#include "recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/source.h"
#include "functions.h"
#include "job.h"
#include "write.h"

#define CLASS "flarelight.recording"
#define LARGEST (FL_SOURCE_RECORD_CEILING - sizeof(fl_recording_head))

typedef struct recording_box {
  fl_recording *recording; /* NULL: closed */
  fl_buffer pending;       /* heads and texts that no job has taken yet */
} recording_box;

static recording_box *check_box(lua_State *L, int index) {
  recording_box *box = luaL_checkudata(L, index, CLASS);
  if (box->recording == NULL) luaL_error(L, "the recording is closed");
  return box;
}

fl_recording *fl_lua_recording_check(lua_State *L, int index) {
  return check_box(L, index)->recording;
}

/* --- writing, as a job --- */

typedef struct write_job {
  fl_job job;
  fl_recording *recording; /* a reference */
  fl_buffer bytes;
  bool last, done;
} write_job;

static void run(fl_job *job) {
  write_job *self = (write_job *)(void *)job;
  self->done = fl_recording_write(self->recording, self->bytes.data, self->bytes.length) &&
               (!self->last || fl_recording_end(self->recording));
}

static void free_job(fl_job *job) {
  write_job *self = (write_job *)(void *)job;
  fl_recording_release(self->recording);
  fl_buffer_free(&self->bytes);
  free(self);
}

static int push(lua_State *L, fl_job *job) {
  const write_job *self = (const write_job *)(const void *)job;
  if (!self->done) return fl_lua_fail(L, "%s", fl_recording_message(self->recording));
  lua_pushboolean(L, 1);
  return 1;
}

static const fl_lua_job_class job_class = {{run, free_job}, push};

/* recording:write(last, in_place) -> ticket; its outcome is true | nil, message. Writes the records
 * that were added; with `last`, ends the recording. The job before must have ended. */
static int recording_write(lua_State *L) {
  recording_box *box = check_box(L, 1);
  bool last = lua_toboolean(L, 2), in_place = lua_toboolean(L, 3);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  write_job *job = calloc(1, sizeof *job);
  if (job == NULL) return luaL_error(L, "not enough memory");
  job->recording = fl_recording_retain(box->recording);
  job->last = last;
  job->bytes = box->pending;
  fl_buffer_init(&box->pending, FL_BUFFER_UNLIMITED);
  return fl_lua_job_submit(L, &job->job, &job_class, mailbox, in_place);
}

/* --- records --- */

/* The integer at a place of the table at `index`; `otherwise` if the value there is no number
 * within 2^53. */
static int64_t integer_at(lua_State *L, int index, int place, int64_t otherwise) {
  int64_t value = otherwise;
  if (!lua_istable(L, index)) return otherwise;
  lua_rawgeti(L, index, place);
  if (lua_type(L, -1) == LUA_TNUMBER) {
    double number = (double)lua_tonumber(L, -1);
    if (fabs(number) <= 0x1p53) value = (int64_t)number;
  }
  lua_pop(L, 1);
  return value;
}

/* Adds the record on top of the stack. False with a message. */
static bool add_record(lua_State *L, fl_lua_writer *writer, int64_t number, int64_t line,
                       int64_t part) {
  fl_recording_head head = {line, 0, (uint32_t)part};
  fl_buffer *out = writer->out;
  const size_t before = out->length;
  size_t length;
  if (fl_buffer_append(out, &head, sizeof head) != FL_OK) luaL_error(L, "not enough memory");
  if (!fl_lua_writer_write(writer, -1, number)) {
    out->length = before;
    return false;
  }
  length = out->length - before - sizeof head;
  if (length > LARGEST) {
    out->length = before;
    lua_pushfstring(L, "%s[%d]: a record of more than 64 MiB", writer->root, (int)number);
    return false;
  }
  head.length = (uint32_t)length;
  memcpy(out->data + before, &head, sizeof head);
  return true;
}

/*
 * recording:add(records, first, last, lines, parts, added) -> count, pending | nil, message, place
 *
 * Adds the tables at the places `first` to `last` of an array; a place that holds false is left
 * out. `lines`, `parts`: arrays with the line and the file (from 1) of each place; `parts` may be
 * nil. `added`: records that were added before, from which they are counted in messages. `count`:
 * of the records added now; `pending`: bytes that are not written yet.
 */
static int recording_add(lua_State *L) {
  recording_box *box = check_box(L, 1);
  int first = (int)fl_lua_check_whole(L, 3, 1, INT32_MAX);
  int last = (int)fl_lua_check_whole(L, 4, 0, INT32_MAX - 1);
  int64_t added = fl_lua_check_limit(L, 7, INT64_MAX / 2), count = 0;
  fl_lua_writer writer;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 7);
  fl_lua_writer_begin(L, &writer, &box->pending, "records", true);
  for (int place = first; place <= last; place++) {
    lua_rawgeti(L, 2, place);
    if (lua_toboolean(L, -1)) {
      count++;
      if (!add_record(L, &writer, added + count, integer_at(L, 5, place, 0),
                      integer_at(L, 6, place, 1) - 1)) {
        fl_lua_fail_pushed(L);
        lua_pushinteger(L, place);
        return 3;
      }
    }
    lua_pop(L, 1);
  }
  fl_lua_push_count(L, count);
  fl_lua_push_count(L, (int64_t)box->pending.length);
  return 2;
}

/* recording:close(): gives up the file, unless a source reads it */
static int recording_close(lua_State *L) {
  recording_box *box = luaL_checkudata(L, 1, CLASS);
  fl_recording_release(box->recording);
  box->recording = NULL;
  fl_buffer_free(&box->pending);
  return 0;
}

static const luaL_Reg methods[] = {
    {"add", recording_add}, {"write", recording_write}, {"close", recording_close}, {NULL, NULL}};

/* core.recording(prefix, compression) -> recording. Its file begins with the path `prefix` while it
 * has a name. The compression is ".zst" or the like, or nil. */
static int new_recording(lua_State *L) {
  const char *prefix = fl_lua_check_path(L, 1);
  fl_compression compression = fl_archive_compression_of(luaL_optstring(L, 2, ""));
  recording_box *box;
  if (compression != FL_COMPRESSION_NONE && fl_archive_installed() == NULL)
    return luaL_error(L, "the module of compressed files is not loaded");
  luaL_checkstack(L, 5, "recording");
  box = lua_newuserdata(L, sizeof *box);
  box->recording = NULL;
  fl_buffer_init(&box->pending, FL_BUFFER_UNLIMITED);
  fl_lua_new_class(L, CLASS, methods, recording_close);
  lua_setmetatable(L, -2);
  box->recording = fl_recording_new(prefix, compression);
  if (box->recording == NULL) return luaL_error(L, "not enough memory");
  return 1;
}

const luaL_Reg fl_lua_recording_functions[] = {{"recording", new_recording}, {NULL, NULL}};
