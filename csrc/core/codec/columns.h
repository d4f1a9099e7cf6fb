/*
 * columns.h: the columns of a CSV file: their names and types, and records as JSON text.
 *
 * Pure: cells in, types and text out; it opens no file. A record becomes an object with one member
 * for each column, in the header's order or as a mapping (mapping.h) has it. Names are escaped
 * once; values are appended directly to the output.
 *
 * How a cell is sent: an empty cell without quotes is null, whatever the column's type, and so is a
 * cell that holds one of the texts in `nulls`. In a number or boolean column the cell is sent as it
 * is written: "1.50" stays 1.50, a decimal comma becomes a point. In a text column it is sent as a
 * string.
 *
 * The type of an undecided column follows from all its cells that are not empty: number, if each is
 * a JSON number without exponent and with at most 15 significant digits (so that 00501 and long ids
 * stay text); boolean, if each is true or false; otherwise, and if all cells are empty, text. An
 * empty cell with quotes is no evidence for a type and is sent as "".
 *
 * A type that the caller gave is strict. Any JSON number is then a number, but an empty cell in
 * quotes is neither a number nor a boolean.
 */
#ifndef FL_COLUMNS_H
#define FL_COLUMNS_H

#include "codec/csv.h"
#include "codec/mapping.h"
#include "codec/name_index.h"

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

/* All texts live as long as the columns. A member that is 0 has its default. */
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
  bool dates;             /* the name is a date, and so is every cell so far that is not empty */
  bool other_decimal; /* while undecided: a cell was a number with the other decimal separator */
} fl_column;

/* A member of the records. */
typedef struct fl_column_member {
  fl_slice key; /* the name as JSON, with the punctuation around it: {"name": or ,"name": */
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
  fl_buffer names, keys;          /* their texts */
  fl_name_index by_name, by_sent; /* the places in `list` */
} fl_columns;

/* Room for a message: words without the file's name or line. */
#define FL_COLUMNS_MESSAGE 512

/* "text", "number", "boolean"; "auto" for undecided. */
const char *fl_column_type_name(fl_column_type type);
/* False if no type has this name. */
bool fl_column_type_named(const char *name, fl_column_type *type);

/*
 * Makes the columns from the header's cells. FL_INVALID with a message: a name that is empty or
 * repeated, more than FL_COLUMNS_MOST names, a choice or a mapping that names no column. On
 * anything but FL_OK there is nothing to free.
 */
fl_result fl_columns_init(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                          const fl_columns_options *options, char message[FL_COLUMNS_MESSAGE]);
void fl_columns_free(fl_columns *columns);

/* Compares the header of another file. FL_INVALID with a message if its cells are not the names of
 * these columns in the same order. */
fl_result fl_columns_compare(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                             char message[FL_COLUMNS_MESSAGE]);

/* Whether the type of a column is undecided: then all records go through fl_columns_learn before
 * the first is written.
 */
bool fl_columns_are_undecided(const fl_columns *columns);
/* Learns from a record. FL_INVALID with a message if the record does not fit the columns. */
fl_result fl_columns_learn(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           char message[FL_COLUMNS_MESSAGE]);
/* Decides the types, once the last record was learned from. */
void fl_columns_decide(fl_columns *columns);

/* Whether a cell stands for null. */
bool fl_columns_is_null(const fl_columns *columns, const fl_csv_cell *cell);

/*
 * Whether the header looks like a row of data: some names are numbers over columns of numbers, or
 * dates over columns of dates, and every column of numbers has a number as its name. The message
 * then lists these names.
 */
bool fl_columns_look_like_data(const fl_columns *columns, char message[FL_COLUMNS_MESSAGE]);

/*
 * Whether there are columns that were found to be text, whose cells are all numbers if they are
 * read with the other decimal separator. Returns that separator, and the message lists their
 * names; '\0' if there are none. A column in which each comma may separate thousands does not
 * count.
 */
char fl_columns_other_decimal(const fl_columns *columns, char message[FL_COLUMNS_MESSAGE]);

/* Appends a record as a JSON object. FL_INVALID with a message if it has too many or too few cells
 * or one that does not fit its column; `out` may then end with a part of the record. */
fl_result fl_columns_write(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           fl_buffer *out, char message[FL_COLUMNS_MESSAGE]);

#endif
