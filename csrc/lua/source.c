/*
 * source.c: the records of a file for Lua: as JSON text for the body of a request, read by the
 * worker or in place; or as tables, read in place.
 *
 * A failure is `nil, message, line, kind, path`. The line is nil if no line can be named. The kind
 * is "io" for a file that cannot be read or breaks its format, "conflict" for a file that changed
 * while it was read, "misuse" for wrong options (without a path).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "files/source.h"
#include "functions.h"
#include "job.h"
#include "push.h"
#include "recording.h"
#include "records.h"
#include "source_options.h"

#define CLASS "flarelight.source"
#define ROWS "flarelight.source_rows"
#define ROWS_BYTES (INT64_C(8) << 20) /* of JSON text that one call of rows reads at most */

/* A source with a reference count: a job under way keeps it when its userdata is closed. */
typedef struct holder {
  atomic_int references;
  pthread_mutex_t lock; /* held while a job or a call uses the source */
  fl_source *source;    /* NULL: not open yet, or opening failed */
  fl_lua_source_options options;
} holder;

typedef struct source_box {
  holder *holder;       /* NULL once it is closed */
  fl_source_batch rows; /* the batch that the method `rows` read last */
  fl_json_tape tape;
  bool rows_wait; /* the batch was read, and not given: there was no memory for its tables, */
  bool scanned;   /* or not even for its tape */
} source_box;

static holder *new_holder(void) {
  holder *made = calloc(1, sizeof *made);
  if (made == NULL) return NULL;
  atomic_init(&made->references, 1);
  pthread_mutex_init(&made->lock, NULL);
  return made;
}

static holder *retain(holder *held) {
  atomic_fetch_add(&held->references, 1);
  return held;
}

static void release(holder *held) {
  if (held == NULL || atomic_fetch_sub(&held->references, 1) != 1) return;
  fl_source_close(held->source);
  pthread_mutex_destroy(&held->lock);
  fl_lua_source_options_free(&held->options);
  free(held);
}

static int source_close(lua_State *L) {
  source_box *box = luaL_checkudata(L, 1, CLASS);
  release(box->holder);
  box->holder = NULL;
  fl_source_batch_free(&box->rows);
  fl_json_tape_free(&box->tape);
  return 0;
}

static source_box *check_box(lua_State *L) {
  source_box *box = luaL_checkudata(L, 1, CLASS);
  if (box->holder == NULL) luaL_error(L, "the source is closed");
  return box;
}

/* The box of a source that was opened. */
static source_box *check_open(lua_State *L) {
  source_box *box = check_box(L);
  bool is_open;
  pthread_mutex_lock(&box->holder->lock);
  is_open = box->holder->source != NULL;
  pthread_mutex_unlock(&box->holder->lock);
  if (!is_open) luaL_error(L, "the source is not open");
  return box;
}

/* Reads the next batch; any thread. */
static fl_source_code read_batch(holder *held, int64_t most_records, int64_t most_bytes,
                                 fl_source_batch *batch, fl_source_error *error, int64_t *read) {
  fl_source_code code;
  int64_t total;
  pthread_mutex_lock(&held->lock);
  code = fl_source_read(held->source, (size_t)most_records, (size_t)most_bytes, batch, error);
  fl_source_progress(held->source, read, &total);
  pthread_mutex_unlock(&held->lock);
  return code;
}

/* A number of records or bytes: at least one. */
static int64_t check_most(lua_State *L, int index) {
  int64_t most = fl_lua_check_limit(L, index, INT64_MAX / 4);
  return most > 0 ? most : 1;
}

/* --- failures --- */

/* nil, message (on top of the stack already), nil, "misuse" */
static int misuse(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushnil(L);
  lua_pushliteral(L, "misuse");
  return 4;
}

