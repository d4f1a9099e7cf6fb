/* redact.c: covers secrets in texts that leave the core. */
#include "policy/redact.h"

#include <ctype.h>
#include <strings.h>

#include "base/ascii.h"

#define MOST_LEVELS 8 /* of escapes of escapes */

/* --- escapes: each function reads the one at the beginning of `bytes` --- */

/* The character, or -1; *used: the bytes of the escape. */
typedef int unescape(const char *bytes, size_t length, size_t *used);

static int hex_value(const char *bytes, size_t length, size_t digits) {
  int value = 0;
  if (digits > length) return -1;
  for (size_t i = 0; i < digits; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (!isxdigit(byte)) return -1;
    value = value * 16 + (isdigit(byte) ? byte - '0' : tolower(byte) - 'a' + 10);
  }
  return value;
}

/* %2f */
static int unescape_percent(const char *bytes, size_t length, size_t *used) {
  *used = 3;
  return bytes[0] == '%' ? hex_value(bytes + 1, length - 1, 2) : -1;
}

/* %252f, %25252f: escaped more than once */
static int unescape_percents(const char *bytes, size_t length, size_t *used) {
  size_t at = 1;
  if (bytes[0] != '%') return -1;
  for (int level = 1; level < MOST_LEVELS && at + 4 <= length; level++) {
    if (bytes[at] != '2' || bytes[at + 1] != '5' || hex_value(bytes + at + 2, 2, 2) < 0) break;
    at += 2;
  }
  *used = at + 2;
  return hex_value(bytes + at, length - at, 2);
}

/* \" or \u0022, and with more backslashes before it: JSON in JSON */
static int unescape_json(const char *bytes, size_t length, size_t *used) {
  size_t at = 0;
  while (at < length && at < MOST_LEVELS && bytes[at] == '\\') at++;
  if (at == 0) return -1;
  if (at < length && bytes[at] == 'u') {
    int value = hex_value(bytes + at + 1, length - at - 1, 4);
    *used = at + 5;
    if (value >= 0) return value;
  }
  *used = at + 1;
  return at < length ? (unsigned char)bytes[at] : -1;
}

/* Two backslashes that stand for one. */
static int unescape_backslash(const char *bytes, size_t length, size_t *used) {
  *used = 2;
  return length >= 2 && bytes[0] == '\\' && bytes[1] == '\\' ? '\\' : -1;
}

/* The name or the number of an entity at `bytes`, behind its "&". */
static int read_entity(const char *bytes, size_t length, size_t *used) {
  /* HTML 4 and the names of HTML 5 for the other characters of ASCII. */
  static const struct {
    char name[8];
    char character;
  } named[] = {
      {"amp;", '&'},    {"lt;", '<'},     {"gt;", '>'},     {"quot;", '"'},   {"apos;", '\''},
      {"sol;", '/'},    {"excl;", '!'},   {"num;", '#'},    {"dollar;", '$'}, {"percnt;", '%'},
      {"lpar;", '('},   {"rpar;", ')'},   {"ast;", '*'},    {"midast;", '*'}, {"plus;", '+'},
      {"comma;", ','},  {"period;", '.'}, {"colon;", ':'},  {"semi;", ';'},   {"equals;", '='},
      {"quest;", '?'},  {"commat;", '@'}, {"lsqb;", '['},   {"lbrack;", '['}, {"bsol;", '\\'},
      {"rsqb;", ']'},   {"rbrack;", ']'}, {"hat;", '^'},    {"lowbar;", '_'}, {"grave;", '`'},
      {"lcub;", '{'},   {"lbrace;", '{'}, {"verbar;", '|'}, {"vert;", '|'},   {"rcub;", '}'},
      {"rbrace;", '}'}, {"dash;", '-'},   {"hyphen;", '-'}, {"tilde;", '~'}};
  size_t at = 1;
  int value = 0, base = 10, digits = 0;
  for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
    *used = strlen(named[i].name);
    if (*used <= length && strncasecmp(bytes, named[i].name, *used) == 0) return named[i].character;
  }
  if (length == 0 || bytes[0] != '#') return -1;
  if (at < length && fl_ascii_lower(bytes[at]) == 'x') base = 16, at++;
  for (; at + 1 < length && bytes[at] == '0'; at++) digits = 0; /* leading zeros */
  for (; at < length && digits < MOST_LEVELS; at++, digits++) {
    int digit = hex_value(bytes + at, 1, 1);
    if (digit < 0 || digit >= base) break;
    value = value < 256 ? value * base + digit : value;
  }
  if (at < length && bytes[at] == ';') at++;
  *used = at;
  return digits > 0 ? value : -1;
}

/* &#47; &#x2f; &amp; */
static int unescape_entity(const char *bytes, size_t length, size_t *used) {
  int character = bytes[0] == '&' ? read_entity(bytes + 1, length - 1, used) : -1;
  *used += 1;
  return character;
}

/* &amp;#47; &amp;amp;lt;: escaped more than once */
static int unescape_entities(const char *bytes, size_t length, size_t *used) {
  size_t at = 1;
  int character;
  if (bytes[0] != '&') return -1;
  for (int level = 1; level < MOST_LEVELS; level++) {
    if (at + 4 > length || strncasecmp(bytes + at, "amp;", 4) != 0) break;
    at += 4;
  }
  character = at > 1 ? read_entity(bytes + at, length - at, used) : -1;
  *used += at;
  return character;
}

