/* statements.c: the statements of the database, prepared at their first use. */
#include "statements.h"

#include "base/clock.h"

#include <time.h>

#define TEXT(name, sql) sql,
static const char *const texts[STATEMENT_COUNT] = {SANDBOX_STATEMENTS(TEXT)};
#undef TEXT

sqlite3_stmt *sandbox_statements_get(sandbox_database *database, sandbox_statement which) {
  sqlite3_stmt **slot = &database->statements[which];
  if (*slot == NULL)
    sqlite3_prepare_v3(database->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
  return *slot;
}

bool sandbox_statements_run(sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  return code == SQLITE_DONE;
}

void sandbox_statements_bind(sqlite3_stmt *to, int place, fl_slice text) {
  if (text.data == NULL) sqlite3_bind_null(to, place);
  else sqlite3_bind_text64(to, place, text.data, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

void sandbox_statements_bind_now(sqlite3_stmt *to, int place) {
  time_t seconds = (time_t)(fl_clock_wall() / FL_SECOND);
  struct tm parts;
  char text[32];
  gmtime_r(&seconds, &parts);
  if (strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) text[0] = '\0';
  sqlite3_bind_text(to, place, text, -1, SQLITE_TRANSIENT);
}

void sandbox_statements_finalize(sandbox_database *database) {
  for (int which = 0; which < STATEMENT_COUNT; which++) {
    sqlite3_finalize(database->statements[which]);
    database->statements[which] = NULL;
  }
}

const char *sandbox_statements_text(sqlite3_stmt *row, int column) {
  return (const char *)sqlite3_column_text(row, column);
}
