/*
 * json_write.c: the shortest exact digits of a double; strings; tapes back to text.
 *
 * Doubles near 1 are converted with arithmetic of 53 or 128 bits. Others go through snprintf and
 * strtod, as digits and an exponent, which are the same in every locale.
 */
#include "codec/json_write.h"

#include "codec/codec.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_LIMIT 9007199254740992.0 /* 2^53: up to here every whole number is a double */

/* digits x 10^exponent */
typedef struct decimal {
  uint64_t digits;
  int exponent;
} decimal;

static decimal without_zeros(decimal number) {
  for (; number.digits % 10 == 0; number.digits /= 10) number.exponent++;
  return number;
}

/* Tries at most 15 digits: if they read back as the same double, no others of that length do. */
static bool short_digits(double value, int magnitude, decimal *number) {
  int places = 14 - magnitude;
  double scaled;
  if (places <= 0 || places > FL_EXACT_TENS) return false;
  scaled = value * FL_TENS[places];
  if (scaled >= 1e15) scaled = value * FL_TENS[--places];
  number->digits = (uint64_t)(scaled + 0.5);
  number->exponent = -places;
  /* Both operands are exact, so the division gives the same double as reading the text. */
  return number->digits < UINT64_C(1000000000000000) &&
         (double)number->digits / FL_TENS[places] == value;
}

#if FL_WIDE
/*
 * In units of 2^(exponent + places - 2) the value, half the way to its neighbours and powers of ten
 * are all whole numbers below 2^128. The largest power of ten that has a multiple within those
 * halves is the last digit's place.
 */
static bool wide_digits(double value, int magnitude, decimal *number) {
  int places = 16 - magnitude, exponent, last;
  uint64_t significand = (uint64_t)ldexp(frexp(value, &exponent), 53);
  bool even = significand % 2 == 0, power_of_two = significand == UINT64_C(1) << 52;
  fl_wide unit, scaled, above, below, step;
  exponent -= 53;
  if (places < 0 || places > FL_WORD_FIVES || exponent + places > 2) return false;
  unit = fl_five_to((unsigned)places);
  scaled = unit * significand * 4;
  above = unit * 2;
  below = power_of_two ? unit : unit * 2;
  step = (fl_wide)1 << (2 - exponent - places);
  for (last = 0;; last++, step *= 10) {
    fl_wide multiple = scaled / step, down = scaled % step, up = step - down;
    bool down_fits = down < below || (down == below && even);
    bool up_fits = up < above || (up == above && even);
    if (!down_fits && !up_fits) return true;
    number->digits = (uint64_t)multiple + !(down_fits && (!up_fits || down <= up));
    number->exponent = last - places;
  }
}
#endif

/* Any double, by trial with more and more digits. Next to a power of two the decimal above the
 * nearest may read back, too.
 */
static decimal far_digits(double value) {
  /* A subnormal number may need less than fifteen digits.
   */
  int precision = value < DBL_MIN ? 0 : 14;
  for (;; precision++) {
    char text[48];
    decimal number = {0, 0};
    const char *cursor = text;
    int above;
    snprintf(text, sizeof text, "%.*e", precision, value);
    for (; *cursor != 'e'; cursor++)
      if (*cursor >= '0' && *cursor <= '9')
        number.digits = number.digits * 10 + (uint64_t)(*cursor - '0');
    number.exponent = (int)strtol(cursor + 1, NULL, 10) - precision;
    for (above = 0; above < 2; above++, number.digits++) {
      snprintf(text, sizeof text, "%llue%d", (unsigned long long)number.digits, number.exponent);
      if (precision == 16 || strtod(text, NULL) == value) return without_zeros(number);
    }
  }
}

/* The decimal logarithm of a value, rounded down; sometimes one too low. */
static int magnitude_of(double value) {
  int exponent;
  frexp(value, &exponent);
  return (int)floor((exponent - 1) * 0.30102999566398114);
}

