/*
 * dialect.c: statements of the state file in PostgreSQL's words. See postgres.h.
 *
 * The statements are portable but for their parameters. Texts in single quotes stay as they are.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "postgres.h"

/* Reads the parameter behind the question mark at sql[*place]; `most` is the highest so far. */
static int read_parameter(fl_slice sql, size_t *place, int *most) {
  int number = 0;
  while (*place + 1 < sql.length && isdigit((unsigned char)sql.data[*place + 1]))
    number = number * 10 + (sql.data[++*place] - '0');
  if (number == 0) number = *most + 1;
  if (number > *most) *most = number;
  return number;
}

fl_result fl_postgres_translate(fl_slice sql, fl_buffer *out) {
  fl_result result = FL_OK;
  bool quoted = false;
  int most = 0;
  for (size_t i = 0; i < sql.length && result == FL_OK; i++) {
    char parameter[16];
    if (sql.data[i] == '\'') quoted = !quoted;
    if (quoted || sql.data[i] != '?') {
      result = fl_buffer_append_byte(out, sql.data[i]);
      continue;
    }
    snprintf(parameter, sizeof parameter, "$%d", read_parameter(sql, &i, &most));
    result = fl_buffer_append_text(out, parameter);
  }
  return result == FL_OK ? fl_buffer_append_byte(out, '\0') : result;
}

bool fl_postgres_only_reads(const fl_buffer *script) {
  size_t place = 0;
  for (;;) {
    fl_script_value value = fl_script_read(script, &place);
    if (value.type == FL_SCRIPT_END) return true;
    if (value.type == FL_SCRIPT_STATEMENT &&
        (value.text.length < 7 || strncasecmp(value.text.data, "SELECT ", 7) != 0))
      return false;
  }
}
