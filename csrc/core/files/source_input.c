/*
 * source_input.c: reads the files in chunks, and puts records into the batch or into the queue for
 * the next batch. See source_input.h.
 */
#include "files/source_input.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "files/encoding.h"

#define CHUNK ((size_t)128 * 1024)

/* --- failures --- */

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static bool
fail(fl_source_input *self, fl_source_code code, int64_t line, const char *format, ...) {
  va_list arguments;
  if (self->failure.code != FL_SOURCE_OK) return false;
  self->failure.code = code;
  self->failure.line = line;
  self->failure.part = self->part;
  va_start(arguments, format);
  vsnprintf(self->failure.message, sizeof self->failure.message, format, arguments);
  va_end(arguments);
  return false;
}

bool fl_source_input_fail_memory(fl_source_input *self) {
  return fail(self, FL_SOURCE_NO_MEMORY, 0, "not enough memory");
}

/* Copies the failure of the source of bytes. False if there is one. */
static bool take_failure(fl_source_input *self, const fl_bytes *bytes, int64_t line) {
  static const fl_source_code codes[] = {[FL_BYTES_OK] = FL_SOURCE_OK,
                                         [FL_BYTES_SYSTEM] = FL_SOURCE_SYSTEM,
                                         [FL_BYTES_CONTENT] = FL_SOURCE_CONTENT,
                                         [FL_BYTES_CHANGED] = FL_SOURCE_CHANGED,
                                         [FL_BYTES_NO_MEMORY] = FL_SOURCE_NO_MEMORY};
  if (bytes->code == FL_BYTES_OK) return true;
  if (bytes->code == FL_BYTES_CONTENT)
    return fl_source_input_fail_content(self, line, bytes->message);
  return fail(self, codes[bytes->code], 0, "%s", bytes->message);
}

bool fl_source_input_check_unchanged(fl_source_input *self) {
  return !fl_bytes_is_changed(self->file) ||
         fail(self, FL_SOURCE_CHANGED, 0, FL_BYTES_CHANGED_WORDS);
}

bool fl_source_input_fail_content(fl_source_input *self, int64_t line, const char *words) {
  return fl_source_input_check_unchanged(self) && fail(self, FL_SOURCE_CONTENT, line, "%s", words);
}

bool fl_source_input_fail_result(fl_source_input *self, fl_result result, int64_t line,
                                 const char *words) {
  return result == FL_INVALID ? fl_source_input_fail_content(self, line, words)
                              : fl_source_input_fail_memory(self);
}

bool fl_source_input_fail_temporary(fl_source_input *self) {
  return fail(self, FL_SOURCE_SYSTEM, 0, "expect.unique: its temporary file: %s", strerror(errno));
}

void fl_source_input_conclude(fl_source_input *self, fl_expect *expect) {
  char words[FL_SOURCE_MESSAGE];
  const char **paths = calloc(self->part_count, sizeof *paths);
  fl_place place;
  fl_result result = FL_NO_MEMORY;
  for (size_t i = 0; paths != NULL && i < self->part_count; i++) paths[i] = self->parts[i].path;
  if (paths != NULL) result = fl_expect_finish(expect, paths, words, sizeof words, &place);
  free(paths);
  if (result == FL_INVALID) {
    fail(self, FL_SOURCE_CONTENT, fl_place_line(place), "%s", words);
    self->failure.part = fl_place_part(place);
  } else if (result == FL_SYSTEM) {
    fl_source_input_fail_temporary(self);
  } else if (result != FL_OK) {
    fl_source_input_fail_memory(self);
  }
}

/* --- records --- */

static bool add_span(fl_source_batch *batch, size_t start, int64_t line, size_t part) {
  fl_source_span span = {start, (uint32_t)(batch->text.length - start), (uint32_t)part, line};
  return fl_buffer_append(&batch->spans, &span, sizeof span) == FL_OK;
}

bool fl_source_input_begin_record(fl_source_input *self) {
  fl_source_batch *batch = self->batch != NULL ? self->batch : &self->waiting;
  self->target = &batch->text;
  if (self->batch != NULL && batch->spans.length > 0 &&
      fl_buffer_append_byte(self->target, ',') != FL_OK)
    return fl_source_input_fail_memory(self);
  self->begin = self->target->length;
  return true;
}

void fl_source_input_drop_record(fl_source_input *self) {
  bool comma = self->batch != NULL && self->batch->spans.length > 0;
  self->target->length = self->begin - (comma ? 1 : 0);
}

