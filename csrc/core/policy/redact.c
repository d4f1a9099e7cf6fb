/* redact.c: covers secrets in texts that leave the core. */
#include "policy/redact.h"

#include <ctype.h>
#include <strings.h>

static int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte |= 0x20;
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The length of an occurrence of the secret at the beginning of `bytes`; 0 if there is none. */
static size_t match_secret(const char *secret, const char *bytes, size_t length, bool cut) {
  size_t used = 0, matched = 0;
  for (; secret[matched] != '\0'; matched++, used++) {
    unsigned char byte;
    if (used < length && bytes[used] == '\\' && secret[matched] != '\\') used++;
    if (used >= length) return cut && matched >= FL_REDACT_SHORTEST ? length : 0;
    byte = (unsigned char)bytes[used];
    if (byte == '%' && secret[matched] != '%' && length - used <= 2 && cut &&
        matched >= FL_REDACT_SHORTEST)
      return length;
    if (byte == '%' && secret[matched] != '%' && length - used > 2) {
      int high = hex_digit(bytes[used + 1]), low = hex_digit(bytes[used + 2]);
      if (high >= 0 && low >= 0) {
        byte = (unsigned char)(high << 4 | low);
        used += 2;
      }
    }
    if (tolower(byte) != tolower((unsigned char)secret[matched])) return 0;
  }
  return used;
}

/* The bytes with which an occurrence can begin. */
#define BEGINNINGS 4

void fl_redact(const char *secret, char *bytes, size_t length, bool cut) {
  const unsigned char first = (unsigned char)secret[0];
  const int beginnings[BEGINNINGS] = {tolower(first), toupper(first), '\\', '%'};
  char *end = bytes + length, *at = bytes, *next[BEGINNINGS];
  if (length == 0 || strlen(secret) < FL_REDACT_SHORTEST) return;
  /* memchr skips the bytes between far faster than a comparison of each byte. */
  for (int i = 0; i < BEGINNINGS; i++) next[i] = bytes;
  while (at < end) {
    char *found = end;
    size_t size;
    for (int i = 0; i < BEGINNINGS; i++) {
      if (next[i] < at || (next[i] == at && (unsigned char)*at != beginnings[i])) {
        next[i] = memchr(at, beginnings[i], (size_t)(end - at));
        if (next[i] == NULL) next[i] = end;
      }
      if (next[i] < found) found = next[i];
    }
    if (found == end) return;
    size = match_secret(secret, found, (size_t)(end - found), cut);
    if (size > 0) memset(found, '*', size);
    at = found + (size > 0 ? size : 1);
  }
}

void fl_redact_text(const char *secret, char *text, size_t size) {
  size_t length = strlen(text);
  fl_redact(secret, text, length, length + 1 == size);
}

/* Whether a line is a header whose value is a secret. *colon is then the place of its colon. */
static bool is_secret_header(const char *line, size_t length, size_t *colon) {
  static const char *const names[] = {"x-api-key", "authorization", "proxy-authorization", "cookie",
                                      "set-cookie"};
  const char *found = memchr(line, ':', length);
  if (found == NULL) return false;
  *colon = (size_t)(found - line);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strlen(names[i]) == *colon && strncasecmp(line, names[i], *colon) == 0) return true;
  return false;
}

fl_result fl_redact_head(fl_buffer *out, fl_slice head, const char *secret) {
  size_t begin = out->length;
  for (size_t at = 0; at < head.length;) {
    const char *line = head.data + at, *end = memchr(line, '\n', head.length - at);
    size_t length = end != NULL ? (size_t)(end - line) + 1 : head.length - at, colon;
    bool hidden = is_secret_header(line, length, &colon);
    fl_result result = fl_buffer_append(out, line, hidden ? colon : length);
    if (result == FL_OK && hidden) result = fl_buffer_append_text(out, ": ***\r\n");
    if (result != FL_OK) return result;
    at += length;
  }
  fl_redact(secret, out->data + begin, out->length - begin, false);
  return FL_OK;
}

void fl_redact_user_info(char *text) {
  for (char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@'))
    for (char *byte = at; byte > text && byte[-1] != ' '; byte--) {
      if (byte - text >= 2 && byte[-1] == '/' && byte[-2] == '/') break;
      byte[-1] = '*';
    }
}