static int push_failure(lua_State *L, const holder *held, const fl_source_error *error) {
  char place[40] = "";
  if (error->code == FL_SOURCE_NO_MEMORY) return luaL_error(L, "not enough memory");
  if (error->line > 0) snprintf(place, sizeof place, ", line %lld", (long long)error->line);
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s: %s", held->options.paths[error->part], place, error->message);
  if (error->line > 0) lua_pushinteger(L, (lua_Integer)error->line);
  else lua_pushnil(L);
  lua_pushstring(L, error->code == FL_SOURCE_CHANGED ? "conflict" : "io");
  lua_pushstring(L, held->options.paths[error->part]);
  return 5;
}

/* --- reading: in place, or as a job --- */

/* Moves a batch into records. The garbage collector does not count these bytes, so it is stepped
 * here. Otherwise texts that are never closed would pile up. */
static void give_records(lua_State *L, fl_lua_records *records, fl_source_batch *batch) {
  records->text = batch->text;
  records->spans = batch->spans;
  fl_source_batch_init(batch);
  if (records->text.capacity >= 1024) lua_gc(L, LUA_GCSTEP, (int)(records->text.capacity / 1024));
}

typedef struct read_job {
  fl_job job;
  holder *holder;
  int64_t most_records, most_bytes;
  fl_source_batch batch;
  fl_source_code code;
  fl_source_error error;
  int64_t read;
  char digest[FL_DIGEST_SIZE];
  bool rows;         /* the batch is scanned, to be made into tables, and not hashed */
  fl_json_tape tape; /* of it */
} read_job;

static void run_read(fl_job *job) {
  read_job *self = (read_job *)(void *)job;
  fl_buffer *text = &self->batch.text;
  fl_json_error where;
  self->code = read_batch(self->holder, self->most_records, self->most_bytes, &self->batch,
                          &self->error, &self->read);
  if (self->code != FL_SOURCE_OK) return;
  if (!self->rows) {
    fl_digest(text->data, text->length, self->digest);
  } else if (fl_json_scan(text->data, text->length, &self->tape, &where) != FL_JSON_OK) {
    self->code = self->error.code = FL_SOURCE_NO_MEMORY; /* the text is that of a reader */
  }
}

static void free_read(fl_job *job) {
  read_job *self = (read_job *)(void *)job;
  release(self->holder);
  fl_source_batch_free(&self->batch);
  fl_json_tape_free(&self->tape);
  free(self);
}

/* --- rows that the worker has read and scanned --- */

typedef struct rows_box {
  fl_source_batch batch;
  fl_json_tape tape;
  uint32_t node; /* of the next row */
  size_t taken;
  bool parts; /* the source is a list of files */
} rows_box;

static int rows_close(lua_State *L) {
  rows_box *box = luaL_checkudata(L, 1, ROWS);
  fl_source_batch_free(&box->batch);
  fl_json_tape_free(&box->tape);
  box->taken = 0; /* of no rows */
  return 0;
}

/* Pushes an array of the lines of some rows, or of their files in the list, from 1. */
static void push_places(lua_State *L, const fl_source_span *spans, size_t count, bool files) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, files ? (lua_Integer)spans[i].part + 1 : (lua_Integer)spans[i].line);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* rows:next(max_records) -> as source:rows; nothing behind the last one */
static int rows_next(lua_State *L) {
  rows_box *box = luaL_checkudata(L, 1, ROWS);
  int64_t most = check_most(L, 2);
  const fl_buffer *text = &box->batch.text;
  size_t left = fl_source_batch_count(&box->batch) - box->taken;
  size_t count = (uint64_t)most < left ? (size_t)most : left;
  const fl_source_span *spans;
  fl_push push = {.tape = &box->tape, .text = text->data, .text_end = fl_buffer_end(text)};
  uint32_t node = box->node;
  if (count == 0) return 0;
  fl_push_begin(L, &push);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    fl_push_value(L, &push, node);
    lua_rawseti(L, -2, (int)i + 1);
    node = fl_json_next(&box->tape, node);
  }
  spans = fl_source_batch_spans(&box->batch) + box->taken;
  push_places(L, spans, count, false);
  if (box->parts) push_places(L, spans, count, true);
  /* Only now: if memory runs out before, the next call returns the same rows. */
  box->node = node;
  box->taken += count;
  return box->parts ? 3 : 2;
}