bool fl_source_input_end_record_of(fl_source_input *self, int64_t line, size_t part) {
  fl_source_batch *batch = self->batch;
  if (batch != NULL && batch->spans.length > 0 && self->target->length + 1 > self->max_bytes) {
    size_t length = self->target->length - self->begin;
    const char *text = self->target->data + self->begin;
    if (fl_buffer_append(&self->waiting.text, text, length) != FL_OK)
      return fl_source_input_fail_memory(self);
    fl_source_input_drop_record(self);
    self->batch = NULL;
    return add_span(&self->waiting, self->waiting.text.length - length, line, part) ||
           fl_source_input_fail_memory(self);
  }
  if (!add_span(batch != NULL ? batch : &self->waiting, self->begin, line, part))
    return fl_source_input_fail_memory(self);
  if (batch != NULL && fl_source_batch_count(batch) >= self->max_records) self->batch = NULL;
  return true;
}

bool fl_source_input_end_record(fl_source_input *self, int64_t line) {
  return fl_source_input_end_record_of(self, line, self->part);
}

bool fl_source_input_take_waiting(fl_source_input *self) {
  size_t count = fl_source_batch_count(&self->waiting);
  while (self->waiting_taken < count && self->batch != NULL) {
    const fl_source_span *span = &fl_source_batch_spans(&self->waiting)[self->waiting_taken];
    fl_source_batch *batch = self->batch;
    if (batch->spans.length > 0 && batch->text.length + span->length + 2 > self->max_bytes) {
      self->batch = NULL;
      return true;
    }
    if (!fl_source_input_begin_record(self)) return false;
    if (fl_buffer_append(self->target, self->waiting.text.data + span->start, span->length) !=
        FL_OK)
      return fl_source_input_fail_memory(self);
    if (!fl_source_input_end_record_of(self, span->line, span->part)) return false;
    self->waiting_taken++;
  }
  if (self->waiting_taken == count)
    self->waiting_taken = self->waiting.text.length = self->waiting.spans.length = 0;
  return true;
}

/* --- the files --- */

int64_t fl_source_input_count_lines(const char *text, size_t length) {
  int64_t count = 0;
  const char *end = text + length;
  while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
    count++;
    text++;
  }
  return count;
}

bool fl_source_input_read(fl_source_input *self) {
  fl_buffer *window = &self->window;
  fl_result result;
  size_t count;
  if (self->exhausted) return false;
  if (self->at > 0) {
    memmove(window->data, window->data + self->at, window->length - self->at);
    window->length -= self->at;
    self->at = 0;
  }
  result = fl_buffer_reserve(window, self->chunk);
  if (result == FL_TOO_LARGE)
    return fl_source_input_fail_content(self, self->line, "a record of more than 64 MiB");
  if (result != FL_OK) return fl_source_input_fail_memory(self);
  count = self->bytes->class->read(self->bytes, window->data + window->length, self->chunk);
  if (count == 0 && self->bytes->code != FL_BYTES_OK)
    return take_failure(self, self->bytes,
                        self->line + fl_source_input_count_lines(window->data, window->length));
  window->length += count;
  window->data[window->length] = '\0';
  self->exhausted = count == 0;
  return count > 0;
}

bool fl_source_input_check_bytes(fl_source_input *self) {
  self->waiting_taken = self->waiting.text.length = self->waiting.spans.length = 0;
  do {
    self->line += fl_source_input_count_lines(self->window.data, self->window.length);
    self->at = self->window.length;
  } while (fl_source_input_read(self));
  return self->failure.code == FL_SOURCE_OK && fl_source_input_check_unchanged(self);
}

static void close_bytes(fl_source_input *self) {
  if (self->bytes != NULL) self->bytes->class->close(self->bytes);
  self->file = NULL;
  self->archive = self->bytes = NULL;
}

/* Opens the decompression of the file, according to its name. */
static bool open_archive(fl_source_input *self, fl_compression compression) {
  const fl_archive_functions *functions = fl_archive_installed();
  if (functions == NULL)
    return fail(self, FL_SOURCE_SYSTEM, 0,
                "reading a %s file needs the module flarelight.archive_core, which was not built "
                "with this flarelight: it needs libarchive (libarchive-dev in Debian)",
                fl_archive_ending(compression));
  self->archive = functions->open(self->file, compression);
  if (self->archive == NULL) return fl_source_input_fail_memory(self);
  self->bytes = self->archive;
  return take_failure(self, self->bytes, 0);
}

