/* run_state.c: the state of the last run of each preparation and report. */
#include "run_state.h"

#include "statements.h"

bool sandbox_run_state_start(sandbox_database *database, sandbox_defined kind, const char *id) {
  sqlite3_stmt *start = sandbox_statements_get(database, START_RUN);
  sqlite3_bind_int(start, 1, (int)kind);
  sandbox_statements_bind(start, 2, fl_slice_of(id));
  return sandbox_statements_run(start);
}

bool sandbox_run_state_end(sandbox_database *database, sandbox_defined kind, const char *id,
                           const char *status, const char *message) {
  sqlite3_stmt *end = sandbox_statements_get(database, END_RUN);
  sqlite3_bind_int(end, 1, (int)kind);
  sandbox_statements_bind(end, 2, fl_slice_of(id));
  sandbox_statements_bind(end, 3, fl_slice_of(status));
  sandbox_statements_bind_now(end, 4);
  sandbox_statements_bind(end, 5, message ? fl_slice_of(message) : (fl_slice){NULL, 0});
  return sandbox_statements_run(end);
}

/* The row of a definition, to reset after use; NULL if it has not run. */
static sqlite3_stmt *find(sandbox_database *database, sandbox_defined kind, const char *id) {
  sqlite3_stmt *row = sandbox_statements_get(database, FIND_RUN);
  sqlite3_bind_int(row, 1, (int)kind);
  sandbox_statements_bind(row, 2, fl_slice_of(id));
  if (sqlite3_step(row) == SQLITE_ROW) return row;
  sqlite3_reset(row);
  return NULL;
}

/* Writes a member whose value is text, or null if the row has none. */
static void put_member(sandbox_json_writer *out, const char *name, sqlite3_stmt *row, int column) {
  const char *text = row ? sandbox_statements_text(row, column) : NULL;
  sandbox_json_put(out, name);
  if (text) sandbox_json_put_string(out, text);
  else sandbox_json_put(out, "null");
}

void sandbox_run_state_put_status(sandbox_database *database, sandbox_defined kind, const char *id,
                                  const char *never, sandbox_json_writer *out) {
  sqlite3_stmt *row = find(database, kind, id);
  sandbox_json_put(out, ",\"status\":");
  sandbox_json_put_string(out, row ? sandbox_statements_text(row, 0) : never);
  put_member(out, ",\"lastRunAt\":", row, 1);
  if (row && sandbox_statements_text(row, 2)) put_member(out, ",\"error\":", row, 2);
  if (row) sqlite3_reset(row);
}

void sandbox_run_state_put_updated(sandbox_database *database, sandbox_defined kind, const char *id,
                                   sandbox_json_writer *out) {
  sqlite3_stmt *row = find(database, kind, id);
  put_member(out, ",\"updatedAt\":", row, 1);
  if (row) sqlite3_reset(row);
}
