/*
 * script.h: scripts of SQL and their rows, as bytes in a buffer.
 *
 * A script is a list of statements with their values, which run in one transaction. The rows of its
 * last statement come as a buffer, too. Pure; used by the state file (files/store.h), the binding
 * and the module of PostgreSQL (csrc/postgres).
 */
#ifndef FL_SCRIPT_H
#define FL_SCRIPT_H

#include "base/buffer.h"

/* --- scripts --- */

/* `changes`: the number of rows that the statement must change, or -1 for any number. */
fl_result fl_script_statement(fl_buffer *script, fl_slice sql, int changes);
/* Append the values of the last statement, in the order of its parameters. */
fl_result fl_script_null(fl_buffer *script);
fl_result fl_script_integer(fl_buffer *script, int64_t value);
fl_result fl_script_real(fl_buffer *script, double value);
fl_result fl_script_text(fl_buffer *script, fl_slice text);

/* --- results: the names of the columns as texts, then each row's values --- */

typedef enum fl_script_type {
  FL_SCRIPT_END,
  FL_SCRIPT_NULL,
  FL_SCRIPT_INTEGER,
  FL_SCRIPT_REAL,
  FL_SCRIPT_TEXT,
  FL_SCRIPT_STATEMENT
} fl_script_type;

typedef struct fl_script_value {
  fl_script_type type;
  int64_t integer; /* of a statement: its changes */
  double real;
  fl_slice text;
} fl_script_value;

/* Reads the value at *place, and moves *place behind it. FL_SCRIPT_END past the last value. */
fl_script_value fl_script_read(const fl_buffer *from, size_t *place);

#endif
