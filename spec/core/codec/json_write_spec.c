/*
 * json_text_spec.c: what is written, and that it reads back as the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "codec/json_write.h"

static uint64_t seed = 88172645463325252u;
static uint64_t random_bits(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

/* The number of random values: a hundredth with SPEC_QUICK, since valgrind takes too long over all.
 */
static int rounds_of(int count) { return getenv("SPEC_QUICK") != NULL ? count / 100 : count; }

/* --- doubles --- */

static const struct {
  double value;
  const char *marked, *plain;
} doubles[] = {
    {0.0, "0.0", "0"},
    {-0.0, "-0.0", "-0.0"},
    {1.0, "1.0", "1"},
    {-3.0, "-3.0", "-3"},
    {10.0, "10.0", "10"},
    {0.1, "0.1", "0.1"},
    {-0.1, "-0.1", "-0.1"},
    {0.5, "0.5", "0.5"},
    {1.5, "1.5", "1.5"},
    {0.11, "0.11", "0.11"},
    {123.456, "123.456", "123.456"},
    {1234567.89, "1234567.89", "1234567.89"},
    {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666", "0.6666666666666666"},
    {100.0 / 3, "33.333333333333336", "33.333333333333336"},
    {0.0001, "0.0001", "0.0001"},
    {0.00001234, "0.00001234", "0.00001234"},
    {0.000001, "1e-6", "1e-6"},
    {1.5e-7, "1.5e-7", "1.5e-7"},
    {1e15, "1000000000000000.0", "1000000000000000"},
    {999999999999999.9, "999999999999999.9", "999999999999999.9"},
    {9007199254740991.0, "9007199254740991.0", "9007199254740991"},
    {9007199254740992.0, "9007199254740992.0", "9007199254740992"},
    {9007199254740994.0, "9007199254740994.0", "9.007199254740994e+15"},
    {-9007199254740994.0, "-9007199254740994.0", "-9.007199254740994e+15"},
    {1e16, "10000000000000000.0", "1e+16"},
    {12345678901234568.0, "12345678901234568.0", "1.2345678901234568e+16"},
    {1e17, "1e+17", "1e+17"},
    {1.5e17, "1.5e+17", "1.5e+17"},
    {1e22, "1e+22", "1e+22"},
    {1e23, "1e+23", "1e+23"},
    {1e100, "1e+100", "1e+100"},
    {1e308, "1e+308", "1e+308"},
    {DBL_MAX, "1.7976931348623157e+308", "1.7976931348623157e+308"},
    {DBL_MIN, "2.2250738585072014e-308", "2.2250738585072014e-308"},
    {5e-324, "5e-324", "5e-324"},
    {-5e-324, "-5e-324", "-5e-324"},
    {1e-323, "1e-323", "1e-323"},
    {1e-10, "1e-10", "1e-10"},
    {2251799813685249.5, "2251799813685249.5", "2251799813685249.5"},
    /* next to a power of two the shortest is not the nearest of its length */
    {0x1p-44, "5.684341886080802e-14", "5.684341886080802e-14"},
    {0x1p-24, "5.960464477539063e-8", "5.960464477539063e-8"},
    {9.5367431640625e-07, "9.5367431640625e-7", "9.5367431640625e-7"},
    {0x1p-1022, "2.2250738585072014e-308", "2.2250738585072014e-308"},
};

static void test_doubles(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof doubles / sizeof *doubles; index++) {
    char out[FL_JSON_DOUBLE_ROOM];
    assert_int_equal(fl_json_format_double(out, doubles[index].value, FL_JSON_FLOAT_MARKED),
                     strlen(doubles[index].marked));
    assert_string_equal(out, doubles[index].marked);
    assert_int_equal(fl_json_format_double(out, doubles[index].value, FL_JSON_FLOAT_PLAIN),
                     strlen(doubles[index].plain));
    assert_string_equal(out, doubles[index].plain);
  }
}

static void test_what_is_no_number_is_refused(void **state) {
  static const double values[] = {NAN, INFINITY, -INFINITY};
  size_t index;
  fl_buffer out;
  (void)state;
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  for (index = 0; index < 3; index++) {
    char room[FL_JSON_DOUBLE_ROOM];
    assert_int_equal(fl_json_format_double(room, values[index], FL_JSON_FLOAT_MARKED), 0);
    assert_int_equal(fl_json_format_double(room, values[index], FL_JSON_FLOAT_PLAIN), 0);
    assert_int_equal(fl_json_write_double(&out, values[index], FL_JSON_FLOAT_PLAIN), FL_INVALID);
  }
  assert_int_equal(out.length, 0);
  assert_int_equal(fl_json_write_double(&out, 0.25, FL_JSON_FLOAT_PLAIN), FL_OK);
  assert_string_equal(out.data, "0.25");
  fl_buffer_free(&out);
}

