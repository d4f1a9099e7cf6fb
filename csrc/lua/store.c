/*
 * store.c: the state for Lua, a file or a database: scripts of SQL, and locks.
 *
 * A script's outcome is an array of rows or `nil, message, kind`. A row is a table by the names of
 * the columns, without the members that are null. The kind is "io", "config", "guard" if a
 * statement changed an unexpected number of rows, or "conflict" if another process has taken over a
 * lock.
 */
#include "files/store.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/cache_file.h"
#include "files/database.h"
#include "files/lease_store.h"
#include "functions.h"
#include "job.h"
#include "state.h"

#define CLASS "flarelight.store"
#define LOCK_CLASS "flarelight.lock"
#define MOST_VALUES 32766 /* the most values of a statement in SQLite */

typedef struct script_job {
  fl_job job;
  fl_database *database;
  fl_buffer script, rows;
  bool relaxed;
  int columns;
  fl_store_code code;
  fl_store_error error;
} script_job;

static void run_script(fl_job *job) {
  script_job *self = (script_job *)(void *)job;
  self->code = self->database->class->run(self->database, &self->script, self->relaxed, &self->rows,
                                          &self->columns, &self->error);
}

static void free_script(fl_job *job) {
  script_job *self = (script_job *)(void *)job;
  self->database->class->release(self->database);
  fl_buffer_free(&self->script);
  fl_buffer_free(&self->rows);
  free(self);
}

static void push_value(lua_State *L, const fl_script_value *value) {
  if (value->type == FL_SCRIPT_INTEGER) fl_lua_push_count(L, value->integer);
  else if (value->type == FL_SCRIPT_REAL) lua_pushnumber(L, (lua_Number)value->real);
  else if (value->type == FL_SCRIPT_TEXT) lua_pushlstring(L, value->text.data, value->text.length);
  else lua_pushnil(L);
}

