/*
 * source_types.h: types that the parts of a source share: formats and options, failures, and
 * batches of records as JSON text.
 */
#ifndef FL_SOURCE_TYPES_H
#define FL_SOURCE_TYPES_H

#include "codec/columns.h"
#include "files/archive.h"
#include "files/expect.h"

/* Bytes of the largest record. */
#define FL_SOURCE_RECORD_CEILING ((size_t)64 << 20)

typedef enum fl_source_format {
  FL_SOURCE_CSV,
  FL_SOURCE_TSV,
  FL_SOURCE_JSONL,
  FL_SOURCE_JSON,
  FL_SOURCE_NO_FORMAT
} fl_source_format;

typedef enum fl_source_header {
  FL_HEADER_FIRST_ROW, /* the first row names the columns */
  FL_HEADER_NONE,      /* the first row is data; the columns are column1, column2, ... */
  FL_HEADER_GIVEN      /* the first row is data; the columns are those of `names` */
} fl_source_header;

/* The dialect of a file, and the changes to its records. A member that is 0 has its default. */
typedef struct fl_source_options {
  fl_source_format format; /* FL_SOURCE_NO_FORMAT: by the name; in a zip by the name there */
  const char *encoding;    /* a name that iconv knows; NULL: UTF-8 */
  /* Only for CSV and TSV, except for the mapping. */
  fl_columns_options columns;
  fl_csv_dialect dialect; /* delimiter 0: as a first line `sep=;` says, else by the format */
  fl_source_header header;
  fl_names names;
  const char *at; /* JSON only: RFC 6901 pointer to the array of records; NULL: the text itself, or
                     its member "records" */
  fl_expectation expect;
  bool survey;  /* the whole source is read once before the first record is given: see
                   fl_source_count */
  size_t chunk; /* bytes that one step reads, at least 16; 0: 128 KiB. Specs and fuzzers set it, so
                   that short files have ends of chunks in them, too */
} fl_source_options;

/* The dialect in which the files are read, including the parts that were detected. */
typedef struct fl_source_dialect {
  fl_source_format format;
  fl_compression compression; /* of the first file */
  char delimiter, quote;      /* CSV and TSV; quote 0: none */
  bool separator_line;        /* a first line `sep=;` named the delimiter */
} fl_source_dialect;

/* A member of the records, and the type of its values: "text", "number", "boolean"; of JSON also
 * "array", "object", "null" (only null) and "mixed". */
typedef struct fl_source_member {
  fl_slice name;
  const char *type;
} fl_source_member;

typedef enum fl_source_code {
  FL_SOURCE_OK = 0,
  FL_SOURCE_END,     /* no records are left */
  FL_SOURCE_SYSTEM,  /* the file cannot be read; the message holds the system's words */
  FL_SOURCE_CONTENT, /* the file breaks its format */
  FL_SOURCE_CHANGED, /* the file changed while it was read */
  FL_SOURCE_NO_MEMORY
} fl_source_code;

#define FL_SOURCE_MESSAGE 2048

typedef struct fl_source_error {
  fl_source_code code;
  int64_t line;                    /* from 1; 0 if no line can be named */
  size_t part;                     /* the file of the list, from 0 */
  char message[FL_SOURCE_MESSAGE]; /* without the file's name or line */
} fl_source_error;

/* The place of a record in the text of a batch, and in the file. */
typedef struct fl_source_span {
  size_t start;
  uint32_t length; /* at most FL_SOURCE_RECORD_CEILING */
  uint32_t part;   /* the file of the list, from 0 */
  int64_t line;    /* on which it begins, from 1 */
} fl_source_span;

typedef struct fl_source_batch {
  fl_buffer text;  /* a JSON array of the records */
  fl_buffer spans; /* fl_source_span, one a record */
} fl_source_batch;

static inline void fl_source_batch_init(fl_source_batch *batch) {
  fl_buffer_init(&batch->text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&batch->spans, FL_BUFFER_UNLIMITED);
}

static inline void fl_source_batch_free(fl_source_batch *batch) {
  fl_buffer_free(&batch->text);
  fl_buffer_free(&batch->spans);
}

static inline size_t fl_source_batch_count(const fl_source_batch *batch) {
  return batch->spans.length / sizeof(fl_source_span);
}

static inline const fl_source_span *fl_source_batch_spans(const fl_source_batch *batch) {
  return (const fl_source_span *)(const void *)batch->spans.data;
}

#endif