/* Digits of a number, without sign, zeros around them and exponent. */
static size_t significant(const char *text) {
  size_t count = 0, zeros = 0;
  for (; *text && *text != 'e'; text++) {
    if (*text < '0' || *text > '9' || (count == 0 && *text == '0')) continue;
    count++;
    zeros = *text == '0' ? zeros + 1 : 0;
  }
  return count - zeros;
}

/* Reads back bit for bit, as a float where the style says so, in no more digits than are needed. */
static void check_double(fl_json_tape *tape, double value) {
  int style;
  for (style = FL_JSON_FLOAT_MARKED; style <= FL_JSON_FLOAT_PLAIN; style++) {
    char text[FL_JSON_DOUBLE_ROOM], shown[FL_JSON_DOUBLE_ROOM];
    size_t length = fl_json_format_double(text, value, (fl_json_float_style)style);
    fl_json_error error;
    double back = 0;
    assert_in_range(length, 1, sizeof text - 1);
    memcpy(shown, text, sizeof text);
    if (fl_json_scan(text, length, tape, &error) != FL_JSON_OK)
      fail_msg("%.17g became %s", value, shown);
    if (tape->nodes[0].type == FL_JSON_INTEGER && style == FL_JSON_FLOAT_PLAIN)
      back = (double)tape->nodes[0].value.integer;
    else if (tape->nodes[0].type == FL_JSON_FLOAT) back = tape->nodes[0].value.number;
    else fail_msg("%.17g lost its mark: %s", value, shown);
    if (memcmp(&back, &value, sizeof back) != 0) fail_msg("%.17g became %s", value, shown);
    if (fabs(value) <= 9007199254740992.0 && value == floor(value)) continue;
    if (significant(shown) > 15) {
      /* One digit less would not have done. */
      char shorter[40];
      snprintf(shorter, sizeof shorter, "%.*e", (int)significant(shown) - 2, value);
      if (strtod(shorter, NULL) == value) fail_msg("%s is longer than %s", shown, shorter);
    }
  }
}

/* A round is two doubles: one of any bits and one of an everyday size. */
static void check_random_doubles(int rounds) {
  fl_json_tape tape;
  int round;
  fl_json_tape_init(&tape);
  for (round = 0; round < rounds; round++) {
    uint64_t bits = random_bits();
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value)) check_double(&tape, value);
    bits = (bits & ~(UINT64_C(0x7FF) << 52)) | (uint64_t)(1023 - 45 + round % 110) << 52;
    memcpy(&value, &bits, sizeof value);
    check_double(&tape, value);
  }
  fl_json_tape_free(&tape);
}

static void test_random_doubles_read_back(void **state) {
  (void)state;
  check_random_doubles(rounds_of(500000));
}

static void test_random_integers_read_back(void **state) {
  fl_json_tape tape;
  fl_json_error error;
  fl_buffer out;
  (void)state;
  fl_json_tape_init(&tape);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  for (int round = 0; round < rounds_of(1000000); round++) {
    /* Of any size: the bits are shifted by up to 63. */
    int64_t value = (int64_t)random_bits();
    value = round % 2 ? value >> (round / 2 % 64) : (int64_t)((uint64_t)value >> (round / 2 % 64));
    out.length = 0;
    assert_int_equal(fl_json_write_integer(&out, value), FL_OK);
    assert_int_equal(fl_json_scan(out.data, out.length, &tape, &error), FL_JSON_OK);
    assert_int_equal(tape.nodes[0].type, FL_JSON_INTEGER);
    assert_true(tape.nodes[0].value.integer == value);
  }
  fl_buffer_free(&out);
  fl_json_tape_free(&tape);
}

