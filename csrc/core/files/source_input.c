/*
 * source_input.c: the file in chunks, and records into the batch or into the line of those that
 * wait. See source_input.h.
 */
#include "files/source_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
  va_start(arguments, format);
  vsnprintf(self->failure.message, sizeof self->failure.message, format, arguments);
  va_end(arguments);
  return false;
}

bool fl_source_input_fail_memory(fl_source_input *self) {
  return fail(self, FL_SOURCE_NO_MEMORY, 0, "not enough memory");
}

static bool fail_system(fl_source_input *self, const char *what) {
  return fail(self, FL_SOURCE_SYSTEM, 0, "cannot %s the file: %s", what, strerror(errno));
}

/* A name that is gone is no change: the opened file is still complete. */
static bool is_changed(const fl_source_input *self) {
  const struct stat *was = &self->identity;
  struct stat now, named;
  if (fstat(self->descriptor, &now) != 0) return true;
  if (now.st_size != was->st_size ||
      FL_SOURCE_MODIFIED(now).tv_sec != FL_SOURCE_MODIFIED(*was).tv_sec ||
      FL_SOURCE_MODIFIED(now).tv_nsec != FL_SOURCE_MODIFIED(*was).tv_nsec)
    return true;
  return stat(self->path, &named) == 0 &&
         (named.st_ino != was->st_ino || named.st_dev != was->st_dev);
}

bool fl_source_input_check_unchanged(fl_source_input *self) {
  if (!is_changed(self)) return true;
  return fail(self, FL_SOURCE_CHANGED, 0, "the file changed while it was read");
}

bool fl_source_input_fail_content(fl_source_input *self, int64_t line, const char *words) {
  return fl_source_input_check_unchanged(self) && fail(self, FL_SOURCE_CONTENT, line, "%s", words);
}

bool fl_source_input_fail_result(fl_source_input *self, fl_result result, int64_t line,
                                 const char *words) {
  return result == FL_INVALID ? fl_source_input_fail_content(self, line, words)
                              : fl_source_input_fail_memory(self);
}

/* --- records --- */

static bool add_span(fl_source_batch *batch, size_t start, int64_t line) {
  fl_source_span span = {start, batch->text.length - start, line};
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

bool fl_source_input_end_record(fl_source_input *self, int64_t line) {
  fl_source_batch *batch = self->batch;
  if (batch != NULL && batch->spans.length > 0 && self->target->length + 1 > self->max_bytes) {
    size_t length = self->target->length - self->begin;
    const char *text = self->target->data + self->begin;
    if (fl_buffer_append(&self->waiting.text, text, length) != FL_OK)
      return fl_source_input_fail_memory(self);
    fl_source_input_drop_record(self);
    self->batch = NULL;
    return add_span(&self->waiting, self->waiting.text.length - length, line) ||
           fl_source_input_fail_memory(self);
  }
  if (!add_span(batch != NULL ? batch : &self->waiting, self->begin, line))
    return fl_source_input_fail_memory(self);
  if (batch != NULL && fl_source_batch_count(batch) >= self->max_records) self->batch = NULL;
  return true;
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
    if (!fl_source_input_end_record(self, span->line)) return false;
    self->waiting_taken++;
  }
  if (self->waiting_taken == count)
    self->waiting_taken = self->waiting.text.length = self->waiting.spans.length = 0;
  return true;
}

/* --- the file --- */

bool fl_source_input_read(fl_source_input *self) {
  fl_buffer *window = &self->window;
  fl_result result;
  ssize_t count;
  if (self->exhausted) return false;
  if (self->at > 0) {
    memmove(window->data, window->data + self->at, window->length - self->at);
    window->length -= self->at;
    self->at = 0;
  }
  result = fl_buffer_reserve(window, CHUNK);
  if (result == FL_TOO_LARGE)
    return fl_source_input_fail_content(self, self->line, "a record of more than 64 MiB");
  if (result != FL_OK) return fl_source_input_fail_memory(self);
  do count = read(self->descriptor, window->data + window->length, CHUNK);
  while (count < 0 && errno == EINTR);
  if (count < 0) return fail_system(self, "read");
  self->bytes_read += count;
  if (self->bytes_read > (int64_t)self->identity.st_size && !fl_source_input_check_unchanged(self))
    return false;
  window->length += (size_t)count;
  window->data[window->length] = '\0';
  self->exhausted = count == 0;
  return count > 0;
}

bool fl_source_input_open(fl_source_input *self, const char *path) {
  struct stat *status = &self->identity;
  self->descriptor = -1;
  self->line = 1;
  fl_buffer_init(&self->window, FL_SOURCE_RECORD_CEILING + CHUNK);
  fl_source_batch_init(&self->waiting);
  self->path = strdup(path);
  if (self->path == NULL) return fl_source_input_fail_memory(self);
  /* Without O_NONBLOCK a pipe without a writer would block here. */
  self->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (self->descriptor < 0 || fstat(self->descriptor, status) != 0)
    return fail_system(self, "open");
  if (S_ISDIR(status->st_mode)) {
    errno = EISDIR;
    return fail_system(self, "read");
  }
  if (!S_ISREG(status->st_mode))
    return fail(self, FL_SOURCE_SYSTEM, 0, "not a regular file: it has to be read twice");
  return true;
}

bool fl_source_input_rewind(fl_source_input *self) {
  if (lseek(self->descriptor, 0, SEEK_SET) != 0) return fail_system(self, "read");
  self->bytes_read = 0;
  self->exhausted = self->ended = false;
  return true;
}

void fl_source_input_close(fl_source_input *self) {
  if (self->descriptor >= 0) close(self->descriptor);
  fl_source_batch_free(&self->waiting);
  fl_buffer_free(&self->window);
  free(self->path);
}