static const luaL_Reg rows_methods[] = {{"next", rows_next}, {"close", rows_close}, {NULL, NULL}};

static int push_rows(lua_State *L, read_job *job) {
  rows_box *box = lua_newuserdata(L, sizeof *box);
  *box = (rows_box){.node = 1, .parts = job->holder->options.path_count > 1};
  fl_source_batch_init(&box->batch);
  fl_json_tape_init(&box->tape);
  fl_lua_new_class(L, ROWS, rows_methods, rows_close);
  lua_setmetatable(L, -2);
  box->batch = job->batch;
  box->tape = job->tape;
  fl_source_batch_init(&job->batch);
  fl_json_tape_init(&job->tape);
  return 1;
}

/* records, count, first line, SHA-256, bytes of the files read so far, file of the first record in
 * the list (from 1) | nothing at the end | nil, message, line, kind */
static int push_read(lua_State *L, fl_job *job) {
  read_job *self = (read_job *)(void *)job;
  const fl_source_span *spans = fl_source_batch_spans(&self->batch);
  fl_lua_records *records;
  if (self->code == FL_SOURCE_END) return 0;
  if (self->code != FL_SOURCE_OK) return push_failure(L, self->holder, &self->error);
  if (self->rows) return push_rows(L, self);
  records = fl_lua_records_push(L);
  fl_lua_push_count(L, (int64_t)fl_source_batch_count(&self->batch));
  fl_lua_push_count(L, spans[0].line);
  lua_pushstring(L, self->digest);
  fl_lua_push_count(L, self->read);
  fl_lua_push_count(L, (int64_t)spans[0].part + 1);
  give_records(L, records, &self->batch);
  return 6;
}

static const fl_lua_job_class read_class = {{run_read, free_read}, push_read};

/* source:fetch(max_records, max_bytes, in_place, rows) -> ticket. `rows`: the outcome is rows, and
 * no records. */
static int source_fetch(lua_State *L) {
  source_box *box = check_open(L);
  int64_t most = check_most(L, 2), bytes = check_most(L, 3);
  bool in_place = lua_toboolean(L, 4), rows = lua_toboolean(L, 5);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  read_job *job;
  /* No Lua call from here to fl_lua_job_submit. */
  job = calloc(1, sizeof *job);
  if (job == NULL) return luaL_error(L, "not enough memory");
  job->holder = retain(box->holder);
  job->most_records = most;
  job->most_bytes = bytes;
  job->rows = rows;
  fl_json_tape_init(&job->tape);
  fl_source_batch_init(&job->batch);
  return fl_lua_job_submit(L, &job->job, &read_class, mailbox, in_place);
}

/*
 * source:read(max_records, max_bytes) -> records, count, first line, last line | nothing at the end
 * | nil, message, line, kind. records:close() frees the memory at once.
 */
static int source_read(lua_State *L) {
  source_box *box = check_open(L);
  int64_t most = check_most(L, 2), bytes = check_most(L, 3), place;
  fl_lua_records *records = fl_lua_records_push(L);
  const fl_source_span *spans;
  fl_source_error error;
  size_t count;
  fl_source_code code;
  box->rows_wait = false; /* this takes the place of their text */
  code = read_batch(box->holder, most, bytes, &box->rows, &error, &place);
  if (code == FL_SOURCE_END) return 0;
  if (code != FL_SOURCE_OK) return push_failure(L, box->holder, &error);
  count = fl_source_batch_count(&box->rows);
  spans = fl_source_batch_spans(&box->rows);
  fl_lua_push_count(L, (int64_t)count);
  fl_lua_push_count(L, spans[0].line);
  fl_lua_push_count(L, spans[count - 1].line);
  give_records(L, records, &box->rows);
  return 4;
}

/*
 * source:rows(max_records) -> array of rows, array of the lines they begin on, array of their files
 * in the list (from 1; nil if there is one file) | nothing at the end | nil, message, line, kind.
 * Null is the light userdata NULL.
 */
