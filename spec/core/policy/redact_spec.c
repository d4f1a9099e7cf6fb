/* redact_spec.c: texts with a secret in them, and what is left of them. */

#include "policy/redact.h"

#include "check.h"

static void test_secrets(void **state) {
  static const struct {
    const char *label, *secret, *text, *left;
    bool cut;
  } cases[] = {
      {"none there", "secret-key", "all is well", "all is well", false},
      {"alone", "secret-key", "secret-key", "**********", false},
      {"in a sentence", "secret-key", "bad key secret-key!", "bad key **********!", false},
      {"twice", "abcd", "abcdabcd", "********", false},
      {"in another case", "Secret-Key", "SECRET-kEY", "**********", false},
      {"with the backslashes of JSON", "a/b/c", "\"a\\/b\\/c\"", "\"*******\"", false},
      {"with a quote in it", "ab\"cd", "\"ab\\\"cd\"", "\"******\"", false},
      {"with a backslash of its own", "ab\\cd", "ab\\cd", "*****", false},
      {"too short to be covered", "abc", "abc", "abc", false},
      {"empty", "", "abc", "abc", false},
      {"as a beginning only", "secret-key", "secret-", "secret-", false},
      {"as a beginning, cut", "secret-key", "key secret-", "key *******", true},
      {"as a beginning that is too short, cut", "secret-key", "key sec", "key sec", true},
      {"percent-encoded", "ab=c+d", "?k=ab%3Dc%2bd&x", "?k=**********&x", false},
      {"percent-encoded at its beginning", "=abc", "k=%3dabc", "k=******", false},
      {"with a percent sign of its own", "ab%41", "ab%41", "*****", false},
      {"percent-encoded, cut", "abcd=fgh", "x abcd%3", "x ******", true},
      {"before a percent sign", "secret", "secret%zz%", "******%zz%", false},
      {"after a false start", "aaab", "aaaab", "a****", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    strcpy(text, cases[i].text);
    fl_redact(cases[i].secret, text, strlen(text), cases[i].cut);
    check_text(cases[i].label, text, cases[i].left);
  }
}

static void test_a_full_text_may_be_cut(void **state) {
  char full[] = "key secret-", roomy[64] = "key secret-";
  (void)state;
  fl_redact_text("secret-key", full, sizeof full);
  assert_string_equal(full, "key *******");
  fl_redact_text("secret-key", roomy, sizeof roomy);
  assert_string_equal(roomy, "key secret-");
}

static void test_heads(void **state) {
  static const char *const cases[][2] = {
      {"GET /a?k=secret-key HTTP/1.1\r\nHost: a\r\n\r\n",
       "GET /a?k=********** HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"X-API-KEY: secret-key\r\n", "X-API-KEY: ***\r\n"},
      {"authorization:Basic eA==\r\nProxy-Authorization: Basic eA==\r\n",
       "authorization: ***\r\nProxy-Authorization: ***\r\n"},
      {"Cookie: a\r\nSet-Cookie: b\r\nCookies: c\r\n",
       "Cookie: ***\r\nSet-Cookie: ***\r\nCookies: c\r\n"},
      {"X-Echo: SECRET%2dkey", "X-Echo: ************"},
      {"Cookie: cut", "Cookie: ***\r\n"},
      {"", ""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fl_buffer out;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    assert_int_equal(fl_buffer_append_text(&out, ""), FL_OK);
    assert_int_equal(fl_redact_head(&out, fl_slice_of(cases[i][0]), "secret-key"), FL_OK);
    check_text(cases[i][0], out.data, cases[i][1]);
    fl_buffer_free(&out);
  }
}

static void test_user_info(void **state) {
  static const char *const cases[][2] = {
      {"Could not resolve proxy: localhost", "Could not resolve proxy: localhost"},
      {"Unsupported proxy 'http://user:password@proxy:1'",
       "Unsupported proxy 'http://*************@proxy:1'"},
      {"user:password@proxy", "*************@proxy"},
      {"of user:p@ss@proxy here", "of *********@proxy here"},
      {"a@b c@d", "*@b *@d"},
      {"@", "@"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    strcpy(text, cases[i][0]);
    fl_redact_user_info(text);
    check_text(cases[i][0], text, cases[i][1]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_secrets),
      cmocka_unit_test(test_a_full_text_may_be_cut),
      cmocka_unit_test(test_heads),
      cmocka_unit_test(test_user_info),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
