/*
 * script.c: scripts and rows as bytes: a tag, then the value. See script.h.
 */
#include "files/script.h"

static fl_result put(fl_buffer *out, char tag, const void *bytes, size_t length) {
  fl_result result = fl_buffer_reserve(out, length + 1);
  if (result != FL_OK) return result;
  fl_buffer_append_byte(out, tag);
  return fl_buffer_append(out, bytes, length);
}

fl_result fl_script_null(fl_buffer *script) { return put(script, FL_SCRIPT_NULL, "", 0); }

fl_result fl_script_integer(fl_buffer *script, int64_t value) {
  return put(script, FL_SCRIPT_INTEGER, &value, sizeof value);
}

fl_result fl_script_real(fl_buffer *script, double value) {
  return put(script, FL_SCRIPT_REAL, &value, sizeof value);
}

static fl_result put_text(fl_buffer *out, char tag, fl_slice text) {
  fl_result result = fl_buffer_reserve(out, text.length + sizeof text.length + 2);
  if (result != FL_OK) return result;
  put(out, tag, &text.length, sizeof text.length);
  fl_buffer_append(out, text.data, text.length);
  return fl_buffer_append_byte(out, '\0');
}

fl_result fl_script_text(fl_buffer *script, fl_slice text) {
  return put_text(script, FL_SCRIPT_TEXT, text);
}

fl_result fl_script_statement(fl_buffer *script, fl_slice sql, int changes) {
  int64_t count = changes;
  fl_result result = put_text(script, FL_SCRIPT_STATEMENT, sql);
  return result != FL_OK ? result : fl_buffer_append(script, &count, sizeof count);
}

fl_script_value fl_script_read(const fl_buffer *from, size_t *place) {
  fl_script_value value = {FL_SCRIPT_END, 0, 0, {NULL, 0}};
  if (*place >= from->length) return value;
  value.type = (fl_script_type)from->data[(*place)++];
  switch (value.type) {
    case FL_SCRIPT_INTEGER:
      memcpy(&value.integer, from->data + *place, sizeof value.integer);
      *place += sizeof value.integer;
      break;
    case FL_SCRIPT_REAL:
      memcpy(&value.real, from->data + *place, sizeof value.real);
      *place += sizeof value.real;
      break;
    case FL_SCRIPT_TEXT:
    case FL_SCRIPT_STATEMENT:
      memcpy(&value.text.length, from->data + *place, sizeof value.text.length);
      value.text.data = from->data + *place + sizeof value.text.length;
      *place += sizeof value.text.length + value.text.length + 1;
      if (value.type == FL_SCRIPT_STATEMENT) {
        memcpy(&value.integer, from->data + *place, sizeof value.integer);
        *place += sizeof value.integer;
      }
      break;
    default: break;
  }
  return value;
}
