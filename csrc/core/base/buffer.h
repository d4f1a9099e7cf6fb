/*
 * buffer.h: growable bytes with a ceiling.
 *
 * A buffer is a value that its holder initialises and frees. Its bytes are always followed by a NUL
 * that `length` does not count, so that they can be scanned without a bound check or printed.
 * Nothing here is thread safe; a buffer has one owner at a time.
 */
#ifndef FL_BUFFER_H
#define FL_BUFFER_H

#include "base/base.h"

typedef struct fl_buffer {
  char *data;      /* NULL until the first byte */
  size_t length;   /* bytes in use */
  size_t capacity; /* bytes allocated, the NUL included */
  size_t ceiling;  /* `length` never passes it */
} fl_buffer;

#define FL_BUFFER_UNLIMITED (SIZE_MAX / 4)

/* An empty buffer that will hold at most `ceiling` bytes. Allocates nothing. */
void fl_buffer_init(fl_buffer *buffer, size_t ceiling);

/* Frees the memory; leaves an empty buffer with the same ceiling. */
void fl_buffer_free(fl_buffer *buffer);

/* Makes room for `extra` more bytes. FL_TOO_LARGE past the ceiling, or FL_NO_MEMORY: the buffer is
 * unchanged then. */
fl_result fl_buffer_reserve(fl_buffer *buffer, size_t extra);

/* Append bytes, with the results of fl_buffer_reserve. */
fl_result fl_buffer_append(fl_buffer *buffer, const void *bytes, size_t length);
fl_result fl_buffer_append_text(fl_buffer *buffer, const char *text);
fl_result fl_buffer_append_byte(fl_buffer *buffer, char byte);

/* Overwrites the bytes, then frees them: for secrets. */
void fl_buffer_wipe(fl_buffer *buffer);

/* Overwrites memory that held a secret, in a way that the compiler does not optimise away. */
void fl_wipe(void *bytes, size_t length);

/* Points behind the last byte; NULL if nothing was ever allocated. */
static inline const char *fl_buffer_end(const fl_buffer *buffer) {
  return buffer->data == NULL ? NULL : buffer->data + buffer->length;
}

#endif