static decimal shortest_digits(double value) {
  int magnitude = magnitude_of(value);
  decimal number = {0, 0};
  if (FLT_EVAL_METHOD == 0 && short_digits(value, magnitude, &number)) return without_zeros(number);
#if FL_WIDE
  if (wide_digits(value, magnitude, &number)) return number;
#endif
  return far_digits(value);
}

/* Writes digits up to `end`. Returns their beginning. */
static char *put_digits(char *end, uint64_t digits) {
  do *--end = (char)('0' + digits % 10);
  while ((digits /= 10) > 0);
  return end;
}

#define DIGITS_ROOM 20 /* of 64 bits */

static char *copy(char *out, const char *bytes, size_t length) {
  memcpy(out, bytes, length);
  return out + length;
}

static char *fill(char *out, size_t length) {
  memset(out, '0', length);
  return out + length;
}

/* Writes digits with a decimal point, or with an exponent if the point would be far away. */
static char *put_decimal(char *out, decimal number, fl_json_float_style style) {
  char room[DIGITS_ROOM], *end = room + sizeof room, *digits = put_digits(end, number.digits);
  int count = (int)(end - digits), point = count + number.exponent, exponent = point - 1;
  if (point > -5 && point <= 0) {
    out = fill(copy(out, "0.", 2), (size_t)-point);
    return copy(out, digits, (size_t)count);
  }
  if (point > 0 && point < count) {
    out = copy(out, digits, (size_t)point);
    *out++ = '.';
    return copy(out, digits + point, (size_t)(count - point));
  }
  if (point >= count && point <= 17 && style == FL_JSON_FLOAT_MARKED) {
    out = fill(copy(out, digits, (size_t)count), (size_t)(point - count));
    return copy(out, ".0", 2);
  }
  *out++ = digits[0];
  if (count > 1) {
    *out++ = '.';
    out = copy(out, digits + 1, (size_t)count - 1);
  }
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  digits = put_digits(end, (uint64_t)abs(exponent));
  return copy(out, digits, (size_t)(end - digits));
}

size_t fl_json_format_double(char out[FL_JSON_DOUBLE_ROOM], double value,
                             fl_json_float_style style) {
  char *cursor = out;
  bool negative = signbit(value);
  if (!isfinite(value)) return 0;
  if (negative) *cursor++ = '-';
  value = fabs(value);
  if (value <= WHOLE_LIMIT && value == floor(value)) {
    char room[DIGITS_ROOM], *end = room + sizeof room, *digits = put_digits(end, (uint64_t)value);
    cursor = copy(cursor, digits, (size_t)(end - digits));
    if (style == FL_JSON_FLOAT_MARKED || (negative && value == 0)) cursor = copy(cursor, ".0", 2);
  } else {
    cursor = put_decimal(cursor, shortest_digits(value), style);
  }
  *cursor = '\0';
  return (size_t)(cursor - out);
}

fl_result fl_json_write_double(fl_buffer *out, double value, fl_json_float_style style) {
  char text[FL_JSON_DOUBLE_ROOM];
  size_t length = fl_json_format_double(text, value, style);
  return length > 0 ? fl_buffer_append(out, text, length) : FL_INVALID;
}

