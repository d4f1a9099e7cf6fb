/*
 * source.c: files as batches of records. Opens the file, lets the reader of its format take steps
 * until the batch is full, and checks at the end that the file did not change.
 */
#include "files/source.h"

#include <stdlib.h>
#include <strings.h>

#include "files/source_csv.h"
#include "files/source_json.h"
#include "files/source_recorded.h"

struct fl_source {
  fl_source_input input;
  fl_source_format format;
  const fl_source_reader *reader;
  void *state; /* of the reader */
  bool counted;
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
  fl_compression compression = fl_archive_compression_of(path);
  size_t length = strlen(path) - strlen(fl_archive_ending(compression));
  char ending[8];
  size_t begin = length;
  while (begin > 0 && path[begin - 1] != '.' && path[begin - 1] != '/') begin--;
  if (begin == 0 || path[begin - 1] != '.' || length - begin >= sizeof ending)
    return FL_SOURCE_NO_FORMAT;
  memcpy(ending, path + begin, length - begin);
  ending[length - begin] = '\0';
  return fl_source_format_named(ending);
}

/* --- the source --- */

static bool choose_reader(fl_source *self) {
  fl_source_input *input = &self->input;
  self->format = input->options->format;
  if (self->format == FL_SOURCE_NO_FORMAT) self->format = fl_source_format_of(input->parts[0].path);
  if (self->format == FL_SOURCE_NO_FORMAT && input->archive != NULL) {
    const char *member = fl_archive_installed()->member(input->archive);
    if (member != NULL) self->format = fl_source_format_of(member);
  }
  if (self->format == FL_SOURCE_NO_FORMAT)
    return fl_source_input_fail_content(
        input, 0, "the name does not tell the format: give format = \"csv\" or another");
  if (self->format != FL_SOURCE_JSONL && input->parts[0].status.st_size == 0)
    return fl_source_input_fail_content(input, 0, "the file is empty");
  self->reader = readers[self->format];
  self->state = self->reader->open(input);
  return self->state != NULL;
}

/* Begins a pass over a part. */
static bool enter(fl_source *self, size_t part) {
  return fl_source_input_enter(&self->input, part) && self->reader->begin(self->state);
}

/* Reads to the end of the part, and checks that it has not changed. */
static bool drain(fl_source *self) {
  fl_source_input *input = &self->input;
  while (fl_source_input_is_live(input)) self->reader->pull(self->state);
  return input->failure.code == FL_SOURCE_OK && fl_source_input_check_unchanged(input);
}

/* Runs the learning pass if one is needed, then reads up to the first record. Without a learning
 * pass, a file that is compressed or in another encoding is checked: it may be cut off. */
static bool begin(fl_source *self) {
  fl_source_input *input = &self->input;
  if (!enter(self, 0)) return false;
  if (!input->learning)
    return !fl_source_input_is_filtered(input) ||
           (fl_source_input_enter(input, 0) && fl_source_input_check_bytes(input) &&
            enter(self, 0));
  for (size_t part = 0; part < input->part_count; part++)
    if ((part > 0 && !enter(self, part)) || !drain(self)) return false;
  self->reader->conclude(self->state);
  self->counted = true;
  input->learning = false;
  return input->failure.code == FL_SOURCE_OK && enter(self, 0);
}

static fl_source *new_source(fl_source_error *error) {
  fl_source *self = calloc(1, sizeof *self);
  if (self == NULL)
    *error = (fl_source_error){.code = FL_SOURCE_NO_MEMORY, .message = "not enough memory"};
  return self;
}

fl_source *fl_source_open_recording(fl_recording *recording, const char *name,
                                    const fl_source_options *options, fl_source_error *error) {
  fl_source *self = new_source(error);
  fl_bytes_file *file = self != NULL ? fl_recording_open(recording) : NULL;
  if (self == NULL) return NULL;
  self->format = FL_SOURCE_JSONL;
  if (file == NULL) {
    fl_source_input_fail_memory(&self->input);
  } else if (fl_source_input_open_recording(&self->input, file, fl_recording_compression(recording),
                                            name, options)) {
    self->reader = &fl_source_recorded;
    self->state = self->reader->open(&self->input);
    if (enter(self, 0)) return self;
  }
  *error = self->input.failure;
  fl_source_close(self);
  return NULL;
}

fl_source *fl_source_open(const char *const *paths, size_t count, const fl_source_options *options,
                          fl_source_error *error) {
  fl_source *self = new_source(error);
  if (self == NULL) return NULL;
  if (fl_source_input_open(&self->input, paths, count, options) && choose_reader(self) &&
      begin(self))
    return self;
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

/* Takes one step. If a part has ended, enters the next part. */
static void step(fl_source *self) {
  fl_source_input *input = &self->input;
  if (!input->ended) self->reader->pull(self->state);
  else if (fl_source_input_check_unchanged(input)) enter(self, input->part + 1);
}

static bool is_live(const fl_source *self) {
  const fl_source_input *input = &self->input;
  return input->failure.code == FL_SOURCE_OK &&
         (!input->ended || input->part + 1 < input->part_count);
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
  while (input->batch != NULL && is_live(self)) step(self);
  if (input->ended && input->failure.code == FL_SOURCE_OK) fl_source_input_check_unchanged(input);
  input->batch = NULL;
  if (fl_buffer_append_byte(&batch->text, ']') != FL_OK) fl_source_input_fail_memory(input);
  if (input->failure.code == FL_SOURCE_NO_MEMORY) batch->spans.length = 0;
  if (batch->spans.length > 0) return FL_SOURCE_OK;
  *error = input->failure;
  return error->code == FL_SOURCE_OK ? FL_SOURCE_END : error->code;
}

/* --- properties of a source --- */

const fl_columns *fl_source_columns(const fl_source *self) {
  static const fl_columns none;
  return self->reader->columns != NULL ? self->reader->columns(self->state) : &none;
}

fl_source_dialect fl_source_get_dialect(const fl_source *self) {
  fl_source_dialect dialect = {.format = self->format};
  dialect.compression = fl_archive_compression_of(self->input.parts[0].path);
  if (self->reader->describe != NULL) self->reader->describe(self->state, &dialect);
  return dialect;
}

int64_t fl_source_count(const fl_source *self) { return self->counted ? self->input.counted : -1; }

bool fl_source_get_member(const fl_source *self, size_t place, fl_source_member *out) {
  return self->reader->member(self->state, place, out);
}

const char *fl_source_remark(const fl_source *self, size_t place) {
  return self->reader->remark != NULL ? self->reader->remark(self->state, place) : NULL;
}

void fl_source_progress(const fl_source *self, int64_t *read, int64_t *total) {
  const fl_source_input *input = &self->input;
  *read = input->file != NULL ? input->file->position : 0;
  *total = 0;
  for (size_t i = 0; i < input->part_count; i++) {
    *total += input->parts[i].status.st_size;
    if (i < input->part) *read += input->parts[i].status.st_size;
  }
}

size_t fl_source_part_count(const fl_source *self) { return self->input.part_count; }

const char *fl_source_part_path(const fl_source *self, size_t part) {
  return self->input.parts[part].path;
}

fl_source_identity fl_source_identify(const fl_source *self, size_t part) {
  const struct stat *status = &self->input.parts[part].status;
  return (fl_source_identity){
      (int64_t)status->st_size,
      (int64_t)FL_BYTES_MODIFIED(*status).tv_sec * 1000000000 + FL_BYTES_MODIFIED(*status).tv_nsec,
      (uint64_t)status->st_ino, (uint64_t)status->st_dev};
}
