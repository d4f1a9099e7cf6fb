/*
 * codec.h: helpers of the codec: eight bytes at a time, UTF-8, powers of ten.
 *
 * For json_scan.c, json_write.c, csv.c and export.c alone. Relies on two's complement and IEEE
 * 754 doubles, and on gcc's or clang's builtins for bits. Nothing here allocates or depends on the
 * locale.
 */
#ifndef FL_CODEC_H
#define FL_CODEC_H

#include "base/base.h"

#define FL_EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes as a number whose lowest byte is the first, on every machine. */
static inline uint64_t fl_load_word(const void *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/*
 * Masks: the high bit of each byte that passes the test is set. A borrow runs upward from such a
 * byte, so only the lowest set bit is certain.
 */
static inline uint64_t fl_mask_equal(uint64_t word, unsigned char byte) {
  return ((word ^ FL_EACH_BYTE(byte)) - FL_EACH_BYTE(1)) & FL_EACH_BYTE(0x80);
}

static inline uint64_t fl_mask_control(uint64_t word) {
  return (word - FL_EACH_BYTE(0x20)) & FL_EACH_BYTE(0x80);
}

static inline uint64_t fl_mask_beyond_ascii(uint64_t word) { return word & FL_EACH_BYTE(0x80); }

/* Index of the first byte that a mask (not 0) marks. */
static inline unsigned fl_first_byte(uint64_t mask) { return (unsigned)__builtin_ctzll(mask) / 8; }

/* Compares names, which are short, without calling memcmp. The last word, or half word, overlaps
 * bytes that were compared before. */
static inline bool fl_same_bytes(const char *left, const char *right, size_t length) {
  size_t done = 0;
  if (length >= 8) {
    for (; length - done > 8; done += 8)
      if (fl_load_word(left + done) != fl_load_word(right + done)) return false;
    return fl_load_word(left + length - 8) == fl_load_word(right + length - 8);
  }
  if (length >= 4)
    return memcmp(left, right, 4) == 0 && memcmp(left + length - 4, right + length - 4, 4) == 0;
  for (; done < length; done++)
    if (left[done] != right[done]) return false;
  return true;
}

/* Bytes (2 to 4) of the sequence that begins at a byte beyond ASCII; 0 if it is not UTF-8 or does
 * not fit into `room`. Overlong forms, surrogates and codes beyond U+10FFFF are not UTF-8. */
static inline size_t fl_utf8_sequence(const char *text, size_t room) {
  const unsigned char *bytes = (const unsigned char *)text;
  unsigned char lead = bytes[0], lowest = 0x80, highest = 0xBF;
  size_t length, index;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length > room) return 0;
  if (lead == 0xE0) lowest = 0xA0;
  if (lead == 0xED) highest = 0x9F;
  if (lead == 0xF0) lowest = 0x90;
  if (lead == 0xF4) highest = 0x8F;
  if (bytes[1] < lowest || bytes[1] > highest) return 0;
  for (index = 2; index < length; index++)
    if ((bytes[index] & 0xC0) != 0x80) return 0;
  return length;
}

/* The first byte at or after `cursor` that cannot stand unescaped in a JSON string (a quote, a
 * backslash, a control character, a byte that is not UTF-8), or `end`. */
static inline const char *fl_string_run(const char *cursor, const char *end) {
  for (;;) {
    size_t sequence;
    while (end - cursor >= 8) {
      uint64_t word = fl_load_word(cursor);
      uint64_t mask = fl_mask_equal(word, '"') | fl_mask_equal(word, '\\') | fl_mask_control(word) |
                      fl_mask_beyond_ascii(word);
      if (mask) {
        cursor += fl_first_byte(mask);
        goto found;
      }
      cursor += 8;
    }
    while (cursor < end && (unsigned char)*cursor >= 0x20 && (unsigned char)*cursor < 0x80 &&
           *cursor != '"' && *cursor != '\\')
      cursor++;
    if (cursor == end) return cursor;
  found:
    if ((unsigned char)*cursor < 0x80) return cursor;
    do {
      sequence = fl_utf8_sequence(cursor, (size_t)(end - cursor));
      if (sequence == 0) return cursor;
      cursor += sequence;
    } while (cursor < end && (unsigned char)*cursor >= 0x80);
  }
}

/* 128-bit integers, if the compiler has them, for exact arithmetic on a double's digits. */
#ifdef __SIZEOF_INT128__
#define FL_WIDE 1
__extension__ typedef unsigned __int128 fl_wide;
#else
#define FL_WIDE 0
#endif

/* The powers of ten that a double holds exactly: 0 to 22. */
#define FL_EXACT_TENS 22
static const double FL_TENS[FL_EXACT_TENS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Five to the power of `exponent`, which is at most 27. Higher powers do not fit into 64 bits. */
#define FL_WORD_FIVES 27
static inline uint64_t fl_five_to(unsigned exponent) {
  uint64_t power = 1, square = 5;
  for (; exponent > 0; exponent >>= 1, square *= square)
    if (exponent & 1) power *= square;
  return power;
}

#endif