fl_result fl_json_write_integer(fl_buffer *out, int64_t value) {
  char room[DIGITS_ROOM + 1], *end = room + sizeof room;
  char *digits = put_digits(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
  if (value < 0) *--digits = '-';
  return fl_buffer_append(out, digits, (size_t)(end - digits));
}

/* Room is reserved for a string without escapes first, then for each escape. */
fl_result fl_json_write_string(fl_buffer *out, const char *bytes, size_t length, size_t *bad) {
  static const char hexadecimal[] = "0123456789abcdef";
  static const char names[0x60] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                   ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
  const char *cursor = bytes ? bytes : "", *end = cursor + length;
  size_t before = out->length;
  fl_result result = length > SIZE_MAX / 8 ? FL_TOO_LARGE : fl_buffer_reserve(out, length + 2);
  if (result != FL_OK) return result;
  out->data[out->length++] = '"';
  for (;;) {
    const char *stop = fl_string_run(cursor, end);
    unsigned char byte;
    memcpy(out->data + out->length, cursor, (size_t)(stop - cursor));
    out->length += (size_t)(stop - cursor);
    if (stop == end) break;
    byte = (unsigned char)*stop;
    if (byte >= 0x80) {
      *bad = (size_t)(stop - bytes);
      result = FL_INVALID;
      goto undo;
    }
    cursor = stop + 1;
    if (names[byte]) {
      char escape[] = {'\\', names[byte]};
      result = fl_buffer_append(out, escape, sizeof escape);
    } else {
      char escape[] = {'\\', 'u', '0', '0', hexadecimal[byte >> 4], hexadecimal[byte & 15]};
      result = fl_buffer_append(out, escape, sizeof escape);
    }
    if (result == FL_OK) result = fl_buffer_reserve(out, (size_t)(end - cursor) + 1);
    if (result != FL_OK) goto undo;
  }
  out->data[out->length++] = '"';
  out->data[out->length] = '\0';
  return FL_OK;
undo:
  out->length = before;
  out->data[before] = '\0';
  return result;
}

static fl_result write_leaf(fl_buffer *out, const char *text, const fl_json_node *node) {
  const char *bytes = text + node->offset;
  size_t unused;
  switch ((fl_json_type)node->type) {
    case FL_JSON_NULL: return fl_buffer_append(out, "null", 4);
    case FL_JSON_FALSE: return fl_buffer_append(out, "false", 5);
    case FL_JSON_TRUE: return fl_buffer_append(out, "true", 4);
    case FL_JSON_STRING: return fl_json_write_string(out, bytes, node->value.size.length, &unused);
    default: return fl_buffer_append(out, bytes, fl_json_number_length(bytes));
  }
}

fl_result fl_json_write_node(fl_buffer *out, const fl_json_tape *tape, const char *text,
                             uint32_t index) {
  struct {
    uint32_t end;
    uint32_t written; /* values, and keys too */
    bool object;
  } open[FL_JSON_DEPTH];
  uint32_t depth = 0, end = fl_json_next(tape, index);
  for (;;) {
    const fl_json_node *node;
    fl_result result = FL_OK;
    if (depth > 0 && index == open[depth - 1].end) {
      depth--;
      result = fl_buffer_append_byte(out, open[depth].object ? '}' : ']');
      if (result != FL_OK) return result;
      continue;
    }
    if (index == end) return FL_OK;
    if (depth > 0) {
      uint32_t written = open[depth - 1].written++;
      if (written > 0)
        result = fl_buffer_append_byte(out, open[depth - 1].object && written % 2 == 1 ? ':' : ',');
      if (result != FL_OK) return result;
    }
    node = &tape->nodes[index++];
    if (node->type >= FL_JSON_ARRAY) {
      open[depth].end = node->value.size.end;
      open[depth].written = 0;
      open[depth].object = node->type == FL_JSON_OBJECT;
      depth++;
      result = fl_buffer_append_byte(out, open[depth - 1].object ? '{' : '[');
    } else {
      result = write_leaf(out, text, node);
    }
    if (result != FL_OK) return result;
  }
}

size_t fl_utf8_check(const char *bytes, size_t length) {
  const char *cursor = bytes ? bytes : "", *end = cursor + length;
  while (cursor < end) {
    if ((unsigned char)*cursor >= 0x80) {
      size_t sequence = fl_utf8_sequence(cursor, (size_t)(end - cursor));
      if (sequence == 0) break;
      cursor += sequence;
    } else if (end - cursor >= 8) {
      uint64_t mask = fl_mask_beyond_ascii(fl_load_word(cursor));
      cursor += mask ? fl_first_byte(mask) : 8;
    } else {
      cursor++;
    }
  }
  return length - (size_t)(end - cursor);
}
