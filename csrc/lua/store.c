/*
 * store.c: the state file for Lua: scripts of SQL, and the locks beside the file.
 *
 * A script's outcome is an array of rows or `nil, message, kind`. A row is a table by the names of
 * the columns, without the members that are null. The kind is "io", "config", or "guard" if a
 * statement changed an unexpected number of rows.
 */
#include "files/store.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/cache_file.h"
#include "files/lease_file.h"
#include "files/lock.h"
#include "functions.h"
#include "job.h"
#include "state.h"

#define CLASS "flarelight.store"
#define LOCK_CLASS "flarelight.lock"
#define LOCK_ENDING "-lock"
#define MOST_VALUES 32766 /* the most values of a statement in SQLite */

typedef struct script_job {
  fl_job job;
  fl_store *store;
  fl_buffer script, rows;
  bool relaxed;
  int columns;
  fl_store_code code;
  fl_store_error error;
} script_job;

static void run_script(fl_job *job) {
  script_job *self = (script_job *)(void *)job;
  self->code = fl_store_run(self->store, &self->script, self->relaxed, &self->rows, &self->columns,
                            &self->error);
}

static void free_script(fl_job *job) {
  script_job *self = (script_job *)(void *)job;
  fl_store_release(self->store);
  fl_buffer_free(&self->script);
  fl_buffer_free(&self->rows);
  free(self);
}

static void push_value(lua_State *L, const fl_store_value *value) {
  if (value->type == FL_STORE_INTEGER) fl_lua_push_count(L, value->integer);
  else if (value->type == FL_STORE_REAL) lua_pushnumber(L, (lua_Number)value->real);
  else if (value->type == FL_STORE_TEXT) lua_pushlstring(L, value->text.data, value->text.length);
  else lua_pushnil(L);
}

static int push_rows(lua_State *L, fl_job *job) {
  static const char *const kinds[] = {"", "io", "config", "guard"};
  const script_job *self = (const script_job *)(const void *)job;
  size_t names = 0, place = 0;
  int row = 0;
  if (self->code == FL_STORE_NO_MEMORY) return luaL_error(L, "not enough memory");
  if (self->code != FL_STORE_OK) {
    lua_pushnil(L);
    lua_pushstring(L, self->error.message);
    lua_pushstring(L, kinds[self->code]);
    return 3;
  }
  lua_newtable(L);
  for (int i = 0; i < self->columns; i++) fl_store_read(&self->rows, &place);
  while (self->columns > 0 && place < self->rows.length) {
    lua_createtable(L, 0, self->columns);
    names = 0;
    for (int i = 0; i < self->columns; i++) {
      fl_store_value name = fl_store_read(&self->rows, &names),
                     value = fl_store_read(&self->rows, &place);
      lua_pushlstring(L, name.text.data, name.text.length);
      push_value(L, &value);
      lua_rawset(L, -3);
    }
    lua_rawseti(L, -2, ++row);
  }
  return 1;
}

static const fl_lua_job_class script_class = {{run_script, free_script}, push_rows};

static int store_close(lua_State *L) {
  fl_store **box = luaL_checkudata(L, 1, CLASS);
  fl_store_release(*box);
  *box = NULL;
  return 0;
}

static fl_store *check_store(lua_State *L) {
  fl_store **box = luaL_checkudata(L, 1, CLASS);
  if (*box == NULL) luaL_error(L, "the store is closed");
  return *box;
}

static fl_result write_value(lua_State *L, int index, fl_buffer *out) {
  fl_slice text;
  switch (lua_type(L, index)) {
    case LUA_TNIL: return fl_store_null(out);
    case LUA_TBOOLEAN: return fl_store_integer(out, lua_toboolean(L, index));
    case LUA_TNUMBER: {
      double number = (double)lua_tonumber(L, index);
      if (number == floor(number) && fabs(number) <= 9007199254740992.0)
        return fl_store_integer(out, (int64_t)number);
      return fl_store_real(out, number);
    }
    default: text.data = luaL_checklstring(L, index, &text.length); return fl_store_text(out, text);
  }
}

/* The statement on top of the stack: {sql, value…, n = number of values, changes = number of rows
 * that it has to change | nil}. */
static fl_result write_statement(lua_State *L, fl_buffer *out) {
  int table = lua_gettop(L), changes = -1, values;
  fl_slice sql;
  fl_result result;
  luaL_checktype(L, table, LUA_TTABLE);
  if (fl_lua_field(L, table, "changes") != LUA_TNIL)
    changes = (int)fl_lua_check_whole(L, -1, 0, INT_MAX);
  fl_lua_field(L, table, "n");
  values = (int)fl_lua_check_whole(L, -1, 0, MOST_VALUES);
  lua_rawgeti(L, table, 1);
  sql.data = luaL_checklstring(L, -1, &sql.length);
  result = fl_store_statement(out, sql, changes);
  lua_settop(L, table);
  for (int i = 1; i <= values && result == FL_OK; i++) {
    lua_rawgeti(L, table, i + 1);
    result = write_value(L, -1, out);
    lua_pop(L, 1);
  }
  return result;
}

