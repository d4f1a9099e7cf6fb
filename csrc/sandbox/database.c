/*
 * database.c: the imports and their rows, and the results of reports, in SQLite.
 *
 * A row's key is its import's id times ROWS_AN_IMPORT plus its position: one B-tree of integers, in
 * which the rows of an import stand side by side.
 */
#include "database.h"

#include "base/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS_AN_IMPORT ((int64_t)1 << 36)
/* "flsb": a file that says something else is somebody else's. */
#define APPLICATION_ID 0x666c7362

static const char schema[] =
    "CREATE TABLE imports(id INTEGER PRIMARY KEY AUTOINCREMENT, public TEXT UNIQUE, name TEXT,"
    " description TEXT, records INTEGER NOT NULL DEFAULT 0, created TEXT, updated TEXT);"
    "CREATE INDEX import_names ON imports(name);"
    "CREATE TABLE rows(key INTEGER PRIMARY KEY, json TEXT NOT NULL);"
    "CREATE TABLE columns(import INTEGER, name TEXT, ordinal INTEGER, PRIMARY KEY(import, name))"
    " WITHOUT ROWID;"
    "CREATE TABLE batches(import INTEGER, first INTEGER, at INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(import, first)) WITHOUT ROWID;"
    "CREATE TABLE results(report TEXT PRIMARY KEY, generated TEXT, rows INTEGER, chart TEXT);"
    "PRAGMA application_id = 1718383458;";
_Static_assert(APPLICATION_ID == 1718383458, "the schema names the same application");

typedef enum {
  FIND,
  NAMED,
  CREATE,
  NAME_ID,
  DESCRIBE,
  CLEAR_ROWS,
  CLEAR_BATCHES,
  CLEAR_COLUMNS,
  ADD_ROW,
  ADD_BATCH,
  SET_RECORDS,
  ADD_COLUMN,
  SHOW,
  LIST,
  BEFORE,
  SHOWN_AT,
  PAGE,
  PAGE_BACKWARD,
  STORE,
  RESULT,
  EACH,
  COLUMNS,
  COUNTS,
  BEGIN,
  COMMIT,
  ROLLBACK,
  STATEMENTS
} statement;

#define SHOWN "SELECT public, name, description, records, created, updated FROM main.imports "

