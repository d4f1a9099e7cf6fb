/*
 * files.c: fuzzes files as sources. A file that is read in batches and chunks of one size gives the
 * same records, and ends in the same way, as in those of another; each batch is valid JSON.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "files/source.h"
#include "validator.h"

/* More than what the readers read before they begin: behind it a window of the file moves on. */
#define BLANK 256

/* The path of a file in memory with this content, behind as many line breaks. */
static const char *file_with(size_t blank, const uint8_t *bytes, size_t length) {
  static char path[40];
  static int descriptor = -1;
  if (descriptor < 0) {
    descriptor = memfd_create("fuzz", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  }
  HOLDS(descriptor >= 0 && ftruncate(descriptor, 0) == 0);
  if (blank > 0) {
    char breaks[BLANK];
    memset(breaks, '\n', sizeof breaks);
    HOLDS(pwrite(descriptor, breaks, blank, 0) == (ssize_t)blank);
  }
  HOLDS(pwrite(descriptor, bytes, length, (off_t)blank) == (ssize_t)length);
  return path;
}

typedef struct reading {
  fl_source_error error;
  fl_source_code code;
  size_t count;
  fl_buffer records; /* a line each: its place in the file, and its text */
} reading;

static void read_batch(reading *self, const fl_source_batch *batch) {
  HOLDS(validator_is_json(batch->text.data, batch->text.length));
  for (size_t i = 0; i < fl_source_batch_count(batch); i++) {
    const fl_source_span *span = &fl_source_batch_spans(batch)[i];
    HOLDS(span->start + span->length < batch->text.length);
    HOLDS(validator_is_json(batch->text.data + span->start, span->length));
    HOLDS(batch->text.data[span->start] == '{');
    HOLDS(fl_buffer_append(&self->records, &span->line, sizeof span->line) == FL_OK);
    HOLDS(fl_buffer_append(&self->records, batch->text.data + span->start, span->length) == FL_OK);
    self->count++;
  }
}

static void read_all(reading *self, const char *path, const fl_source_options *options,
                     size_t most_records, size_t most_bytes) {
  fl_source *source;
  fl_source_batch batch;
  memset(self, 0, sizeof *self);
  fl_buffer_init(&self->records, FL_BUFFER_UNLIMITED);
  source = fl_source_open(&path, 1, options, &self->error);
  if (source == NULL) {
    HOLDS(self->error.code > FL_SOURCE_END && self->error.message[0] != '\0');
    self->code = self->error.code;
    return;
  }
  fl_source_batch_init(&batch);
  for (;;) {
    size_t count;
    self->code = fl_source_read(source, most_records, most_bytes, &batch, &self->error);
    if (self->code != FL_SOURCE_OK) break;
    count = fl_source_batch_count(&batch);
    HOLDS(count >= 1 && count <= most_records);
    HOLDS(count == 1 || batch.text.length <= most_bytes);
    read_batch(self, &batch);
  }
  if (self->code == FL_SOURCE_END) {
    int64_t counted = fl_source_count(source);
    HOLDS(counted < 0 || (size_t)counted == self->count);
  } else {
    HOLDS(self->error.message[0] != '\0');
  }
  fl_source_batch_free(&batch);
  fl_source_close(source);
}

/* The message, without the delimiter that may divide a row: only the part of the row that is in the
 * window is searched for it. */
static fl_slice main_message(const fl_source_error *error) {
  const char *hint = strstr(error->message, ": delimiter = ");
  return (fl_slice){error->message,
                    hint != NULL ? (size_t)(hint - error->message) : strlen(error->message)};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static const char *const encodings[] = {NULL, "UTF-16LE", "ISO-8859-1", "UTF-16"};
  static const char *const places[] = {NULL, "", "/a", "/records/0"};
  fuzz_input input = {bytes, length};
  unsigned format = fuzz_byte(&input), flags = fuzz_byte(&input), size = fuzz_byte(&input);
  fl_source_options options = {
      .format = (fl_source_format)(format % 4),
      .encoding = encodings[format / 4 % 4],
      .columns = {.otherwise = (fl_column_type)(flags % 4), .decimal = flags & 4 ? ',' : '.'},
      .header = flags & 8 ? FL_HEADER_NONE : FL_HEADER_FIRST_ROW,
      .at = format % 4 == FL_SOURCE_JSON ? places[flags / 16 % 4] : NULL,
      .survey = (flags & 64) != 0};
  reading one, other;
  const char *path;
  fl_source_options short_chunks;
  if (format % 4 <= FL_SOURCE_TSV) {
    options.dialect.trim = (flags & 16) != 0;
    options.dialect.skip = flags & 32 ? 1 : 0;
    options.dialect.delimiter = flags & 128 ? ';' : 0;
  }
  path = file_with(size & 128 ? BLANK : 0, input.bytes, input.left);
  /* A chunk of 128 KiB is a mapping of its own for AddressSanitizer, which takes far longer than to
   * read such a short file: only each 16th input has one. */
  options.chunk = format / 16 % 16 == 15 ? 0 : 8192;
  short_chunks = options;
  /* In another encoding, and without a pass before the first record, a mistake in the first chunk
   * is found at opening, and a later one behind the records before it. */
  if (options.encoding == NULL || options.survey) short_chunks.chunk = 16 + size;
  read_all(&one, path, &options, 1000000, (size_t)1 << 30);
  read_all(&other, path, &short_chunks, 1 + size % 8, 2 + size);
  HOLDS(one.code == other.code && one.count == other.count);
  HOLDS(one.error.line == other.error.line);
  HOLDS(fl_slice_equal(main_message(&one.error), main_message(&other.error)));
  HOLDS(one.records.length == other.records.length);
  HOLDS(one.records.length == 0 ||
        memcmp(one.records.data, other.records.data, one.records.length) == 0);
  fl_buffer_free(&one.records);
  fl_buffer_free(&other.records);
  return 0;
}
