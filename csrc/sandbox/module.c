/*
 * module.c: flarelight.sandbox_core, the C side of lua/flarelight/sandbox.
 *
 * A sandbox is a userdata. A function that reads from a running sandbox copies the data under the
 * lock, into memory that another userdata owns. It releases the lock before it makes Lua values
 * from the copy, so that no Lua error is raised while the lock is held.
 */
#include "base/owned.h"
#include "lua_options.h"
#include "push_json.h"
#include "result.h"
#include "sandbox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "flarelight.sandbox_core"
#define COPY "flarelight.sandbox_core.copy"

typedef struct box {
  sandbox *running;
  sandbox_options options; /* while they are read */
} box;

/* Memory that is freed after a Lua error: one block, or an array of blocks. */
typedef struct copy {
  void *block;
  sandbox_entry **entries;
  size_t count;
} copy;

static int free_copy(lua_State *L) {
  copy *held = luaL_checkudata(L, 1, COPY);
  for (size_t index = 0; index < held->count; index++) free(held->entries[index]);
  free(held->entries);
  free(held->block);
  memset(held, 0, sizeof *held);
  return 0;
}

static copy *new_copy(lua_State *L) {
  copy *held = lua_newuserdata(L, sizeof *held);
  memset(held, 0, sizeof *held);
  luaL_getmetatable(L, COPY);
  lua_setmetatable(L, -2);
  return held;
}

/* Gives a block to its owner. Raises if it is NULL, for lack of memory. */
static void hold(lua_State *L, copy *held, void *block) {
  if (block == NULL) luaL_error(L, "no memory");
  held->block = block;
}

static sandbox *check_running(lua_State *L) {
  box *holder = luaL_checkudata(L, 1, TYPE);
  if (holder->running == NULL) luaL_error(L, "the sandbox did not start");
  return holder->running;
}

/* The number of an argument, whole: it must be within 2^53. */
static int64_t check_whole(lua_State *L, int index, double number) {
  luaL_argcheck(L, fabs(number) <= 0x1p53, index, "is out of range");
  return (int64_t)number;
}

/* For queries: fires everything that is already due first. */
static sandbox *check_current(lua_State *L) {
  sandbox *running = check_running(L);
  sandbox_timer_catch_up(running->timer);
  return running;
}

static int start(lua_State *L) {
  box *holder;
  char *error = NULL;
  luaL_checktype(L, 1, LUA_TTABLE);
  holder = lua_newuserdata(L, sizeof *holder);
  memset(holder, 0, sizeof *holder);
  luaL_getmetatable(L, TYPE);
  lua_setmetatable(L, -2);
  sandbox_lua_options_read(L, 1, &holder->options);
  holder->running = sandbox_start(&holder->options, &error);
  if (holder->running) return 1;
  lua_pushnil(L);
  lua_pushstring(L, error ? error : "no memory");
  free(error);
  return 2;
}

static int stop(lua_State *L) {
  sandbox_stop(check_running(L));
  return 0;
}

static int collect(lua_State *L) {
  box *holder = luaL_checkudata(L, 1, TYPE);
  if (holder->running) sandbox_free(holder->running);
  holder->running = NULL;
  sandbox_options_free(&holder->options);
  return 0;
}

static int port(lua_State *L) {
  lua_pushinteger(L, check_running(L)->port);
  return 1;
}

/* --- the log --- */

