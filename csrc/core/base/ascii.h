/*
 * ascii.h: classes of ASCII characters, whatever the locale.
 */
#ifndef FL_ASCII_H
#define FL_ASCII_H

#include "base/base.h"

static inline bool fl_ascii_is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static inline char fl_ascii_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* The text without the blanks and tabs at both ends and the line ends at its end. */
static inline fl_slice fl_ascii_trim(fl_slice text) {
  while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
    text.data++, text.length--;
  while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL) text.length--;
  return text;
}

/* Whether the bytes are the word, in any case. */
static inline bool fl_ascii_is_word(const char *bytes, size_t length, const char *word) {
  /* The NUL of a shorter word differs, too. */
  for (size_t i = 0; i < length; i++)
    if (fl_ascii_lower(bytes[i]) != fl_ascii_lower(word[i])) return false;
  return word[length] == '\0';
}

/* Reads a number of exactly `count` digits at the front of the text, and removes it there. False if
 * there are fewer digits. */
static inline bool fl_ascii_read_digits(fl_slice *text, size_t count, int *value) {
  *value = 0;
  if (text->length < count) return false;
  for (; count > 0; count--, text->data++, text->length--) {
    if (!fl_ascii_is_digit(text->data[0])) return false;
    *value = *value * 10 + (text->data[0] - '0');
  }
  return true;
}

#endif
