/* random_spec.c: the same seed gives the same numbers; fractions and ids have their form. */

#include "policy/random.h"

#include "check.h"

static void test_the_seed_decides(void **state) {
  fl_random one, same, other;
  bool differs = false;
  (void)state;
  fl_random_seed(&one, 1, 2);
  fl_random_seed(&same, 1, 2);
  fl_random_seed(&other, 1, 3);
  for (int i = 0; i < 100; i++) {
    uint64_t number = fl_random_next(&one);
    assert_int_equal(number, fl_random_next(&same));
    differs |= number != fl_random_next(&other);
  }
  assert_true(differs);
}

/* Zeros are no state for xorshift: they would stay zeros. */
static void test_a_seed_of_zeros(void **state) {
  fl_random random;
  uint64_t seen = 0;
  (void)state;
  fl_random_seed(&random, 0, 0);
  for (int i = 0; i < 100; i++) seen |= fl_random_next(&random);
  assert_int_not_equal(seen, 0);
}

static void test_fractions(void **state) {
  fl_random random;
  int halves = 0;
  (void)state;
  fl_random_seed(&random, 7, 7);
  for (int i = 0; i < 10000; i++) {
    double fraction = fl_random_fraction(&random);
    assert_true(fraction >= 0 && fraction < 1);
    halves += fraction < 0.5;
  }
  assert_in_range(halves, 4500, 5500);
}

static void test_ids(void **state) {
  static const char form[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
  char before[FL_RANDOM_ID_SIZE] = "", id[FL_RANDOM_ID_SIZE];
  fl_random random;
  (void)state;
  fl_random_seed(&random, 1, 1);
  for (int i = 0; i < 1000; i++) {
    fl_random_id(&random, id);
    assert_int_equal(strlen(id), strlen(form));
    for (size_t at = 0; form[at] != '\0'; at++) {
      const char *allowed = form[at] == 'x'   ? "0123456789abcdef"
                            : form[at] == 'v' ? "89ab"
                            : form[at] == '4' ? "4"
                                              : "-";
      assert_non_null(strchr(allowed, id[at]));
    }
    assert_string_not_equal(id, before);
    memcpy(before, id, sizeof id);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_seed_decides),
      cmocka_unit_test(test_a_seed_of_zeros),
      cmocka_unit_test(test_fractions),
      cmocka_unit_test(test_ids),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