static void set_text(lua_State *L, const char *name, const sandbox_entry *entry, int text) {
  lua_pushlstring(L, (const char *)entry + entry->texts[text].offset, entry->texts[text].length);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_operation(lua_State *L, sandbox_operation operation) {
  if (operation != OPERATION_NONE) lua_pushstring(L, sandbox_routes_names[operation]);
  else lua_pushnil(L);
  lua_setfield(L, -2, "operation");
}

static void set_headers(lua_State *L, const sandbox_entry *entry) {
  const char *cursor = (const char *)entry + entry->texts[ENTRY_HEADERS].offset;
  const char *end = cursor + entry->texts[ENTRY_HEADERS].length;
  lua_newtable(L);
  while (cursor < end) {
    const char *value = cursor + strlen(cursor) + 1;
    lua_pushstring(L, value);
    lua_setfield(L, -2, cursor);
    cursor = value + strlen(value) + 1;
  }
  lua_setfield(L, -2, "headers");
}

static void push_entry(lua_State *L, const sandbox_entry *entry) {
  lua_createtable(L, 0, 16);
  set_number(L, "number", entry->number);
  set_number(L, "connection", entry->connection);
  lua_pushnumber(L, entry->time);
  lua_setfield(L, -2, "time");
  set_operation(L, entry->operation);
  if (entry->status != 0) set_number(L, "status", entry->status);
  if (entry->fault) {
    lua_pushstring(L, entry->fault->name);
    lua_setfield(L, -2, "fault");
  }
  set_boolean(L, "committed", entry->committed);
  set_boolean(L, "authorized", entry->authorized);
  set_number(L, "body_bytes", entry->body_bytes);
  set_text(L, "method", entry, ENTRY_METHOD);
  set_text(L, "path", entry, ENTRY_PATH);
  set_text(L, "query", entry, ENTRY_QUERY);
  set_text(L, "body", entry, ENTRY_BODY);
  set_headers(L, entry);
}

static int requests(lua_State *L) {
  sandbox *running = check_current(L);
  int64_t from = check_whole(L, 2, luaL_optnumber(L, 2, 1));
  copy *held = new_copy(L);
  sandbox_entry **entries;
  size_t count;
  pthread_mutex_lock(&running->lock);
  entries = sandbox_request_log_copy(running->log, from, &count);
  pthread_mutex_unlock(&running->lock);
  if (entries == NULL) return luaL_error(L, "no memory");
  held->entries = entries;
  held->count = count;
  lua_createtable(L, (int)count, 0);
  for (size_t index = 0; index < count; index++) {
    push_entry(L, entries[index]);
    lua_rawseti(L, -2, (int)index + 1);
  }
  return 1;
}

/* Copies the duplicates, and their bodies behind them, into one block. */
static int duplicates(lua_State *L) {
  sandbox *running = check_current(L);
  copy *held = new_copy(L);
  const sandbox_duplicate *list;
  sandbox_duplicate *copies;
  size_t count, size;
  char *cursor = NULL;
  pthread_mutex_lock(&running->lock);
  list = sandbox_request_log_duplicates(running->log, &count);
  size = count * sizeof *list;
  for (size_t index = 0; index < count; index++) size += list[index].body_length;
  copies = malloc(size + 1);
  if (copies) cursor = (char *)(copies + count);
  for (size_t index = 0; copies && index < count; index++) {
    copies[index] = list[index];
    copies[index].body = memcpy(cursor, list[index].body, list[index].body_length);
    cursor += list[index].body_length;
  }
  pthread_mutex_unlock(&running->lock);
  hold(L, held, copies);
  lua_createtable(L, (int)count, 0);
  for (size_t index = 0; index < count; index++) {
    lua_createtable(L, 0, 4);
    set_number(L, "first", copies[index].first);
    set_number(L, "again", copies[index].again);
    set_operation(L, copies[index].operation);
    lua_pushlstring(L, copies[index].body, copies[index].body_length);
    lua_setfield(L, -2, "body");
    lua_rawseti(L, -2, (int)index + 1);
  }
  return 1;
}

static int clear_log(lua_State *L) {
  sandbox *running = check_running(L);
  pthread_mutex_lock(&running->lock);
  sandbox_request_log_clear(running->log);
  pthread_mutex_unlock(&running->lock);
  return 0;
}

/* --- the database --- */

/* The JSON text of an import's rows in a copy that stays on the stack; NULL if there is none. */
static char *rows_json(lua_State *L, size_t *length) {
  sandbox *running = check_current(L);
  size_t id_length;
  const char *id = luaL_checklstring(L, 2, &id_length);
  copy *held = new_copy(L);
  sandbox_import import;
  sandbox_json_writer out;
  sandbox_json_writer_init(&out);
  pthread_mutex_lock(&running->lock);
  import = sandbox_import_find(running->database, (fl_slice){id, id_length});
  if (import.id) {
    sandbox_json_put(&out, "[");
    if (!sandbox_import_put_rows(running->database, &import, 0, import.records, false, NULL, &out))
      out.failed = true;
    sandbox_json_put(&out, "]");
  }
  pthread_mutex_unlock(&running->lock);
  if (import.id == 0) return NULL;
  if (out.failed) {
    sandbox_json_writer_free(&out);
    luaL_error(L, "the rows cannot be read");
  }
  *length = out.buffer.length;
  hold(L, held, out.buffer.data);
  return out.buffer.data;
}

static int rows_text(lua_State *L) {
  size_t length;
  const char *text = rows_json(L, &length);
  if (text == NULL) return 0;
  lua_pushlstring(L, text, length);
  return 1;
}

static int rows(lua_State *L) {
  size_t length;
  char *text = rows_json(L, &length);
  if (text == NULL) return 0;
  sandbox_push_json(L, text, length);
  return 1;
}

static int counts(lua_State *L) {
  sandbox *running = check_current(L);
  sandbox_counts counted = {0, 0, 0};
  sandbox_tally tally;
  int64_t logged, connections;
  pthread_mutex_lock(&running->lock);
  sandbox_database_count(running->database, &counted);
  tally = running->tally;
  logged = sandbox_request_log_count(running->log);
  connections = running->connections;
  pthread_mutex_unlock(&running->lock);
  lua_createtable(L, 0, 8);
  set_number(L, "imports", counted.imports);
  set_number(L, "rows", counted.rows);
  set_number(L, "results", counted.results);
  set_number(L, "events", tally.events);
  set_number(L, "runs", tally.runs);
  lua_newtable(L);
  for (int operation = 0; operation < OPERATION_COUNT; operation++)
    if (sandbox_routes_starts_run((sandbox_operation)operation))
      set_number(L, sandbox_routes_names[operation], tally.starts[operation]);
  lua_setfield(L, -2, "starts");
  set_number(L, "requests", logged);
  set_number(L, "connections", connections);
  return 1;
}

static int snapshot(lua_State *L) {
  sandbox *running = check_current(L);
  copy *held = new_copy(L);
  unsigned char *bytes;
  size_t length = 0;
  pthread_mutex_lock(&running->lock);
  bytes = sandbox_database_save(running->database, &length);
  pthread_mutex_unlock(&running->lock);
  hold(L, held, bytes);
  lua_pushlstring(L, (const char *)bytes, length);
  return 1;
}

static int restore(lua_State *L) {
  sandbox *running = check_running(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  bool restored;
  pthread_mutex_lock(&running->lock);
  restored = sandbox_database_restore(running->database, (const unsigned char *)bytes, length);
  pthread_mutex_unlock(&running->lock);
  lua_pushboolean(L, restored);
  return 1;
}

/* The text at a stack index; no data for nil. */
static fl_slice optional_text(lua_State *L, int index) {
  fl_slice text = {NULL, 0};
  if (!lua_isnoneornil(L, index)) text.data = luaL_checklstring(L, index, &text.length);
  return text;
}

/* adopt(id, new id, created | nil, updated | nil) -> whether there was such an import, and no other
 * one with the new id */
static int adopt(lua_State *L) {
  sandbox *running = check_running(L);
  fl_slice id = optional_text(L, 2), new_id = optional_text(L, 3);
  fl_slice created = optional_text(L, 4), updated = optional_text(L, 5);
  bool done;
  pthread_mutex_lock(&running->lock);
  done = sandbox_import_adopt(running->database, id, new_id, created, updated);
  pthread_mutex_unlock(&running->lock);
  lua_pushboolean(L, done);
  return 1;
}

/* store_result(report, rows, chart as JSON) -> whether it was stored */
static int store_result(lua_State *L) {
  sandbox *running = check_running(L);
  const char *report = luaL_checkstring(L, 2);
  int64_t row_count = check_whole(L, 3, luaL_checknumber(L, 3));
  fl_slice chart = optional_text(L, 4);
  bool done;
  pthread_mutex_lock(&running->lock);
  done = sandbox_result_store(running->database, report, row_count, chart);
  pthread_mutex_unlock(&running->lock);
  lua_pushboolean(L, done);
  return 1;
}

static int reset(lua_State *L) {
  sandbox *running = check_running(L);
  bool done;
  pthread_mutex_lock(&running->lock);
  done = sandbox_database_reset(running->database);
  sandbox_request_log_clear(running->log);
  sandbox_faults_clear(&running->faults);
  running->admission = (sandbox_admission){0, 0};
  running->tally = (sandbox_tally){0};
  running->pages = 0;
  pthread_mutex_unlock(&running->lock);
  lua_pushboolean(L, done);
  return 1;
}

/* --- faults --- */

static int fault(lua_State *L) {
  sandbox *running = check_running(L);
  sandbox_fault added;
  bool done;
  luaL_checktype(L, 2, LUA_TTABLE);
  sandbox_lua_options_read_fault(L, 2, &added);
  pthread_mutex_lock(&running->lock);
  done = sandbox_faults_add(&running->faults, &added);
  pthread_mutex_unlock(&running->lock);
  return done ? 0 : luaL_error(L, "no memory");
}

static int clear_faults(lua_State *L) {
  sandbox *running = check_running(L);
  pthread_mutex_lock(&running->lock);
  sandbox_faults_clear(&running->faults);
  pthread_mutex_unlock(&running->lock);
  return 0;
}

static int hits(lua_State *L) {
  sandbox *running = check_running(L);
  copy *held = new_copy(L);
  sandbox_fault *list;
  size_t count;
  int64_t total = 0;
  pthread_mutex_lock(&running->lock);
  count = running->faults.count;
  list = malloc(count * sizeof *list + 1);
  if (list && count > 0) memcpy(list, running->faults.list, count * sizeof *list);
  pthread_mutex_unlock(&running->lock);
  hold(L, held, list);
  lua_createtable(L, (int)count, 1);
  for (size_t index = 0; index < count; index++) {
    lua_createtable(L, 0, 4);
    if (list[index].operation == OPERATION_NONE) {
      lua_pushliteral(L, "*");
      lua_setfield(L, -2, "operation");
    } else {
      set_operation(L, list[index].operation);
    }
    lua_pushstring(L, list[index].kind->name);
    lua_setfield(L, -2, "kind");
    set_number(L, "hits", list[index].hits);
    set_number(L, "calls", list[index].calls);
    lua_rawseti(L, -2, (int)index + 1);
    total += list[index].hits;
  }
  set_number(L, "total", total);
  return 1;
}

/* decode(text) -> value | nil, message. For definitions and profiles in a file. */
static int decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  char *copied = malloc(length + 1);
  if (copied) memcpy(copied, text, length + 1);
  hold(L, new_copy(L), copied);
  return sandbox_push_json(L, copied, length);
}

/* replace_file(path, bytes) -> true | nil, message: the file has mode 0600 */
static int replace_file(lua_State *L) {
  size_t path_length, length;
  const char *path = luaL_checklstring(L, 1, &path_length);
  const char *bytes = luaL_checklstring(L, 2, &length);
  int reason;
  luaL_argcheck(L, strlen(path) == path_length, 1, "holds a NUL byte");
  reason = fl_owned_replace(path, bytes, length);
  if (reason == 0) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(reason));
  return 2;
}

static void set_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

__attribute__((visibility("default"))) int luaopen_flarelight_sandbox_core(lua_State *L);

int luaopen_flarelight_sandbox_core(lua_State *L) {
  static const luaL_Reg methods[] = {{"stop", stop},
                                     {"port", port},
                                     {"requests", requests},
                                     {"duplicates", duplicates},
                                     {"clear_log", clear_log},
                                     {"rows", rows},
                                     {"rows_text", rows_text},
                                     {"counts", counts},
                                     {"snapshot", snapshot},
                                     {"restore", restore},
                                     {"adopt", adopt},
                                     {"store_result", store_result},
                                     {"reset", reset},
                                     {"fault", fault},
                                     {"clear_faults", clear_faults},
                                     {"hits", hits},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"start", start}, {"decode", decode}, {"replace_file", replace_file}, {NULL, NULL}};
  luaL_newmetatable(L, COPY);
  lua_pushcfunction(L, free_copy);
  lua_setfield(L, -2, "__gc");
  luaL_newmetatable(L, TYPE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  set_functions(L, methods);
  lua_setfield(L, -2, "__index");
  sandbox_lua_options_push(L);
  set_functions(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
