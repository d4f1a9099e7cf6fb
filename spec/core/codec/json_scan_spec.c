/*
 * json_scan_spec.c: what the scanner accepts, what it makes of it, and where it stops.
 *
 * Every text is scanned in memory of exactly its size, so that a sanitizer sees a byte read past
 * it.
 */
#include "codec/json_scan.h"

#include "check.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

static char *text;
static fl_json_tape tape;
static fl_json_error error;

static fl_json_code scan(const char *source, size_t length) {
  free(text);
  text = malloc(length + 1);
  assert_non_null(text);
  memcpy(text, source, length);
  text[length] = '\0';
  return fl_json_scan(text, length, &tape, &error);
}

static int forget(void **state) {
  (void)state;
  free(text);
  text = NULL;
  fl_json_tape_free(&tape);
  return 0;
}

/* A tape in one line: i1 b123 d0.5 s3:abc n f t [2 i1 i2] {1 s1:a i1}. */
static uint32_t show(fl_buffer *out, uint32_t index) {
  const fl_json_node *node = &tape.nodes[index];
  char word[64];
  uint32_t child = index + 1, count = 0;
  assert_in_range(index, 0, tape.count - 1);
  switch (node->type) {
    case FL_JSON_NULL: fl_buffer_append_text(out, "n"); break;
    case FL_JSON_FALSE: fl_buffer_append_text(out, "f"); break;
    case FL_JSON_TRUE: fl_buffer_append_text(out, "t"); break;
    case FL_JSON_INTEGER:
      snprintf(word, sizeof word, "i%lld", (long long)node->value.integer);
      fl_buffer_append_text(out, word);
      break;
    case FL_JSON_FLOAT:
      snprintf(word, sizeof word, "d%.17g", node->value.number);
      fl_buffer_append_text(out, word);
      break;
    case FL_JSON_BIG:
    case FL_JSON_STRING:
      snprintf(word, sizeof word,
               node->type == FL_JSON_BIG ? "b" : "s%u:", node->value.size.length);
      fl_buffer_append_text(out, word);
      fl_buffer_append(out, text + node->offset, node->value.size.length);
      break;
    default:
      snprintf(word, sizeof word, "%c%u", node->type == FL_JSON_ARRAY ? '[' : '{',
               node->value.size.length);
      fl_buffer_append_text(out, word);
      for (; child < node->value.size.end; count++) {
        fl_buffer_append_byte(out, ' ');
        child = show(out, child);
      }
      assert_int_equal(child, node->value.size.end);
      assert_int_equal(count, node->value.size.length * (node->type == FL_JSON_ARRAY ? 1 : 2));
      fl_buffer_append_byte(out, node->type == FL_JSON_ARRAY ? ']' : '}');
  }
  assert_int_equal(child, fl_json_next(&tape, index));
  return child;
}

/* --- what is accepted --- */

typedef struct accepted {
  fl_slice source;
  fl_slice shown;
} accepted;
#define ACCEPT(source, shown)                                  \
  {                                                            \
    {source, sizeof(source) - 1}, { shown, sizeof(shown) - 1 } \
  }

static const accepted accepts[] = {
    ACCEPT("null", "n"),
    ACCEPT(" \t\r\nfalse \t\r\n", "f"),
    ACCEPT("true", "t"),
    ACCEPT("[]", "[0]"),
    ACCEPT("{}", "{0}"),
    ACCEPT("[ ]", "[0]"),
    ACCEPT("{\n}", "{0}"),
    ACCEPT("[[],[[]],{},[{}]]", "[4 [0] [1 [0]] {0} [1 {0}]]"),
    ACCEPT("[1,2 , 3]", "[3 i1 i2 i3]"),
    ACCEPT("{\"a\":1,\"b\":[true,null]}", "{2 s1:a i1 s1:b [2 t n]}"),
    ACCEPT(" { \"a\" : { \"a\" : { } } , \"\" : \"\" } ", "{2 s1:a {1 s1:a {0}} s0: s0:}"),
    ACCEPT("{\"a\":1,\"a\":2}", "{2 s1:a i1 s1:a i2}"),
    /* integers */
    ACCEPT("0", "i0"),
    ACCEPT("-1", "i-1"),
    ACCEPT("-0", "d-0"),
    ACCEPT("10", "i10"),
    ACCEPT("9007199254740993", "i9007199254740993"),
    ACCEPT("9223372036854775807", "i9223372036854775807"),
    ACCEPT("9223372036854775808", "b9223372036854775808"),
    ACCEPT("-9223372036854775808", "i-9223372036854775808"),
    ACCEPT("-9223372036854775809", "b-9223372036854775809"),
    ACCEPT("18446744073709551615", "b18446744073709551615"),
    ACCEPT("18446744073709551617", "b18446744073709551617"),
    ACCEPT("[100000000000000000000000000000000000000000,1]",
           "[2 b100000000000000000000000000000000000000000 i1]"),
    /* strings */
    ACCEPT("\"\"", "s0:"),
    ACCEPT("\"a\\u0000b\"", "s3:a\0b"),
    ACCEPT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s8:\"\\/\b\f\n\r\t"),
    ACCEPT("\"\\u0041\\u00e9\\u00E9\\u20AC\\uFFFF\"",
           "s11:A\xC3\xA9\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF"),
    ACCEPT("\"\\u007f\\u0080\\u07ff\\u0800\"", "s8:\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80"),
    ACCEPT("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "s8:\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"),
    ACCEPT("\"x\\ud83d\\ude00y\"", "s6:x\xF0\x9F\x98\x80y"),
    ACCEPT("\"\x7F \xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF\"",
           "s23:\x7F \xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF"),
    ACCEPT("\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"", "s8:\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"),
    ACCEPT("{\"\\u006be\\u0079\":\"\\n\",\"k\":[\"\\t\",7]}", "{2 s3:key s1:\n s1:k [2 s1:\t i7]}"),
};

static void test_accepts(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof accepts / sizeof *accepts; index++) {
    const accepted *row = &accepts[index];
    fl_buffer out;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    if (scan(row->source.data, row->source.length) != FL_JSON_OK)
      fail_msg("%s: %s at %zu", row->source.data, fl_json_describe(error.code), error.position);
    assert_int_equal(show(&out, 0), tape.count);
    if (out.length != row->shown.length || memcmp(out.data, row->shown.data, out.length) != 0)
      fail_msg("%s became %s", row->source.data, out.data);
    fl_buffer_free(&out);
  }
}