/* store:run(statements, in_place, relaxed) -> ticket. `relaxed`: see fl_store_run. */
static int store_run(lua_State *L) {
  fl_store *store = check_store(L);
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  fl_result result = FL_OK;
  script_job *job;
  bool in_place, relaxed;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  in_place = lua_toboolean(L, 3);
  relaxed = lua_toboolean(L, 4);
  scratch->length = 0;
  for (int i = 1; result == FL_OK; i++) {
    lua_rawgeti(L, 2, i);
    if (lua_isnil(L, -1)) break;
    result = write_statement(L, scratch);
    lua_settop(L, 4);
  }
  lua_settop(L, 4);
  /* No Lua call from here to fl_lua_job_submit. */
  job = result == FL_OK ? calloc(1, sizeof *job) : NULL;
  if (job == NULL) return luaL_error(L, "not enough memory");
  job->relaxed = relaxed;
  job->store = fl_store_retain(store);
  job->script = *scratch;
  fl_buffer_init(scratch, scratch->ceiling);
  fl_buffer_init(&job->rows, FL_BUFFER_UNLIMITED);
  return fl_lua_job_submit(L, &job->job, &script_class, mailbox, in_place);
}

/* --- locks --- */

static int lock_release(lua_State *L) {
  fl_lock **box = luaL_checkudata(L, 1, LOCK_CLASS);
  fl_lock_release(*box);
  *box = NULL;
  return 0;
}

static const luaL_Reg lock_methods[] = {{"release", lock_release}, {NULL, NULL}};

/* store:lock(name) -> lock | nil if another holder has it | nil, message */
static int store_lock(lua_State *L) {
  fl_store *store = check_store(L);
  fl_slice name;
  fl_lock **box;
  const char *path, *fault;
  fl_result result;
  int reason;
  name.data = luaL_checklstring(L, 2, &name.length);
  lua_pushfstring(L, "%s%s", fl_store_path(store), LOCK_ENDING);
  path = lua_tostring(L, -1);
  box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  fl_lua_new_class(L, LOCK_CLASS, lock_methods, lock_release);
  lua_setmetatable(L, -2);
  result = fl_lock_take(path, name, fl_store_is_shared(store), box, &fault);
  if (result == FL_OK) return 1;
  reason = errno;
  if (result == FL_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  if (result == FL_INVALID) return 1;
  if (fault != NULL) lua_pushfstring(L, "%s: is refused: %s", path, fault);
  else lua_pushfstring(L, "%s: %s", path, strerror(reason));
  return 2;
}

/* store:is_locked(name) -> whether a holder in any process has the lock | nil, message */
static int store_is_locked(lua_State *L) {
  fl_store *store = check_store(L);
  fl_slice name;
  const char *path;
  bool held;
  name.data = luaL_checklstring(L, 2, &name.length);
  lua_pushfstring(L, "%s%s", fl_store_path(store), LOCK_ENDING);
  path = lua_tostring(L, -1);
  if (fl_lock_is_held(path, name, &held) == FL_OK) {
    lua_pushboolean(L, held);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(errno));
  return 2;
}

static const luaL_Reg methods[] = {{"run", store_run},
                                   {"lock", store_lock},
                                   {"is_locked", store_is_locked},
                                   {"close", store_close},
                                   {NULL, NULL}};

/* Pushes a store, which the caller puts into the box. */
static fl_store **push_store(lua_State *L) {
  fl_store **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  fl_lua_new_class(L, CLASS, methods, store_close);
  lua_setmetatable(L, -2);
  return box;
}

/* core.store(path, shared) -> the state file; opens nothing. `shared`: base/owned.h */
static int new_store(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  bool shared = lua_toboolean(L, 2);
  fl_store **box = push_store(L);
  *box = fl_store_new(path, shared);
  if (*box == NULL) return luaL_error(L, "not enough memory");
  return 1;
}

/* Pushes the store of a file beside the state file, and its path. */
static int push_beside(lua_State *L, const char *ending, const fl_store_schema *schema) {
  const char *path = fl_lua_check_path(L, 1);
  bool shared = lua_toboolean(L, 2);
  fl_store **box = push_store(L);
  lua_pushfstring(L, "%s%s", path, ending);
  *box = fl_store_new_of(lua_tostring(L, -1), shared, schema);
  if (*box == NULL) return luaL_error(L, "not enough memory");
  return 2;
}

/* core.budget_store(path of the state file, shared) -> the file of shared budgets beside it, and
 * its path; opens nothing */
static int new_budget_store(lua_State *L) {
  return push_beside(L, FL_LEASE_FILE_ENDING, &fl_lease_file_schema);
}

/* core.cache_store(path of the state file, shared) -> the file of shared replies beside it, and its
 * path; opens nothing */
static int new_cache_store(lua_State *L) {
  return push_beside(L, FL_CACHE_FILE_ENDING, &fl_cache_file_schema);
}

const luaL_Reg fl_lua_store_functions[] = {{"store", new_store},
                                           {"budget_store", new_budget_store},
                                           {"cache_store", new_cache_store},
                                           {NULL, NULL}};
