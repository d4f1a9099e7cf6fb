/*
 * validator.h: whether a text is JSON as RFC 8259 has it, for the fuzz targets. Written apart from
 * the scanner of the core, character by character, and shares nothing with it.
 */
#ifndef FUZZ_VALIDATOR_H
#define FUZZ_VALIDATOR_H

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATOR_DEPTH 512 /* as FL_JSON_DEPTH */

typedef struct validator {
  const unsigned char *at, *end;
} validator;

static inline int validator_peek(const validator *v) { return v->at < v->end ? *v->at : -1; }

static inline void validator_space(validator *v) {
  while (v->at < v->end && strchr(" \t\r\n", *v->at) != NULL && *v->at != 0) v->at++;
}

static inline bool validator_digits(validator *v) {
  const unsigned char *start = v->at;
  while (v->at < v->end && *v->at >= '0' && *v->at <= '9') v->at++;
  return v->at > start;
}

/* A number that no double holds is refused; digits without point and exponent may be any number. */
static inline bool validator_number(validator *v) {
  const unsigned char *start = v->at;
  bool integer = true, fits;
  char *copy;
  if (validator_peek(v) == '-') v->at++;
  if (validator_peek(v) == '0') v->at++;
  else if (!validator_digits(v)) return false;
  if (validator_peek(v) == '.') {
    integer = false;
    v->at++;
    if (!validator_digits(v)) return false;
  }
  if (validator_peek(v) == 'e' || validator_peek(v) == 'E') {
    integer = false;
    v->at++;
    if (validator_peek(v) == '+' || validator_peek(v) == '-') v->at++;
    if (!validator_digits(v)) return false;
  }
  if (integer) return true;
  copy = strndup((const char *)start, (size_t)(v->at - start));
  fits = copy != NULL && isfinite(strtod(copy, NULL));
  free(copy);
  return fits;
}

static inline int validator_unit(validator *v) {
  int unit = 0;
  for (int i = 0; i < 4; i++) {
    int c = validator_peek(v);
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
    v->at++;
  }
  return unit;
}

static inline bool validator_escape(validator *v) {
  int c = validator_peek(v), unit;
  v->at++;
  if (c > 0 && strchr("\"\\/bfnrt", c) != NULL) return true;
  if (c != 'u') return false;
  unit = validator_unit(v);
  if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return false;
  if (unit < 0xD800 || unit > 0xDBFF) return true;
  if (v->end - v->at < 6 || v->at[0] != '\\' || v->at[1] != 'u') return false;
  v->at += 2;
  unit = validator_unit(v);
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* One character of UTF-8 beyond ASCII: decoded, then compared with its shortest form. */
static inline bool validator_character(validator *v) {
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned first = *v->at, code;
  int size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC0 || first > 0xF7 || v->end - v->at < size) return false;
  code = first & (0xFFu >> (size + 1));
  for (int i = 1; i < size; i++) {
    if ((v->at[i] & 0xC0) != 0x80) return false;
    code = code << 6 | (v->at[i] & 0x3F);
  }
  v->at += size;
  return code >= least[size] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static inline bool validator_string(validator *v) {
  if (validator_peek(v) != '"') return false;
  for (v->at++; v->at < v->end;) {
    int c = *v->at;
    if (c < 0x20) return false;
    if (c < 0x80) v->at++;
    if (c == '"') return true;
    if (c == '\\' && !validator_escape(v)) return false;
    if (c >= 0x80 && !validator_character(v)) return false;
  }
  return false;
}

static inline bool validator_word(validator *v, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(v->end - v->at) < length || memcmp(v->at, word, length) != 0) return false;
  v->at += length;
  return true;
}

static inline bool validator_value(validator *v, int depth) {
  int open, close;
  validator_space(v);
  open = validator_peek(v);
  if (open == '"') return validator_string(v);
  if (open == 't') return validator_word(v, "true");
  if (open == 'f') return validator_word(v, "false");
  if (open == 'n') return validator_word(v, "null");
  if (open != '[' && open != '{') return validator_number(v);
  if (depth == VALIDATOR_DEPTH) return false;
  close = open == '[' ? ']' : '}';
  v->at++;
  validator_space(v);
  if (validator_peek(v) == close) {
    v->at++;
    return true;
  }
  for (;;) {
    if (open == '{') {
      validator_space(v);
      if (!validator_string(v)) return false;
      validator_space(v);
      if (validator_peek(v) != ':') return false;
      v->at++;
    }
    if (!validator_value(v, depth + 1)) return false;
    validator_space(v);
    if (validator_peek(v) == close) {
      v->at++;
      return true;
    }
    if (validator_peek(v) != ',') return false;
    v->at++;
  }
}

static inline bool validator_is_json(const void *bytes, size_t length) {
  validator v = {bytes, (const unsigned char *)bytes + length};
  if (!validator_value(&v, 0)) return false;
  validator_space(&v);
  return v.at == v.end;
}

#endif