/* --- what is refused, and where --- */

typedef struct refused {
  fl_slice source;
  fl_json_code code;
  size_t position;
} refused;
#define REFUSE(source, code, position) \
  { {source, sizeof(source) - 1}, FL_JSON_##code, position }

static const refused refusals[] = {
    REFUSE("", EMPTY, 0),
    REFUSE(" \n\t\r", EMPTY, 4),
    REFUSE("\xEF\xBB\xBF{}", UNEXPECTED, 0),
    REFUSE("\f1", UNEXPECTED, 0),
    REFUSE("\xC2\xA0"
           "1",
           UNEXPECTED, 0),
    REFUSE("\0", UNEXPECTED, 0),
    REFUSE("[\0]", UNEXPECTED, 1),
    REFUSE("1\0", TRAILING, 1),
    REFUSE("[1 2]", UNEXPECTED, 3),
    REFUSE("[1,]", UNEXPECTED, 3),
    REFUSE("[,1]", UNEXPECTED, 1),
    REFUSE("[1,,2]", UNEXPECTED, 3),
    REFUSE("[1}", UNEXPECTED, 2),
    REFUSE("{\"a\":1]", UNEXPECTED, 6),
    REFUSE("]", UNEXPECTED, 0),
    REFUSE("}", UNEXPECTED, 0),
    REFUSE(",", UNEXPECTED, 0),
    REFUSE("{\"a\"}", UNEXPECTED, 4),
    REFUSE("{\"a\",1}", UNEXPECTED, 4),
    REFUSE("{\"a\":}", UNEXPECTED, 5),
    REFUSE("{\"a\":1,}", UNEXPECTED, 7),
    REFUSE("{\"a\":1 \"b\":2}", UNEXPECTED, 7),
    REFUSE("{\"a\"::1}", UNEXPECTED, 5),
    REFUSE("{,}", UNEXPECTED, 1),
    REFUSE("{1:2}", UNEXPECTED, 1),
    REFUSE("{a:2}", UNEXPECTED, 1),
    REFUSE("{null:2}", UNEXPECTED, 1),
    REFUSE("['a']", UNEXPECTED, 1),
    REFUSE("[1 // one\n]", UNEXPECTED, 3),
    REFUSE("/* one */ 1", UNEXPECTED, 0),
    REFUSE("True", UNEXPECTED, 0),
    REFUSE("nul1", UNEXPECTED, 3),
    REFUSE("nan", UNEXPECTED, 1),
    REFUSE("falsE", UNEXPECTED, 4),
    REFUSE("tru\xC3", UNEXPECTED, 3),
    REFUSE("undefined", UNEXPECTED, 0),
    REFUSE("truefalse", TRAILING, 4),
    REFUSE("1 2", TRAILING, 2),
    REFUSE("{}}", TRAILING, 2),
    REFUSE("[] ,", TRAILING, 3),
    REFUSE("\"a\"\"b\"", TRAILING, 3),
    /* the end */
    REFUSE("[", ENDED, 1),
    REFUSE("[1", ENDED, 2),
    REFUSE("[1, ", ENDED, 4),
    REFUSE("{", ENDED, 1),
    REFUSE("{\"a", ENDED, 3),
    REFUSE("{\"a\"", ENDED, 4),
    REFUSE("{\"a\":", ENDED, 5),
    REFUSE("{\"a\":1", ENDED, 6),
    REFUSE("{\"a\":1,", ENDED, 7),
    REFUSE("nul", ENDED, 3),
    REFUSE("-", ENDED, 1),
    REFUSE("1.", ENDED, 2),
    REFUSE("1e", ENDED, 2),
    REFUSE("1e+", ENDED, 3),
    REFUSE("\"", ENDED, 1),
    REFUSE("\"abcdefghijkl", ENDED, 13),
    REFUSE("\"\\", ENDED, 2),
    REFUSE("\"\\u", ENDED, 3),
    REFUSE("\"\\u12", ENDED, 5),
    REFUSE("\"\\ud800", ENDED, 7),
    REFUSE("\"\\ud800\\", ENDED, 8),
    REFUSE("\"\\ud800\\u", ENDED, 9),
    REFUSE("\"\\ud800\\udc0", ENDED, 12),
    REFUSE("\"\xC3", ENDED, 2),
    REFUSE("\"\xE2\x82", ENDED, 3),
    REFUSE("\"\xE0\xA0", ENDED, 3),
    REFUSE("\"\xE0", ENDED, 2),
    REFUSE("\"\xF0\x90\x80", ENDED, 4),
    REFUSE("\"\xF4\x8F", ENDED, 3),
    REFUSE("\"\xED", ENDED, 2),
    /* numbers */
    REFUSE("01", BAD_NUMBER, 1),
    REFUSE("-01", BAD_NUMBER, 2),
    REFUSE("[00]", BAD_NUMBER, 2),
    REFUSE("[1.]", BAD_NUMBER, 3),
    REFUSE("[1.e5]", BAD_NUMBER, 3),
    REFUSE(".5", BAD_NUMBER, 0),
    REFUSE("-.5", BAD_NUMBER, 1),
    REFUSE("+1", BAD_NUMBER, 0),
    REFUSE("[-]", BAD_NUMBER, 2),
    REFUSE("--1", BAD_NUMBER, 1),
    REFUSE("NaN", BAD_NUMBER, 0),
    REFUSE("Infinity", BAD_NUMBER, 0),
    REFUSE("-Infinity", BAD_NUMBER, 1),
    REFUSE("[1e]", BAD_NUMBER, 3),
    REFUSE("[1e+]", BAD_NUMBER, 4),
    REFUSE("[1E-x]", BAD_NUMBER, 4),
    REFUSE("0x10", TRAILING, 1),
    REFUSE("[0x10]", UNEXPECTED, 2),
    REFUSE("1.2.3", TRAILING, 3),
    REFUSE("[1e5.5]", UNEXPECTED, 4),
    REFUSE("[1e400]", NUMBER_RANGE, 1),
    REFUSE("-1e400", NUMBER_RANGE, 0),
    REFUSE("1e99999999999999999999", NUMBER_RANGE, 0),
    REFUSE("1.7976931348623159e308", NUMBER_RANGE, 0),
    /* strings */
    REFUSE("\"\\x\"", BAD_ESCAPE, 2),
    REFUSE("\"\\'\"", BAD_ESCAPE, 2),
    REFUSE("\"\\U0041\"", BAD_ESCAPE, 2),
    REFUSE("\"\\\0\"", BAD_ESCAPE, 2),
    REFUSE("\"\\\n\"", BAD_ESCAPE, 2),
    REFUSE("\"\\u12\"", BAD_ESCAPE, 5),
    REFUSE("\"\\u12g4\"", BAD_ESCAPE, 5),
    REFUSE("\"\\u-123\"", BAD_ESCAPE, 3),
    REFUSE("\"\\u123@\"", BAD_ESCAPE, 6),
    REFUSE("\"\\ud800\\u12\"", BAD_ESCAPE, 11),
    REFUSE("\"a\\ud800\"", SURROGATE, 2),
    REFUSE("\"\\ud800x\"", SURROGATE, 1),
    REFUSE("\"\\ud800\\n\"", SURROGATE, 1),
    REFUSE("\"\\ud800\\u0041\"", SURROGATE, 1),
    REFUSE("\"\\ud800\\ud800\"", SURROGATE, 1),
    REFUSE("\"\\n\\udc00\"", SURROGATE, 3),
    REFUSE("\"\\udfff\\ud800\"", SURROGATE, 1),
    REFUSE("\"a\nb\"", CONTROL, 2),
    REFUSE("\"\t\"", CONTROL, 1),
    REFUSE("\"\x1F\"", CONTROL, 1),
    REFUSE("\"\0\"", CONTROL, 1),
    REFUSE("{\"\r\":1}", CONTROL, 2),
    REFUSE("\"\\n\\t\n\"", CONTROL, 5),
    /* not UTF-8: the position is that of the sequence's first byte */
    REFUSE("\"\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xBF\"", BAD_UTF8, 1),
    REFUSE("\"a\xC3\"", BAD_UTF8, 2),
    REFUSE("\"\xC3\xA9\xC3\xC3\xA9\"", BAD_UTF8, 3),
    REFUSE("\"\xC0\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xC1\xBF\"", BAD_UTF8, 1),
    REFUSE("\"\xE0\x80\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xE0\x9F\xBF\"", BAD_UTF8, 1),
    REFUSE("\"\xE2\x82\"", BAD_UTF8, 1),
    REFUSE("\"\xE2\x28\xA1\"", BAD_UTF8, 1),
    REFUSE("\"\xED\xA0\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xED\xBF\xBF\"", BAD_UTF8, 1),
    REFUSE("\"\xF0\x80\x80\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xF0\x8F\xBF\xBF\"", BAD_UTF8, 1),
    REFUSE("\"\xF0\x90\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xF0\x90\x28\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xF4\x90\x80\x80\"", BAD_UTF8, 1),
    REFUSE("\"\xED\xA0", BAD_UTF8, 1),
    REFUSE("\"\xE0\x80", BAD_UTF8, 1),
    REFUSE("\"\xF5", BAD_UTF8, 1),
    REFUSE("\"\xC3\xA9\\n\xFF\"", BAD_UTF8, 5),
};

static void test_refuses(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof refusals / sizeof *refusals; index++) {
    const refused *row = &refusals[index];
    fl_json_code code = scan(row->source.data, row->source.length);
    if (code != row->code || error.code != code || error.position != row->position)
      fail_msg("%s: %s at %zu", row->source.data, fl_json_describe(error.code), error.position);
    assert_int_equal(tape.count, 0);
  }
}

