/*
 * json_scan.c: one pass over the text, without recursion.
 *
 * An open container keeps the index of the one around it in size.end until it is closed, so that
 * the tape is its own stack. The NUL that follows the text stops every loop that reads byte by
 * byte. Relies on codec.h, and on strtod for the rare number that takes more than 128 bits.
 */
#include "codec/json_scan.h"

#include "codec/codec.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Keys of the row before are remembered by depth and place (see `slot_of`). */
#define KNOWN_DEPTHS 4
#define KNOWN_PLACES 64

typedef struct scanner {
  char *text;
  const char *end;
  fl_json_error *error;
  bool replace; /* invalid parts are replaced, see fl_json_scan_replacing */
  uint32_t known[KNOWN_DEPTHS * KNOWN_PLACES]; /* index of a key without escapes; 0: none */
} scanner;

/* Sets the error of every failure. At the end of the text it is always FL_JSON_ENDED. */
static char *fail(const scanner *scan, fl_json_code code, const char *where) {
  scan->error->code = where == scan->end && code != FL_JSON_EMPTY ? FL_JSON_ENDED : code;
  scan->error->position = (size_t)(where - scan->text);
  return NULL;
}

static inline char *skip_space(char *cursor) {
  while (*cursor == ' ' || *cursor == '\n' || *cursor == '\r' || *cursor == '\t') cursor++;
  return cursor;
}

static inline bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

/* --- strings --- */

/* Whether the text ends inside a UTF-8 sequence that is valid so far. */
static bool is_cut_sequence(const char *cursor, const char *end) {
  static const unsigned char continuations[] = {0x80, 0x90, 0xA0};
  size_t room = (size_t)(end - cursor), index;
  char whole[4];
  if (room >= sizeof whole) return false;
  for (index = 0; index < sizeof continuations; index++) {
    memset(whole, continuations[index], sizeof whole);
    memcpy(whole, cursor, room);
    if (fl_utf8_sequence(whole, sizeof whole) > room) return true;
  }
  return false;
}

/* Four hexadecimal digits; NULL after a failure. */
static char *scan_hex(const scanner *scan, char *cursor, unsigned *unit) {
  char *last = cursor + 4;
  *unit = 0;
  for (; cursor < last; cursor++) {
    int lower = *cursor | 0x20;
    if (!is_digit(*cursor) && (lower < 'a' || lower > 'f'))
      return fail(scan, FL_JSON_BAD_ESCAPE, cursor);
    *unit = *unit << 4 | (unsigned)(is_digit(*cursor) ? *cursor - '0' : lower - 'a' + 10);
  }
  return cursor;
}

static char *put_utf8(char *out, unsigned code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (char)(0xE0 | code >> 12);
    } else {
      *out++ = (char)(0xF0 | code >> 18);
      *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    }
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = (char)(0x80 | (code & 0x3F));
  return out;
}

/* Handles half of a surrogate pair without its other half. Its escape ends before `after`. It is
 * replaced, or a failure at `where`. */
static char *lone_surrogate(const scanner *scan, char *after, const char *where, char **out) {
  if (!scan->replace || where == scan->end) return fail(scan, FL_JSON_SURROGATE, where);
  *out = put_utf8(*out, FL_JSON_REPLACEMENT);
  return after;
}

/* Scans the escape at `cursor`, a backslash, and writes its character at *out, which moves on. The
 * character is never longer than the escape. */
static char *scan_escape(const scanner *scan, char *cursor, char **out) {
  static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
  char *backslash = cursor++;
  const char *name;
  unsigned unit, low;
  if (*cursor != 'u') {
    name = *cursor ? strchr(names, *cursor) : NULL;
    if (name == NULL) return fail(scan, FL_JSON_BAD_ESCAPE, cursor);
    *(*out)++ = bytes[name - names];
    return cursor + 1;
  }
  cursor = scan_hex(scan, cursor + 1, &unit);
  if (cursor == NULL) return NULL;
  if ((unit & 0xF800) == 0xD800) {
    char *half = cursor;
    /* If the text ends before the second half, the failure is the end of the text. */
    if (unit >= 0xDC00) return lone_surrogate(scan, half, backslash, out);
    if (*cursor != '\\' || *++cursor != 'u')
      return lone_surrogate(scan, half, cursor == scan->end ? cursor : backslash, out);
    cursor = scan_hex(scan, cursor + 1, &low);
    if (cursor == NULL) return NULL;
    if ((low & 0xFC00) != 0xDC00) return lone_surrogate(scan, half, backslash, out);
    unit = 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF));
  }
  *out = put_utf8(*out, unit);
  return cursor;
}

