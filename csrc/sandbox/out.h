/*
 * out.h: JSON text that is being written. A failure (memory, the buffer's ceiling, text that is not
 * UTF-8) is remembered in `failed`, so that a writer checks once, at its end.
 */
#ifndef SANDBOX_OUT_H
#define SANDBOX_OUT_H

#include "base/buffer.h"

typedef struct sandbox_out {
  fl_buffer buffer;
  bool failed;
} sandbox_out;

void sandbox_out_init(sandbox_out *out);
void sandbox_out_free(sandbox_out *out);

void sandbox_put(sandbox_out *out, const char *text);
void sandbox_put_bytes(sandbox_out *out, const char *bytes, size_t length);
void sandbox_put_integer(sandbox_out *out, int64_t value);
/* NaN and infinity, which JSON does not have, become null. */
void sandbox_put_double(sandbox_out *out, double value);
/* A quoted string; NULL is written as null. */
void sandbox_put_string(sandbox_out *out, const char *text);
void sandbox_put_quoted(sandbox_out *out, const char *bytes, size_t length);

#endif
