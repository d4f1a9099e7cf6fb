/*
 * export.h: rows of a page -> CSV, JSON lines, a JSON array, or cells for another writer.
 *
 * Pure apart from the buffer it appends to: it opens no file. Text is written directly from the
 * tape. docs/files.md, "Exporting", describes the formats.
 *
 * CSV as of RFC 4180 and csv.h: records end with CR LF; null and a member that a row
 * lacks are an empty cell, "" is two quotes. The columns are those that were added, or else all
 * members of the rows of the first page, by their first appearance. A row is one object; of
 * repeated keys the last counts.
 *
 * JSON lines: one row a line, as the server sent it, without white space and without unnecessary
 * escapes. With columns: an object of the members that the row has, in the columns' order. A JSON
 * array has the same rows, one a line, between brackets.
 *
 * Cells: the function `take` gets the node of each column, one row at a time. The columns are
 * chosen as for CSV.
 */
#ifndef FL_EXPORT_H
#define FL_EXPORT_H

#include "base/buffer.h"
#include "codec/json_scan.h"
#include "codec/name_index.h"

typedef enum fl_export_format {
  FL_EXPORT_CSV,
  FL_EXPORT_JSON_LINES,
  FL_EXPORT_JSON,
  FL_EXPORT_CELLS
} fl_export_format;

typedef enum fl_export_code {
  FL_EXPORT_OK = 0,
  FL_EXPORT_NO_OBJECT,  /* a row is no object, so it has no columns */
  FL_EXPORT_NEW_COLUMN, /* CSV: a row has members without a column; the message names them */
  FL_EXPORT_BLANK,      /* CSV: a record that would be a blank line */
  FL_EXPORT_NUL,        /* CSV: a string that holds a NUL character */
  FL_EXPORT_NO_NAME,    /* CSV: a member with an empty name */
  FL_EXPORT_TOO_WIDE,   /* the rows have more than FL_COLUMNS_MOST members */
  FL_EXPORT_REFUSED,    /* cells: `take` has no place for the row; it has written the message */
  FL_EXPORT_IO,         /* cells: `take` cannot write the row; it has written the message */
  FL_EXPORT_NO_MEMORY
} fl_export_code;

#define FL_EXPORT_MESSAGE 400
#define FL_EXPORT_PLACES 256 /* members of a row whose columns are remembered by place */

typedef struct fl_export_column {
  fl_buffer text; /* the name, then the name as a member's key in JSON: "name": */
  size_t name_length;
  bool met; /* a row had a member of this name */
} fl_export_column;

typedef struct fl_export fl_export;

/* Takes the row whose values are the nodes self->cells. */
typedef fl_export_code (*fl_export_take)(void *context, fl_export *self, const fl_json_tape *tape,
                                         const char *text);

struct fl_export {
  fl_export_format format;
  char delimiter; /* CSV: a byte of ASCII that no number and no word holds; a comma by default */
  bool mark;      /* CSV: begins with a byte order mark */
  bool escape; /* CSV: an apostrophe goes before text that a spreadsheet would run as a formula */
  bool any;    /* JSON: a row was written */
  fl_export_take take; /* of cells */
  void *take_context;
  fl_export_column *columns;
  fl_name_index names; /* of the columns */
  size_t count;
  bool chosen;      /* CSV: members without a column are left out instead of being an error */
  size_t unmet;     /* columns that no row has had yet */
  bool begun;       /* the columns are fixed, and the header is written */
  uint32_t *cells;  /* one a column: the node of the row's value, 0: it has none */
  fl_buffer nested; /* JSON text of an array or an object, before it is quoted into a cell */
  /* The key and the column at each place of the row before, as nodes of the current page. */
  struct {
    uint32_t key, column;
  } places[FL_EXPORT_PLACES];
  char message[FL_EXPORT_MESSAGE]; /* after a failure: words that follow "row 17 " */
  char members[FL_EXPORT_MESSAGE]; /* the names of the first row that lacked a column, in quotes */
};

void fl_export_init(fl_export *self, fl_export_format format);
void fl_export_free(fl_export *self);

/* Adds a column, before the first row. FL_INVALID: its name is repeated or is not UTF-8; in CSV
 * also an empty name, and one with a NUL character. FL_TOO_LARGE: there are FL_COLUMNS_MOST. */
fl_result fl_export_add_column(fl_export *self, fl_slice name);
fl_slice fl_export_column_name(const fl_export *self, size_t index);

/* Whether a text begins like a formula of a spreadsheet. */
bool fl_export_is_formula(fl_slice text);

/* Appends the header, unless the format has none or it was appended before. */
fl_result fl_export_begin(fl_export *self, fl_buffer *out);

/*
 * Appends `count` rows, the first at node `row`; before the first of all, the header. `length` is
 * that of `text`. `kept` is NULL, or has a byte a row: rows whose byte is 0 are passed over. *done:
 * the number of rows appended or passed over. A failure is that of the row after them; `out` holds
 * nothing of it.
 */
fl_export_code fl_export_rows(fl_export *self, const fl_json_tape *tape, const char *text,
                              size_t length, uint32_t row, int64_t count, const char *kept,
                              fl_buffer *out, int64_t *done);

/* Appends the end of the text: the closing bracket of a JSON array. */
fl_result fl_export_end(const fl_export *self, fl_buffer *out);

/* Counts the complete records of a text written by export.c, which may be cut off anywhere. */
typedef struct fl_export_count {
  fl_export_format format;
  int64_t records;   /* complete ones, a header among them */
  int64_t first_end; /* offset of the byte after the first record */
  int64_t end;       /* after the last complete one; in a JSON array, before the comma */
  int64_t length;    /* fed so far */
  bool quoted;
  bool opened;       /* JSON: the line of the opening bracket was read */
  char line, before; /* JSON: the first byte of the current line, 0 for none; the byte fed last */
} fl_export_count;

/* Feeds the next piece; a count begins as zeros and its format. */
void fl_export_count_feed(fl_export_count *count, const char *bytes, size_t length);

#endif