/* Scans a string from its first byte inside the quotes. Returns the byte after the closing quote.
 * Bytes move only after the first escape. */
static inline char *scan_string(const scanner *scan, char *start, uint32_t *length) {
  char *cursor = start, *out = start;
  for (;;) {
    char *run = cursor;
    cursor += fl_string_run(cursor, scan->end) - cursor;
    if (out != run) memmove(out, run, (size_t)(cursor - run));
    out += cursor - run;
    if (*cursor == '"') {
      *length = (uint32_t)(out - start);
      return cursor + 1;
    }
    if (*cursor == '\\') {
      cursor = scan_escape(scan, cursor, &out);
      if (cursor == NULL) return NULL;
    } else if (scan->replace && cursor < scan->end) {
      *out++ = (unsigned char)*cursor < 0x20 ? *cursor : '?';
      cursor++;
    } else if ((unsigned char)*cursor < 0x20) {
      return fail(scan, FL_JSON_CONTROL, cursor);
    } else {
      return fail(scan, FL_JSON_BAD_UTF8, is_cut_sequence(cursor, scan->end) ? scan->end : cursor);
    }
  }
}

/* --- numbers --- */

/* x87 would round twice. */
#define ROUNDS_ONCE (FLT_EVAL_METHOD == 0)
#define EXACT_WHOLE (UINT64_C(1) << 53)

#if FL_WIDE
/* significand x 2^exponent, rounded to even. `more`: digits below the significand were cut off; the
 * significand then has at least 55 bits. The result is never subnormal here. */
static double round_wide(fl_wide significand, bool more, int exponent) {
  uint64_t high = (uint64_t)(significand >> 64), kept;
  int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)significand);
  int drop = bits - 53;
  if (drop <= 0) return ldexp((double)(uint64_t)significand, exponent);
  kept = (uint64_t)(significand >> drop);
  {
    fl_wide half = (fl_wide)1 << (drop - 1), rest = significand & (half + (half - 1));
    if (rest > half || (rest == half && (more || (kept & 1)))) kept++;
  }
  return ldexp((double)kept, exponent + drop);
}

/* digits x 10^exponent, exactly rounded, for exponents of at most 27 in magnitude and digits > 0.
 */
static double scale_exactly(uint64_t digits, int exponent) {
  uint64_t divisor;
  fl_wide dividend;
  int shift;
  if (exponent >= 0)
    return round_wide((fl_wide)digits * fl_five_to((unsigned)exponent), false, exponent);
  /* With its highest bit at 126 the dividend leaves at least 63 bits above a divisor of 63. */
  divisor = fl_five_to((unsigned)-exponent);
  shift = __builtin_clzll(digits) + 63;
  dividend = (fl_wide)digits << shift;
  return round_wide(dividend / divisor, dividend % divisor != 0, exponent - shift);
}
#endif

/* Enough digits to round any double correctly. One more digit stands for all later ones. */
#define DECISIVE_DIGITS 768

/* Any number, by strtod: written as whole digits and an exponent, which every locale reads alike.
 * `literal` begins after the sign; `exponent` is the number after its e. */
static double read_slowly(const char *literal, int64_t exponent) {
  char whole[DECISIVE_DIGITS + 32];
  size_t count = 0;
  bool fraction = false, more = false;
  for (; is_digit(*literal) || *literal == '.'; literal++) {
    if (*literal == '.') {
      fraction = true;
      continue;
    }
    exponent -= fraction;
    if (count == 0 && *literal == '0') continue;
    if (count < DECISIVE_DIGITS) {
      whole[count++] = *literal;
    } else {
      exponent++;
      more |= *literal != '0';
    }
  }
  if (count == 0) return 0;
  if (more) {
    whole[count++] = '1';
    exponent--;
  }
  if (exponent > 9999) exponent = 9999;
  if (exponent < -9999) exponent = -9999;
  snprintf(whole + count, sizeof whole - count, "e%d", (int)exponent);
  return strtod(whole, NULL);
}