static unescape *const escapes[] = {unescape_percent,   unescape_percents, unescape_json,
                                    unescape_backslash, unescape_entity,   unescape_entities};

enum { ESCAPES = sizeof escapes / sizeof *escapes };

static bool begins_escape(char byte) { return byte == '%' || byte == '\\' || byte == '&'; }

/* The character at `bytes`: as it is (`way` 0), or by one of the escapes. */
static int read_character(int way, const char *bytes, size_t length, size_t *used) {
  *used = 1;
  if (length == 0) return -1;
  if (way == 0) return (unsigned char)bytes[0];
  return begins_escape(bytes[0]) ? escapes[way - 1](bytes, length, used) : -1;
}

static bool same_character(int left, int right) {
  return left >= 0 && left < 256 && right >= 0 && right < 256 && tolower(left) == tolower(right);
}

/* --- the secret --- */

/* Moves behind one character of both texts, whether it is escaped in either of them or not. False
 * if they differ. `eager`: an escape of the text is rather read as one than as it is. */
static bool match_character(fl_slice *secret, fl_slice *text, bool eager) {
  for (int mine = 0; mine <= ESCAPES; mine++) {
    size_t used, other_used;
    int character = read_character(mine, secret->data, secret->length, &used);
    if (character < 0) continue;
    for (int turn = 0; turn <= ESCAPES; turn++) {
      int theirs = eager ? ESCAPES - turn : turn;
      if (!same_character(character, read_character(theirs, text->data, text->length, &other_used)))
        continue;
      *secret = (fl_slice){secret->data + used, secret->length - used};
      *text = (fl_slice){text->data + other_used, text->length - other_used};
      return true;
    }
  }
  return false;
}

/* Whether a cut text may end in the middle of an escape. */
static bool ends_in_escape(fl_slice text) {
  return text.length > 0 && text.length < (size_t)2 * MOST_LEVELS && begins_escape(text.data[0]);
}

/* The length of an occurrence of the secret at the beginning of `bytes`; 0 if there is none. */
static size_t match_secret(fl_slice secret, const char *bytes, size_t length, bool cut,
                           bool eager) {
  fl_slice text = {bytes, length};
  size_t matched = 0;
  for (; secret.length > 0; matched++) {
    if (match_character(&secret, &text, eager)) continue;
    if (text.length > 0 && !ends_in_escape(text)) return 0;
    return cut && matched >= FL_REDACT_SHORTEST ? length : 0;
  }
  return length - text.length;
}

/* --- the places where an occurrence may begin --- */

/* The bytes that may begin one, and for each the next place that has it; NULL: none is left. The
 * library's search is much faster than a look at each byte, and most texts have few such places. */
typedef struct beginnings {
  char bytes[5];
  const char *next[5];
  int count;
  bool all; /* an escape begins the secret: any character may stand for it */
} beginnings;

static beginnings find_beginnings(char first, const char *text, size_t length) {
  char lower = fl_ascii_lower(first),
       upper = lower >= 'a' && lower <= 'z' ? (char)(lower & ~0x20) : lower;
  beginnings found = {.bytes = {'%', '\\', '&', lower, upper},
                      .count = upper == lower ? 4 : 5,
                      .all = begins_escape(first)};
  for (int i = 0; i < found.count; i++) found.next[i] = memchr(text, found.bytes[i], length);
  return found;
}

/* The next place at or behind `at`; `end` if there is none. */
static const char *next_beginning(beginnings *of, const char *at, const char *end) {
  const char *nearest = end;
  if (of->all) return at;
  for (int i = 0; i < of->count; i++) {
    if (of->next[i] != NULL && of->next[i] < at)
      of->next[i] = memchr(at, of->bytes[i], (size_t)(end - at));
    if (of->next[i] != NULL && of->next[i] < nearest) nearest = of->next[i];
  }
  return nearest;
}

void fl_redact(const char *secret, char *bytes, size_t length, bool cut) {
  fl_slice wanted = fl_slice_of(secret);
  char *end;
  bool has_escape;
  beginnings places;
  if (wanted.length < FL_REDACT_SHORTEST || length == 0) return; /* bytes may be NULL then */
  end = bytes + length;
  has_escape = strpbrk(secret, "%\\&") != NULL;
  places = find_beginnings(secret[0], bytes, length);
  for (char *at = bytes; at < end; at++) {
    size_t size, left;
    at = bytes + (next_beginning(&places, at, end) - bytes);
    left = (size_t)(end - at);
    if (left == 0) return;
    size = match_secret(wanted, at, left, cut, false);
    /* "%25" may be the sign of a secret that holds one, or three characters of it. */
    if (size == 0 && has_escape) size = match_secret(wanted, at, left, cut, true);
    if (size == 0) continue;
    memset(at, '*', size);
    at += size - 1;
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
  if (out->length > begin) fl_redact(secret, out->data + begin, out->length - begin, false);
  return FL_OK;
}

void fl_redact_user_info(char *text) {
  for (char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@'))
    for (char *byte = at; byte > text && byte[-1] != ' '; byte--) {
      if (byte - text >= 2 && byte[-1] == '/' && byte[-2] == '/') break;
      byte[-1] = '*';
    }
}
