/*
 * csv.h: CSV text <-> cells, over libcsv.
 *
 * Pure: bytes in, records out; it opens no file. Quoting is that of RFC 4180; the caller chooses
 * the dialect. A reader is fed pieces of any size and hands each whole record to a function; it
 * keeps one record in memory and no more.
 */
#ifndef FL_CSV_H
#define FL_CSV_H

#include "base/buffer.h"

typedef struct fl_csv_cell {
  fl_slice text;
  bool quoted; /* an empty cell without quotes is null, with them it is "" */
} fl_csv_cell;

typedef enum fl_csv_code {
  FL_CSV_OK = 0,
  FL_CSV_STOPPED,    /* the record function answered false */
  FL_CSV_OPEN_QUOTE, /* a quote that is never closed; line: where it opened */
  FL_CSV_BAD_QUOTE,  /* text after a closing quote, or a quote inside an unquoted cell */
  FL_CSV_BAD_UTF8,   /* bytes that are not UTF-8 */
  FL_CSV_NUL,        /* a NUL byte */
  FL_CSV_TOO_LONG,   /* a record larger than the ceiling; line: where the record begins */
  FL_CSV_MEMORY
} fl_csv_code;

/* One record. `line` (from 1) is where it begins. The cells live until the function returns. */
typedef bool (*fl_csv_record)(void *context, const fl_csv_cell *cells, size_t count, int64_t line);

/* The dialect of a text. A member that is 0 has the value of RFC 4180. */
typedef struct fl_csv_dialect {
  char delimiter;   /* 0: a comma. Otherwise ASCII, no line end. */
  char quote;       /* 0: '"'. Otherwise ASCII, no line end and not the delimiter. */
  bool unquoted;    /* no byte quotes: every quote is a part of its cell */
  bool trim;        /* removes white space around cells and around their quotes */
  fl_slice comment; /* lines that begin with it are skipped; it holds no quote and no line end */
  size_t skip;      /* the number of lines to skip at the beginning, whatever they hold */
} fl_csv_dialect;

typedef struct fl_csv_reader fl_csv_reader;

/* NULL without memory. `record_ceiling`: bytes of the largest record to accept. The text of
 * `dialect->comment` has to live as long as the reader. A UTF-8 byte order mark at the beginning is
 * skipped; blank lines are skipped. */
fl_csv_reader *fl_csv_open(const fl_csv_dialect *dialect, size_t record_ceiling,
                           fl_csv_record function, void *context);
/* Feeds bytes. After a code other than FL_CSV_OK, every call answers that code. */
fl_csv_code fl_csv_feed(fl_csv_reader *reader, const char *bytes, size_t length);
/* The end of the text: hands over a last record without a line end. */
fl_csv_code fl_csv_finish(fl_csv_reader *reader);
/* The line (from 1) of the error, or of the byte fed next. */
int64_t fl_csv_line(const fl_csv_reader *reader);
void fl_csv_close(fl_csv_reader *reader);

const char *fl_csv_describe(fl_csv_code code);

/* Appends one cell for output: quoted if it holds the delimiter, a quote or a line break, begins or
 * ends with a space, or where `quote` asks for it (an empty string that is not null). */
fl_result fl_csv_write_cell(fl_buffer *out, fl_slice text, char delimiter, bool quote);

#endif