static double read_double(const char *literal, uint64_t digits, size_t count,
                          int64_t written_exponent, size_t fraction) {
  int64_t exponent = written_exponent - (int64_t)fraction;
  /* Nineteen digits always fit into 64 bits; leading zeros do not count. */
  if (count > 19) {
    const char *first = literal;
    for (; *first == '0' || *first == '.'; first++) count -= *first == '0';
  }
  if (count <= 19) {
    if (digits == 0) return 0;
    if (ROUNDS_ONCE && digits <= EXACT_WHOLE && exponent >= -FL_EXACT_TENS &&
        exponent <= FL_EXACT_TENS)
      return exponent < 0 ? (double)digits / FL_TENS[-exponent]
                          : (double)digits * FL_TENS[exponent];
#if FL_WIDE
    if (exponent >= -FL_WORD_FIVES && exponent <= FL_WORD_FIVES)
      return scale_exactly(digits, (int)exponent);
#endif
  }
  return read_slowly(literal, written_exponent);
}

/* Scans the number at `start`. Returns the byte after it. */
static inline char *scan_number(const scanner *scan, char *start, fl_json_node *node) {
  bool negative = *start == '-', negative_exponent = false;
  char *first = start + negative, *cursor = first;
  uint64_t digits = 0;
  size_t count, fraction = 0;
  int64_t exponent = 0;
  double number;
  if (!is_digit(*cursor)) return fail(scan, FL_JSON_BAD_NUMBER, cursor);
  for (; is_digit(*cursor); cursor++) digits = digits * 10 + (uint64_t)(*cursor - '0');
  count = (size_t)(cursor - first);
  if (*first == '0' && count > 1) return fail(scan, FL_JSON_BAD_NUMBER, first + 1);
  if (*cursor != '.' && *cursor != 'e' && *cursor != 'E' && !(negative && *first == '0')) {
    if (count <= 19 && digits <= (uint64_t)INT64_MAX + negative) {
      node->type = FL_JSON_INTEGER;
      /* The magnitude of the lowest integer is no int64_t. */
      node->value.integer = negative ? -1 - (int64_t)(digits - 1) : (int64_t)digits;
    } else {
      node->type = FL_JSON_BIG;
      node->value.size.length = (uint32_t)(cursor - start);
    }
    return cursor;
  }
  if (*cursor == '.') {
    char *point = cursor++;
    if (!is_digit(*cursor)) return fail(scan, FL_JSON_BAD_NUMBER, cursor);
    for (; is_digit(*cursor); cursor++) digits = digits * 10 + (uint64_t)(*cursor - '0');
    fraction = (size_t)(cursor - point) - 1;
  }
  if (*cursor == 'e' || *cursor == 'E') {
    cursor++;
    negative_exponent = *cursor == '-';
    if (*cursor == '+' || *cursor == '-') cursor++;
    if (!is_digit(*cursor)) return fail(scan, FL_JSON_BAD_NUMBER, cursor);
    /* No text of 32 bits has enough digits to bring a larger exponent back into range. */
    for (; is_digit(*cursor); cursor++)
      if (exponent < INT64_C(1000000000000)) exponent = exponent * 10 + (*cursor - '0');
  }
  number = read_double(first, digits, count + fraction, negative_exponent ? -exponent : exponent,
                       fraction);
  if (isinf(number) && !scan->replace) return fail(scan, FL_JSON_NUMBER_RANGE, start);
  node->type = isinf(number) ? FL_JSON_NULL : FL_JSON_FLOAT;
  node->value.number = negative ? -number : number;
  return cursor;
}

size_t fl_json_number_length(const char *literal) { return strspn(literal, "+-.0123456789Ee"); }

/* --- values --- */

/* The slot that remembers the key at `place` of an object at `depth`; NULL: none does. */
static inline uint32_t *slot_of(scanner *scan, uint32_t depth, uint32_t place) {
  return place < KNOWN_PLACES ? &scan->known[depth % KNOWN_DEPTHS * KNOWN_PLACES + place] : NULL;
}

/* Whether the string at `start`, its first byte inside the quotes, is the key `known`. The known
 * key is valid and had no escapes, so comparing the bytes is enough. */
static inline bool is_known(const scanner *scan, const char *start, const fl_json_node *known) {
  size_t length = known->value.size.length;
  return (size_t)(scan->end - start) > length && start[length] == '"' &&
         fl_same_bytes(start, scan->text + known->offset, length);
}