static int source_rows(lua_State *L) {
  source_box *box = check_open(L);
  int64_t most = check_most(L, 2), place;
  fl_buffer *text = &box->rows.text;
  const fl_source_span *spans;
  fl_source_error error;
  fl_json_error where;
  fl_push push;
  size_t count;
  if (!box->rows_wait) {
    fl_source_code code = read_batch(box->holder, most, ROWS_BYTES, &box->rows, &error, &place);
    if (code == FL_SOURCE_END) return 0;
    if (code != FL_SOURCE_OK) return push_failure(L, box->holder, &error);
    box->rows_wait = true;
    box->scanned = false;
  }
  if (!box->scanned) {
    fl_json_code scan = fl_json_scan(text->data, text->length, &box->tape, &where);
    if (scan == FL_JSON_MEMORY) return luaL_error(L, "not enough memory");
    if (scan != FL_JSON_OK) return luaL_error(L, "rows: %s", fl_json_describe(scan));
    box->scanned = true;
  }
  push = (fl_push){.tape = &box->tape, .text = text->data, .text_end = fl_buffer_end(text)};
  fl_push_begin(L, &push);
  fl_push_value(L, &push, 0);
  count = fl_source_batch_count(&box->rows);
  spans = fl_source_batch_spans(&box->rows);
  push_places(L, spans, count, false);
  if (box->holder->options.path_count > 1) push_places(L, spans, count, true);
  box->rows_wait = false;
  return box->holder->options.path_count > 1 ? 3 : 2;
}

/* source:columns() -> array of {name =, type =} of the columns that are sent; empty if the format
 * is not CSV or TSV */
static int source_columns(lua_State *L) {
  const fl_columns *columns = fl_source_columns(check_open(L)->holder->source);
  int count = 0;
  lua_createtable(L, (int)columns->member_count, 0);
  for (size_t i = 0; i < columns->member_count; i++) {
    const fl_column *column = columns->members[i].column;
    if (column == NULL) continue;
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, column->sent.data, column->sent.length);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, fl_column_type_name(column->type));
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/*
 * source:shape() -> { records = n, columns = array of { name, type } }, without the constants of
 * `set`; nil if there was no pass before the first record. The option `survey` adds one.
 */
static int source_shape(lua_State *L) {
  const fl_source *source = check_open(L)->holder->source;
  int64_t records = fl_source_count(source);
  fl_source_member member;
  if (records < 0) return 0;
  lua_createtable(L, 0, 2);
  fl_lua_push_count(L, records);
  lua_setfield(L, -2, "records");
  lua_newtable(L);
  for (size_t place = 0; fl_source_get_member(source, place, &member); place++) {
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, member.name.data, member.name.length);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, member.type);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (int)place + 1);
  }
  lua_setfield(L, -2, "columns");
  return 1;
}

static void set_text(lua_State *L, const char *name, fl_slice text) {
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

/* Sets the members of a dialect that only CSV and TSV have. */
static void set_table_dialect(lua_State *L, const holder *held, const fl_source_dialect *found) {
  const fl_source_options *options = &held->options.core;
  set_text(L, "delimiter", (fl_slice){&found->delimiter, 1});
  if (found->quote != '\0') set_text(L, "quote", (fl_slice){&found->quote, 1});
  else {
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "quote");
  }
  lua_pushboolean(L, options->header == FL_HEADER_FIRST_ROW);
  lua_setfield(L, -2, "header");
  fl_lua_push_count(L, (int64_t)options->dialect.skip);
  lua_setfield(L, -2, "skip");
  if (options->dialect.comment.length > 0) set_text(L, "comment", options->dialect.comment);
  lua_pushboolean(L, options->dialect.trim);
  lua_setfield(L, -2, "trim");
  set_text(L, "decimal", fl_slice_of(options->columns.decimal == ',' ? "," : "."));
  lua_pushboolean(L, found->separator_line);
  lua_setfield(L, -2, "separator_line");
}

