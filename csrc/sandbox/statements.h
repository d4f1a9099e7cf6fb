/*
 * statements.h: the SQL statements of database.c, import.c and result.c, and helpers to run them.
 * For these three files only; other files use database.h, import.h and result.h.
 */
#ifndef SANDBOX_STATEMENTS_H
#define SANDBOX_STATEMENTS_H

#include "base/base.h"

#include <sqlite3.h>

/*
 * A row's key is its import's id times ROWS_AN_IMPORT plus its position: one B-tree of integers, in
 * which the rows of an import are neighbours.
 */
#define ROWS_AN_IMPORT ((int64_t)1 << 36)

#define SHOWN "SELECT public, name, description, records, created, updated FROM main.imports "

/* A second after a time, so that two runs within a second have different times. */
#define NEXT_SECOND(time) "strftime('%Y-%m-%dT%H:%M:%SZ', " time ", '+1 second')"

/* clang-format off */
#define SANDBOX_STATEMENTS(STATEMENT) \
  STATEMENT(FIND_IMPORT, "SELECT id, records FROM main.imports WHERE public = ?") \
  STATEMENT(IMPORT_NAMED, "SELECT id, records FROM main.imports WHERE name = ? ORDER BY id" \
    " DESC LIMIT 1") \
  STATEMENT(CREATE_IMPORT, "INSERT INTO main.imports(created, updated) VALUES(?1, ?1)") \
  STATEMENT(SET_PUBLIC_ID, "UPDATE main.imports SET public = ?2 WHERE id = ?1") \
  STATEMENT(DESCRIBE_IMPORT, "UPDATE main.imports SET name = ifnull(?2, name)," \
    " description = ifnull(?3, description) WHERE id = ?1") \
  STATEMENT(CLEAR_ROWS, "DELETE FROM main.rows WHERE key >= ?1 AND key < ?2") \
  STATEMENT(CLEAR_BATCHES, "DELETE FROM main.batches WHERE import = ?") \
  STATEMENT(CLEAR_COLUMNS, "DELETE FROM main.columns WHERE import = ?") \
  STATEMENT(ADD_ROW, "INSERT INTO main.rows(key, json) VALUES(?, ?)") \
  STATEMENT(ADD_BATCH, "INSERT OR IGNORE INTO main.batches(import, first, at)" \
    " SELECT id, records, ?2 FROM main.imports WHERE id = ?1") \
  STATEMENT(SET_RECORDS, "UPDATE main.imports SET records = ?2, updated = ?3 WHERE id = ?1") \
  STATEMENT(ADD_COLUMN, "INSERT OR IGNORE INTO main.columns(import, name, ordinal)" \
    " SELECT ?1, ?2, count(*) FROM main.columns WHERE import = ?1") \
  STATEMENT(SHOW_IMPORT, SHOWN "WHERE id = ?") \
  STATEMENT(LIST_IMPORTS, SHOWN "ORDER BY id LIMIT max(0, (SELECT count(*) FROM main.imports) -" \
    " ?)") \
  STATEMENT(FIRST_OF_BATCH, "SELECT first FROM main.batches WHERE import = ? ORDER BY first" \
    " DESC LIMIT 1 OFFSET ?") \
  STATEMENT(FIRST_AFTER, "SELECT min(first) FROM main.batches WHERE import = ? AND at > ?") \
  STATEMENT(PAGE, "SELECT json, key FROM main.rows WHERE key >= ? AND key < ? ORDER BY key") \
  STATEMENT(PAGE_BACKWARD, "SELECT json, key FROM main.rows WHERE key >= ? AND key < ? ORDER" \
    " BY key DESC") \
  STATEMENT(STORE_RESULT, "REPLACE INTO main.results(report, generated, rows, chart)" \
    " VALUES(?1, max(?2, ifnull((SELECT " NEXT_SECOND("generated") " FROM main.results" \
    " WHERE report = ?1), '')), ?3, ?4)") \
  STATEMENT(REPLAY_RESULT, "UPDATE main.results SET generated = max(?2," \
    " ifnull(" NEXT_SECOND("generated") ", '')) WHERE report = ?1") \
  STATEMENT(ADOPT_IMPORT, "UPDATE main.imports SET public = ?2, created = ifnull(?3, created)," \
    " updated = ifnull(?4, updated) WHERE public = ?1") \
  STATEMENT(SKIP_IDS, "UPDATE main.sqlite_sequence SET seq = max(seq, CAST(?1 AS INTEGER))" \
    " WHERE name = 'imports'") \
  STATEMENT(FIND_RESULT, "SELECT generated, rows, chart FROM main.results WHERE report = ?") \
  STATEMENT(STAMP_RUN, "UPDATE main.imports SET updated = CASE WHEN ?3 THEN ?2 ELSE max(updated," \
    " ifnull(" NEXT_SECOND("?2") ", '')) END WHERE id = ?1") \
  STATEMENT(IMPORT_UPDATED, "SELECT updated FROM main.imports WHERE id = ?") \
  STATEMENT(START_RUN, "INSERT INTO main.runs(kind, id, status) VALUES(?1, ?2, 'Running')" \
    " ON CONFLICT DO UPDATE SET status = 'Running', message = NULL") \
  STATEMENT(END_RUN, "INSERT INTO main.runs(kind, id, status, at, message)" \
    " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET status = ?3," \
    " at = max(?4, ifnull(" NEXT_SECOND("at") ", '')), message = ?5") \
  STATEMENT(FIND_RUN, "SELECT status, at, message FROM main.runs WHERE kind = ? AND id = ?") \
  STATEMENT(NAMED_IMPORTS, "SELECT name, id FROM main.imports WHERE name IS NOT NULL ORDER" \
    " BY id DESC") \
  STATEMENT(LIST_COLUMNS, "SELECT name FROM main.columns WHERE import = ? ORDER BY ordinal") \
  STATEMENT(COUNT_ALL, "SELECT count(*), total(records), (SELECT count(*) FROM main.results)" \
    " FROM main.imports") \
  STATEMENT(BEGIN, "BEGIN IMMEDIATE") \
  STATEMENT(COMMIT, "COMMIT") \
  STATEMENT(ROLLBACK, "ROLLBACK")

#define SANDBOX_ENUMERATE(name, sql) name,
typedef enum { SANDBOX_STATEMENTS(SANDBOX_ENUMERATE) STATEMENT_COUNT } sandbox_statement;
#undef SANDBOX_ENUMERATE
/* clang-format on */

typedef struct sandbox_database {
  sqlite3 *handle;
  sqlite3_stmt *statements[STATEMENT_COUNT];
} sandbox_database;

sqlite3_stmt *sandbox_statements_get(sandbox_database *database, sandbox_statement which);
/* Runs a statement without rows, and resets it. */
bool sandbox_statements_run(sqlite3_stmt *statement);
void sandbox_statements_finalize(sandbox_database *database);

void sandbox_statements_bind(sqlite3_stmt *to, int place, fl_slice text);
/* The time of day, as ISO 8601 in UTC. */
void sandbox_statements_bind_now(sqlite3_stmt *to, int place);
const char *sandbox_statements_text(sqlite3_stmt *row, int column);

#endif