static void test_doubles_at_edges_read_back(void **state) {
  fl_json_tape tape;
  int exponent, places;
  (void)state;
  fl_json_tape_init(&tape);
  for (exponent = -1074; exponent < 1024; exponent++) {
    double value = ldexp(1, exponent);
    check_double(&tape, value);
    check_double(&tape, nextafter(value, 0));
    check_double(&tape, nextafter(value, INFINITY));
  }
  for (exponent = -323; exponent <= 308; exponent++) {
    char text[16];
    double value;
    snprintf(text, sizeof text, "1e%d", exponent);
    value = strtod(text, NULL);
    check_double(&tape, value);
    check_double(&tape, nextafter(value, 0));
    check_double(&tape, nextafter(value, INFINITY));
  }
  /* What was a short decimal becomes the same again. */
  for (places = 0; places <= 12; places++) {
    int round;
    for (round = 0; round < rounds_of(5000); round++) {
      char text[FL_JSON_DOUBLE_ROOM], out[FL_JSON_DOUBLE_ROOM];
      uint64_t digits = random_bits() % UINT64_C(1000000000000000) >> (round % 50);
      digits += digits % 10 == 0;
      snprintf(text, sizeof text, "%llue-%d", (unsigned long long)digits, places);
      fl_json_format_double(out, strtod(text, NULL), FL_JSON_FLOAT_PLAIN);
      assert_true(significant(out) <= significant(text));
      assert_true(strtod(out, NULL) == strtod(text, NULL));
    }
  }
  fl_json_tape_free(&tape);
}

static void test_numbers_ignore_the_locale(void **state) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                      "fr_FR.utf8"};
  const char *found = NULL;
  size_t index;
  char far[FL_JSON_DOUBLE_ROOM], near[FL_JSON_DOUBLE_ROOM];
  (void)state;
  for (index = 0; index < sizeof names / sizeof *names && !found; index++)
    found = setlocale(LC_ALL, names[index]);
  if (!found) {
    print_message("no locale with a decimal comma on this machine\n");
    skip();
  }
  check_random_doubles(rounds_of(20000));
  fl_json_format_double(far, 1.25e-300, FL_JSON_FLOAT_PLAIN);
  fl_json_format_double(near, 1.25, FL_JSON_FLOAT_PLAIN);
  setlocale(LC_ALL, "C");
  assert_string_equal(far, "1.25e-300");
  assert_string_equal(near, "1.25");
}

static void test_integers(void **state) {
  static const struct {
    int64_t value;
    const char *text;
  } rows[] = {{0, "0"},
              {7, "7"},
              {-7, "-7"},
              {1234567890, "1234567890"},
              {INT64_MAX, "9223372036854775807"},
              {INT64_MIN, "-9223372036854775808"}};
  size_t index;
  (void)state;
  for (index = 0; index < sizeof rows / sizeof *rows; index++) {
    fl_buffer out;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_json_write_integer(&out, rows[index].value), FL_OK);
    assert_string_equal(out.data, rows[index].text);
    fl_buffer_free(&out);
  }
}

/* --- strings --- */

static const struct {
  fl_slice bytes;
  const char *text; /* NULL: refused */
  size_t bad;
} strings[] = {
#define WRITE(bytes, text) \
  { {bytes, sizeof(bytes) - 1}, text, 0 }
#define BAD(bytes, at) \
  { {bytes, sizeof(bytes) - 1}, NULL, at }
    WRITE("", "\"\""),
    WRITE("plain", "\"plain\""),
    WRITE("a/b\x7F'", "\"a/b\x7F'\""),
    WRITE("\"", "\"\\\"\""),
    WRITE("C:\\", "\"C:\\\\\""),
    WRITE("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
    WRITE("\0\x01\x0B\x1F", "\"\\u0000\\u0001\\u000b\\u001f\""),
    WRITE("0123456\n9abcdef\"012345678\\", "\"0123456\\n9abcdef\\\"012345678\\\\\""),
    WRITE("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""),
    WRITE("eight ascii \xC3\xA9 and more \n", "\"eight ascii \xC3\xA9 and more \\n\""),
    BAD("\xFF", 0),
    BAD("abc\x80", 3),
    BAD("\n\xC3", 1),
    BAD("0123456789\xED\xA0\x80", 10),
    BAD("\xE2\x82\xAC\xE2\x82", 3),
    BAD("\xF0\x9F\x98", 0),
    BAD("\xC0\xAF", 0),
    BAD("\xF4\x90\x80\x80", 0),
};

static void test_strings(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof strings / sizeof *strings; index++) {
    fl_slice bytes = strings[index].bytes;
    char *exact = malloc(bytes.length + 1);
    size_t bad = SIZE_MAX;
    fl_buffer out;
    assert_non_null(exact);
    exact = realloc(exact, bytes.length ? bytes.length : 1);
    memcpy(exact, bytes.data, bytes.length);
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    fl_buffer_append_text(&out, "[");
    if (strings[index].text) {
      assert_int_equal(fl_json_write_string(&out, exact, bytes.length, &bad), FL_OK);
      assert_string_equal(out.data + 1, strings[index].text);
      assert_int_equal(out.length, strlen(out.data));
      assert_int_equal(fl_utf8_check(exact, bytes.length), bytes.length);
    } else {
      assert_int_equal(fl_json_write_string(&out, exact, bytes.length, &bad), FL_INVALID);
      assert_int_equal(bad, strings[index].bad);
      assert_string_equal(out.data, "[");
      assert_int_equal(out.length, 1);
      assert_int_equal(fl_utf8_check(exact, bytes.length), bad);
    }
    fl_buffer_free(&out);
    free(exact);
  }
  {
    fl_buffer out;
    size_t bad;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_json_write_string(&out, NULL, 0, &bad), FL_OK);
    assert_string_equal(out.data, "\"\"");
    assert_int_equal(fl_utf8_check(NULL, 0), 0);
    fl_buffer_free(&out);
  }
}

