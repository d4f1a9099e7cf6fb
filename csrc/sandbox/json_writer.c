/* json_writer.c: writes JSON text, over the core's buffer and json_write. */
#include "json_writer.h"

#include "codec/json_write.h"

#include <math.h>

/* A gibibyte: far more than any reply or query result of a sandbox. */
#define CEILING ((size_t)1 << 30)

void sandbox_json_writer_init(sandbox_json_writer *out) {
  fl_buffer_init(&out->buffer, CEILING);
  out->failed = false;
}

void sandbox_json_writer_free(sandbox_json_writer *out) {
  fl_buffer_free(&out->buffer);
  out->failed = false;
}

static void note(sandbox_json_writer *out, fl_result result) {
  if (result != FL_OK) out->failed = true;
}

void sandbox_json_put(sandbox_json_writer *out, const char *text) {
  note(out, fl_buffer_append_text(&out->buffer, text));
}

void sandbox_json_put_bytes(sandbox_json_writer *out, const char *bytes, size_t length) {
  note(out, fl_buffer_append(&out->buffer, bytes, length));
}

void sandbox_json_put_integer(sandbox_json_writer *out, int64_t value) {
  note(out, fl_json_write_integer(&out->buffer, value));
}

void sandbox_json_put_double(sandbox_json_writer *out, double value) {
  if (isfinite(value)) note(out, fl_json_write_double(&out->buffer, value, FL_JSON_FLOAT_MARKED));
  else sandbox_json_put(out, "null");
}

void sandbox_json_put_quoted(sandbox_json_writer *out, const char *bytes, size_t length) {
  size_t bad;
  note(out, fl_json_write_string(&out->buffer, bytes, length, &bad));
}

void sandbox_json_put_string(sandbox_json_writer *out, const char *text) {
  if (text) sandbox_json_put_quoted(out, text, strlen(text));
  else sandbox_json_put(out, "null");
}
