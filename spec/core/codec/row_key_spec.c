/* row_key_spec.c: keys of equal rows are equal, those of others are not. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/row_key.h"

static const struct {
  const char *label, *one, *other;
  bool equal;
} cases[] = {
    {"the same text", "{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"b\":\"x\"}", true},
    {"white space and escapes", "{ \"a\" : \"\\u0041\" }", "{\"a\":\"A\"}", true},
    {"digits of the same number", "[1.50]", "[1.5]", true},
    {"another number", "[1]", "[2]", false},
    {"a float and an integer", "[1]", "[1.0]", false},
    {"digits beyond 64 bits", "[123456789012345678901]", "[123456789012345678902]", false},
    {"a number and its digits", "[1]", "[\"1\"]", false},
    {"true, false", "[true]", "[false]", false},
    {"null", "[null]", "[null]", true},
    {"null in the first member", "{\"a\":null,\"b\":1}", "{\"a\":null,\"b\":1}", true},
    {"true in the first member", "{\"a\":true,\"b\":1}", "{\"a\":true,\"b\":1}", true},
    {"false for null", "{\"a\":null,\"b\":1}", "{\"a\":false,\"b\":1}", false},
    {"another name", "{\"a\":1}", "{\"b\":1}", false},
    {"members in another order", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", false},
    {"fewer members", "{\"a\":1,\"b\":2}", "{\"a\":1}", false},
    {"more members", "{\"a\":1}", "{\"a\":1,\"b\":2}", false},
    {"another nesting", "[[1],2]", "[[1,2]]", false},
    {"an empty string", "[\"\"]", "[\"\"]", true},
    {"a string that begins another", "[\"ab\"]", "[\"a\"]", false},
    {"borders of strings", "[\"ab\",\"c\"]", "[\"a\",\"bc\"]", false},
    {"a row without members", "{}", "{}", true},
    {"an array and an object", "[]", "{}", false},
};

typedef struct value {
  fl_json_tape tape;
  char *text;
} value;

/* `former`: what the tape held before, whose memory is used again. */
static value scan_after(const char *former, const char *source) {
  value it;
  fl_json_error error;
  char first[64];
  size_t length = strlen(source);
  it.text = malloc(length + 1);
  assert_non_null(it.text);
  memcpy(it.text, source, length + 1);
  fl_json_tape_init(&it.tape);
  snprintf(first, sizeof first, "%s", former);
  assert_int_equal(fl_json_scan(first, strlen(first), &it.tape, &error), FL_JSON_OK);
  check_number(source, fl_json_scan(it.text, length, &it.tape, &error), FL_JSON_OK);
  return it;
}

static value scan(const char *source) { return scan_after("[1,2,3,4,5,6,7,8]", source); }

static void release(value *it) {
  fl_json_tape_free(&it->tape);
  free(it->text);
}

static void tells_equal_rows(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    value one = scan(cases[i].one), other = scan_after("[8,7,6,5,4,3,2,1]", cases[i].other);
    fl_buffer key, second;
    fl_buffer_init(&key, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&second, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_row_key_write(&one.tape, one.text, 0, &key), FL_OK);
    assert_int_equal(fl_row_key_write(&other.tape, other.text, 0, &second), FL_OK);
    fl_slice wanted = {key.data, key.length}, none = {"", 0};
    check(cases[i].label, fl_row_key_find(&one.tape, one.text, 0, 1, wanted, none));
    check(cases[i].label, fl_row_key_find(&one.tape, one.text, 0, 1, none, wanted));
    check(cases[i].label, !fl_row_key_find(&one.tape, one.text, 0, 0, wanted, wanted));
    check_number(cases[i].label, fl_row_key_find(&other.tape, other.text, 0, 1, wanted, wanted),
                 cases[i].equal);
    check_number(cases[i].label,
                 key.length == second.length && memcmp(key.data, second.data, key.length) == 0,
                 cases[i].equal);
    check_number(
        cases[i].label,
        fl_row_key_hash(&one.tape, one.text, 0) == fl_row_key_hash(&other.tape, other.text, 0),
        cases[i].equal);
    fl_buffer_free(&key);
    fl_buffer_free(&second);
    release(&one);
    release(&other);
  }
}

static void finds_a_row_among_others(void **state) {
  value page = scan("[{\"n\":1},{},{\"n\":\"1\"},{\"n\":2,\"m\":[1,2]},[5],6]");
  const char *rows[] = {"{\"n\":1}", "{}", "{\"n\":\"1\"}", "{\"n\":2,\"m\":[1,2]}", "[5]", "6"};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    value row = scan(rows[i]);
    fl_buffer key;
    fl_buffer_init(&key, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_row_key_write(&row.tape, row.text, 0, &key), FL_OK);
    fl_slice wanted = {key.data, key.length}, none = {"", 0};
    check(rows[i], fl_row_key_find(&page.tape, page.text, 1, (int64_t)i + 1, wanted, none));
    check(rows[i], !fl_row_key_find(&page.tape, page.text, 1, (int64_t)i, none, wanted));
    fl_buffer_free(&key);
    release(&row);
  }
  release(&page);
}

static void tells_where_memory_ends(void **state) {
  value one = scan("{\"a\":\"text\"}");
  fl_buffer key;
  (void)state;
  fl_buffer_init(&key, 40);
  assert_int_equal(fl_row_key_write(&one.tape, one.text, 0, &key), FL_TOO_LARGE);
  fl_buffer_free(&key);
  release(&one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_equal_rows),
      cmocka_unit_test(finds_a_row_among_others),
      cmocka_unit_test(tells_where_memory_ends),
  };
  return cmocka_run_group_tests_name("row_key", tests, NULL, NULL);
}
