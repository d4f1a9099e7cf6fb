/*
 * digest_spec.c: SHA-256 against the vectors that its standard's authors publish.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"

static void test_known_vectors(void **state) {
  static const struct {
    const char *text, *digest;
  } cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  };
  size_t index;
  (void)state;
  for (index = 0; index < sizeof cases / sizeof *cases; index++) {
    char digest[FL_DIGEST_SIZE];
    fl_digest(cases[index].text, strlen(cases[index].text), digest);
    assert_string_equal(digest, cases[index].digest);
  }
}

static void test_a_million_letters(void **state) {
  char digest[FL_DIGEST_SIZE], *text = malloc(1000000);
  (void)state;
  assert_non_null(text);
  memset(text, 'a', 1000000);
  fl_digest(text, 1000000, digest);
  assert_string_equal(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(text);
}

static void test_bytes_past_a_nul_count(void **state) {
  char one[FL_DIGEST_SIZE], other[FL_DIGEST_SIZE];
  (void)state;
  fl_digest("a\0b", 3, one);
  fl_digest("a\0c", 3, other);
  assert_string_not_equal(one, other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known_vectors),
      cmocka_unit_test(test_a_million_letters),
      cmocka_unit_test(test_bytes_past_a_nul_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
