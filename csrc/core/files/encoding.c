/*
 * encoding.c: recoding by iconv. See encoding.h.
 *
 * Most files in another encoding are in one that writes each character as one byte and ASCII as
 * itself (windows-1252, ISO 8859). For such an encoding, iconv converts each of the 256 bytes once,
 * and the result is kept in a table. The table is many times faster than iconv.
 */
#include "files/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <strings.h>

#define CHUNK ((size_t)64 * 1024)
/* The most bytes of UTF-8 for one byte. An encoding that needs more has no table. */
#define MOST 8

typedef struct encoding {
  fl_bytes bytes;
  fl_bytes *inner;
  char *name;
  iconv_t converter; /* (iconv_t)-1: none is open */
  bool by_table;
  struct {
    unsigned char length; /* 0: the encoding does not have the byte */
    char text[MOST];
  } table[256];
  bool ended;      /* the inner source has ended */
  bool lacking;    /* the encoding does not have the byte at `at` */
  bool cut;        /* the file ends within a character */
  size_t at, held; /* offsets in `chunk`: the bytes from `at` to `held` are not recoded yet */
  char chunk[CHUNK];
} encoding;

static const iconv_t none = (iconv_t)-1;

bool fl_encoding_is_utf8(const char *name) {
  return name == NULL || strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0;
}

bool fl_encoding_is_known(const char *name) {
  iconv_t converter;
  /* Text behind a slash is an option of iconv ("//IGNORE"), which could hide invalid bytes. */
  if (*name == '\0' || strchr(name, '/') != NULL) return false;
  converter = iconv_open("UTF-8", name);
  if (converter == none) return false;
  iconv_close(converter);
  return true;
}

/* --- by iconv --- */

/* Each pass has its own converter, since iconv keeps a state (after a byte order mark or a shift).
 */
static bool open_converter(encoding *self) {
  if (self->converter != none) iconv_close(self->converter);
  self->converter = iconv_open("UTF-8", self->name);
  return self->converter != none ||
         fl_bytes_fail(&self->bytes, FL_BYTES_SYSTEM, "cannot recode from %s: %s", self->name,
                       strerror(errno));
}

/* Recodes as many bytes as fit into the room. Returns the number of bytes written. */
static size_t convert(encoding *self, char *out, size_t room) {
  char *from = self->chunk + self->at, *to = out;
  size_t left = self->held - self->at, space = room;
  size_t result = iconv(self->converter, &from, &left, &to, &space);
  int reason = result == (size_t)-1 ? errno : 0;
  self->at = self->held - left;
  if (reason == EILSEQ) self->lacking = true;
  if (reason == EINVAL && self->ended) self->lacking = self->cut = true;
  return room - space;
}

/* --- by a table --- */

/* Fills the table. False if a character of the encoding may have more than one byte. */
static bool fill_table(encoding *self) {
  for (int byte = 0; byte < 256; byte++) {
    char in = (char)byte, *from = &in, *to = self->table[byte].text;
    size_t left = 1, space = MOST;
    size_t result = iconv(self->converter, &from, &left, &to, &space);
    bool lacks = result == (size_t)-1 && errno == EILSEQ;
    if (result == (size_t)-1 && !lacks) return false;
    self->table[byte].length = lacks ? 0 : (unsigned char)(MOST - space);
    if (lacks && !open_converter(self)) return false;
    if (!lacks && space == MOST) return false; /* iconv waits for more bytes */
    if (byte < 0x80 && (lacks || space != MOST - 1 || *self->table[byte].text != in)) return false;
  }
  return true;
}

/* The first byte beyond ASCII. */
static const char *skip_ascii(const char *cursor, const char *end) {
  for (uint64_t word; end - cursor >= 8; cursor += 8) {
    memcpy(&word, cursor, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) break;
  }
  while (cursor < end && (unsigned char)*cursor < 0x80) cursor++;
  return cursor;
}

static size_t look_up(encoding *self, char *out, size_t room) {
  const char *from = self->chunk + self->at, *end = self->chunk + self->held;
  char *to = out;
  while (from < end && room - (size_t)(to - out) >= MOST) {
    size_t most = room - (size_t)(to - out), length;
    const char *next = skip_ascii(from, (size_t)(end - from) < most ? end : from + most);
    memcpy(to, from, (size_t)(next - from));
    to += next - from;
    from = next;
    if (from == end || room - (size_t)(to - out) < MOST) break;
    length = self->table[(unsigned char)*from].length;
    self->lacking = length == 0;
    if (self->lacking) break;
    memcpy(to, self->table[(unsigned char)*from].text, MOST);
    to += length;
    from++;
  }
  self->at = (size_t)(from - self->chunk);
  return (size_t)(to - out);
}

/* --- the source of bytes --- */

static void fill_chunk(encoding *self) {
  size_t count;
  memmove(self->chunk, self->chunk + self->at, self->held - self->at);
  self->held -= self->at;
  self->at = 0;
  if (self->held == CHUNK) return;
  count = self->inner->class->read(self->inner, self->chunk + self->held, CHUNK - self->held);
  self->held += count;
  self->ended = count == 0;
}

static void fail_lacking(encoding *self) {
  unsigned char byte = (unsigned char)self->chunk[self->at];
  fl_bytes_fail(
      &self->bytes, FL_BYTES_CONTENT,
      self->cut ? "the byte 0x%02X is no character of the encoding \"%s\", or the file is cut off"
                : "the byte 0x%02X is no character of the encoding \"%s\"",
      byte, self->name);
}

static size_t read_encoding(fl_bytes *bytes, char *out, size_t room) {
  encoding *self = (encoding *)(void *)bytes;
  size_t count = 0;
  if (bytes->code != FL_BYTES_OK) return 0;
  while (count == 0) {
    if (self->lacking) {
      fail_lacking(self);
      return 0;
    }
    if (self->at == self->held || !self->by_table) fill_chunk(self);
    if (!fl_bytes_is_well(bytes, self->inner)) return 0;
    if (self->at == self->held) return 0;
    count = self->by_table ? look_up(self, out, room) : convert(self, out, room);
  }
  return count;
}

static bool rewind_encoding(fl_bytes *bytes) {
  encoding *self = (encoding *)(void *)bytes;
  fl_bytes_forget_content(bytes);
  self->at = self->held = 0;
  self->ended = self->lacking = self->cut = false;
  if (!self->inner->class->rewind(self->inner)) return fl_bytes_is_well(bytes, self->inner);
  return self->by_table || open_converter(self);
}

static void close_encoding(fl_bytes *bytes) {
  encoding *self = (encoding *)(void *)bytes;
  if (self->converter != none) iconv_close(self->converter);
  self->inner->class->close(self->inner);
  free(self->name);
  free(self);
}

static const fl_bytes_class encoding_class = {read_encoding, rewind_encoding, close_encoding};

fl_bytes *fl_encoding_open(fl_bytes *inner, const char *name) {
  encoding *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->name = strdup(name);
  if (self->name == NULL) {
    free(self);
    return NULL;
  }
  self->bytes.class = &encoding_class;
  self->inner = inner;
  self->converter = none;
  if (!open_converter(self)) return &self->bytes;
  self->by_table = fill_table(self);
  if (!self->by_table) open_converter(self);
  return &self->bytes;
}
