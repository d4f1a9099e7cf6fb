/*
 * columns.h: the columns of a CSV file: their names and types, and records as JSON text.
 *
 * Pure: cells in, types and text out; it opens no file. A record becomes an object with one member
 * for each column, in the header's order. Names are escaped once; values are appended directly to
 * the output.
 *
 * What a cell becomes: an empty cell without quotes is null, whatever the column's type. In a
 * number or boolean column the cell goes out as it is written ("1.50" stays 1.50), in a text column
 * as a string.
 *
 * What type an undecided column gets, from all its cells that are not empty: number, if each is a
 * JSON number without exponent and with at most 15 significant digits (so that 00501 and long ids
 * stay text); boolean, if each is true or false; otherwise, and where there is none, text. An empty
 * cell with quotes is no evidence for a type and goes out as "".
 *
 * A type that the caller gave is strict: any JSON number, but an empty cell in quotes is neither a
 * number nor a boolean.
 */
#ifndef FL_COLUMNS_H
#define FL_COLUMNS_H

#include "codec/csv.h"

typedef enum fl_column_type {
  FL_COLUMN_UNDECIDED,
  FL_COLUMN_TEXT,
  FL_COLUMN_NUMBER,
  FL_COLUMN_BOOLEAN
} fl_column_type;

/* A type that the caller gives to the column of this name; FL_COLUMN_UNDECIDED: to be found out. */
typedef struct fl_column_choice {
  fl_slice name;
  fl_column_type type;
} fl_column_choice;

typedef struct fl_column {
  fl_slice name;
  fl_slice key; /* the name as JSON with its punctuation: {"name": or ,"name": */
  fl_column_type type;
  bool strict;            /* the caller gave the type */
  unsigned char possible; /* while undecided: types that no cell has ruled out, as bits */
  bool filled;            /* while undecided: there was a cell that is not empty */
} fl_column;

typedef struct fl_columns {
  fl_column *list;
  size_t count;
  fl_buffer text; /* the names and keys are slices of it */
} fl_columns;

/* Room for a message: words without the file's name or line. */
#define FL_COLUMNS_MESSAGE 256

/* "text", "number", "boolean"; "auto" for undecided. */
const char *fl_column_type_name(fl_column_type type);
/* False where the name is none of them. */
bool fl_column_type_named(const char *name, fl_column_type *type);

/*
 * Makes the columns from the header's cells. `otherwise` is the type of columns that `choices` do
 * not name. FL_INVALID with a message: a name that is empty or repeated, a choice that names no
 * column. On anything but FL_OK there is nothing to free.
 */
fl_result fl_columns_init(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                          fl_column_type otherwise, const fl_column_choice *choices,
                          size_t choice_count, char message[FL_COLUMNS_MESSAGE]);
void fl_columns_free(fl_columns *columns);

/* Whether the type of a column is undecided: then all records go through fl_columns_learn before
 * the first is written.
 */
bool fl_columns_are_undecided(const fl_columns *columns);
/* Learns from a record. FL_INVALID with a message where the record does not fit the columns. */
fl_result fl_columns_learn(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           char message[FL_COLUMNS_MESSAGE]);
/* Decides the types, once the last record was learned from. */
void fl_columns_decide(fl_columns *columns);

/* Appends a record as a JSON object. FL_INVALID with a message where it has too many or too few
 * cells or one that does not fit its column; `out` may then end with a part of the record. */
fl_result fl_columns_write(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           fl_buffer *out, char message[FL_COLUMNS_MESSAGE]);

#endif