/* A text of 2^32 bytes is refused before a byte of it is read. */
static void test_refuses_a_text_past_32_bits(void **state) {
#if SIZE_MAX > UINT32_MAX
  char none[1] = "";
  (void)state;
  assert_int_equal(fl_json_scan(none, (size_t)UINT32_MAX + 1, &tape, &error), FL_JSON_SIZE);
  assert_int_equal(error.code, FL_JSON_SIZE);
#else
  (void)state;
  skip();
#endif
}

static void test_depth(void **state) {
  static const char opens[] = "[{", *const closes[] = {"]", "}"}, *const inner[] = {"[", "{\"k\":"};
  int kind;
  (void)state;
  for (kind = 0; kind < 2; kind++) {
    int depth;
    for (depth = FL_JSON_DEPTH - 1; depth <= FL_JSON_DEPTH + 1; depth++) {
      fl_buffer out;
      size_t last = 0;
      int level;
      fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
      for (level = 0; level < depth; level++) {
        last = out.length;
        if (level + 1 < depth) fl_buffer_append_text(&out, inner[kind]);
        else fl_buffer_append_byte(&out, opens[kind]);
      }
      for (level = 0; level < depth; level++) fl_buffer_append_text(&out, closes[kind]);
      if (depth <= FL_JSON_DEPTH) {
        assert_int_equal(scan(out.data, out.length), FL_JSON_OK);
      } else {
        assert_int_equal(scan(out.data, out.length), FL_JSON_DEEP);
        assert_int_equal(error.position, last);
      }
      fl_buffer_free(&out);
    }
  }
  /* Side by side is not deep. */
  {
    fl_buffer out;
    int count;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    for (count = 0; count < 2 * FL_JSON_DEPTH; count++)
      fl_buffer_append_text(&out, count ? ",[[]]" : "[[[]]");
    fl_buffer_append_text(&out, "]");
    assert_int_equal(scan(out.data, out.length), FL_JSON_OK);
    assert_int_equal(tape.nodes[0].value.size.length, 2 * FL_JSON_DEPTH);
    fl_buffer_free(&out);
  }
}