/*
 * source:dialect() -> { format =, encoding =, compression = ".gz" | nil }, and for CSV and TSV
 * delimiter, quote (false: none), header, skip, comment, trim, decimal, and separator_line: whether
 * a first line `sep=;` named the delimiter
 */
static int source_dialect(lua_State *L) {
  static const char *const formats[] = {"csv", "tsv", "jsonl", "json"};
  const holder *held = check_open(L)->holder;
  fl_source_dialect found = fl_source_get_dialect(held->source);
  const char *encoding = held->options.core.encoding;
  lua_newtable(L);
  set_text(L, "format", fl_slice_of(formats[found.format]));
  set_text(L, "encoding", fl_slice_of(encoding != NULL ? encoding : "utf-8"));
  if (found.compression != FL_COMPRESSION_NONE)
    set_text(L, "compression", fl_slice_of(fl_archive_ending(found.compression)));
  if (found.format == FL_SOURCE_CSV || found.format == FL_SOURCE_TSV)
    set_table_dialect(L, held, &found);
  return 1;
}

/* source:remarks() -> array of remarks for the user of the file */
static int source_remarks(lua_State *L) {
  const fl_source *source = check_open(L)->holder->source;
  const char *remark;
  lua_newtable(L);
  for (size_t place = 0; (remark = fl_source_remark(source, place)) != NULL; place++) {
    lua_pushstring(L, remark);
    lua_rawseti(L, -2, (int)place + 1);
  }
  return 1;
}

/* source:progress() -> bytes read, bytes in all */
static int source_progress(lua_State *L) {
  holder *held = check_open(L)->holder;
  int64_t read, total;
  pthread_mutex_lock(&held->lock);
  fl_source_progress(held->source, &read, &total);
  pthread_mutex_unlock(&held->lock);
  fl_lua_push_count(L, read);
  fl_lua_push_count(L, total);
  return 2;
}

/* Pushes size, time of change and inode of a part. */
static void push_identity(lua_State *L, const fl_source *source, size_t part) {
  fl_source_identity identity = fl_source_identify(source, part);
  char digits[48];
  fl_lua_push_count(L, identity.size);
  snprintf(digits, sizeof digits, "%lld", (long long)identity.modified);
  lua_pushstring(L, digits);
  snprintf(digits, sizeof digits, "%llu:%llu", (unsigned long long)identity.device,
           (unsigned long long)identity.inode);
  lua_pushstring(L, digits);
}

/* source:identity() -> size, time of change and inode, as text: all their digits. For a list, of
 * its first file. */
static int source_identity(lua_State *L) {
  push_identity(L, check_open(L)->holder->source, 0);
  return 3;
}

/* source:parts() -> array of { path =, size =, modified =, inode = } */
static int source_parts(lua_State *L) {
  const fl_source *source = check_open(L)->holder->source;
  size_t count = fl_source_part_count(source);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_createtable(L, 0, 4);
    push_identity(L, source, i);
    lua_setfield(L, -4, "inode");
    lua_setfield(L, -3, "modified");
    lua_setfield(L, -2, "size");
    set_text(L, "path", fl_slice_of(fl_source_part_path(source, i)));
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"read", source_read},         {"fetch", source_fetch},     {"progress", source_progress},
    {"rows", source_rows},         {"columns", source_columns}, {"shape", source_shape},
    {"identity", source_identity}, {"parts", source_parts},     {"dialect", source_dialect},
    {"remarks", source_remarks},   {"close", source_close},     {NULL, NULL}};

/* --- opening as a job, since the whole file may be read to find out types --- */

typedef struct open_job {
  fl_job job;
  holder *holder;
  fl_source_error error;
} open_job;

static void open_file(holder *held, fl_source_error *error) {
  const fl_lua_source_options *options = &held->options;
  held->source = fl_source_open(options->paths, options->path_count, &options->core, error);
}

static void run_open(fl_job *job) {
  open_job *self = (open_job *)(void *)job;
  pthread_mutex_lock(&self->holder->lock);
  open_file(self->holder, &self->error);
  pthread_mutex_unlock(&self->holder->lock);
}

