/* redact.c: covers secrets in texts that leave the core. */
#include "policy/redact.h"

#include <ctype.h>

/* The length of an occurrence of the secret at the beginning of `bytes`; 0 if there is none. */
static size_t match_secret(const char *secret, const char *bytes, size_t length, bool cut) {
  size_t used = 0, matched = 0;
  for (; secret[matched] != '\0'; matched++, used++) {
    if (used < length && bytes[used] == '\\' && secret[matched] != '\\') used++;
    if (used >= length) return cut && matched >= FL_REDACT_SHORTEST ? length : 0;
    if (tolower((unsigned char)bytes[used]) != tolower((unsigned char)secret[matched])) return 0;
  }
  return used;
}

void fl_redact(const char *secret, char *bytes, size_t length, bool cut) {
  if (strlen(secret) < FL_REDACT_SHORTEST) return;
  for (size_t i = 0; i < length; i++) {
    size_t size = match_secret(secret, bytes + i, length - i, cut);
    if (size == 0) continue;
    memset(bytes + i, '*', size);
    i += size - 1;
  }
}

void fl_redact_text(const char *secret, char *text, size_t size) {
  size_t length = strlen(text);
  fl_redact(secret, text, length, length + 1 == size);
}

void fl_redact_user_info(char *text) {
  for (char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@'))
    for (char *byte = at; byte > text && byte[-1] != ' '; byte--) {
      if (byte - text >= 2 && byte[-1] == '/' && byte[-2] == '/') break;
      byte[-1] = '*';
    }
}
