/*
 * json_write.h: numbers, strings and tapes -> JSON text, exact.
 *
 * Pure apart from the buffer it appends to; any thread; the same whatever the locale.
 */
#ifndef FL_JSON_WRITE_H
#define FL_JSON_WRITE_H

#include "base/buffer.h"
#include "codec/json_scan.h"

/* Bytes that fl_json_format_double may write, the NUL included. */
#define FL_JSON_DOUBLE_ROOM 40

typedef enum fl_json_float_style {
  FL_JSON_FLOAT_MARKED, /* Lua 5.3 and later: a whole float keeps a ".0" or an exponent: "3.0",
                           "1e+308" */
  FL_JSON_FLOAT_PLAIN /* Lua 5.1, 5.2, LuaJIT: whole numbers up to 2^53 in magnitude are written as
                           integers ("3"), but -0.0 as "-0.0"; larger ones in exponent form, so that
                           they are read back as numbers and not as digits */
} fl_json_float_style;

/* The shortest text that reads back as the same double; 0 for NaN and infinity, else its length.
 * Independent of the locale. */
size_t fl_json_format_double(char out[FL_JSON_DOUBLE_ROOM], double value,
                             fl_json_float_style style);

/* Appends. FL_INVALID for NaN and infinity; otherwise the answers of fl_buffer_append. */
fl_result fl_json_write_double(fl_buffer *out, double value, fl_json_float_style style);
fl_result fl_json_write_integer(fl_buffer *out, int64_t value);

/*
 * Appends a quoted string. Escapes the quote, the backslash and control characters, nothing else.
 * FL_INVALID if the bytes are not UTF-8; *bad is then the offset of the first bad byte and nothing
 * has been appended.
 */
fl_result fl_json_write_string(fl_buffer *out, const char *bytes, size_t length, size_t *bad);

/*
 * Appends the value at `index` of a tape: numbers as they were written, no white space, members in
 * their order, of repeated keys each one.
 */
fl_result fl_json_write_node(fl_buffer *out, const fl_json_tape *tape, const char *text,
                             uint32_t index);

/* Offset of the first byte that is not part of valid UTF-8, or `length`. */
size_t fl_utf8_check(const char *bytes, size_t length);

#endif
