/* permit_spec.c: when a permit is good, with time moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/permit.h"

static void a_permit_is_good_before_its_time(void **state) {
  fl_permit *permit = fl_permit_new();
  (void)state;
  assert_true(fl_permit_is_good(permit, 1000 * FL_SECOND));
  fl_permit_set(permit, 29 * FL_SECOND);
  assert_true(fl_permit_is_good(permit, 29 * FL_SECOND - 1));
  assert_false(fl_permit_is_good(permit, 29 * FL_SECOND));
  fl_permit_set(permit, 59 * FL_SECOND);
  assert_true(fl_permit_is_good(permit, 31 * FL_SECOND));
  fl_permit_set(permit, 0);
  assert_false(fl_permit_is_good(permit, 1));
  fl_permit_set(permit, FL_NEVER);
  assert_true(fl_permit_is_good(permit, 1000 * FL_SECOND));
  assert_ptr_equal(fl_permit_retain(permit), permit);
  fl_permit_release(permit);
  fl_permit_release(permit);
}

static void without_a_permit_all_is_good(void **state) {
  (void)state;
  assert_null(fl_permit_retain(NULL));
  assert_true(fl_permit_is_good(NULL, 0));
  fl_permit_release(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_permit_is_good_before_its_time),
      cmocka_unit_test(without_a_permit_all_is_good),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
