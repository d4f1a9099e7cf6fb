/*
 * bytes.h: sources of bytes: a regular file, and the filters between the file and its readers, for
 * decompression (archive.h) and recoding (encoding.h).
 *
 * A source of bytes is the head of a larger struct. A filter owns the source that it reads from, so
 * that closing the outermost source closes all. One thread at a time may use it. The functions here
 * that are not inline belong to the regular file.
 */
#ifndef FL_BYTES_H
#define FL_BYTES_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/base.h"

typedef enum fl_bytes_code {
  FL_BYTES_OK = 0,
  FL_BYTES_SYSTEM,  /* the file cannot be read; the message holds the system's words */
  FL_BYTES_CONTENT, /* the bytes do not fit the compression of the file's name, or the encoding */
  FL_BYTES_CHANGED, /* the file changed while it was read */
  FL_BYTES_NO_MEMORY
} fl_bytes_code;

typedef struct fl_bytes fl_bytes;

typedef struct fl_bytes_class {
  /* Reads up to `room` bytes (at least 1). Returns their number; 0 at the end or after a failure.
   */
  size_t (*read)(fl_bytes *self, char *out, size_t room);
  /* Begins another pass. False after a failure. */
  bool (*rewind)(fl_bytes *self);
  void (*close)(fl_bytes *self);
} fl_bytes_class;

struct fl_bytes {
  const fl_bytes_class *class;
  fl_bytes_code code; /* of the first failure */
  char message[200];  /* words without the file's name */
};

/* Records a failure, unless there is an earlier one. Returns false. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline bool
fl_bytes_fail(fl_bytes *self, fl_bytes_code code, const char *format, ...) {
  va_list arguments;
  if (self->code != FL_BYTES_OK) return false;
  self->code = code;
  va_start(arguments, format);
  vsnprintf(self->message, sizeof self->message, format, arguments);
  va_end(arguments);
  return false;
}

static inline bool fl_bytes_fail_memory(fl_bytes *self) {
  return fl_bytes_fail(self, FL_BYTES_NO_MEMORY, "not enough memory");
}

/* Copies the failure of the source that `self` reads from, if there is one. Returns true if there
 * is none. */
static inline bool fl_bytes_is_well(fl_bytes *self, const fl_bytes *inner) {
  return inner->code == FL_BYTES_OK || fl_bytes_fail(self, inner->code, "%s", inner->message);
}

/* Forgets a failure of the content, for another pass, which fails at the same place. A filter that
 * reads ahead of its reader may have failed at a place that the reader did not reach. */
static inline void fl_bytes_forget_content(fl_bytes *self) {
  if (self->code == FL_BYTES_CONTENT) self->code = FL_BYTES_OK;
}

/* --- a regular file --- */

#define FL_BYTES_CHANGED_WORDS "the file changed while it was read"

/* The modification time in a struct stat, with its nanoseconds. */
#if defined(__APPLE__)
#define FL_BYTES_MODIFIED(status) ((status).st_mtimespec)
#else
#define FL_BYTES_MODIFIED(status) ((status).st_mtim)
#endif

typedef struct fl_bytes_file {
  fl_bytes bytes;
  char *path;
  int descriptor;
  struct stat status;       /* of the file as it was opened */
  _Atomic int64_t position; /* bytes read by this pass; any thread may ask */
} fl_bytes_file;

/* Opens a file; NULL without memory. Any other failure is in bytes.code. */
fl_bytes_file *fl_bytes_open_file(const char *path);
/* The same for an open descriptor, which the file then owns. It is read from its beginning. -1:
 * with errno. */
fl_bytes_file *fl_bytes_adopt_file(int descriptor);
/* Whether the file has changed since it was opened. A removed name is no change, since the opened
 * file is still complete. Any thread. */
bool fl_bytes_is_changed(const fl_bytes_file *self);
/* Whether both describe one file with one content. */
bool fl_bytes_same_status(const struct stat *one, const struct stat *other);

#endif