/* Scans null, false or true. */
static char *scan_word(const scanner *scan, char *cursor, const char *word) {
  for (; *word; word++, cursor++)
    if (*cursor != *word) return fail(scan, FL_JSON_UNEXPECTED, cursor);
  return cursor;
}

/* The byte cannot begin a value. If it looks like a number, the failure says so. */
static char *fail_value(const scanner *scan, const char *where) {
  return fail(scan, *where && strchr("+.NI", *where) ? FL_JSON_BAD_NUMBER : FL_JSON_UNEXPECTED,
              where);
}

void fl_json_tape_init(fl_json_tape *tape) { memset(tape, 0, sizeof *tape); }

void fl_json_tape_free(fl_json_tape *tape) {
  free(tape->nodes);
  fl_json_tape_init(tape);
}

/* Makes room for more nodes. A text has at most one node for two bytes, and one more for each open
 * bracket, so 32 bits count them. Rows of short cells have about a node for eleven bytes. */
static bool grow(fl_json_tape *tape, size_t length) {
  size_t most = length / 2 + FL_JSON_DEPTH + 2;
  size_t capacity = tape->capacity ? tape->capacity * (size_t)2 : length / 10 + 16;
  fl_json_node *nodes;
  if (capacity > most) capacity = most;
  if (tape->most > 0 && capacity > tape->most) capacity = tape->most;
  if (capacity == tape->capacity || capacity > SIZE_MAX / sizeof *nodes) return false;
  nodes = realloc(tape->nodes, capacity * sizeof *nodes);
  if (nodes == NULL) return false;
  tape->nodes = nodes;
  tape->capacity = (uint32_t)capacity;
  return true;
}

static char *fail_full(const scanner *scan, const fl_json_tape *tape, const char *where) {
  bool many = tape->most > 0 && tape->capacity >= tape->most;
  return fail(scan, many ? FL_JSON_MANY : FL_JSON_MEMORY, many ? where : scan->text);
}

static char *scan_value(scanner *scan, fl_json_tape *tape) {
  size_t length = (size_t)(scan->end - scan->text);
  char *cursor = skip_space(scan->text), *start;
  fl_json_node *node;
  uint32_t count = 0, open = 0, depth = 0, *slot;
  uint32_t filled = 0;    /* values or members of the open container so far */
  bool in_object = false; /* whether the open container is an object */

/* A new node, which may move the tape. */
#define PUSH(where)                                                                          \
  do {                                                                                       \
    if (count == tape->capacity && !grow(tape, length)) return fail_full(scan, tape, where); \
    node = &tape->nodes[count++];                                                            \
    node->offset = (uint32_t)((where)-scan->text);                                           \
  } while (0)

  if (cursor == scan->end) return fail(scan, FL_JSON_EMPTY, cursor);
value:
  PUSH(cursor);
  switch (*cursor) {
    case '{':
    case '[':
      if (depth == FL_JSON_DEPTH) return fail(scan, FL_JSON_DEEP, cursor);
      depth++;
      node->value.size.end = open;
      if (depth > 1) tape->nodes[open].value.size.length = filled;
      open = count - 1;
      filled = 0;
      in_object = *cursor == '{';
      node->type = in_object ? FL_JSON_OBJECT : FL_JSON_ARRAY;
      cursor = skip_space(cursor + 1);
      if (*cursor == (in_object ? '}' : ']')) goto close;
      if (in_object) goto key;
      goto value;
    case '"':
      node->type = FL_JSON_STRING;
      node->offset++;
      cursor = scan_string(scan, cursor + 1, &node->value.size.length);
      break;
    case 'n':
      node->type = FL_JSON_NULL;
      cursor = scan_word(scan, cursor, "null");
      break;
    case 'f':
      node->type = FL_JSON_FALSE;
      cursor = scan_word(scan, cursor, "false");
      break;
    case 't':
      node->type = FL_JSON_TRUE;
      cursor = scan_word(scan, cursor, "true");
      break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': cursor = scan_number(scan, cursor, node); break;
    default: return fail_value(scan, cursor);
  }
  if (cursor == NULL) return NULL;
after:
  if (in_object && *cursor == ',' && cursor[1] == '"') {
    filled++;
    cursor++;
    goto key;
  }
  cursor = skip_space(cursor);
  if (depth == 0) {
    if (cursor != scan->end) return fail(scan, FL_JSON_TRAILING, cursor);
    tape->count = count;
    return cursor;
  }
  filled++;
  if (*cursor == ',') {
    cursor = skip_space(cursor + 1);
    if (in_object) goto key;
    goto value;
  }
  if (*cursor != (in_object ? '}' : ']')) return fail(scan, FL_JSON_UNEXPECTED, cursor);
close:
  cursor++;
  node = &tape->nodes[open];
  open = node->value.size.end;
  node->value.size.length = filled;
  node->value.size.end = count;
  if (--depth > 0) {
    filled = tape->nodes[open].value.size.length;
    in_object = tape->nodes[open].type == FL_JSON_OBJECT;
  } else {
    in_object = false;
  }
  goto after;
key:
  if (*cursor != '"') return fail(scan, FL_JSON_UNEXPECTED, cursor);
  slot = slot_of(scan, depth, filled);
  start = cursor + 1;
  PUSH(start);
  node->type = FL_JSON_STRING;
  if (slot != NULL && *slot != 0 && is_known(scan, start, &tape->nodes[*slot])) {
    node->value.size.length = tape->nodes[*slot].value.size.length;
    node->value.size.same = *slot;
    cursor = start + node->value.size.length + 1;
    if (*cursor == ':' && (unsigned char)cursor[1] > ' ') {
      cursor++;
      goto value;
    }
  } else {
    cursor = scan_string(scan, start, &node->value.size.length);
    if (cursor == NULL) return NULL;
    node->value.size.same = count - 1;
    if (slot != NULL)
      *slot = (size_t)(cursor - start) == node->value.size.length + (size_t)1 ? count - 1 : 0;
  }
  cursor = skip_space(cursor);
  if (*cursor != ':') return fail(scan, FL_JSON_UNEXPECTED, cursor);
  cursor = skip_space(cursor + 1);
  goto value;
#undef PUSH
}

