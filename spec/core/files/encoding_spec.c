/*
 * encoding_spec.c: bytes of other encodings as UTF-8, read in pieces of every size.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "files/encoding.h"

/* As FL_LITERAL, where a constant is needed. */
#define TEXT(text) \
  { (text), sizeof(text) - 1 }

/* Bytes in memory, given at most `piece` at a time. */
typedef struct memory {
  fl_bytes bytes;
  fl_slice text;
  size_t at, piece;
} memory;

static size_t read_memory(fl_bytes *bytes, char *out, size_t room) {
  memory *self = (memory *)(void *)bytes;
  size_t count = self->text.length - self->at;
  if (count > self->piece) count = self->piece;
  if (count > room) count = room;
  memcpy(out, self->text.data + self->at, count);
  self->at += count;
  return count;
}

static bool rewind_memory(fl_bytes *bytes) {
  ((memory *)(void *)bytes)->at = 0;
  return true;
}

static void close_memory(fl_bytes *bytes) { free(bytes); }

static const fl_bytes_class memory_class = {read_memory, rewind_memory, close_memory};

static fl_bytes *open_memory(fl_slice text, size_t piece) {
  memory *made = calloc(1, sizeof *made);
  assert_non_null(made);
  made->bytes.class = &memory_class;
  made->text = text;
  made->piece = piece;
  return &made->bytes;
}

#define MARK "\xEF\xBB\xBF"

static const struct {
  const char *name, *encoding;
  fl_slice text;
  const char *utf8, *message;
} cases[] = {
    {"ASCII", "us-ascii", TEXT("plain text, longer than a word"), "plain text, longer than a word",
     NULL},
    {"windows-1252", "windows-1252", TEXT("J\xF6rg \x80 5, caf\xE9\n"),
     "J\xC3\xB6rg \xE2\x82\xAC 5, caf\xC3\xA9\n", NULL},
    {"Latin-1", "ISO-8859-1", TEXT("\xE4\xF6\xFC"), "\xC3\xA4\xC3\xB6\xC3\xBC", NULL},
    {"a byte that windows-1252 lacks", "windows-1252",
     TEXT("ab\nc\x81"
          "d"),
     "ab\nc", "the byte 0x81 is no character of the encoding \"windows-1252\""},
    {"a byte that ASCII lacks", "us-ascii", TEXT("a\xE9"), "a",
     "the byte 0xE9 is no character of the encoding \"us-ascii\""},
    {"UTF-16, little end first, a mark", "utf-16",
     TEXT("\xFF\xFE"
          "a\0\xE9\0"),
     "a\xC3\xA9", NULL},
    {"UTF-16, big end first, a mark", "utf-16",
     TEXT("\xFE\xFF"
          "\0a\0\xE9"),
     "a\xC3\xA9", NULL},
    {"UTF-16LE", "utf-16le", TEXT("a\0\x3D\xD8\x00\xDE"), "a\xF0\x9F\x98\x80", NULL},
    {"UTF-16LE with a mark", "utf-16le",
     TEXT("\xFF\xFE"
          "a\0"),
     MARK "a", NULL},
    {"UTF-16BE", "utf-16be", TEXT("\0a\xD8\x3D\xDE\x00"), "a\xF0\x9F\x98\x80", NULL},
    {"UTF-16LE, cut off", "utf-16le", TEXT("a\0b"), "a",
     "the byte 0x62 is no character of the encoding \"utf-16le\", or the file is cut off"},
    {"UTF-16LE, half of a pair as the last character", "utf-16le",
     TEXT("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q\0\x8A\xDC"), "abcdefghijklmnopq",
     "the byte 0x8A is no character of the encoding \"utf-16le\""},
    {"Shift JIS", "shift_jis", TEXT("\x93\xFA\x96{,a"), "\xE6\x97\xA5\xE6\x9C\xAC,a", NULL},
    {"nothing", "windows-1252", TEXT(""), "", NULL},
    {"nothing, by iconv", "utf-16", TEXT(""), "", NULL},
};

/* Reads to the end; what came so far stays in `all`. */
static void drain(fl_bytes *bytes, size_t room, char *all) {
  size_t length = 0, count;
  while ((count = bytes->class->read(bytes, all + length, room)) > 0) length += count;
  all[length] = '\0';
}

static void test_texts(void **state) {
  static const struct {
    size_t piece, room;
  } sizes[] = {{1, 100}, {2, 100}, {3, 100}, {5, 100}, {4096, 100}, {4096, 16}};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    for (size_t size = 0; size < COUNT_OF(sizes); size++) {
      fl_bytes *bytes =
          fl_encoding_open(open_memory(cases[i].text, sizes[size].piece), cases[i].encoding);
      char all[200];
      assert_non_null(bytes);
      for (int pass = 0; pass < 2; pass++) {
        drain(bytes, sizes[size].room, all);
        check_text(cases[i].name, all, cases[i].utf8);
        check_text(cases[i].name, bytes->message, cases[i].message ? cases[i].message : "");
        if (bytes->code != FL_BYTES_OK) break;
        check(cases[i].name, bytes->class->rewind(bytes));
      }
      bytes->class->close(bytes);
    }
}

/* Longer than what is recoded at a time, so that characters fall on its edge. */
static void test_long_texts(void **state) {
  static const char *const encodings[] = {"windows-1252", "utf-16le"};
  enum { COUNT = 300000 };
  (void)state;
  for (size_t encoding = 0; encoding < COUNT_OF(encodings); encoding++) {
    size_t width = encoding + 1, length = 0, count;
    char *text = calloc(COUNT, width), *all = malloc(2 * COUNT + 128 * 1024);
    fl_bytes *bytes;
    for (size_t i = 0; i < COUNT; i++) text[i * width] = (char)(i % 7 == 0 ? 0xE9 : 'a' + i % 26);
    bytes =
        fl_encoding_open(open_memory((fl_slice){text, COUNT * width}, 99999), encodings[encoding]);
    while ((count = bytes->class->read(bytes, all + length, 1000)) > 0) length += count;
    for (size_t i = 0, at = 0; i < COUNT; i++) {
      if (i % 7 == 0) {
        assert_memory_equal(all + at, "\xC3\xA9", 2);
        at++;
      } else {
        assert_int_equal(all[at], 'a' + i % 26);
      }
      if (++at == length) assert_int_equal(i, COUNT - 1);
    }
    bytes->class->close(bytes);
    free(text);
    free(all);
  }
}

static void test_names(void **state) {
  (void)state;
  assert_true(fl_encoding_is_utf8(NULL));
  assert_true(fl_encoding_is_utf8("UTF8"));
  assert_false(fl_encoding_is_utf8("utf-16"));
  assert_true(fl_encoding_is_known("windows-1252"));
  assert_false(fl_encoding_is_known("windows-1252//TRANSLIT"));
  assert_false(fl_encoding_is_known("klingon"));
  assert_false(fl_encoding_is_known(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
                                     cmocka_unit_test(test_long_texts),
                                     cmocka_unit_test(test_names)};
  return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
