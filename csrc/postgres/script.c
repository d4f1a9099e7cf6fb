/*
 * script.c: runs the statements of a script over a connection. See postgres.h.
 *
 * Values go as texts, whose types the server infers from their place; a text with a zero byte is
 * refused, since PostgreSQL cannot keep it. Numbers have a point, whatever the host's locale says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "postgres.h"

/* The types of columns, by their numbers in PostgreSQL's catalogue. */
enum { BOOLEAN = 16, INT8 = 20, INT2 = 21, INT4 = 23, FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };

typedef struct parameters {
  const char **values;
  char (*numbers)[40];
  int count, room;
  bool refused; /* a value holds a zero byte */
} parameters;

static bool grow(parameters *self) {
  int room = self->room > 0 ? self->room * 2 : 32;
  const char **values;
  char(*numbers)[40];
  if (self->count < self->room) return true;
  numbers = realloc(self->numbers, (size_t)room * sizeof *numbers);
  if (numbers == NULL) return false;
  /* The texts of numbers have moved. */
  for (int i = 0; i < self->count; i++)
    if (self->values[i] == self->numbers[i]) self->values[i] = numbers[i];
  self->numbers = numbers;
  values = realloc(self->values, (size_t)room * sizeof *values);
  if (values == NULL) return false;
  self->values = values;
  self->room = room;
  return true;
}

static bool add(parameters *self, const fl_script_value *value) {
  char *number;
  if (!grow(self)) return false;
  number = self->numbers[self->count];
  self->values[self->count] = number;
  if (value->type == FL_SCRIPT_INTEGER) snprintf(number, 40, "%" PRId64, value->integer);
  else if (value->type == FL_SCRIPT_REAL) snprintf(number, 40, "%.17g", value->real);
  else if (value->type == FL_SCRIPT_NULL) self->values[self->count] = NULL;
  else self->values[self->count] = value->text.data; /* a zero byte follows */
  if (value->type == FL_SCRIPT_TEXT && memchr(value->text.data, 0, value->text.length) != NULL)
    self->refused = true;
  self->count++;
  return true;
}

static fl_result put(fl_buffer *rows, PGresult *result, int row, int column) {
  const char *text = PQgetvalue(result, row, column);
  const Oid type = PQftype(result, column);
  if (PQgetisnull(result, row, column)) return fl_script_null(rows);
  if (type == BOOLEAN) return fl_script_integer(rows, text[0] == 't');
  if (type == INT8 || type == INT4 || type == INT2 ||
      (type == NUMERIC && strchr(text, '.') == NULL))
    return fl_script_integer(rows, strtoll(text, NULL, 10));
  if (type == FLOAT8 || type == FLOAT4 || type == NUMERIC)
    return fl_script_real(rows, strtod(text, NULL));
  return fl_script_text(rows, (fl_slice){text, (size_t)PQgetlength(result, row, column)});
}

static fl_result put_rows(fl_buffer *rows, PGresult *result, int *columns) {
  fl_result put_result = FL_OK;
  const int count = PQntuples(result);
  rows->length = 0;
  *columns = PQnfields(result);
  for (int i = 0; i < *columns && put_result == FL_OK; i++)
    put_result = fl_script_text(rows, fl_slice_of(PQfname(result, i)));
  for (int row = 0; row < count; row++)
    for (int i = 0; i < *columns && put_result == FL_OK; i++)
      put_result = put(rows, result, row, i);
  return put_result;
}

/* Runs the statement that `sql` holds, which had to change `changes` rows. */
static fl_store_code run(fl_postgres_connection *self, const fl_buffer *sql,
                         const parameters *given, int64_t changes, fl_buffer *rows, int *columns,
                         fl_store_error *error) {
  PGresult *result = fl_postgres_query(self, sql->data, given->count, given->values);
  const ExecStatusType status = PQresultStatus(result);
  const char *changed = PQcmdTuples(result);
  bool kept;
  fl_result stored;
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    return fl_postgres_fail(self, result, error);
  kept = changes < 0 || strtoll(changed, NULL, 10) == changes;
  stored = put_rows(rows, result, columns);
  PQclear(result);
  if (stored != FL_OK)
    return fl_postgres_fail_with(self, error, FL_STORE_NO_MEMORY, "not enough memory");
  if (kept) return FL_STORE_OK;
  return fl_postgres_fail_with(self, error, FL_STORE_GUARD, "a row of the state has changed");
}

static fl_store_code run_statements(fl_postgres_connection *self, const fl_buffer *script,
                                    fl_buffer *rows, int *columns, fl_store_error *error) {
  size_t place = 0;
  fl_script_value value = fl_script_read(script, &place);
  parameters given = {NULL, NULL, 0, 0, false};
  fl_store_code code = FL_STORE_OK;
  fl_buffer sql;
  fl_buffer_init(&sql, FL_BUFFER_UNLIMITED);
  while (code == FL_STORE_OK && value.type == FL_SCRIPT_STATEMENT) {
    const int64_t changes = value.integer;
    bool enough;
    sql.length = 0;
    given.count = 0;
    enough = fl_postgres_translate(value.text, &sql) == FL_OK;
    for (;;) {
      value = fl_script_read(script, &place);
      if (value.type == FL_SCRIPT_END || value.type == FL_SCRIPT_STATEMENT) break;
      enough = enough && add(&given, &value);
    }
    if (!enough) code = fl_postgres_fail_with(self, error, FL_STORE_NO_MEMORY, "not enough memory");
    else if (given.refused)
      code = fl_postgres_fail_with(self, error, FL_STORE_CONFIG,
                                   "PostgreSQL cannot keep a text that holds a zero byte");
    else code = run(self, &sql, &given, changes, rows, columns, error);
  }
  fl_buffer_free(&sql);
  free((void *)given.values);
  free(given.numbers);
  return code;
}

fl_store_code fl_postgres_run_script(fl_postgres_connection *self, const fl_buffer *script,
                                     fl_buffer *rows, int *columns, fl_store_error *error) {
  const fl_postgres_locale locale = fl_postgres_plain_locale();
  fl_store_code code = run_statements(self, script, rows, columns, error);
  fl_postgres_leave_locale(locale);
  return code;
}
