/* visible.c: control characters and marks of direction, by their numbers in Unicode. */
#include "policy/visible.h"

#include <stdio.h>

/* The character at the beginning of the text and its length; -1 for a byte that is not UTF-8. */
static long read_character(const char *text, size_t *length) {
  const unsigned char *bytes = (const unsigned char *)text;
  static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t count = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
  long value = count == 1 ? bytes[0] : bytes[0] & (0x7f >> count);
  *length = 1;
  if ((bytes[0] >= 0x80 && bytes[0] < 0xc2) || bytes[0] > 0xf4) return -1;
  for (size_t i = 1; i < count; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return -1; /* the NUL at the end, too */
    value = value << 6 | (bytes[i] & 0x3f);
  }
  if (value < least[count] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return -1;
  *length = count;
  return value;
}

static bool is_hidden(long character) {
  static const long ranges[][2] = {{0x80, 0x9f},     {0x61c, 0x61c},   {0x200e, 0x200f},
                                   {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (character >= ranges[i][0] && character <= ranges[i][1]) return true;
  return false;
}

/* Replaces what grows no longer. Returns the number of characters that need their number. */
static size_t replace_in_place(char *text) {
  size_t hidden = 0, length;
  for (; *text != '\0'; text += length) {
    long character = read_character(text, &length);
    if (character < 0) *text = '?';
    else if (character < 0x20 || character == 0x7f) *text = ' ';
    hidden += is_hidden(character);
  }
  return hidden;
}

void fl_visible(char *text, size_t size) {
  char copy[1024], shown[16];
  size_t at = 0, length, put;
  if (replace_in_place(text) == 0 || size > sizeof copy) return;
  memcpy(copy, text, strlen(text) + 1);
  for (const char *from = copy; *from != '\0'; from += length) {
    long character = read_character(from, &length);
    bool hidden = is_hidden(character);
    put = hidden ? (size_t)snprintf(shown, sizeof shown, "<U+%04lX>", (unsigned long)character)
                 : length;
    if (at + put >= size) break;
    memcpy(text + at, hidden ? shown : from, put);
    at += put;
  }
  text[at] = '\0';
}