static const char *const texts[STATEMENTS] = {
    [FIND] = "SELECT id, records FROM main.imports WHERE public = ?",
    [NAMED] = "SELECT id, records FROM main.imports WHERE name = ? ORDER BY id DESC LIMIT 1",
    [CREATE] = "INSERT INTO main.imports(created, updated) VALUES(?1, ?1)",
    [NAME_ID] = "UPDATE main.imports SET public = ?2 WHERE id = ?1",
    [DESCRIBE] =
        "UPDATE main.imports SET name = ifnull(?2, name),"
        " description = ifnull(?3, description) WHERE id = ?1",
    [CLEAR_ROWS] = "DELETE FROM main.rows WHERE key >= ?1 AND key < ?2",
    [CLEAR_BATCHES] = "DELETE FROM main.batches WHERE import = ?",
    [CLEAR_COLUMNS] = "DELETE FROM main.columns WHERE import = ?",
    [ADD_ROW] = "INSERT INTO main.rows(key, json) VALUES(?, ?)",
    [ADD_BATCH] =
        "INSERT OR IGNORE INTO main.batches(import, first, at)"
        " SELECT id, records, ?2 FROM main.imports WHERE id = ?1",
    [SET_RECORDS] = "UPDATE main.imports SET records = ?2, updated = ?3 WHERE id = ?1",
    [ADD_COLUMN] =
        "INSERT OR IGNORE INTO main.columns(import, name, ordinal)"
        " SELECT ?1, ?2, count(*) FROM main.columns WHERE import = ?1",
    [SHOW] = SHOWN "WHERE id = ?",
    [LIST] = SHOWN "ORDER BY id LIMIT max(0, (SELECT count(*) FROM main.imports) - ?)",
    [BEFORE] =
        "SELECT first FROM main.batches WHERE import = ? ORDER BY first DESC LIMIT 1 OFFSET ?",
    [SHOWN_AT] = "SELECT min(first) FROM main.batches WHERE import = ? AND at > ?",
    [PAGE] = "SELECT json, key FROM main.rows WHERE key >= ? AND key < ? ORDER BY key",
    [PAGE_BACKWARD] =
        "SELECT json, key FROM main.rows WHERE key >= ? AND key < ? ORDER BY key DESC",
    [STORE] = "REPLACE INTO main.results(report, generated, rows, chart) VALUES(?, ?, ?, ?)",
    [RESULT] = "SELECT generated, rows, chart FROM main.results WHERE report = ?",
    [EACH] = "SELECT name, id FROM main.imports WHERE name IS NOT NULL ORDER BY id DESC",
    [COLUMNS] = "SELECT name FROM main.columns WHERE import = ? ORDER BY ordinal",
    [COUNTS] =
        "SELECT count(*), total(records), (SELECT count(*) FROM main.results)"
        " FROM main.imports",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct sandbox_database {
  sqlite3 *handle;
  sqlite3_stmt *statements[STATEMENTS];
};

struct sqlite3 *sandbox_database_handle(sandbox_database *database) {
  return database->handle;
}

const char *sandbox_database_error(const sandbox_database *database) {
  return sqlite3_errmsg(database->handle);
}

static sqlite3_stmt *prepared(sandbox_database *database, statement which) {
  sqlite3_stmt **slot = &database->statements[which];
  if (*slot == NULL)
    sqlite3_prepare_v3(database->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
  return *slot;
}

/* One step of a statement that gives no rows, and makes it ready for the next time. */
static bool run(sqlite3_stmt *prepared_statement) {
  int code = sqlite3_step(prepared_statement);
  sqlite3_reset(prepared_statement);
  return code == SQLITE_DONE;
}

static void bind_slice(sqlite3_stmt *to, int place, fl_slice text) {
  if (text.data == NULL) sqlite3_bind_null(to, place);
  else sqlite3_bind_text64(to, place, text.data, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_now(sqlite3_stmt *to, int place) {
  time_t seconds = (time_t)(fl_clock_wall() / FL_SECOND);
  struct tm parts;
  char text[32];
  gmtime_r(&seconds, &parts);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  sqlite3_bind_text(to, place, text, -1, SQLITE_TRANSIENT);
}

static const char *column_text(sqlite3_stmt *row, int column) {
  return (const char *)sqlite3_column_text(row, column);
}

static bool execute(sqlite3 *handle, const char *sql) {
  return sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t pragma(sqlite3 *handle, const char *sql) {
  sqlite3_stmt *query = NULL;
  int64_t value = -1;
  if (sqlite3_prepare_v2(handle, sql, -1, &query, NULL) == SQLITE_OK &&
      sqlite3_step(query) == SQLITE_ROW)
    value = sqlite3_column_int64(query, 0);
  sqlite3_finalize(query);
  return value;
}

sandbox_database *sandbox_database_open(const char *path, char **error) {
  sandbox_database *database = calloc(1, sizeof *database);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  *error = NULL;
  if (database == NULL) return NULL;
  if (sqlite3_open_v2(path, &database->handle, flags, NULL) == SQLITE_OK) {
    sqlite3_busy_timeout(database->handle, 5000);
    /* The sandbox's rows are worth no fsync. */
    if (execute(database->handle,
                "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF;"
                "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;")) {
      int64_t application = pragma(database->handle, "PRAGMA application_id");
      int64_t tables = pragma(database->handle, "SELECT count(*) FROM sqlite_schema");
      /* Files of old have no time of batches. */
      if (application == APPLICATION_ID &&
          (pragma(database->handle,
                  "SELECT count(*) FROM pragma_table_info('batches') WHERE name = 'at'") == 1 ||
           execute(database->handle,
                   "ALTER TABLE batches ADD COLUMN at INTEGER NOT NULL DEFAULT 0")))
        return database;
      if (tables == 0 && execute(database->handle, schema)) return database;
      if (tables > 0) *error = strdup("the file is not a sandbox's database");
    }
  }
  if (*error == NULL)
    *error = strdup(database->handle ? sqlite3_errmsg(database->handle) : "no memory");
  sqlite3_close(database->handle);
  free(database);
  return NULL;
}

static void finalize(sandbox_database *database) {
  for (int which = 0; which < STATEMENTS; which++) {
    sqlite3_finalize(database->statements[which]);
    database->statements[which] = NULL;
  }
}

void sandbox_database_close(sandbox_database *database) {
  if (database == NULL) return;
  finalize(database);
  sqlite3_close(database->handle);
  free(database);
}

bool sandbox_database_begin(sandbox_database *database) { return run(prepared(database, BEGIN)); }

bool sandbox_database_commit(sandbox_database *database) { return run(prepared(database, COMMIT)); }

void sandbox_database_rollback(sandbox_database *database) { run(prepared(database, ROLLBACK)); }

unsigned char *sandbox_database_save(sandbox_database *database, size_t *length) {
  sqlite3_int64 size = 0;
  unsigned char *serialized = sqlite3_serialize(database->handle, "main", &size, 0), *copy;
  if (serialized == NULL) return NULL;
  copy = malloc((size_t)size + 1);
  if (copy) memcpy(copy, serialized, (size_t)size);
  sqlite3_free(serialized);
  *length = (size_t)size;
  return copy;
}

bool sandbox_database_restore(sandbox_database *database, const unsigned char *bytes,
                              size_t length) {
  sqlite3 *source = NULL;
  sqlite3_backup *backup = NULL;
  unsigned char *copy = sqlite3_malloc64(length ? length : 1);
  bool restored = false;
  if (copy == NULL) return false;
  memcpy(copy, bytes, length);
  if (sqlite3_open(":memory:", &source) == SQLITE_OK &&
      sqlite3_deserialize(source, "main", copy, (sqlite3_int64)length, (sqlite3_int64)length,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) ==
          SQLITE_OK &&
      pragma(source, "PRAGMA application_id") == APPLICATION_ID) {
    finalize(database);
    backup = sqlite3_backup_init(database->handle, "main", source, "main");
    if (backup) {
      sqlite3_backup_step(backup, -1);
      restored = sqlite3_backup_finish(backup) == SQLITE_OK;
    }
  }
  sqlite3_close(source);
  return restored;
}

bool sandbox_database_reset(sandbox_database *database) {
  return execute(database->handle,
                 "BEGIN; DELETE FROM main.imports; DELETE FROM main.rows; DELETE FROM main.columns;"
                 "DELETE FROM main.batches; DELETE FROM main.results;"
                 "DELETE FROM main.sqlite_sequence; COMMIT;");
}

static sandbox_import look_up(sqlite3_stmt *query, fl_slice text) {
  sandbox_import import = {0, 0};
  bind_slice(query, 1, text);
  if (sqlite3_step(query) == SQLITE_ROW) {
    import.id = sqlite3_column_int64(query, 0);
    import.records = sqlite3_column_int64(query, 1);
  }
  sqlite3_reset(query);
  return import;
}

sandbox_import sandbox_import_find(sandbox_database *database, fl_slice id) {
  return look_up(prepared(database, FIND), id);
}

sandbox_import sandbox_import_named(sandbox_database *database, fl_slice name) {
  return look_up(prepared(database, NAMED), name);
}

char *sandbox_import_name(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *show = prepared(database, SHOW);
  char *name = NULL;
  sqlite3_bind_int64(show, 1, import->id);
  if (sqlite3_step(show) == SQLITE_ROW && sqlite3_column_type(show, 1) != SQLITE_NULL)
    name = strdup(column_text(show, 1));
  sqlite3_reset(show);
  return name;
}

static uint64_t scramble(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

/* A version 4 UUID that is the same in every run: made from the number, not from chance. */
static void format_uuid(char out[40], int64_t number) {
  uint64_t high = scramble((uint64_t)number * 0x9e3779b97f4a7c15u);
  uint64_t low = scramble(high ^ (uint64_t)number);
  high = (high & ~(uint64_t)0xf000) | 0x4000;
  low = (low & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63;
  snprintf(out, 40, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
           (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
           (unsigned long long)(low & 0xffffffffffffu));
}

bool sandbox_import_create(sandbox_database *database, sandbox_ids ids, sandbox_import *import) {
  sqlite3_stmt *create = prepared(database, CREATE), *name = prepared(database, NAME_ID);
  char text[40];
  bind_now(create, 1);
  if (!run(create)) return false;
  import->id = sqlite3_last_insert_rowid(database->handle);
  import->records = 0;
  if (ids == IDS_UUID) format_uuid(text, import->id);
  else snprintf(text, sizeof text, "%lld", (long long)import->id);
  sqlite3_bind_int64(name, 1, import->id);
  sqlite3_bind_text(name, 2, text, -1, SQLITE_TRANSIENT);
  return run(name);
}

bool sandbox_import_describe(sandbox_database *database, const sandbox_import *import,
                             fl_slice name, fl_slice description) {
  sqlite3_stmt *describe = prepared(database, DESCRIBE);
  sqlite3_bind_int64(describe, 1, import->id);
  bind_slice(describe, 2, name);
  bind_slice(describe, 3, description);
  return run(describe);
}

bool sandbox_import_clear(sandbox_database *database, sandbox_import *import) {
  sqlite3_stmt *rows = prepared(database, CLEAR_ROWS);
  sqlite3_stmt *batches = prepared(database, CLEAR_BATCHES);
  sqlite3_stmt *columns = prepared(database, CLEAR_COLUMNS);
  sqlite3_stmt *records = prepared(database, SET_RECORDS);
  sqlite3_bind_int64(rows, 1, import->id * ROWS_AN_IMPORT);
  sqlite3_bind_int64(rows, 2, (import->id + 1) * ROWS_AN_IMPORT);
  sqlite3_bind_int64(batches, 1, import->id);
  sqlite3_bind_int64(columns, 1, import->id);
  sqlite3_bind_int64(records, 1, import->id);
  sqlite3_bind_int64(records, 2, 0);
  bind_now(records, 3);
  import->records = 0;
  return run(rows) && run(batches) && run(columns) && run(records);
}

bool sandbox_import_add_begin(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *batch = prepared(database, ADD_BATCH);
  sqlite3_bind_int64(batch, 1, import->id);
  sqlite3_bind_int64(batch, 2, fl_clock_wall());
  return run(batch);
}

bool sandbox_import_add_row(sandbox_database *database, sandbox_import *import, fl_slice json) {
  sqlite3_stmt *add = prepared(database, ADD_ROW);
  sqlite3_bind_int64(add, 1, import->id * ROWS_AN_IMPORT + import->records++);
  bind_slice(add, 2, json);
  return run(add);
}

bool sandbox_import_add_end(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *set = prepared(database, SET_RECORDS);
  sqlite3_bind_int64(set, 1, import->id);
  sqlite3_bind_int64(set, 2, import->records);
  bind_now(set, 3);
  return run(set);
}

bool sandbox_import_add_column(sandbox_database *database, const sandbox_import *import,
                               fl_slice name) {
  sqlite3_stmt *add = prepared(database, ADD_COLUMN);
  sqlite3_bind_int64(add, 1, import->id);
  bind_slice(add, 2, name);
  return run(add);
}

static void put_import(sqlite3_stmt *row, const sandbox_options *options,
                       sandbox_json_writer *out) {
  sandbox_json_put(out, "{\"id\":");
  if (options->ids == IDS_NUMBER) sandbox_json_put(out, column_text(row, 0));
  else sandbox_json_put_string(out, column_text(row, 0));
  sandbox_json_put(out, ",\"name\":");
  sandbox_json_put_string(out, column_text(row, 1));
  if (options->list_descriptions) {
    sandbox_json_put(out, ",\"description\":");
    sandbox_json_put_string(out, column_text(row, 2));
  }
  sandbox_json_put(out, ",\"records\":");
  sandbox_json_put_integer(out, sqlite3_column_int64(row, 3));
  sandbox_json_put(out, ",\"createdAt\":");
  sandbox_json_put_string(out, column_text(row, 4));
  sandbox_json_put(out, ",\"updatedAt\":");
  sandbox_json_put_string(out, column_text(row, 5));
  sandbox_json_put(out, "}");
}

bool sandbox_import_put(sandbox_database *database, const sandbox_import *import,
                        const sandbox_options *options, sandbox_json_writer *out) {
  sqlite3_stmt *show = prepared(database, SHOW);
  bool found;
  sqlite3_bind_int64(show, 1, import->id);
  found = sqlite3_step(show) == SQLITE_ROW;
  if (found) put_import(show, options, out);
  sqlite3_reset(show);
  return found;
}

bool sandbox_import_put_all(sandbox_database *database, const sandbox_options *options,
                            int64_t hidden, sandbox_json_writer *out) {
  sqlite3_stmt *list = prepared(database, LIST);
  const char *separator = "";
  int code;
  sqlite3_bind_int64(list, 1, hidden);
  sandbox_json_put(out, "[");
  while ((code = sqlite3_step(list)) == SQLITE_ROW) {
    sandbox_json_put(out, separator);
    put_import(list, options, out);
    separator = ",";
  }
  sandbox_json_put(out, "]");
  sqlite3_reset(list);
  return code == SQLITE_DONE;
}

int64_t sandbox_import_records_before(sandbox_database *database, const sandbox_import *import,
                                      int64_t commits) {
  sqlite3_stmt *before = prepared(database, BEFORE);
  int64_t records = 0;
  if (commits <= 0) return import->records;
  sqlite3_bind_int64(before, 1, import->id);
  sqlite3_bind_int64(before, 2, commits - 1);
  if (sqlite3_step(before) == SQLITE_ROW) records = sqlite3_column_int64(before, 0);
  sqlite3_reset(before);
  return records;
}

int64_t sandbox_import_records_at(sandbox_database *database, const sandbox_import *import,
                                  fl_time wall) {
  sqlite3_stmt *shown = prepared(database, SHOWN_AT);
  int64_t records = import->records;
  sqlite3_bind_int64(shown, 1, import->id);
  sqlite3_bind_int64(shown, 2, wall);
  if (sqlite3_step(shown) == SQLITE_ROW && sqlite3_column_type(shown, 0) != SQLITE_NULL)
    records = sqlite3_column_int64(shown, 0);
  sqlite3_reset(shown);
  return records;
}

/* A row with one member more. The row is an object's text, so its last byte is the brace. */
static void put_extended(sandbox_json_writer *out, const char *json, size_t length,
                         const char *member, int64_t value) {
  bool empty = json[1 + strspn(json + 1, " \t\r\n")] == '}';
  sandbox_json_put_bytes(out, json, length - 1);
  sandbox_json_put(out, empty ? "" : ",");
  sandbox_json_put_string(out, member);
  sandbox_json_put(out, ":");
  sandbox_json_put_integer(out, value);
  sandbox_json_put(out, "}");
}

bool sandbox_import_put_rows(sandbox_database *database, const sandbox_import *import,
                             int64_t start, int64_t end, bool backward, const char *added_member,
                             sandbox_json_writer *out) {
  sqlite3_stmt *page = prepared(database, backward ? PAGE_BACKWARD : PAGE);
  int64_t base = import->id * ROWS_AN_IMPORT;
  bool first = true;
  int code;
  if (start >= end) return true;
  sqlite3_bind_int64(page, 1, base + start);
  sqlite3_bind_int64(page, 2, base + end);
  while ((code = sqlite3_step(page)) == SQLITE_ROW) {
    const char *json = column_text(page, 0);
    size_t length = (size_t)sqlite3_column_bytes(page, 0);
    if (!first) sandbox_json_put_bytes(out, ",", 1);
    first = false;
    if (added_member)
      put_extended(out, json, length, added_member, sqlite3_column_int64(page, 1) - base);
    else sandbox_json_put_bytes(out, json, length);
  }
  sqlite3_reset(page);
  return code == SQLITE_DONE;
}

bool sandbox_result_store(sandbox_database *database, const char *report, int64_t rows,
                          fl_slice chart) {
  sqlite3_stmt *store = prepared(database, STORE);
  bind_slice(store, 1, fl_slice_of(report));
  bind_now(store, 2);
  sqlite3_bind_int64(store, 3, rows);
  bind_slice(store, 4, chart);
  return run(store);
}

bool sandbox_result_put(sandbox_database *database, fl_slice report, sandbox_json_writer *members,
                        sandbox_json_writer *chart) {
  sqlite3_stmt *result = prepared(database, RESULT);
  bool found;
  bind_slice(result, 1, report);
  found = sqlite3_step(result) == SQLITE_ROW;
  if (found) {
    sandbox_json_put(members, ",\"rows\":");
    sandbox_json_put_integer(members, sqlite3_column_int64(result, 1));
    sandbox_json_put(members, ",\"generatedAt\":");
    sandbox_json_put_string(members, column_text(result, 0));
    if (chart)
      sandbox_json_put_bytes(chart, column_text(result, 2),
                             (size_t)sqlite3_column_bytes(result, 2));
  }
  sqlite3_reset(result);
  return found;
}

bool sandbox_import_each(sandbox_database *database,
                         bool (*function)(void *context, const char *name, int64_t id),
                         void *context) {
  sqlite3_stmt *each = prepared(database, EACH);
  bool going = true;
  while (going && sqlite3_step(each) == SQLITE_ROW)
    going = function(context, column_text(each, 0), sqlite3_column_int64(each, 1));
  sqlite3_reset(each);
  return going;
}

/* The path of a member for json_extract: a name with a quote in it cannot be written as one. */
static bool has_path(const char *name) { return strpbrk(name, "\"\\") == NULL; }

char *sandbox_import_select(sandbox_database *database, int64_t id) {
  sqlite3_stmt *columns = prepared(database, COLUMNS);
  sqlite3_str *text = sqlite3_str_new(database->handle);
  bool any = false;
  sqlite3_str_appendall(text, "SELECT ");
  sqlite3_bind_int64(columns, 1, id);
  while (sqlite3_step(columns) == SQLITE_ROW) {
    const char *name = column_text(columns, 0);
    if (!has_path(name)) continue;
    sqlite3_str_appendf(text, "%sjson_extract(json, '$.\"%q\"') AS \"%w\"", any ? ", " : "", name,
                        name);
    any = true;
  }
  sqlite3_reset(columns);
  sqlite3_str_appendf(text, "%s FROM main.rows WHERE key >= %lld AND key < %lld",
                      any ? "" : "NULL AS \"(no columns)\"", (long long)(id * ROWS_AN_IMPORT),
                      (long long)((id + 1) * ROWS_AN_IMPORT));
  return sqlite3_str_finish(text);
}

bool sandbox_database_count(sandbox_database *database, sandbox_counts *counts) {
  sqlite3_stmt *count = prepared(database, COUNTS);
  bool found = sqlite3_step(count) == SQLITE_ROW;
  if (found)
    *counts = (sandbox_counts){sqlite3_column_int64(count, 0), sqlite3_column_int64(count, 1),
                               sqlite3_column_int64(count, 2)};
  sqlite3_reset(count);
  return found;
}
