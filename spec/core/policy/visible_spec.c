/* visible_spec.c: characters that change how a text is shown, and what is shown instead. */
#include "policy/visible.h"

#include "check.h"

static void test_characters(void **state) {
  static const struct {
    const char *label, *text, *shown;
  } cases[] = {
      {"plain", "all is well", "all is well"},
      {"beyond ASCII", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
       "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"C0 and DEL", "a\x1b[2Jb\r\n\x7f", "a [2Jb   "},
      {"C1",
       "a\xc2\x9b"
       "2J\xc2\x80",
       "a<U+009B>2J<U+0080>"},
      {"behind C1", "\xc2\xa0", "\xc2\xa0"},
      {"marks of direction", "a\xe2\x80\xae\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f",
       "a<U+202E><U+2069><U+061C><U+200F>"},
      {"separators", "a\xe2\x80\xa8\xe2\x80\xa9", "a<U+2028><U+2029>"},
      {"a byte order mark",
       "\xef\xbb\xbf"
       "a",
       "<U+FEFF>a"},
      {"a lone byte of C1",
       "a\x9b"
       "2J",
       "a?2J"},
      {"too long forms", "\xc0\x9b\xe0\x82\x9b\xf0\x80\x82\x9b", "?????????"},
      {"surrogates and beyond", "\xed\xa0\x80\xf4\x90\x80\x80\xff", "????????"},
      {"cut off", "a\xe2\x80", "a??"},
      {"empty", "", ""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[96];
    strcpy(text, cases[i].text);
    fl_visible(text, sizeof text);
    check_text(cases[i].label, text, cases[i].shown);
  }
}

/* Both ends of each range, and the characters beside them. */
static void test_the_ends_of_the_ranges(void **state) {
  static const struct {
    const char *text;
    bool hidden;
  } cases[] = {
      {"\x7e", false},         {"\xc2\x80", true},      {"\xc2\x9f", true},
      {"\xc2\xa0", false},     {"\xd8\x9b", false},     {"\xd8\x9c", true},
      {"\xd8\x9d", false},     {"\xe2\x80\x8d", false}, {"\xe2\x80\x8e", true},
      {"\xe2\x80\x8f", true},  {"\xe2\x80\x90", false}, {"\xe2\x80\xa7", false},
      {"\xe2\x80\xa8", true},  {"\xe2\x80\xae", true},  {"\xe2\x80\xaf", false},
      {"\xe2\x81\xa5", false}, {"\xe2\x81\xa6", true},  {"\xe2\x81\xa9", true},
      {"\xe2\x81\xaa", false}, {"\xef\xbb\xbe", false}, {"\xef\xbb\xbf", true},
      {"\xef\xbc\x80", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[32];
    strcpy(text, cases[i].text);
    fl_visible(text, sizeof text);
    check_number(cases[i].text, strncmp(text, "<U+", 3) == 0, cases[i].hidden);
  }
}

static void test_a_text_that_grows_is_cut_between_characters(void **state) {
  char text[12] = "ab\xc2\x9b\xc3\xa9";
  char full[10] = "ab\xc2\x9b\xc3\xa9";
  (void)state;
  fl_visible(text, sizeof text);
  assert_string_equal(text, "ab<U+009B>");
  fl_visible(full, sizeof full);
  assert_string_equal(full, "ab");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_characters),
      cmocka_unit_test(test_the_ends_of_the_ranges),
      cmocka_unit_test(test_a_text_that_grows_is_cut_between_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