static void free_open(fl_job *job) {
  open_job *self = (open_job *)(void *)job;
  release(self->holder);
  free(self);
}

/* true | nil, message, line, kind */
static int push_open(lua_State *L, fl_job *job) {
  open_job *self = (open_job *)(void *)job;
  if (self->holder->source == NULL) return push_failure(L, self->holder, &self->error);
  lua_pushboolean(L, 1);
  return 1;
}

static const fl_lua_job_class open_class = {{run_open, free_open}, push_open};

/* Checks the arguments and pushes a box that is not open yet. Returns 0, or the number of results
 * that the caller has to return. */
static int begin(lua_State *L, source_box **out) {
  source_box *box;
  lua_settop(L, 3);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstack(L, 20, "source");
  box = lua_newuserdata(L, sizeof *box);
  *box = (source_box){0};
  fl_source_batch_init(&box->rows);
  fl_json_tape_init(&box->tape);
  fl_lua_new_class(L, CLASS, methods, source_close);
  lua_setmetatable(L, -2);
  box->holder = new_holder();
  if (box->holder == NULL) return luaL_error(L, "not enough memory");
  *out = box;
  return fl_lua_source_options_read(L, &box->holder->options) ? 0 : misuse(L);
}

/*
 * core.source(path, options) -> source | nil, message, line, kind. `path`: one path, or a list of
 * paths for a source over several files. lua/flarelight/csv.lua describes the options.
 */
static int new_source(lua_State *L) {
  fl_source_error error;
  source_box *box;
  int count = begin(L, &box);
  if (count != 0) return count;
  open_file(box->holder, &error);
  if (box->holder->source == NULL) return push_failure(L, box->holder, &error);
  return 1;
}

/* core.open_source(path, options, in_place) -> source, ticket | nil, message, line, kind */
static int open_source(lua_State *L) {
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  bool in_place = lua_toboolean(L, 3);
  source_box *box;
  open_job *job;
  int count = begin(L, &box);
  if (count != 0) return count;
  luaL_checkstack(L, 5, "source");
  job = calloc(1, sizeof *job);
  if (job == NULL) return luaL_error(L, "not enough memory");
  job->holder = retain(box->holder);
  fl_lua_job_submit(L, &job->job, &open_class, mailbox, in_place);
  return 2;
}

/* core.recording_source(name, recording) -> source | nil, message, line, kind: the records of an
 * ended recording. `name`: of its file in messages. */
static int recording_source(lua_State *L) {
  fl_recording *recording = fl_lua_recording_check(L, 2);
  fl_source_error error;
  fl_lua_source_options *options;
  source_box *box;
  int count;
  lua_settop(L, 2);
  lua_createtable(L, 0, 1);
  set_text(L, "format", fl_slice_of("jsonl"));
  lua_insert(L, 2);
  count = begin(L, &box);
  if (count != 0) return count;
  options = &box->holder->options;
  box->holder->source =
      fl_source_open_recording(recording, options->paths[0], &options->core, &error);
  if (box->holder->source == NULL) return push_failure(L, box->holder, &error);
  return 1;
}

/* core.compression(path) -> ".gz" | ".zst" | ".xz" | ".bz2" | ".zip" | nil, by the name's ending */
static int compression(lua_State *L) {
  fl_compression found = fl_archive_compression_of(fl_lua_check_path(L, 1));
  if (found == FL_COMPRESSION_NONE) return 0;
  lua_pushstring(L, fl_archive_ending(found));
  return 1;
}

/* core.use_archive(functions) -> whether the functions of flarelight.archive_core are of this build
 */
static int use_archive(lua_State *L) {
  const fl_archive_functions *const *box = luaL_checkudata(L, 1, FL_ARCHIVE_CLASS);
  lua_pushboolean(L, fl_archive_install(*box));
  return 1;
}

const luaL_Reg fl_lua_source_functions[] = {{"source", new_source},
                                            {"open_source", open_source},
                                            {"recording_source", recording_source},
                                            {"compression", compression},
                                            {"use_archive", use_archive},
                                            {NULL, NULL}};
