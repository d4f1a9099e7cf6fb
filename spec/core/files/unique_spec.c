/*
 * unique_spec.c: texts that were there before, in memory and beyond it.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/unique.h"

enum { MOST = 1000 };

typedef struct found {
  size_t count;
  fl_place first[MOST], again[MOST];
} found;

static void note(void *context, fl_place first, fl_place again) {
  found *self = context;
  assert_true(self->count < MOST);
  self->first[self->count] = first;
  self->again[self->count++] = again;
}

static void add(fl_unique *unique, const char *text, fl_place place) {
  assert_int_equal(fl_unique_add(unique, fl_slice_of(text), place), FL_OK);
}

static void test_texts(void **state) {
  fl_unique *unique = fl_unique_open(0);
  found all = {0};
  (void)state;
  add(unique, "a", fl_place_of(0, 2));
  add(unique, "b", fl_place_of(0, 3));
  add(unique, "", fl_place_of(0, 4));
  add(unique, "a", fl_place_of(1, 2));
  assert_int_equal(fl_unique_finish(unique, note, &all), FL_OK);
  assert_int_equal(all.count, 1);
  assert_int_equal(fl_place_part(all.first[0]), 0);
  assert_int_equal(fl_place_line(all.first[0]), 2);
  assert_int_equal(fl_place_part(all.again[0]), 1);
  assert_int_equal(fl_place_line(all.again[0]), 2);
  fl_unique_close(unique);
  fl_unique_close(NULL);
}

static void test_nothing(void **state) {
  fl_unique *unique = fl_unique_open(0);
  found all = {0};
  (void)state;
  assert_int_equal(fl_unique_finish(unique, note, &all), FL_OK);
  assert_int_equal(all.count, 0);
  fl_unique_close(unique);
}

/* Many runs in the temporary file: each repetition is found once, with the first place. */
static void test_runs(void **state) {
  static const size_t limits[] = {0, 1, 2, 100, 10000, 7000};
  enum { COUNT = 20000, EACH = 97 };
  (void)state;
  for (size_t limit = 0; limit < COUNT_OF(limits); limit++) {
    fl_unique *unique;
    found all = {0};
    size_t count = limits[limit] == 1 || limits[limit] == 2 ? 300 : COUNT, repeated = 0;
    unique = fl_unique_open(limits[limit]);
    for (size_t i = 0; i < count; i++) {
      char text[32];
      /* Every 97th repeats the text of the first. */
      snprintf(text, sizeof text, "%zu", i % EACH == 0 ? 0 : i);
      repeated += i > 0 && i % EACH == 0;
      add(unique, text, fl_place_of(0, (int64_t)i + 1));
    }
    assert_int_equal(fl_unique_finish(unique, note, &all), FL_OK);
    assert_int_equal(all.count, repeated);
    for (size_t i = 0; i < all.count; i++) {
      assert_int_equal(all.first[i], 1);
      assert_int_equal(all.again[i], (i + 1) * EACH + 1);
    }
    fl_unique_close(unique);
  }
}

static void test_a_folder_that_is_not_there(void **state) {
  fl_unique *unique = fl_unique_open(1);
  (void)state;
  setenv("TMPDIR", "/nowhere/at/all", 1);
  add(unique, "a", 1);
  assert_int_equal(fl_unique_add(unique, FL_LITERAL("b"), 2), FL_SYSTEM);
  unsetenv("TMPDIR");
  fl_unique_close(unique);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_nothing),
                                     cmocka_unit_test(test_runs),
                                     cmocka_unit_test(test_a_folder_that_is_not_there)};
  return cmocka_run_group_tests_name("unique", tests, NULL, NULL);
}
