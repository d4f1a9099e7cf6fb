/* buffer.c: growable bytes with a ceiling. The capacity doubles, so that appending is linear. */
#include "base/buffer.h"

#include <stdlib.h>

void fl_buffer_init(fl_buffer *buffer, size_t ceiling) {
  buffer->data = NULL;
  buffer->length = 0;
  buffer->capacity = 0;
  buffer->ceiling = ceiling > FL_BUFFER_UNLIMITED ? FL_BUFFER_UNLIMITED : ceiling;
}

void fl_buffer_free(fl_buffer *buffer) {
  free(buffer->data);
  fl_buffer_init(buffer, buffer->ceiling);
}

fl_result fl_buffer_reserve(fl_buffer *buffer, size_t extra) {
  size_t needed, capacity;
  char *data;
  if (extra > buffer->ceiling - buffer->length) return FL_TOO_LARGE;
  needed = buffer->length + extra + 1;
  if (needed <= buffer->capacity) return FL_OK;
  capacity = buffer->capacity ? buffer->capacity : 64;
  while (capacity < needed) capacity *= 2;
  if (capacity > buffer->ceiling + 1) capacity = buffer->ceiling + 1;
  data = realloc(buffer->data, capacity);
  if (data == NULL) return FL_NO_MEMORY;
  data[buffer->length] = '\0';
  buffer->data = data;
  buffer->capacity = capacity;
  return FL_OK;
}

fl_result fl_buffer_append(fl_buffer *buffer, const void *bytes, size_t length) {
  fl_result result = fl_buffer_reserve(buffer, length);
  if (result != FL_OK) return result;
  if (length > 0) memcpy(buffer->data + buffer->length, bytes, length);
  buffer->length += length;
  buffer->data[buffer->length] = '\0';
  return FL_OK;
}

fl_result fl_buffer_append_text(fl_buffer *buffer, const char *text) {
  return fl_buffer_append(buffer, text, strlen(text));
}

fl_result fl_buffer_append_byte(fl_buffer *buffer, char byte) {
  return fl_buffer_append(buffer, &byte, 1);
}

/* Called through a volatile pointer, so that the compiler cannot leave the call out. */
static void *(*const volatile set_memory)(void *bytes, int byte, size_t length) = memset;

void fl_wipe(void *bytes, size_t length) { set_memory(bytes, 0, length); }

void fl_buffer_wipe(fl_buffer *buffer) {
  if (buffer->data) fl_wipe(buffer->data, buffer->capacity);
  fl_buffer_free(buffer);
}
