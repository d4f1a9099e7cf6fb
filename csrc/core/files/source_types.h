/*
 * source_types.h: types that the parts of a source share: formats and options, failures, and
 * batches of records as JSON text.
 */
#ifndef FL_SOURCE_TYPES_H
#define FL_SOURCE_TYPES_H

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
  FL_SOURCE_CONTENT, /* the file breaks its format */
  FL_SOURCE_CHANGED, /* the file changed while it was read */
  FL_SOURCE_NO_MEMORY
} fl_source_code;

typedef struct fl_source_error {
  fl_source_code code;
  int64_t line;                     /* from 1; 0 where there is none to name */
  char message[FL_COLUMNS_MESSAGE]; /* words without the file's name or line */
} fl_source_error;

/* The place of a record in the text of a batch, and in the file. */
typedef struct fl_source_span {
  size_t start, length;
  int64_t line; /* on which it begins, from 1 */
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
