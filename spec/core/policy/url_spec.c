/* url_spec.c: base URLs, ids, paths and queries. */
#include "policy/url.h"

#include "check.h"

static void checks_base_urls(void **state) {
  static const struct {
    const char *base;
    fl_url_code code; /* with insecure http not allowed */
    int usable;       /* bytes used, where that is not all */
  } cases[] = {
      {"https://integration.eu.flarelight.cloud", FL_URL_OK, -1},
      {"https://integration.eu.flarelight.cloud/", FL_URL_OK, 39},
      {"https://integration.eu.flarelight.cloud///", FL_URL_OK, 39},
      {"https://proxy.example:8443/flarelight/v1/", FL_URL_OK, 40},
      {"HTTPS://Integration.EU.flarelight.cloud", FL_URL_OK, -1},
      {"https://host", FL_URL_OK, -1},
      {"https://host.", FL_URL_OK, -1},
      {"https://my_host-1.example", FL_URL_OK, -1},
      {"https://10.0.0.1", FL_URL_OK, -1},
      {"https://[2001:db8::1]:443/x", FL_URL_OK, -1},
      {"https://host:65535", FL_URL_OK, -1},
      {"https://host/a%20b/~c", FL_URL_OK, -1},
      {"https://host/a@b:c", FL_URL_OK, -1},
      {"http://localhost", FL_URL_OK, -1},
      {"HTTP://LocalHost:8080", FL_URL_OK, -1},
      {"http://127.0.0.1:8080", FL_URL_OK, -1},
      {"http://127.255.255.254", FL_URL_OK, -1},
      {"http://[::1]:80", FL_URL_OK, -1},
      {"http://[0:0:0:0:0:0:0:1]", FL_URL_OK, -1},
      {"", FL_URL_EMPTY, 0},
      {"integration.eu.flarelight.cloud", FL_URL_SCHEME, 0},
      {"ftp://host", FL_URL_SCHEME, 0},
      {"https:/host", FL_URL_SCHEME, 0},
      {"file:///etc/passwd", FL_URL_SCHEME, 0},
      {"httpss://host", FL_URL_SCHEME, 0},
      {"http://integration.eu.flarelight.cloud", FL_URL_INSECURE, 0},
      {"http://127.0.0.1.evil.com", FL_URL_INSECURE, 0},
      {"http://localhost.evil.com", FL_URL_INSECURE, 0},
      {"http://evil.localhost", FL_URL_INSECURE, 0},
      {"http://localhost.", FL_URL_INSECURE, 0},
      {"http://127.1", FL_URL_INSECURE, 0},
      {"http://127.0.0.1.1", FL_URL_INSECURE, 0},
      {"http://0177.0.0.1", FL_URL_INSECURE, 0},
      {"http://127.0.0.01", FL_URL_INSECURE, 0},
      {"http://127.0.0.256", FL_URL_INSECURE, 0},
      {"http://127.0.0.1.", FL_URL_INSECURE, 0},
      {"http://128.0.0.1", FL_URL_INSECURE, 0},
      {"http://[::2]", FL_URL_INSECURE, 0},
      {"http://[::ffff:127.0.0.1]", FL_URL_INSECURE, 0},
      {"https://user@host", FL_URL_USER_INFO, 0},
      {"https://user:word@host", FL_URL_USER_INFO, 0},
      {"http://127.0.0.1@evil.com", FL_URL_USER_INFO, 0},
      {"http://localhost:80@evil.com/", FL_URL_USER_INFO, 0},
      {"https://@host", FL_URL_USER_INFO, 0},
      {"https://", FL_URL_HOST, 0},
      {"https:///path", FL_URL_HOST, 0},
      {"https://:443", FL_URL_HOST, 0},
      {"https://host:", FL_URL_HOST, 0},
      {"https://host:0", FL_URL_HOST, 0},
      {"https://host:65536", FL_URL_HOST, 0},
      {"https://host:80a", FL_URL_HOST, 0},
      {"https://host:-1", FL_URL_HOST, 0},
      {"https://host:000080", FL_URL_HOST, 0},
      {"https://host:80:81", FL_URL_HOST, 0},
      {"https://a..b", FL_URL_HOST, 0},
      {"https://.host", FL_URL_HOST, 0},
      {"https://ho%73t", FL_URL_HOST, 0},
      {"https://host\\evil.com", FL_URL_HOST, 0},
      {"https://ho<st", FL_URL_HOST, 0},
      {"https://[::1", FL_URL_HOST, 0},
      {"https://[]", FL_URL_HOST, 0},
      {"https://[::1]x", FL_URL_HOST, 0},
      {"https://[::1]:", FL_URL_HOST, 0},
      {"https://[::g]", FL_URL_HOST, 0},
      {"https://[fe80::1%25eth0]", FL_URL_HOST, 0},
      {"https://::1", FL_URL_HOST, 0},
      {"https://aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.com", FL_URL_HOST,
       0},
      {"https://host?key=1", FL_URL_QUERY, 0},
      {"https://host#part", FL_URL_QUERY, 0},
      {"https://host/path?key=1", FL_URL_QUERY, 0},
      {"https://host/path#part", FL_URL_QUERY, 0},
      {"https://host/../x", FL_URL_DOTS, 0},
      {"https://host/a/%2e%2E", FL_URL_DOTS, 0},
      {"https://host/a%2", FL_URL_PATH, 0},
      {"https://host/a%zz", FL_URL_PATH, 0},
      {"https://host/a\\b", FL_URL_PATH, 0},
      {"https://host/a\"b", FL_URL_PATH, 0},
      {"https://host /", FL_URL_CONTROL, 0},
      {" https://host", FL_URL_CONTROL, 0},
      {"https://host\r\nX-Api-Key: 1", FL_URL_CONTROL, 0},
      {"https://host\x7f", FL_URL_CONTROL, 0},
      {"https://h\xc3\xb6st", FL_URL_CONTROL, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_slice base = fl_slice_of(cases[i].base);
    size_t usable = 99;
    check_number(cases[i].base, fl_url_check_base(base, false, &usable), cases[i].code);
    check_number(cases[i].base, usable, cases[i].usable < 0 ? (int)base.length : cases[i].usable);
    if (cases[i].code == FL_URL_INSECURE) {
      check_number(cases[i].base, fl_url_check_base(base, true, &usable), FL_URL_OK);
      check_number(cases[i].base, usable, base.length);
    }
  }
  check_number("a NUL", fl_url_check_base((fl_slice){"https://host\0x", 14}, false, &(size_t){0}),
               FL_URL_CONTROL);
}

static void knows_loopback(void **state) {
  static const struct {
    const char *base;
    bool loopback;
  } cases[] = {
      {"http://localhost", true},
      {"https://LOCALHOST:1/x?y", true},
      {"https://127.0.0.1", true},
      {"http://127.9.8.7:80/", true},
      {"http://[::1]", true},
      {"http://127.0.0.1.evil.com", false},
      {"http://localhost.evil.com", false},
      {"http://localhost@evil.com", false},
      {"http://evil.com/localhost", false},
      {"http://0.0.0.0", false},
      {"http://[::]", false},
      {"http://127.0.0.1\\@evil.com", false},
      {"127.0.0.1", false},
      {"ftp://127.0.0.1", false},
      {"http://localhos", false},
      {"http://localhostx", false},
      {"http://127.0.0", false},
      {"http://0127.0.0.1", false},
      {"", false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    check_number(cases[i].base, fl_url_is_loopback(fl_slice_of(cases[i].base)), cases[i].loopback);
}

static void checks_words(void **state) {
  enum { REGION, UUID, ID, PATH };
  static const struct {
    int what;
    const char *text;
    int wanted;
  } cases[] = {
      {REGION, "eu", true},
      {REGION, "us-east-1", true},
      {REGION, "EU", false},
      {REGION, "", false},
      {REGION, "eu.evil.com/", false},
      {REGION, "eu@evil", false},
      {REGION, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg", true},
      {REGION, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", false},
      {UUID, "123e4567-e89b-12d3-a456-426614174000", true},
      {UUID, "123E4567-E89B-12D3-A456-426614174000", true},
      {UUID, "123e4567e89b12d3a456426614174000", false},
      {UUID, "{23e4567-e89b-12d3-a456-42661417400}", false},
      {UUID, "123e4567-e89b-12d3-a456-42661417400g", false},
      {UUID, "123e4567-e89b-12d3-a456-4266141740000", false},
      {UUID, "123e4567-e89b-12d3-a456-42661417400", false},
      {UUID, "123e45670e89b-12d3-a456-426614174000", false},
      {UUID, "", false},
      {ID, "42", FL_URL_OK},
      {ID, "a b/c?d#e", FL_URL_OK},
      {ID, "\xc3\xa4", FL_URL_OK},
      {ID, "...", FL_URL_OK},
      {ID, ".a", FL_URL_OK},
      {ID, "", FL_URL_EMPTY},
      {ID, ".", FL_URL_DOTS},
      {ID, "..", FL_URL_DOTS},
      {ID, "a\nb", FL_URL_CONTROL},
      {ID, "a\x7f", FL_URL_CONTROL},
      {PATH, "/Import/All", FL_URL_OK},
      {PATH, "/", FL_URL_OK},
      {PATH, "/a//b/...", FL_URL_OK},
      {PATH, "/a%2Fb", FL_URL_OK},
      {PATH, "", FL_URL_EMPTY},
      {PATH, "Import/All", FL_URL_PATH},
      {PATH, "/a%2", FL_URL_PATH},
      {PATH, "/a%", FL_URL_PATH},
      {PATH, "/a%gg", FL_URL_PATH},
      {PATH, "/a b", FL_URL_CONTROL},
      {PATH, "/a\tb", FL_URL_CONTROL},
      {PATH, "/a?b", FL_URL_QUERY},
      {PATH, "/a#b", FL_URL_QUERY},
      {PATH, "/./a", FL_URL_DOTS},
      {PATH, "/a/..", FL_URL_DOTS},
      {PATH, "/a/.%2E/b", FL_URL_DOTS},
      {PATH, "/%2e", FL_URL_DOTS},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_slice text = fl_slice_of(cases[i].text);
    int got = cases[i].what == REGION ? fl_url_is_region(text)
              : cases[i].what == UUID ? fl_url_is_uuid(text)
              : cases[i].what == ID   ? (int)fl_url_check_id(text)
                                      : (int)fl_url_check_path(text);
    check_number(cases[i].text, got, cases[i].wanted);
  }
  check_number("a NUL in an id", fl_url_check_id((fl_slice){"a\0b", 3}), FL_URL_CONTROL);
}

static void builds_paths(void **state) {
  static const struct {
    const char *path_template, *id, *wanted;
    fl_url_code code;
  } cases[] = {
      {"/Import/All", NULL, "https://h/Import/All", FL_URL_OK},
      {"/Import/{id}/Data", "42", "https://h/Import/42/Data", FL_URL_OK},
      {"/Report/{id}", "x", "https://h/Report/x", FL_URL_OK},
      {"/Import/{id}/Data", "a/../b?c#d%2f", "https://h/Import/a%2F..%2Fb%3Fc%23d%252f/Data",
       FL_URL_OK},
      {"/Import/{id}/Data", "\xc3\xa4 +&:@", "https://h/Import/%C3%A4%20%2B%26%3A%40/Data",
       FL_URL_OK},
      {"/Import/{id}/Data", "Az09-._~", "https://h/Import/Az09-._~/Data", FL_URL_OK},
      {"/Import/{id}/Data", "{id}", "https://h/Import/%7Bid%7D/Data", FL_URL_OK},
      {"/a%20b/\xc3\xa4|{x}:@", NULL, "https://h/a%20b/%C3%A4%7C%7Bx%7D:@", FL_URL_OK},
      {"/Import/{id}/Data", NULL, NULL, FL_URL_TEMPLATE},
      {"/Import/All", "42", NULL, FL_URL_TEMPLATE},
      {"/{id}/{id}", "42", NULL, FL_URL_TEMPLATE},
      {"/Import/.{id}", ".", NULL, FL_URL_TEMPLATE},
      {"/Import/{id}x", "4", NULL, FL_URL_TEMPLATE},
      {"/Import/{id}/Data", "", NULL, FL_URL_EMPTY},
      {"/Import/{id}/Data", "..", NULL, FL_URL_DOTS},
      {"/Import/{id}/Data", "a\rb", NULL, FL_URL_CONTROL},
      {"/Import/../{id}", "42", NULL, FL_URL_DOTS},
      {"Import", NULL, NULL, FL_URL_PATH},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_buffer out;
    fl_url_code code = FL_URL_EMPTY;
    fl_result result;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    result = fl_url_append_path(&out, FL_LITERAL("https://h"), fl_slice_of(cases[i].path_template),
                                fl_slice_of(cases[i].id), &code);
    check_number(cases[i].path_template, code, cases[i].code);
    check_number(cases[i].path_template, result, cases[i].wanted ? FL_OK : FL_INVALID);
    check_number(cases[i].path_template, out.length, cases[i].wanted ? strlen(cases[i].wanted) : 0);
    if (cases[i].wanted) check_text(cases[i].path_template, out.data, cases[i].wanted);
    fl_buffer_free(&out);
  }
}

static void leaves_the_buffer_as_it_was_at_the_ceiling(void **state) {
  fl_url_code code;
  (void)state;
  for (size_t ceiling = 3; ceiling < 24; ceiling++) {
    fl_buffer out;
    fl_buffer_init(&out, ceiling);
    assert_int_equal(fl_buffer_append_text(&out, "x y"), FL_OK);
    assert_int_equal(fl_url_append_path(&out, FL_LITERAL("https://host"), FL_LITERAL("/A/{id}/B"),
                                        FL_LITERAL("1 "), &code),
                     FL_TOO_LARGE);
    assert_string_equal(out.data, "x y");
    assert_int_equal(out.length, 3);
    fl_buffer_free(&out);
  }
}

static void describes_every_code(void **state) {
  (void)state;
  for (int code = FL_URL_OK; code <= FL_URL_TEMPLATE; code++)
    assert_non_null(fl_url_describe((fl_url_code)code));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checks_base_urls),
      cmocka_unit_test(knows_loopback),
      cmocka_unit_test(checks_words),
      cmocka_unit_test(builds_paths),
      cmocka_unit_test(leaves_the_buffer_as_it_was_at_the_ceiling),
      cmocka_unit_test(describes_every_code),
  };
  return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
