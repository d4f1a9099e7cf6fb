/*
 * expect_spec.c: faults against expectations: which are reported, in which order and words.
 */
#include "check.h"

#include <string.h>

#include "files/expect.h"

/* As FL_LITERAL, where a constant is needed. */
#define TEXT(text) \
  { (text), sizeof(text) - 1 }

static const fl_slice names[] = {TEXT("id"), TEXT("name")};
static const char *const parts[] = {"a.csv", "b.csv"};

static fl_result finish(fl_expect *expect, char *message, fl_place *place) {
  fl_result result = fl_expect_finish(expect, parts, message, 2000, place);
  fl_expect_close(expect);
  return result;
}

static void test_faults_in_the_order_of_the_file(void **state) {
  const fl_expectation wanted = {.required = {names, 2}, .unique = {names, 1}};
  fl_expect *expect = fl_expect_open(&wanted);
  char message[2000];
  fl_place place;
  (void)state;
  assert_int_equal(fl_expect_value(expect, 0, FL_LITERAL("1"), fl_place_of(0, 2)), FL_OK);
  fl_expect_missing(expect, 1, fl_place_of(0, 5));
  assert_int_equal(fl_expect_value(expect, 0, FL_LITERAL("1"), fl_place_of(0, 3)), FL_OK);
  assert_int_equal(fl_expect_value(expect, 0, FL_LITERAL("1"), fl_place_of(1, 7)), FL_OK);
  assert_int_equal(finish(expect, message, &place), FL_INVALID);
  assert_int_equal(place, fl_place_of(0, 3));
  assert_string_equal(message,
                      "column \"id\" repeats the value of line 2 (expect.unique); line 5: column "
                      "\"name\" has no value; b.csv, line 7: column \"id\" repeats the value of "
                      "a.csv, line 2");
}

static void test_ten_of_many(void **state) {
  const fl_expectation wanted = {.required = {names, 1}};
  fl_expect *expect = fl_expect_open(&wanted);
  char message[2000];
  fl_place place;
  (void)state;
  for (int64_t line = 30; line > 0; line--) fl_expect_missing(expect, 0, fl_place_of(0, line));
  assert_int_equal(finish(expect, message, &place), FL_INVALID);
  assert_int_equal(place, fl_place_of(0, 1));
  assert_non_null(strstr(message, "line 10: column \"id\" has no value; and 20 more"));
  assert_null(strstr(message, "line 11"));
}

static void test_counts(void **state) {
  const fl_expectation wanted = {.min_records = 2};
  char message[2000];
  fl_place place;
  (void)state;
  for (int count = 0; count < 4; count++) {
    fl_expect *expect = fl_expect_open(&wanted);
    for (int i = 0; i < count; i++) fl_expect_count(expect);
    assert_int_equal(finish(expect, message, &place), count < 2 ? FL_INVALID : FL_OK);
    if (count == 1) assert_string_equal(message, "1 record, but expect.min_records is 2");
  }
}

static void test_columns(void **state) {
  static const fl_slice more[] = {TEXT("id"), TEXT("name"), TEXT("x")};
  static const struct {
    const char *name;
    fl_expectation wanted;
    fl_names present, all;
    const char *message;
  } cases[] = {
      {"none asked for", {.columns = {NULL, 0}}, {more, 3}, {more, 3}, ""},
      {"the same", {.columns = {names, 2}}, {names, 2}, {more, 3}, ""},
      {"one is missing",
       {.columns = {names, 2}},
       {names, 1},
       {more, 3},
       "expect.columns: there is no column \"name\"; there are \"id\""},
      {"one more",
       {.columns = {names, 2}},
       {more, 3},
       {more, 3},
       "expect.columns: the column \"x\" is not expected"},
      {"required, though it is not sent", {.required = {names, 2}}, {names, 1}, {names, 2}, ""},
      {"required, unknown",
       {.required = {names, 2}},
       {names, 1},
       {names, 1},
       "expect.required: there is no column \"name\"; there are \"id\""},
      {"unique, unknown",
       {.unique = {names, 2}},
       {names, 1},
       {names, 1},
       "expect.unique: there is no column \"name\"; there are \"id\""},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    char message[200] = "";
    fl_expect_columns(&cases[i].wanted, cases[i].present, cases[i].all, message, sizeof message);
    check_text(cases[i].name, message, cases[i].message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults_in_the_order_of_the_file),
                                     cmocka_unit_test(test_ten_of_many),
                                     cmocka_unit_test(test_counts), cmocka_unit_test(test_columns)};
  return cmocka_run_group_tests_name("expect", tests, NULL, NULL);
}