/* --- every byte, at every place relative to the words that a string is read by --- */

static void test_special_bytes_at_every_offset(void **state) {
  int offset, byte;
  (void)state;
  for (offset = 0; offset <= 40; offset++) {
    for (byte = 0; byte < 256; byte++) {
      char source[80], *string = source + 1;
      size_t at = (size_t)offset + 1, length;
      fl_json_code expected = byte < 0x20                   ? FL_JSON_CONTROL
                              : byte >= 0x80                ? FL_JSON_BAD_UTF8
                              : byte == '\\' || byte == '"' ? FL_JSON_UNEXPECTED
                                                            : FL_JSON_OK;
      source[0] = '"';
      memset(string, 'x', 60);
      string[offset] = (char)byte;
      length = (size_t)offset + 12;
      source[length - 1] = '"';
      scan(source, length);
      if (byte == '"') {
        assert_int_equal(error.code, FL_JSON_TRAILING);
        assert_int_equal(error.position, at + 1);
      } else if (byte == '\\') {
        assert_int_equal(error.code, FL_JSON_BAD_ESCAPE);
        assert_int_equal(error.position, at + 1);
      } else {
        assert_int_equal(error.code, expected);
        if (expected != FL_JSON_OK) {
          assert_int_equal(error.position, at);
        } else {
          assert_int_equal(tape.nodes[0].value.size.length, length - 2);
          assert_memory_equal(text + tape.nodes[0].offset, string, length - 2);
        }
      }
    }
  }
}

