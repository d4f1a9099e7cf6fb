/* result.c: the stored results of reports. */
#include "result.h"

#include "statements.h"

bool sandbox_result_store(sandbox_database *database, const char *report, int64_t rows,
                          fl_slice chart) {
  sqlite3_stmt *store = sandbox_statements_get(database, STORE_RESULT);
  sandbox_statements_bind(store, 1, fl_slice_of(report));
  sandbox_statements_bind_now(store, 2);
  sqlite3_bind_int64(store, 3, rows);
  sandbox_statements_bind(store, 4, chart);
  return sandbox_statements_run(store);
}

bool sandbox_result_replay(sandbox_database *database, const char *report) {
  sqlite3_stmt *replay = sandbox_statements_get(database, REPLAY_RESULT);
  sandbox_statements_bind(replay, 1, fl_slice_of(report));
  sandbox_statements_bind_now(replay, 2);
  return sandbox_statements_run(replay);
}

bool sandbox_result_put(sandbox_database *database, fl_slice report, sandbox_json_writer *members,
                        sandbox_json_writer *chart) {
  sqlite3_stmt *result = sandbox_statements_get(database, FIND_RESULT);
  bool found;
  sandbox_statements_bind(result, 1, report);
  found = sqlite3_step(result) == SQLITE_ROW;
  if (found) {
    sandbox_json_put(members, ",\"rows\":");
    sandbox_json_put_integer(members, sqlite3_column_int64(result, 1));
    sandbox_json_put(members, ",\"generatedAt\":");
    sandbox_json_put_string(members, sandbox_statements_text(result, 0));
    if (chart)
      sandbox_json_put_bytes(chart, sandbox_statements_text(result, 2),
                             (size_t)sqlite3_column_bytes(result, 2));
  }
  sqlite3_reset(result);
  return found;
}
