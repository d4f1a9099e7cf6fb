/*
 * json_writer.h: writes JSON text. A failure (no memory, the buffer's ceiling, text that is not
 * UTF-8) is kept in `failed`, so that a caller checks once, at the end.
 *
 * The names of the functions begin with sandbox_json_.
 */
#ifndef SANDBOX_JSON_WRITER_H
#define SANDBOX_JSON_WRITER_H

#include "base/buffer.h"

typedef struct sandbox_json_writer {
  fl_buffer buffer;
  bool failed;
} sandbox_json_writer;

void sandbox_json_writer_init(sandbox_json_writer *out);
void sandbox_json_writer_free(sandbox_json_writer *out);

void sandbox_json_put(sandbox_json_writer *out, const char *text);
void sandbox_json_put_bytes(sandbox_json_writer *out, const char *bytes, size_t length);
void sandbox_json_put_integer(sandbox_json_writer *out, int64_t value);
/* NaN and infinity, which JSON does not have, become null. */
void sandbox_json_put_double(sandbox_json_writer *out, double value);
/* A quoted string; NULL is written as null. */
void sandbox_json_put_string(sandbox_json_writer *out, const char *text);
void sandbox_json_put_quoted(sandbox_json_writer *out, const char *bytes, size_t length);

#endif