/* Two escapes or characters beyond ASCII at all distances from each other. */
static void test_unescapes_at_every_offset(void **state) {
  static const struct {
    const char *written, *meant;
  } pieces[] = {{"\\n", "\n"},
                {"\\\"", "\""},
                {"\\u20ac", "\xE2\x82\xAC"},
                {"\xC3\xA9", "\xC3\xA9"},
                {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
                {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"}};
  enum { PIECES = sizeof pieces / sizeof *pieces };
  int before, between, first, second;
  (void)state;
  for (before = 0; before <= 18; before++)
    for (between = 0; between <= 18; between++)
      for (first = 0; first < PIECES; first++)
        for (second = 0; second < PIECES; second++) {
          static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
          char source[120], meant[120];
          int length = snprintf(source, sizeof source, "[\"%.*s%s%.*s%s%.9s\",77]", before, letters,
                                pieces[first].written, between, letters + 3, pieces[second].written,
                                letters + 5);
          snprintf(meant, sizeof meant, "%.*s%s%.*s%s%.9s", before, letters, pieces[first].meant,
                   between, letters + 3, pieces[second].meant, letters + 5);
          assert_int_equal(scan(source, (size_t)length), FL_JSON_OK);
          assert_int_equal(tape.nodes[1].value.size.length, strlen(meant));
          assert_memory_equal(text + tape.nodes[1].offset, meant, strlen(meant));
          assert_int_equal(tape.nodes[2].value.integer, 77);
          assert_int_equal(fl_json_number_length(text + tape.nodes[2].offset), 2);
        }
}

/* --- numbers --- */

static const char *const floats[] = {
    "0.0",
    "-0.0",
    "0e0",
    "0E+5",
    "-0e-5",
    "1.0",
    "3.0",
    "1e0",
    "1E2",
    "1e+2",
    "1e-2",
    "0.1",
    "0.2",
    "0.3",
    "0.30000000000000004",
    "123.456",
    "1.5",
    "1e22",
    "1e23",
    "1e-22",
    "1e-23",
    "8.5e22",
    "9007199254740993.0",
    "9007199254740992.5",
    "9007199254740993.00000000000000000000000000000000000001",
    "9007199254740992.99999999999999999999999999999999999999",
    "9007199254740991e5",
    "123456789012345678e-27",
    "9999999999999999999e27",
    "9999999999999999999e-27",
    "9999999999999999999e28",
    "1e27",
    "1e-27",
    "1e28",
    "0.000000000000000000000000000000000000000000001e45",
    "1000000000000000000000000000000000e-33",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "2.2250738585072014e-308",
    "2.2250738585072011e-308",
    "5e-324",
    "4.9406564584124654e-324",
    "2.4703282292062328e-324",
    "2.4703282292062327e-324",
    "1e-400",
    "0e999999999999999999999",
    "0.0e-999999999999999999999",
    "1e-999999999999999999999",
    "6.929495644600919895174021e-310",
    "3.4028234664e38",
    "5708990770823839524233143877797980545530986496.0",
    "4503599627370497.5",
    "4503599627475353.5",
    "4503599627370496.5",
    "1448997445238699",
    "9007199254740992e-1",
    "12345678901234567890.5",
    "0.1234567890123456789",
    "0.12345678901234567890",
    "1234567890123456789.0",
    /* more digits than any double needs */
    "2."
    "2250738585072011360574097967091319759348195463516456480234261097248222220210769455165295239081"
    "3508"
    "7914149158913039621106870086438694594645527657207407820621743379988141063267329253552286881372"
    "149012"
    "9811224514518898490572223072852551331557550159143974763979834118019993239625482890171070818506"
    "906306"
    "6665599493827577257201576306269066333264756530000924588831643303777979186961204949739037782970"
    "490505"
    "1080609940730262937128958950003583799967207254304360284078895771796150945516748243471030702609"
    "144621"
    "5722898802581825451803257070188608721131280795122334262883686223215037756666225039825343359745"
    "688844"
    "2390026549819838548794829220689472168983109969836584681402285424333066033985088644580400103493"
    "397042"
    "7567186443383770486037861622771738545623065874679014086723327636718751234567890123456789012345"
    "678901e"
    "-308",
};

static void test_floats_are_rounded_as_strtod_does(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof floats / sizeof *floats; index++) {
    double expected = strtod(floats[index], NULL);
    const fl_json_node *node;
    if (scan(floats[index], strlen(floats[index])) != FL_JSON_OK) fail_msg("%s", floats[index]);
    node = &tape.nodes[0];
    if (strpbrk(floats[index], ".eE") == NULL) {
      assert_int_equal(node->type, FL_JSON_INTEGER);
      continue;
    }
    assert_int_equal(node->type, FL_JSON_FLOAT);
    if (memcmp(&node->value.number, &expected, sizeof expected) != 0)
      fail_msg("%s became %.17g", floats[index], node->value.number);
    assert_int_equal(fl_json_number_length(text), strlen(floats[index]));
  }
}

static uint64_t seed = 88172645463325252u;
static uint64_t random_bits(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static void test_random_floats_are_rounded_as_strtod_does(void **state) {
  int round;
  (void)state;
  for (round = 0; round < 300000; round++) {
    char source[80];
    int digits = 1 + (int)(random_bits() % 21), length = 0, index;
    int exponent = (int)(random_bits() % (round % 2 ? 60 : 640)) - (round % 2 ? 30 : 330);
    double expected;
    source[length++] = (char)('1' + random_bits() % 9);
    source[length++] = '.';
    for (index = 0; index < digits; index++) source[length++] = (char)('0' + random_bits() % 10);
    snprintf(source + length, sizeof source - (size_t)length, "e%d", exponent);
    expected = strtod(source, NULL);
    if (isinf(expected)) continue;
    assert_int_equal(scan(source, strlen(source)), FL_JSON_OK);
    if (tape.nodes[0].value.number != expected) fail_msg("%s", source);
  }
}

/* Half way between neighbours the tie goes to the even one, anything beside it to its own side. The
 * half is written with as many decimals as it takes, which is up to 27 here. */
static void test_ties_are_rounded_to_even(void **state) {
  int round;
  (void)state;
  for (round = 0; round < 60000; round++) {
    uint64_t half = (random_bits() >> (11 + round % 40)) * 2 + 1;
    int places = (int)(random_bits() % 9), side;
    uint64_t divisor = UINT64_C(1) << places, rest = half % divisor, decimals = rest;
    int count;
    for (count = 0; count < places; count++) decimals *= 5; /* rest / 2^n is rest x 5^n / 10^n */
    for (side = -1; side <= 1; side++) {
      char source[100];
      double expected;
      if (side < 0 && decimals == 0) continue;
      snprintf(source, sizeof source, "%llu.%0*llu%s", (unsigned long long)(half / divisor), places,
               (unsigned long long)(decimals - (side < 0)),
               side < 0   ? "9999"
               : side > 0 ? "0001"
                          : "0");
      expected = strtod(source, NULL);
      assert_int_equal(scan(source, strlen(source)), FL_JSON_OK);
      if (tape.nodes[0].value.number != expected) fail_msg("%s", source);
    }
  }
}

/* 2^53 + 1 is a tie; a digit however far behind it decides. */
static void test_the_last_digit_of_many_decides(void **state) {
  size_t zeros;
  (void)state;
  for (zeros = 0; zeros < 1200; zeros += 13) {
    fl_buffer out;
    size_t count;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    fl_buffer_append_text(&out, "9007199254740993.0");
    for (count = 0; count < zeros; count++) fl_buffer_append_byte(&out, '0');
    assert_int_equal(scan(out.data, out.length), FL_JSON_OK);
    assert_true(tape.nodes[0].value.number == 9007199254740992.0);
    fl_buffer_append_text(&out, "1e0");
    assert_int_equal(scan(out.data, out.length), FL_JSON_OK);
    assert_true(tape.nodes[0].value.number == 9007199254740994.0);
    fl_buffer_free(&out);
  }
}

static void test_numbers_ignore_the_locale(void **state) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                      "fr_FR.utf8"};
  size_t index;
  const char *found = NULL;
  (void)state;
  for (index = 0; index < sizeof names / sizeof *names && !found; index++)
    found = setlocale(LC_ALL, names[index]);
  if (!found) {
    print_message("no locale with a decimal comma on this machine\n");
    skip();
  }
  assert_int_equal(scan("[1.5,2.5e-320,12345678901234567890.5]", 37), FL_JSON_OK);
  setlocale(LC_ALL, "C");
  assert_true(tape.nodes[1].value.number == 1.5);
  assert_true(tape.nodes[2].value.number == 2.5e-320);
  assert_true(tape.nodes[3].value.number == 12345678901234567890.5);
}

/* --- the tape --- */

static const char document[] =
    "{\"data\":[{\"id\":1,\"name\":\"J\\u00f6rg \\ud83d\\ude00\",\"amount\":-12.50e+1,\"ok\":true},"
    "{\"id\":9223372036854775808,\"name\":\"\xE2\x82\xAC\xF0\x9F\x98\x80\",\"x\":null,\"y\":[[],{},"
    "false]}],\n"
    "\"messages\":[\"all \\\"good\\\"\"]}";

static void test_every_truncation_is_an_end(void **state) {
  size_t length;
  (void)state;
  for (length = 0; length < sizeof document - 1; length++) {
    assert_int_equal(scan(document, length), length ? FL_JSON_ENDED : FL_JSON_EMPTY);
    assert_int_equal(error.position, length);
  }
  assert_int_equal(scan(document, length), FL_JSON_OK);
}

/* Whatever becomes of a text in which one byte is another, nothing is read that is not there. */
static void test_every_changed_byte_is_survived(void **state) {
  size_t at;
  int byte, accepted_count = 0;
  (void)state;
  for (at = 0; at < sizeof document - 1; at++)
    for (byte = 0; byte < 256; byte++) {
      char changed[sizeof document];
      memcpy(changed, document, sizeof document);
      changed[at] = (char)byte;
      if (scan(changed, sizeof document - 1) == FL_JSON_OK) {
        fl_buffer out;
        fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
        assert_int_equal(show(&out, 0), tape.count);
        fl_buffer_free(&out);
        accepted_count++;
      } else {
        assert_in_range(error.position, 0, sizeof document - 1);
      }
    }
  assert_in_range(accepted_count, 1000, 60000);
}

static void test_offsets_point_into_the_text(void **state) {
  (void)state;
  assert_int_equal(scan(" {\"a\\n\": [ -1.5 ,\"s\"]}", 22), FL_JSON_OK);
  assert_int_equal(tape.count, 5);
  assert_int_equal(tape.nodes[0].offset, 1);
  assert_int_equal(tape.nodes[1].offset, 3);
  assert_int_equal(tape.nodes[2].offset, 9);
  assert_int_equal(tape.nodes[3].offset, 11);
  assert_int_equal(fl_json_number_length(text + 11), 4);
  assert_int_equal(tape.nodes[4].offset, 18);
}

static void test_member(void **state) {
  static const char source[] =
      "{\"a\":{\"b\":1,\"c\":2},\"b\":[\"c\",3],\"\\u0063\":\"a\",\"b\":null,\"\":true}";
  uint32_t inner, list;
  (void)state;
  assert_int_equal(scan(source, sizeof source - 1), FL_JSON_OK);
  inner = fl_json_member(&tape, text, 0, fl_slice_of("a"));
  assert_int_equal(inner, 2);
  assert_int_equal(tape.nodes[fl_json_member(&tape, text, inner, fl_slice_of("c"))].value.integer,
                   2);
  /* The last of a name that is repeated; an escaped name is the name it stands for. */
  assert_int_equal(tape.nodes[fl_json_member(&tape, text, 0, fl_slice_of("b"))].type, FL_JSON_NULL);
  assert_int_equal(tape.nodes[fl_json_member(&tape, text, 0, fl_slice_of("c"))].type,
                   FL_JSON_STRING);
  assert_int_equal(tape.nodes[fl_json_member(&tape, text, 0, fl_slice_of(""))].type, FL_JSON_TRUE);
  assert_int_equal(fl_json_member(&tape, text, 0, fl_slice_of("d")), 0);
  assert_int_equal(fl_json_member(&tape, text, 0, fl_slice_of("aa")), 0);
  list = fl_json_next(&tape, inner) + 1;
  assert_int_equal(tape.nodes[list].type, FL_JSON_ARRAY);
  assert_int_equal(fl_json_member(&tape, text, list, fl_slice_of("c")), 0);
}

/* Keys from `index` on: each names one that is not later and has its bytes. How many name another
 * one. */
static int count_shared_keys(void) {
  int shared = 0;
  for (uint32_t object = 0; object < tape.count; object++) {
    if (tape.nodes[object].type != FL_JSON_OBJECT) continue;
    for (uint32_t at = object + 1; at < tape.nodes[object].value.size.end;
         at = fl_json_next(&tape, at + 1)) {
      const fl_json_node *key = &tape.nodes[at], *same = &tape.nodes[key->value.size.same];
      assert_in_range(key->value.size.same, 1, at);
      assert_int_equal(same->type, FL_JSON_STRING);
      assert_int_equal(same->value.size.length, key->value.size.length);
      assert_memory_equal(text + same->offset, text + key->offset, key->value.size.length);
      shared += same != key;
    }
  }
  return shared;
}

static void test_keys_name_an_earlier_one_of_the_same_bytes(void **state) {
  static const struct {
    const char *text;
    int shared;
  } cases[] = {
      {"[{\"a\":1,\"longer name\":2},{\"a\":3,\"longer name\":4},{\"a\":5,\"longer name\":6}]", 4},
      {"[ { \"a\" : 1 , \"b\" : 2 } , { \"a\" : 3 , \"b\" : 4 } ]", 2},
      {"[{\"a\":1,\"b\":2},{\"b\":3,\"a\":4}]", 0},
      {"[{\"a\":1},{\"ab\":2},{\"a\":3},{\"\":4},{\"\":5}]", 1},
      /* what has escapes is not what stood there: the quote in it ends no key */
      {"[{\"\\\"\":1},{\"\\\"\":2},{\"\":3},{\"a\\\"\":4},{\"a\":5}]", 0},
      {"[{\"a\":1},{\"\\u0061\":2},{\"a\":3}]", 0},
      /* objects within rows, as deep as each other */
      {"[{\"id\":1,\"of\":{\"x\":1,\"y\":2}},{\"id\":2,\"of\":{\"x\":3,\"y\":4}}]", 4},
      {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}", 1},
      {"[{},{\"a\":1},{},{\"a\":2}]", 1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(scan(cases[i].text, strlen(cases[i].text)), FL_JSON_OK);
    assert_int_equal(count_shared_keys(), cases[i].shared);
  }
  assert_int_equal(scan("[{\"abc\":1},{\"abc", 16), FL_JSON_ENDED);
  assert_int_equal(error.position, 16);
}

/* The estimate of nodes is passed many times over, also by the densest text there is. */
static void test_tape_grows_and_is_used_again(void **state) {
  static const char *const densest[] = {"1", "[]", "\"\"", "{}", "{\"\":1}"};
  size_t kind;
  (void)state;
  for (kind = 0; kind < sizeof densest / sizeof *densest; kind++) {
    fl_buffer out;
    int count;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    fl_json_tape_free(&tape);
    for (count = 0; count < 5000; count++) {
      fl_buffer_append_text(&out, count ? "," : "[");
      fl_buffer_append_text(&out, densest[kind]);
    }
    fl_buffer_append_text(&out, "]");
    assert_int_equal(scan(out.data, out.length), FL_JSON_OK);
    assert_int_equal(tape.nodes[0].value.size.length, 5000);
    assert_int_equal(tape.nodes[0].value.size.end, tape.count);
    fl_buffer_free(&out);
  }
  {
    fl_json_node *nodes = tape.nodes;
    assert_int_equal(scan("[1]", 3), FL_JSON_OK);
    assert_ptr_equal(tape.nodes, nodes);
    assert_int_equal(tape.count, 2);
  }
}

static void test_every_code_has_words(void **state) {
  int code;
  (void)state;
  for (code = FL_JSON_OK; code <= FL_JSON_MEMORY; code++)
    assert_true(strlen(fl_json_describe(code)) > 0);
}

/* What no reader has to take is replaced, and all else is read as before. */
static void replaces_what_has_no_form(void **state) {
  static const struct {
    const char *text, *first; /* the first value of the array; NULL: it is null */
    fl_json_code strictly;
  } cases[] = {
      {"[\"a\\ud800b\"]",
       "a\xef\xbf\xbd"
       "b",
       FL_JSON_SURROGATE},
      {"[\"\\udc00\"]", "\xef\xbf\xbd", FL_JSON_SURROGATE},
      {"[\"\\ud800\\u0041\"]",
       "\xef\xbf\xbd"
       "A",
       FL_JSON_SURROGATE},
      {"[\"\\ud800\\ud83d\\ude00\"]", "\xef\xbf\xbd\xf0\x9f\x98\x80", FL_JSON_SURROGATE},
      {"[\"\\ud800\\n\"]", "\xef\xbf\xbd\n", FL_JSON_SURROGATE},
      {"[\"a\xff"
       "b\xc3(\"]",
       "a?b?(", FL_JSON_BAD_UTF8},
      {"[\"a\tb\"]", "a\tb", FL_JSON_CONTROL},
      {"[1e400]", NULL, FL_JSON_NUMBER_RANGE},
      {"[-1e999999]", NULL, FL_JSON_NUMBER_RANGE},
      {"[\"\\ud83d\\ude00\"]", "\xf0\x9f\x98\x80", FL_JSON_OK},
  };
  static const char *const still_wrong[] = {"[\"\\ud800", "[\"\\ud800\\",        "[\"\\ud800\\u00",
                                            "[\"\xc3",    "[\"\\x\"]",           "[01]",
                                            "[1e]",       "[\"\\ud800\\uzzzz\"]"};
  char copy[64];
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    const fl_json_node *value;
    strcpy(copy, cases[i].text);
    check_number(cases[i].text, fl_json_scan(copy, strlen(copy), &tape, &error), cases[i].strictly);
    strcpy(copy, cases[i].text);
    check_number(cases[i].text, fl_json_scan_replacing(copy, strlen(copy), &tape, &error),
                 FL_JSON_OK);
    value = &tape.nodes[1];
    check_number(cases[i].text, value->type, cases[i].first ? FL_JSON_STRING : FL_JSON_NULL);
    if (cases[i].first == NULL) continue;
    check_number(cases[i].text, value->value.size.length, strlen(cases[i].first));
    check(cases[i].text, memcmp(copy + value->offset, cases[i].first, strlen(cases[i].first)) == 0);
  }
  for (size_t i = 0; i < COUNT_OF(still_wrong); i++) {
    strcpy(copy, still_wrong[i]);
    check(still_wrong[i], fl_json_scan_replacing(copy, strlen(copy), &tape, &error) != FL_JSON_OK);
  }
}

static void test_a_tape_has_a_ceiling(void **state) {
  char numbers[256] = "[";
  fl_json_tape small;
  fl_json_error where;
  (void)state;
  fl_json_tape_init(&small);
  small.most = 64;
  for (int i = 0; i < 62; i++) strcat(numbers, "0,");
  strcat(numbers, "0]"); /* an array and 63 numbers */
  assert_int_equal(fl_json_scan(numbers, strlen(numbers), &small, &where), FL_JSON_OK);
  numbers[strlen(numbers) - 1] = '\0';
  strcat(numbers, ",0]");
  assert_int_equal(fl_json_scan(numbers, strlen(numbers), &small, &where), FL_JSON_MANY);
  assert_int_equal(where.position, strlen(numbers) - 2);
  assert_true(small.capacity <= 64);
  fl_json_tape_free(&small);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_accepts),
      cmocka_unit_test(test_refuses),
      cmocka_unit_test(test_refuses_a_text_past_32_bits),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_special_bytes_at_every_offset),
      cmocka_unit_test(test_unescapes_at_every_offset),
      cmocka_unit_test(test_floats_are_rounded_as_strtod_does),
      cmocka_unit_test(test_random_floats_are_rounded_as_strtod_does),
      cmocka_unit_test(test_ties_are_rounded_to_even),
      cmocka_unit_test(test_the_last_digit_of_many_decides),
      cmocka_unit_test(test_numbers_ignore_the_locale),
      cmocka_unit_test(test_every_truncation_is_an_end),
      cmocka_unit_test(test_every_changed_byte_is_survived),
      cmocka_unit_test(test_offsets_point_into_the_text),
      cmocka_unit_test(test_member),
      cmocka_unit_test(test_keys_name_an_earlier_one_of_the_same_bytes),
      cmocka_unit_test(test_tape_grows_and_is_used_again),
      cmocka_unit_test(test_a_tape_has_a_ceiling),
      cmocka_unit_test(test_every_code_has_words),
      cmocka_unit_test(replaces_what_has_no_form),
  };
  return cmocka_run_group_tests_name("json_scan", tests, NULL, forget);
}