static int push_failure(lua_State *L, fl_store_code code, const fl_store_error *error) {
  static const char *const kinds[] = {"", "io", "config", "guard", "conflict"};
  if (code == FL_STORE_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  lua_pushstring(L, error->message);
  lua_pushstring(L, kinds[code]);
  return 3;
}

static int push_rows(lua_State *L, fl_job *job) {
  const script_job *self = (const script_job *)(const void *)job;
  size_t names = 0, place = 0;
  int row = 0;
  if (self->code != FL_STORE_OK) return push_failure(L, self->code, &self->error);
  lua_newtable(L);
  for (int i = 0; i < self->columns; i++) fl_script_read(&self->rows, &place);
  while (self->columns > 0 && place < self->rows.length) {
    lua_createtable(L, 0, self->columns);
    names = 0;
    for (int i = 0; i < self->columns; i++) {
      fl_script_value name = fl_script_read(&self->rows, &names),
                      value = fl_script_read(&self->rows, &place);
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
  fl_database **box = luaL_checkudata(L, 1, CLASS);
  if (*box != NULL) (*box)->class->release(*box);
  *box = NULL;
  return 0;
}

/* store:is_open() -> whether it was not closed */
static int store_is_open(lua_State *L) {
  fl_database **box = luaL_checkudata(L, 1, CLASS);
  lua_pushboolean(L, *box != NULL);
  return 1;
}

static fl_database *check_store(lua_State *L) {
  fl_database **box = luaL_checkudata(L, 1, CLASS);
  if (*box == NULL) luaL_error(L, "the store is closed");
  return *box;
}

fl_permit *fl_lua_store_permit(lua_State *L, int index) {
  fl_database **box = luaL_checkudata(L, index, CLASS);
  return *box != NULL ? (*box)->permit : NULL;
}

static fl_result write_value(lua_State *L, int index, fl_buffer *out) {
  fl_slice text;
  switch (lua_type(L, index)) {
    case LUA_TNIL: return fl_script_null(out);
    case LUA_TBOOLEAN: return fl_script_integer(out, lua_toboolean(L, index));
    case LUA_TNUMBER: {
      double number = (double)lua_tonumber(L, index);
      if (number == floor(number) && fabs(number) <= 9007199254740992.0)
        return fl_script_integer(out, (int64_t)number);
      return fl_script_real(out, number);
    }
    default:
      text.data = luaL_checklstring(L, index, &text.length);
      return fl_script_text(out, text);
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
  result = fl_script_statement(out, sql, changes);
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
  fl_database *database = check_store(L);
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
  job->database = database->class->retain(database);
  job->script = *scratch;
  fl_buffer_init(scratch, scratch->ceiling);
  fl_buffer_init(&job->rows, FL_BUFFER_UNLIMITED);
  return fl_lua_job_submit(L, &job->job, &script_class, mailbox, in_place);
}

/* --- locks --- */

typedef struct lock_box {
  fl_database *database;
  fl_database_lock *lock;
} lock_box;

typedef struct lock_job {
  fl_job job;
  fl_database *database;
  char *name;    /* NULL: ends the release of a lock that was left */
  size_t length; /* of the name */
  bool asks;     /* whether a holder has the name */
  bool leaving;  /* a lock was left, and its release has not ended */
  fl_database_lock *lock;
  bool held;
  fl_store_code code;
  fl_store_error error;
} lock_job;

static void release_lock(fl_database *database, fl_database_lock *lock) {
  if (lock != NULL) database->class->unlock(database, lock);
  if (database != NULL) database->class->release(database);
}

static void run_lock(fl_job *job) {
  lock_job *self = (lock_job *)(void *)job;
  const fl_slice name = {self->name, self->length};
  if (self->name == NULL) {
    self->database->class->unlock(self->database, NULL);
    self->leaving = false;
  } else if (self->asks) {
    self->code = self->database->class->is_locked(self->database, name, &self->held, &self->error);
  } else {
    self->code = self->database->class->lock(self->database, name, &self->lock, &self->error);
  }
}

/* A lock whose outcome nobody has taken is released. */
static void free_lock_job(fl_job *job) {
  lock_job *self = (lock_job *)(void *)job;
  if (self->leaving) self->database->class->unlock(self->database, NULL);
  release_lock(self->database, self->lock);
  free(self->name);
  free(self);
}

static int lock_release(lua_State *L);
static const luaL_Reg lock_methods[] = {{"release", lock_release}, {NULL, NULL}};

/* Pushes an empty box. */
static lock_box *push_lock(lua_State *L) {
  lock_box *box = lua_newuserdata(L, sizeof *box);
  *box = (lock_box){NULL, NULL};
  fl_lua_new_class(L, LOCK_CLASS, lock_methods, lock_release);
  lua_setmetatable(L, -2);
  return box;
}

/* lock | nil if another holder has it | whether it is held | nil, message, kind */
static int push_lock_outcome(lua_State *L, fl_job *job) {
  lock_job *self = (lock_job *)(void *)job;
  if (self->code != FL_STORE_OK) return push_failure(L, self->code, &self->error);
  if (self->asks) {
    lua_pushboolean(L, self->held);
  } else if (self->lock == NULL) {
    lua_pushnil(L);
  } else {
    lock_box *box = push_lock(L); /* before anything is kept: it may raise */
    *box = (lock_box){self->database->class->retain(self->database), self->lock};
    self->lock = NULL;
  }
  return 1;
}

static const fl_lua_job_class lock_class = {{run_lock, free_lock_job}, push_lock_outcome};

/* lock:release(in_place). The release of a lock in a database goes to the worker, unless it is
 * `in_place`; nobody waits for its outcome. */
static int lock_release(lua_State *L) {
  lock_box *box = luaL_checkudata(L, 1, LOCK_CLASS);
  lock_box held = *box;
  lock_job *job;
  if (held.lock == NULL) return 0;
  *box = (lock_box){NULL, NULL};
  job = held.database->class->remote ? calloc(1, sizeof *job) : NULL;
  if (job == NULL) {
    release_lock(held.database, held.lock);
    return 0;
  }
  /* At once, so that a later job which takes the lock does not find it held, although jobs run in
   * any order. */
  if (!held.database->class->leave(held.database, held.lock)) {
    held.database->class->release(held.database);
    free(job);
    return 0;
  }
  job->leaving = true;
  job->database = held.database;
  fl_job_init(&job->job, &lock_class.base, 0, NULL);
  fl_worker_submit(&job->job, lua_toboolean(L, 2));
  return 0;
}

static int begin_lock_job(lua_State *L, fl_database *database, fl_slice name, bool asks) {
  const bool in_place = lua_toboolean(L, 3);
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  lock_job *job = calloc(1, sizeof *job);
  if (job != NULL) job->name = malloc(name.length + 1);
  if (job == NULL || job->name == NULL) {
    free(job);
    return luaL_error(L, "not enough memory");
  }
  memcpy(job->name, name.data, name.length);
  job->length = name.length;
  job->asks = asks;
  job->database = database->class->retain(database);
  return fl_lua_job_submit(L, &job->job, &lock_class, mailbox, in_place);
}

/* store:lock(name, in_place) -> lock | nil if another holder has it | nil, message, kind; of a
 * database: the ticket of a job with this outcome. */
static int store_lock(lua_State *L) {
  fl_database *database = check_store(L);
  fl_store_error error;
  fl_slice name;
  fl_store_code code;
  lock_box *box;
  name.data = luaL_checklstring(L, 2, &name.length);
  if (database->class->remote) return begin_lock_job(L, database, name, false);
  box = push_lock(L);
  code = database->class->lock(database, name, &box->lock, &error);
  if (code != FL_STORE_OK) return push_failure(L, code, &error);
  if (box->lock != NULL) box->database = database->class->retain(database);
  else lua_pushnil(L);
  return 1;
}

/* store:is_locked(name, in_place) -> whether a holder in any process has the lock | nil, message,
 * kind; of a database: the ticket of a job with this outcome. */
static int store_is_locked(lua_State *L) {
  fl_database *database = check_store(L);
  fl_store_error error;
  fl_slice name;
  fl_store_code code;
  bool held;
  name.data = luaL_checklstring(L, 2, &name.length);
  if (database->class->remote) return begin_lock_job(L, database, name, true);
  code = database->class->is_locked(database, name, &held, &error);
  if (code != FL_STORE_OK) return push_failure(L, code, &error);
  lua_pushboolean(L, held);
  return 1;
}

static const luaL_Reg methods[] = {
    {"run", store_run},         {"lock", store_lock},   {"is_locked", store_is_locked},
    {"is_open", store_is_open}, {"close", store_close}, {NULL, NULL}};

/* Pushes an empty store. */
static fl_database **push_store(lua_State *L) {
  fl_database **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  fl_lua_new_class(L, CLASS, methods, store_close);
  lua_setmetatable(L, -2);
  return box;
}

/* Puts a store into a box; raises without memory. */
static void keep_store(lua_State *L, fl_database **box, fl_store *store) {
  if (store != NULL) *box = fl_database_of_store(store);
  if (*box != NULL) return;
  fl_store_release(store);
  luaL_error(L, "not enough memory");
}

/* core.store(path, shared, name, linked) -> the state file; opens nothing. `shared`: base/owned.h.
 * With `name` the links of the path were followed before: see fl_store_new_found. */
static int new_store(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  bool shared = lua_toboolean(L, 2), linked = lua_toboolean(L, 4);
  const char *name = lua_isnoneornil(L, 3) ? NULL : fl_lua_check_path(L, 3);
  fl_database **box = push_store(L);
  keep_store(
      L, box,
      name != NULL ? fl_store_new_found(path, name, linked, shared) : fl_store_new(path, shared));
  return 1;
}

/* core.use_postgres(functions) -> whether the functions of flarelight.postgres_core are of this
 * build */
static int use_postgres(lua_State *L) {
  const fl_database_functions *const *box = luaL_checkudata(L, 1, FL_DATABASE_CLASS);
  lua_pushboolean(L, fl_database_install(*box));
  return 1;
}

/* Seconds that a script waits for a server that does not answer; one of a cache. */
#define PATIENCE 10
#define PATIENCE_APART 2

/* core.database(url, apart) -> a store in PostgreSQL; connects to nothing. Or nil, message, kind.
 * `apart`: see fl_database_functions. The module has to be loaded (core.use_postgres). */
static int new_database(lua_State *L) {
  const fl_database_functions *functions = fl_database_installed();
  const char *url = fl_lua_check_path(L, 1);
  const bool apart = lua_toboolean(L, 2);
  fl_database **box = push_store(L);
  fl_store_error error;
  if (functions == NULL) return luaL_error(L, "core.use_postgres was not called");
  *box = functions->open(url, apart ? PATIENCE_APART : PATIENCE, apart, &error);
  if (*box == NULL) return push_failure(L, error.code, &error);
  return 1;
}

/* Pushes the store of a file beside the state file, and its path. */
static int push_beside(lua_State *L, const char *ending, const fl_store_schema *schema) {
  const char *path = fl_lua_check_path(L, 1);
  bool shared = lua_toboolean(L, 2);
  fl_database **box = push_store(L);
  lua_pushfstring(L, "%s%s", path, ending);
  keep_store(L, box, fl_store_new_of(lua_tostring(L, -1), shared, schema));
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
                                           {"database", new_database},
                                           {"use_postgres", use_postgres},
                                           {NULL, NULL}};