static void test_strings_stop_at_the_ceiling(void **state) {
  size_t ceiling, bad;
  (void)state;
  for (ceiling = 0; ceiling < 30; ceiling++) {
    fl_buffer out;
    fl_result result;
    fl_buffer_init(&out, ceiling);
    result = fl_json_write_string(&out,
                                  "ab\n\x01"
                                  "c\"",
                                  6, &bad); /* 15 bytes */
    assert_int_equal(result, ceiling < 15 ? FL_TOO_LARGE : FL_OK);
    assert_int_equal(out.length, ceiling < 15 ? 0 : 15);
    fl_buffer_free(&out);
  }
}

/* --- tapes --- */

static void round_trip(const char *source, size_t length, const char *expected,
                       size_t expected_length) {
  char *text = malloc(length + 1);
  fl_json_tape tape;
  fl_json_error error;
  fl_buffer out;
  assert_non_null(text);
  memcpy(text, source, length);
  text[length] = '\0';
  fl_json_tape_init(&tape);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  if (fl_json_scan(text, length, &tape, &error) != FL_JSON_OK)
    fail_msg("%.*s: %s at %zu", (int)length, source, fl_json_describe(error.code), error.position);
  assert_int_equal(fl_json_write_node(&out, &tape, text, 0), FL_OK);
  if (out.length != expected_length || memcmp(out.data, expected, expected_length) != 0)
    fail_msg("%.*s became %s", (int)length, source, out.data);
  fl_buffer_free(&out);
  fl_json_tape_free(&tape);
  free(text);
}

static void test_a_tape_is_written_as_it_was(void **state) {
  static const char *const rows[][2] = {
      {"null", "null"},
      {" [ ] ", "[]"},
      {" { } ", "{}"},
      {"[1, 2.50, -0, 1E+2, 123456789012345678901234567890, -0.0e-0]",
       "[1,2.50,-0,1E+2,123456789012345678901234567890,-0.0e-0]"},
      {"{\"b\" : 1, \"a\" : [ true , false, null ], \"b\" : {}}",
       "{\"b\":1,\"a\":[true,false,null],\"b\":{}}"},
      {"{\"\\u0061\\/\":\"\\u000a\\u20ac\"}", "{\"a/\":\"\\n\xE2\x82\xAC\"}"},
      {"[[[]],[{}],{\"k\":[[1],[]]}]", "[[[]],[{}],{\"k\":[[1],[]]}]"},
      {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
  };
  size_t index;
  (void)state;
  for (index = 0; index < sizeof rows / sizeof *rows; index++)
    round_trip(rows[index][0], strlen(rows[index][0]), rows[index][1], strlen(rows[index][1]));
}

static void test_a_part_of_a_tape(void **state) {
  char text[] = "{\"a\":[1,{\"b\":\"\\n\"}],\"c\":2.50}";
  static const char *const parts[] = {"{\"a\":[1,{\"b\":\"\\n\"}],\"c\":2.50}",
                                      "\"a\"",
                                      "[1,{\"b\":\"\\n\"}]",
                                      "1",
                                      "{\"b\":\"\\n\"}",
                                      "\"b\"",
                                      "\"\\n\"",
                                      "\"c\"",
                                      "2.50"};
  fl_json_tape tape;
  fl_json_error error;
  uint32_t index;
  (void)state;
  fl_json_tape_init(&tape);
  assert_int_equal(fl_json_scan(text, strlen(text), &tape, &error), FL_JSON_OK);
  assert_int_equal(tape.count, sizeof parts / sizeof *parts);
  for (index = 0; index < tape.count; index++) {
    fl_buffer out;
    size_t length = strlen(parts[index]);
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_json_write_node(&out, &tape, text, index), FL_OK);
    assert_string_equal(out.data, parts[index]);
    fl_buffer_free(&out);
    fl_buffer_init(&out, length - 1);
    assert_int_equal(fl_json_write_node(&out, &tape, text, index), FL_TOO_LARGE);
    fl_buffer_free(&out);
  }
  fl_json_tape_free(&tape);
}

