/*
 * columns.h: the columns of a CSV file: their names and types, and records as JSON text.
 *
 * Pure: cells in, types and text out; it opens no file. A record becomes an object with one member
 * for each column, in the header's order or as a mapping (mapping.h) has it. Names are escaped
 * once; values are appended directly to the output.
 *
 * What a cell becomes: an empty cell without quotes is null, whatever the column's type, and so is
 * one that holds a text of `nulls`. In a number or boolean column the cell is sent as it is
 * written: "1.50" stays 1.50, a decimal comma becomes a point. In a text column it is sent as a
 * string.
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
#include "codec/mapping.h"

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

/* All texts live as long as the columns. Members that are 0 ask for nothing special. */
typedef struct fl_columns_options {
  fl_column_type otherwise; /* type of columns that `choices` do not name */
  const fl_column_choice *choices;
  size_t choice_count;
  char decimal; /* of numbers: '.' (0 too) or ',' */
  fl_names nulls;
  fl_mapping mapping;
} fl_columns_options;

typedef struct fl_column {
  fl_slice name; /* in the header */
  fl_slice sent; /* in records */
  fl_column_type type;
  bool strict;            /* the caller gave the type */
  unsigned char possible; /* while undecided: types that no cell has ruled out, as bits */
  bool filled;            /* while undecided: there was a cell that is not empty */
  bool dates; /* the name is a date, and so is every cell that was learned from and is not empty */
} fl_column;

/* A member of the records. */
typedef struct fl_column_member {
  fl_slice key;            /* the name as JSON, with what stands around it: {"name": or ,"name": */
  const fl_column *column; /* NULL: a constant */
  size_t cell;
  fl_slice constant;
} fl_column_member;

typedef struct fl_columns {
  fl_column *list; /* of the file */
  size_t count;
  fl_column_member *members;
  size_t member_count;
  char decimal;
  fl_names nulls;
  fl_buffer names, keys; /* their texts */
} fl_columns;

/* Room for a message: words without the file's name or line. */
#define FL_COLUMNS_MESSAGE 512

/* "text", "number", "boolean"; "auto" for undecided. */
const char *fl_column_type_name(fl_column_type type);
/* False where the name is none of them. */
bool fl_column_type_named(const char *name, fl_column_type *type);

/*
 * Makes the columns from the header's cells. FL_INVALID with a message: a name that is empty or
 * repeated, a choice or a mapping that names no column. On anything but FL_OK there is nothing to
 * free.
 */
fl_result fl_columns_init(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                          const fl_columns_options *options, char message[FL_COLUMNS_MESSAGE]);
void fl_columns_free(fl_columns *columns);

/* FL_INVALID with a message where the cells of another header are not the names of these columns,
 * in the same order. */
fl_result fl_columns_compare(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                             char message[FL_COLUMNS_MESSAGE]);

/* Whether the type of a column is undecided: then all records go through fl_columns_learn before
 * the first is written.
 */
bool fl_columns_are_undecided(const fl_columns *columns);
/* Learns from a record. FL_INVALID with a message where the record does not fit the columns. */
fl_result fl_columns_learn(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           char message[FL_COLUMNS_MESSAGE]);
/* Decides the types, once the last record was learned from. */
void fl_columns_decide(fl_columns *columns);

/* Whether a cell stands for null. */
bool fl_columns_is_null(const fl_columns *columns, const fl_csv_cell *cell);

/*
 * Whether the names may be a row of data: there are names that are numbers over columns of numbers,
 * or dates over columns of dates, and no column of numbers has another name. Then the message holds
 * them.
 */
bool fl_columns_look_like_data(const fl_columns *columns, char message[FL_COLUMNS_MESSAGE]);

/* Appends a record as a JSON object. FL_INVALID with a message where it has too many or too few
 * cells or one that does not fit its column; `out` may then end with a part of the record. */
fl_result fl_columns_write(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           fl_buffer *out, char message[FL_COLUMNS_MESSAGE]);

#endif
