/*
 * source.c: files as batches of records: opens the file, has the reader of its format take steps
 * until the batch is full, and checks at the end that the file did not change.
 */
#include "files/source.h"

#include <stdlib.h>
#include <strings.h>

#include "files/source_csv.h"
#include "files/source_json.h"

struct fl_source {
  fl_source_input input;
  const fl_source_reader *reader;
  void *state; /* the reader's */
};

/* --- formats --- */

static const fl_source_reader *const readers[FL_SOURCE_NO_FORMAT] = {
    [FL_SOURCE_CSV] = &fl_source_csv,
    [FL_SOURCE_TSV] = &fl_source_tsv,
    [FL_SOURCE_JSONL] = &fl_source_json_lines,
    [FL_SOURCE_JSON] = &fl_source_json,
};

static const struct {
  const char *ending;
  fl_source_format format;
} endings[] = {{"csv", FL_SOURCE_CSV},
               {"tsv", FL_SOURCE_TSV},
               {"jsonl", FL_SOURCE_JSONL},
               {"ndjson", FL_SOURCE_JSONL},
               {"json", FL_SOURCE_JSON}};

fl_source_format fl_source_format_named(const char *ending) {
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(ending, endings[i].ending) == 0) return endings[i].format;
  return FL_SOURCE_NO_FORMAT;
}

fl_source_format fl_source_format_of(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot == NULL ? FL_SOURCE_NO_FORMAT : fl_source_format_named(dot + 1);
}

/* --- the source --- */

static bool open_source(fl_source *self, const char *path, const fl_source_options *options) {
  if (!fl_source_input_open(&self->input, path)) return false;
  if (self->input.identity.st_size == 0 && options->format != FL_SOURCE_JSONL)
    return fl_source_input_fail_content(&self->input, 0, "the file is empty");
  self->reader = readers[options->format];
  self->state = self->reader->open(&self->input, options);
  return self->state != NULL;
}

fl_source *fl_source_open(const char *path, const fl_source_options *options,
                          fl_source_error *error) {
  fl_source *self = calloc(1, sizeof *self);
  if (self == NULL) {
    *error = (fl_source_error){FL_SOURCE_NO_MEMORY, 0, "not enough memory"};
    return NULL;
  }
  if (open_source(self, path, options)) return self;
  *error = self->input.failure;
  fl_source_close(self);
  return NULL;
}

void fl_source_close(fl_source *self) {
  if (self == NULL) return;
  if (self->reader != NULL) self->reader->close(self->state);
  fl_source_input_close(&self->input);
  free(self);
}

fl_source_code fl_source_read(fl_source *self, size_t max_records, size_t max_bytes,
                              fl_source_batch *batch, fl_source_error *error) {
  fl_source_input *input = &self->input;
  batch->text.length = batch->spans.length = 0;
  input->batch = batch;
  input->max_records = max_records;
  input->max_bytes = max_bytes;
  if (fl_buffer_append_byte(&batch->text, '[') != FL_OK || !fl_source_input_take_waiting(input))
    fl_source_input_fail_memory(input);
  while (input->batch != NULL && fl_source_input_is_live(input)) self->reader->pull(self->state);
  if (input->ended && input->failure.code == FL_SOURCE_OK) fl_source_input_check_unchanged(input);
  input->batch = NULL;
  if (fl_buffer_append_byte(&batch->text, ']') != FL_OK) fl_source_input_fail_memory(input);
  if (input->failure.code == FL_SOURCE_NO_MEMORY) batch->spans.length = 0;
  if (batch->spans.length > 0) return FL_SOURCE_OK;
  *error = input->failure;
  return error->code == FL_SOURCE_OK ? FL_SOURCE_END : error->code;
}

const fl_columns *fl_source_columns(const fl_source *self) {
  static const fl_columns none;
  return self->reader->columns != NULL ? self->reader->columns(self->state) : &none;
}

void fl_source_progress(const fl_source *self, int64_t *read, int64_t *total) {
  *read = self->input.bytes_read;
  *total = self->input.identity.st_size;
}

fl_source_identity fl_source_identify(const fl_source *self) {
  const struct stat *status = &self->input.identity;
  return (fl_source_identity){(int64_t)status->st_size,
                              (int64_t)FL_SOURCE_MODIFIED(*status).tv_sec * 1000000000 +
                                  FL_SOURCE_MODIFIED(*status).tv_nsec,
                              (uint64_t)status->st_ino, (uint64_t)status->st_dev};
}
