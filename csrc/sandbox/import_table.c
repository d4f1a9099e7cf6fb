/*
 * import_table.c: imports as tables of another SQLite connection: a virtual table that reads the
 * rows with a statement of the database's own connection.
 */
#include "import_table.h"

#include "import.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <strings.h>

#define MODULE "sandbox_import"

typedef struct import_table {
  sqlite3_vtab base;
  sandbox_database *database;
  int64_t id;
} import_table;

typedef struct import_cursor {
  sqlite3_vtab_cursor base;
  sqlite3_stmt *rows; /* NULL = not begun */
  sqlite3_int64 position;
  int code; /* of the last step */
} import_cursor;

static sqlite3_stmt *prepare_rows(const import_table *table, uint64_t columns) {
  sqlite3_stmt *rows = NULL;
  char *select = sandbox_import_select(table->database, table->id, columns);
  if (select) sqlite3_prepare_v2(sandbox_database_handle(table->database), select, -1, &rows, NULL);
  sqlite3_free(select);
  return rows;
}

/* Declares the table's columns. SQLite does not distinguish names by case, so a repeated name gets
 * a number, as in a view. */
static int declare(sqlite3 *connection, sqlite3_stmt *rows) {
  sqlite3_str *text = sqlite3_str_new(connection);
  char *sql;
  int code, count = sqlite3_column_count(rows);
  for (int column = 0; column < count; column++) {
    const char *name = sqlite3_column_name(rows, column);
    int before = 0;
    for (int other = 0; other < column; other++)
      before += strcasecmp(sqlite3_column_name(rows, other), name) == 0;
    sqlite3_str_appendf(text, before ? "%s\"%w:%d\"" : "%s\"%w\"",
                        column ? ", " : "CREATE TABLE import(", name, before);
  }
  sqlite3_str_appendall(text, ")");
  sql = sqlite3_str_finish(text);
  code = sql ? sqlite3_declare_vtab(connection, sql) : SQLITE_NOMEM;
  sqlite3_free(sql);
  return code;
}

/* `arguments[3]` is the import's id. */
static int open_table(sqlite3 *connection, void *database, int count, const char *const *arguments,
                      sqlite3_vtab **opened, char **error) {
  import_table *table = count == 4 ? calloc(1, sizeof *table) : NULL;
  sqlite3_stmt *rows;
  int code = SQLITE_ERROR;
  (void)error;
  if (table == NULL) return SQLITE_NOMEM;
  table->database = database;
  table->id = strtoll(arguments[3], NULL, 10);
  rows = prepare_rows(table, UINT64_MAX);
  if (rows) code = declare(connection, rows);
  sqlite3_finalize(rows);
  if (code == SQLITE_OK) *opened = &table->base;
  else free(table);
  return code;
}

static int close_table(sqlite3_vtab *table) {
  free(table);
  return SQLITE_OK;
}

/* Every plan reads all rows. The text for `begin` names the columns that are read. */
static int plan(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table;
  info->estimatedCost = 1e6;
  info->idxStr = sqlite3_mprintf("%llu", (unsigned long long)info->colUsed);
  info->needToFreeIdxStr = 1;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **opened) {
  import_cursor *cursor = calloc(1, sizeof *cursor);
  (void)table;
  if (cursor == NULL) return SQLITE_NOMEM;
  *opened = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *closed) {
  import_cursor *cursor = (import_cursor *)closed;
  sqlite3_finalize(cursor->rows);
  free(cursor);
  return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *moved) {
  import_cursor *cursor = (import_cursor *)moved;
  const import_table *table = (const import_table *)moved->pVtab;
  cursor->position++;
  cursor->code = sqlite3_step(cursor->rows);
  if (cursor->code == SQLITE_ROW || cursor->code == SQLITE_DONE) return SQLITE_OK;
  moved->pVtab->zErrMsg = sqlite3_mprintf("%s", sandbox_database_error(table->database));
  return SQLITE_ERROR;
}

static int begin(sqlite3_vtab_cursor *begun, int number, const char *columns, int count,
                 sqlite3_value **values) {
  import_cursor *cursor = (import_cursor *)begun;
  (void)number, (void)count, (void)values;
  sqlite3_finalize(cursor->rows);
  cursor->position = 0;
  cursor->rows = prepare_rows((const import_table *)begun->pVtab, strtoull(columns, NULL, 10));
  return cursor->rows ? next(begun) : SQLITE_NOMEM;
}

static int is_over(sqlite3_vtab_cursor *cursor) {
  return ((const import_cursor *)cursor)->code != SQLITE_ROW;
}

static int read_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int column) {
  sqlite3_result_value(to, sqlite3_column_value(((import_cursor *)cursor)->rows, column));
  return SQLITE_OK;
}

static int read_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid) {
  *rowid = ((const import_cursor *)cursor)->position;
  return SQLITE_OK;
}

static const sqlite3_module module = {
    .xCreate = open_table,
    .xConnect = open_table,
    .xBestIndex = plan,
    .xDisconnect = close_table,
    .xDestroy = close_table,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = begin,
    .xNext = next,
    .xEof = is_over,
    .xColumn = read_column,
    .xRowid = read_rowid,
};

bool sandbox_import_table_register(struct sqlite3 *connection, sandbox_database *database) {
  return sqlite3_create_module(connection, MODULE, &module, database) == SQLITE_OK;
}

bool sandbox_import_table_create(struct sqlite3 *connection, const char *name, int64_t id) {
  char *create = sqlite3_mprintf("CREATE VIRTUAL TABLE IF NOT EXISTS \"%w\" USING " MODULE "(%lld)",
                                 name, (long long)id);
  bool made = create && sqlite3_exec(connection, create, NULL, NULL, NULL) == SQLITE_OK;
  sqlite3_free(create);
  return made;
}
