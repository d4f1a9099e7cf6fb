/*
 * source.h: the records of a file (CSV, TSV, JSON lines, JSON), read in order as batches of JSON
 * text.
 *
 * A machine: it owns a file descriptor. One thread at a time may use a source. Memory is bounded by
 * the batch and the largest record, whatever the size of the file.
 *
 * CSV and TSV: the first row names the columns (columns.h tells how they are typed). If a column's
 * type is to be found out, opening reads the whole file once; whatever is wrong with the file is
 * then found before the first record is given. JSON lines: an object a line, given as it is
 * written; lines with nothing on them are stepped over. JSON: an array of objects, or an object
 * whose member "records" is one; given without white space, numbers digit for digit.
 *
 * The file must be a regular one and must not change meanwhile: its size, its modification time and
 * what its name stands for are looked at again before the second pass and at the end.
 */
#ifndef FL_SOURCE_H
#define FL_SOURCE_H

#include "codec/columns.h"

/* Bytes of the largest record. */
#define FL_SOURCE_RECORD_CEILING ((size_t)64 << 20)

typedef enum fl_source_format {
  FL_SOURCE_CSV,
  FL_SOURCE_TSV,
  FL_SOURCE_JSONL,
  FL_SOURCE_JSON,
  FL_SOURCE_NO_FORMAT
} fl_source_format;

typedef struct fl_source_options {
  fl_source_format format;
  fl_column_type otherwise;        /* type of columns that `choices` do not name */
  const fl_column_choice *choices; /* CSV and TSV only */
  size_t choice_count;
} fl_source_options;

typedef enum fl_source_code {
  FL_SOURCE_OK = 0,
  FL_SOURCE_END,     /* no records are left */
  FL_SOURCE_SYSTEM,  /* the file cannot be read; the message holds the system's words */
  FL_SOURCE_CONTENT, /* the file is not what its format asks for */
  FL_SOURCE_CHANGED, /* the file changed while it was read */
  FL_SOURCE_NO_MEMORY
} fl_source_code;

typedef struct fl_source_error {
  fl_source_code code;
  int64_t line;                     /* from 1; 0 where there is none to name */
  char message[FL_COLUMNS_MESSAGE]; /* words without the file's name or line */
} fl_source_error;

/* Where a record stands in a batch's text, and in the file. */
typedef struct fl_source_span {
  size_t start, length;
  int64_t line; /* on which it begins, from 1 */
} fl_source_span;

typedef struct fl_source_batch {
  fl_buffer text;  /* a JSON array */
  fl_buffer spans; /* fl_source_span, one a record */
} fl_source_batch;

void fl_source_batch_init(fl_source_batch *batch);
void fl_source_batch_free(fl_source_batch *batch);
size_t fl_source_batch_count(const fl_source_batch *batch);
const fl_source_span *fl_source_batch_spans(const fl_source_batch *batch);

typedef struct fl_source fl_source;

/* The format of a name's ending (csv, tsv, jsonl, ndjson, json), whatever its case. */
fl_source_format fl_source_format_named(const char *ending);
/* The format of a file by its name. */
fl_source_format fl_source_format_of(const char *path);

/* NULL with *error filled. */
fl_source *fl_source_open(const char *path, const fl_source_options *options,
                          fl_source_error *error);

/*
 * Replaces the batch's content by the next records: at most `max_records`, and text of at most
 * `max_bytes`, but always one record. FL_SOURCE_END and an empty array where none are left. The
 * records before an error are given first; from then on the answer is that error.
 */
fl_source_code fl_source_read(fl_source *source, size_t max_records, size_t max_bytes,
                              fl_source_batch *batch, fl_source_error *error);

/* The columns of a CSV or TSV file; none for the others. */
const fl_columns *fl_source_columns(const fl_source *source);
const char *fl_source_path(const fl_source *source);
/* Bytes read so far (by the pass that gives records), and the file's size. */
void fl_source_progress(const fl_source *source, int64_t *read, int64_t *total);
/* What tells the file from another, as it was opened: its time of change in nanoseconds since the
 * epoch. */
typedef struct fl_source_identity {
  int64_t size, modified;
  uint64_t inode, device;
} fl_source_identity;
fl_source_identity fl_source_identify(const fl_source *source);
void fl_source_close(fl_source *source);

#endif
