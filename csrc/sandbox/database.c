/* database.c: the database of a sandbox: its file, its schema, its transactions and copies. */
#include "database.h"

#include "statements.h"

#include <stdlib.h>

/* "flsb". A file with another id is no sandbox's database. */
#define APPLICATION_ID 0x666c7362

/* The state of the last run of a preparation or a report; `kind` is a sandbox_defined. */
#define RUNS_TABLE                                                                             \
  "CREATE TABLE IF NOT EXISTS runs(kind INTEGER, id TEXT, status TEXT, at TEXT, message TEXT," \
  " PRIMARY KEY(kind, id)) WITHOUT ROWID;"

static const char schema[] =
    "CREATE TABLE imports(id INTEGER PRIMARY KEY AUTOINCREMENT, public TEXT UNIQUE, name TEXT,"
    " description TEXT, records INTEGER NOT NULL DEFAULT 0, created TEXT, updated TEXT);"
    "CREATE INDEX import_names ON imports(name);"
    "CREATE TABLE rows(key INTEGER PRIMARY KEY, json TEXT NOT NULL);"
    "CREATE TABLE columns(import INTEGER, name TEXT, ordinal INTEGER, PRIMARY KEY(import, name))"
    " WITHOUT ROWID;"
    "CREATE TABLE batches(import INTEGER, first INTEGER, at INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(import, first)) WITHOUT ROWID;"
    "CREATE TABLE results(report TEXT PRIMARY KEY, generated TEXT, rows INTEGER, chart "
    "TEXT);" RUNS_TABLE "PRAGMA application_id = 1718383458;";
_Static_assert(APPLICATION_ID == 1718383458, "the schema names the same application");

struct sqlite3 *sandbox_database_handle(sandbox_database *database) {
  return database->handle;
}

const char *sandbox_database_error(const sandbox_database *database) {
  return sqlite3_errmsg(database->handle);
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

/* Opens a file by its path. SQLite would read "file:…" as a URI. Only ":memory:" is special here.
 */
static int open_path(const char *path, sqlite3 **handle) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  char *name = sqlite3_mprintf("%s%s", strncmp(path, "file:", 5) == 0 ? "./" : "", path);
  int result = name != NULL ? sqlite3_open_v2(name, handle, flags, NULL) : SQLITE_NOMEM;
  sqlite3_free(name);
  return result;
}

sandbox_database *sandbox_database_open(const char *path, char **error) {
  sandbox_database *database = calloc(1, sizeof *database);
  *error = NULL;
  if (database == NULL) return NULL;
  if (open_path(path, &database->handle) == SQLITE_OK) {
    sqlite3_busy_timeout(database->handle, 5000);
    /* No fsync: the rows of a sandbox need not survive a power cut. */
    if (execute(database->handle,
                "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF;"
                "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;")) {
      int64_t application = pragma(database->handle, "PRAGMA application_id");
      int64_t tables = pragma(database->handle, "SELECT count(*) FROM sqlite_schema");
      /* Older files have no column for the time of a batch, and no runs. */
      if (application == APPLICATION_ID && execute(database->handle, RUNS_TABLE) &&
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

void sandbox_database_close(sandbox_database *database) {
  if (database == NULL) return;
  sandbox_statements_finalize(database);
  sqlite3_close(database->handle);
  free(database);
}

bool sandbox_database_begin(sandbox_database *database) {
  return sandbox_statements_run(sandbox_statements_get(database, BEGIN));
}

bool sandbox_database_commit(sandbox_database *database) {
  return sandbox_statements_run(sandbox_statements_get(database, COMMIT));
}

void sandbox_database_rollback(sandbox_database *database) {
  sandbox_statements_run(sandbox_statements_get(database, ROLLBACK));
}

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
    sandbox_statements_finalize(database);
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
                 "DELETE FROM main.batches; DELETE FROM main.results; DELETE FROM main.runs;"
                 "DELETE FROM main.sqlite_sequence; COMMIT;");
}

bool sandbox_database_count(sandbox_database *database, sandbox_counts *counts) {
  sqlite3_stmt *count = sandbox_statements_get(database, COUNT_ALL);
  bool found = sqlite3_step(count) == SQLITE_ROW;
  if (found)
    *counts = (sandbox_counts){sqlite3_column_int64(count, 0), sqlite3_column_int64(count, 1),
                               sqlite3_column_int64(count, 2)};
  sqlite3_reset(count);
  return found;
}