static fl_json_code scan_text(char *text, size_t length, bool replace, fl_json_tape *tape,
                              fl_json_error *error) {
  scanner scan = {.text = text, .end = text + length, .error = error, .replace = replace};
  tape->count = 0;
  error->code = FL_JSON_OK;
  error->position = 0;
  if (length > UINT32_MAX) {
    error->code = FL_JSON_SIZE;
    return error->code;
  }
  scan_value(&scan, tape);
  return error->code;
}

fl_json_code fl_json_scan(char *text, size_t length, fl_json_tape *tape, fl_json_error *error) {
  return scan_text(text, length, false, tape, error);
}

fl_json_code fl_json_scan_replacing(char *text, size_t length, fl_json_tape *tape,
                                    fl_json_error *error) {
  return scan_text(text, length, true, tape, error);
}

uint32_t fl_json_member(const fl_json_tape *tape, const char *text, uint32_t index, fl_slice key) {
  const fl_json_node *object = &tape->nodes[index];
  uint32_t cursor, found = 0;
  if (object->type != FL_JSON_OBJECT) return 0;
  for (cursor = index + 1; cursor < object->value.size.end;
       cursor = fl_json_next(tape, cursor + 1)) {
    const fl_json_node *name = &tape->nodes[cursor];
    if (name->value.size.length == key.length &&
        (key.length == 0 || memcmp(text + name->offset, key.data, key.length) == 0))
      found = cursor + 1;
  }
  return found;
}

const char *fl_json_describe(fl_json_code code) {
  static const char *const words[] = {
      [FL_JSON_OK] = "no error",
      [FL_JSON_EMPTY] = "no value",
      [FL_JSON_UNEXPECTED] = "an unexpected character",
      [FL_JSON_ENDED] = "the text ends inside a value",
      [FL_JSON_TRAILING] = "text after the value",
      [FL_JSON_BAD_NUMBER] = "a malformed number",
      [FL_JSON_NUMBER_RANGE] = "a number beyond the range of doubles",
      [FL_JSON_BAD_ESCAPE] = "a malformed escape in a string",
      [FL_JSON_SURROGATE] = "half of a surrogate pair in a string",
      [FL_JSON_CONTROL] = "a control character in a string",
      [FL_JSON_BAD_UTF8] = "bytes that are not UTF-8",
      [FL_JSON_DEEP] = "nested too deep",
      [FL_JSON_SIZE] = "larger than 4 GiB",
      [FL_JSON_MANY] = "more values than there is memory for",
      [FL_JSON_MEMORY] = "out of memory",
  };
  return words[code];
}