static void test_the_deepest_tape(void **state) {
  fl_buffer deep;
  int level;
  (void)state;
  fl_buffer_init(&deep, FL_BUFFER_UNLIMITED);
  for (level = 0; level < FL_JSON_DEPTH; level++)
    fl_buffer_append_text(&deep, level % 2 ? "[" : "{\"k\":");
  fl_buffer_append_text(&deep, "1");
  for (level = FL_JSON_DEPTH - 1; level >= 0; level--)
    fl_buffer_append_text(&deep, level % 2 ? "]" : "}");
  round_trip(deep.data, deep.length, deep.data, deep.length);
  fl_buffer_free(&deep);
}

/* A random document, twice: as it might be written, and as it is to come out. */
typedef struct pair {
  fl_buffer loose, strict;
} pair;

static void both(pair *out, const char *text) {
  fl_buffer_append_text(&out->loose, text);
  fl_buffer_append_text(&out->strict, text);
}

static void space(pair *out) {
  static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r\n"};
  fl_buffer_append_text(&out->loose, spaces[random_bits() % 6]);
}

static void random_string(pair *out) {
  static const char *const pieces[][2] = {{"a", "a"},
                                          {"words of plain text ", "words of plain text "},
                                          {"\\n", "\\n"},
                                          {"\\u0041", "A"},
                                          {"\\/", "/"},
                                          {"\\u001F", "\\u001f"},
                                          {"\xC3\xA9", "\xC3\xA9"},
                                          {"\\u00e9", "\xC3\xA9"},
                                          {"\\uD83D\\uDE00", "\xF0\x9F\x98\x80"},
                                          {"\\\"", "\\\""},
                                          {"\\\\", "\\\\"},
                                          {"\xE2\x82\xAC", "\xE2\x82\xAC"}};
  int count = (int)(random_bits() % 6);
  both(out, "\"");
  for (; count > 0; count--) {
    const char *const *piece = pieces[random_bits() % (sizeof pieces / sizeof *pieces)];
    fl_buffer_append_text(&out->loose, piece[0]);
    fl_buffer_append_text(&out->strict, piece[1]);
  }
  both(out, "\"");
}

static void random_value(pair *out, int depth) {
  static const char *const words[] = {"null",
                                      "true",
                                      "false",
                                      "0",
                                      "-0",
                                      "1.50",
                                      "-12e3",
                                      "99999999999999999999",
                                      "0.30000000000000004"};
  uint64_t kind = random_bits() % (depth > 0 ? 6 : 4);
  space(out);
  if (kind < 2) {
    both(out, words[random_bits() % (sizeof words / sizeof *words)]);
  } else if (kind < 4) {
    random_string(out);
  } else {
    int count = (int)(random_bits() % 5), index;
    both(out, kind == 4 ? "[" : "{");
    for (index = 0; index < count; index++) {
      if (index > 0) both(out, ",");
      if (kind == 5) {
        space(out);
        random_string(out);
        space(out);
        both(out, ":");
      }
      random_value(out, depth - 1);
    }
    space(out);
    both(out, kind == 4 ? "]" : "}");
  }
  space(out);
}

static void test_random_documents(void **state) {
  int round;
  (void)state;
  for (round = 0; round < rounds_of(20000); round++) {
    pair out;
    fl_buffer_init(&out.loose, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&out.strict, FL_BUFFER_UNLIMITED);
    random_value(&out, 6);
    round_trip(out.loose.data, out.loose.length, out.strict.data, out.strict.length);
    round_trip(out.strict.data, out.strict.length, out.strict.data, out.strict.length);
    fl_buffer_free(&out.loose);
    fl_buffer_free(&out.strict);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_doubles),
      cmocka_unit_test(test_what_is_no_number_is_refused),
      cmocka_unit_test(test_random_doubles_read_back),
      cmocka_unit_test(test_random_integers_read_back),
      cmocka_unit_test(test_doubles_at_edges_read_back),
      cmocka_unit_test(test_numbers_ignore_the_locale),
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_strings),
      cmocka_unit_test(test_strings_stop_at_the_ceiling),
      cmocka_unit_test(test_a_tape_is_written_as_it_was),
      cmocka_unit_test(test_a_part_of_a_tape),
      cmocka_unit_test(test_the_deepest_tape),
      cmocka_unit_test(test_random_documents),
  };
  return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
