/* redact_spec.c: texts with a secret in them, and what is left of them. */

#include "policy/redact.h"

#include <stdlib.h>

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
      {"by JSON, in numbers", "ab\"/c", "ab\\u0022\\u002fc.", "***************.", false},
      {"by JSON in JSON", "ab\"cd", "\\\"ab\\\\\\\"cd\\\"", "\\\"********\\\"", false},
      {"with a backslash, by JSON", "ab\\cd", "ab\\\\cd", "******", false},
      {"in percent form", "a/b+c=", "?k=a%2Fb%2bc%3D&x", "?k=************&x", false},
      {"whole in percent form", "a/bc", "%61%2f%62%63", "************", false},
      {"in percent form, twice", "a/bc", "a%252Fbc.", "********.", false},
      {"in percent form, cut", "abcd/ef", "abcd%2", "******", true},
      {"decoded", "ab%2Fcd", "key ab/cd", "key *****", false},
      {"with a percent sign, as it is", "ab%2Fcd", "key ab%2fcd", "key *******", false},
      {"with a percent sign, escaped", "ab%2Fcd", "key ab%252Fcd", "key *********", false},
      {"beginning with a percent sign, decoded", "%41bcd", "abcd", "****", false},
      {"in entities by number", "a<b\"c", "a&#60;b&#x22;c", "**************", false},
      {"in entities by name", "a<b&c\"d", "a&lt;b&AMP;c&quot;d", "*******************", false},
      {"in entities by name of HTML 5", "a+b=c_d.e#f", "a&plus;b&equals;c&lowbar;d&period;e&num;f",
       "*****************************************", false},
      {"in entities by number with zeros", "ab<cd", "ab&#0000000000060;cd &#x000000000003c;",
       "******************** &#x000000000003c;", false},
      {"in entities of entities", "a<bc", "a&amp;lt;bc &amp;#x3C;", "*********** &amp;#x3C;",
       false},
      {"in mixed forms", "a/b\"c", "%61\\u002Fb&#34;c", "****************", false},
      {"with other escapes", "abcd", "%61%62%63%65", "%61%62%63%65", false},
      {"with an escape that is cut off", "abcd", "abc%6", "abc%6", false},
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
    char text[96];
    strcpy(text, cases[i].text);
    fl_redact(cases[i].secret, text, strlen(text), cases[i].cut);
    check_text(cases[i].label, text, cases[i].left);
  }
}

/* Long runs of what begins an escape are read in time that grows with their length alone: the spec
 * ends at once, or takes hours. */
static void test_long_texts(void **state) {
  static const char *const runs[] = {"\\", "%25", "%", "&amp;", "&", "a%61"};
  (void)state;
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
    size_t length = strlen(runs[i]), size = length * 500000;
    char *text = malloc(size);
    for (size_t at = 0; at < size; at += length) memcpy(text + at, runs[i], length);
    fl_redact("aaab", text, size, true);
    free(text);
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
    assert_int_equal(fl_redact_head(&out, fl_slice_of(cases[i][0]), "secret-key"), FL_OK);
    check_text(cases[i][0], out.length > 0 ? out.data : "", cases[i][1]);
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
      cmocka_unit_test(test_long_texts),
      cmocka_unit_test(test_a_full_text_may_be_cut),
      cmocka_unit_test(test_heads),
      cmocka_unit_test(test_user_info),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