static bool open_bytes(fl_source_input *self, fl_source_part *part) {
  fl_compression compression = fl_archive_compression_of(part->path);
  self->file = fl_bytes_open_file(part->path);
  if (self->file == NULL) return fl_source_input_fail_memory(self);
  self->bytes = &self->file->bytes;
  if (!take_failure(self, self->bytes, 0)) return false;
  if (part->status.st_ino == 0) part->status = self->file->status;
  if (!fl_bytes_same_status(&part->status, &self->file->status))
    return fail(self, FL_SOURCE_CHANGED, 0, FL_BYTES_CHANGED_WORDS);
  if (compression != FL_COMPRESSION_NONE && !open_archive(self, compression)) return false;
  if (!fl_encoding_is_utf8(self->options->encoding)) {
    fl_bytes *recoded = fl_encoding_open(self->bytes, self->options->encoding);
    if (recoded == NULL) return fl_source_input_fail_memory(self);
    self->bytes = recoded;
  }
  return take_failure(self, self->bytes, 0);
}

static void begin_open(fl_source_input *self, const fl_source_options *options, size_t count) {
  self->options = options;
  self->chunk = options->chunk > 0 ? options->chunk : CHUNK;
  fl_buffer_init(&self->window, FL_SOURCE_RECORD_CEILING + self->chunk);
  fl_source_batch_init(&self->waiting);
  self->parts = calloc(count, sizeof *self->parts);
}

static bool add_part(fl_source_input *self, const char *path) {
  char *copy = strdup(path);
  if (copy == NULL) return fl_source_input_fail_memory(self);
  self->parts[self->part_count++].path = copy;
  return true;
}

bool fl_source_input_open_recording(fl_source_input *self, fl_bytes_file *file,
                                    fl_compression compression, const char *name,
                                    const fl_source_options *options) {
  begin_open(self, options, 1);
  self->is_recording = true;
  self->file = file;
  self->bytes = &file->bytes;
  if (self->parts == NULL) return fl_source_input_fail_memory(self);
  if (!add_part(self, name) || !take_failure(self, self->bytes, 0)) return false;
  self->parts[0].status = file->status;
  return compression == FL_COMPRESSION_NONE || open_archive(self, compression);
}

bool fl_source_input_open(fl_source_input *self, const char *const *paths, size_t count,
                          const fl_source_options *options) {
  begin_open(self, options, count);
  if (self->parts == NULL) return fl_source_input_fail_memory(self);
  for (size_t i = 0; i < count; i++)
    if (!add_part(self, paths[i])) return false;
  for (size_t i = count; i-- > 0;) {
    self->part = i;
    close_bytes(self);
    if (!open_bytes(self, &self->parts[i])) return false;
  }
  return true;
}

/* Fails for text of two bytes a character (UTF-16), which the readers would see as text with NUL
 * bytes. */
static bool check_width(fl_source_input *self) {
  const unsigned char *text = (const unsigned char *)self->window.data;
  const char *name = NULL;
  if (self->is_recording || !fl_encoding_is_utf8(self->options->encoding) ||
      self->window.length < 4)
    return true;
  if ((text[0] == 0xFF && text[1] == 0xFE) || (text[0] == 0xFE && text[1] == 0xFF)) name = "utf-16";
  else if (text[0] != 0 && text[1] == 0 && text[2] != 0 && text[3] == 0) name = "utf-16le";
  else if (text[0] == 0 && text[1] != 0 && text[2] == 0 && text[3] != 0) name = "utf-16be";
  if (name == NULL) return true;
  return fail(self, FL_SOURCE_CONTENT, 1,
              "the file is UTF-16 and not UTF-8: encoding = \"%s\" reads it", name);
}

const char *fl_source_input_encoding_hint(const fl_source_input *self) {
  return fl_encoding_is_utf8(self->options->encoding)
             ? ": encoding = \"windows-1252\", or the encoding that the file is in, reads it"
             : "";
}

#define BEGINNING 256 /* bytes that readers examine before they begin */

bool fl_source_input_enter(fl_source_input *self, size_t part) {
  bool again = self->part == part && self->file != NULL;
  self->part = part;
  if (!again) close_bytes(self);
  if (!(again ? self->bytes->class->rewind(self->bytes) : open_bytes(self, &self->parts[part])))
    return self->bytes == NULL ? fl_source_input_fail_memory(self)
                               : take_failure(self, self->bytes, 0);
  self->exhausted = self->ended = false;
  self->window.length = self->at = 0;
  self->line = 1;
  while (self->window.length < BEGINNING && fl_source_input_read(self)) {}
  return self->failure.code == FL_SOURCE_OK && check_width(self);
}

void fl_source_input_close(fl_source_input *self) {
  close_bytes(self);
  for (size_t i = 0; i < self->part_count; i++) free(self->parts[i].path);
  free(self->parts);
  fl_source_batch_free(&self->waiting);
  fl_buffer_free(&self->window);
}
