/* response_head_spec.c: status lines, Retry-After and the rate limit's headers. */
#include "policy/response_head.h"

#include "check.h"

/* A day in the age of the service. */
#define DATE_TEXT "Wed, 15 May 2024 12:00:00 GMT"
#define DATE (1715774400 * FL_SECOND)
#define YEAR (366 * 86400 * FL_SECOND)

static void line(fl_response_head *head, const char *text) {
  fl_response_head_line(head, text, strlen(text));
}

static void reads_status_lines(void **state) {
  static const struct {
    const char *line;
    int status;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\n", 200}, {"HTTP/1.1 404 Not Found\n", 404},
      {"HTTP/2 200", 200},          {"HTTP/2 503 \r\n", 503},
      {"http/1.0 301 x", 301},      {"HTTP/1.1 100 Continue", 0},
      {"HTTP/1.1 103 Early", 0},    {"HTTP/1.1 2000 OK", 0},
      {"HTTP/1.1 20", 0},           {"HTTP/1.1", 0},
      {"HTTP/1.1 abc", 0},          {"HTTP/", 0},
      {"HTTP/1.1 -20", 0},          {"HTTP/3 429", 429},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head;
    fl_response_head_init(&head);
    line(&head, cases[i].line);
    check_number(cases[i].line, head.status, cases[i].status);
  }
}

/* A head as libcurl hands it over, in lines; finished. */
static fl_response_head head_of(const char *text) {
  fl_response_head head;
  fl_response_head_init(&head);
  while (*text != '\0') {
    size_t length = strcspn(text, "\n") + (strchr(text, '\n') != NULL);
    fl_response_head_line(&head, text, length);
    text += length;
  }
  fl_response_head_finish(&head, DATE);
  return head;
}

static void knows_where_a_head_begins_and_ends(void **state) {
  static const struct {
    const char *name, *text;
    int status;
    int64_t remaining;
  } cases[] = {
      {"a head", "HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 5\r\n\r\n", 200, 5},
      {"an interim head",
       "HTTP/1.1 103 Early Hints\r\nX-RateLimit-Remaining: 6\r\n\r\n"
       "HTTP/2 302 \r\nX-RateLimit-Remaining: 5\r\n\r\n",
       302, 5},
      {"two interim heads",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: 1\r\n\r\n"
       "HTTP/1.1 200 OK\r\n\r\n",
       200, FL_UNKNOWN},
      {"a status line inside a head",
       "HTTP/1.1 200 OK\r\nhttp/1.1 429 Too Many: 1\r\nX-RateLimit-Remaining: 5\r\n\r\n", 200, 5},
      {"a status line inside an interim head",
       "HTTP/1.1 103 Early\r\nHTTP/1.1 500 No: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, FL_UNKNOWN},
      {"a trailer",
       "HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 5\r\n\r\n"
       "X-RateLimit-Remaining: 0\r\n",
       200, 5},
      {"a trailer alone", "HTTP/1.1 200 OK\r\n\r\nX-RateLimit-Remaining: 0\r\n\r\n", 200,
       FL_UNKNOWN},
      {"a status line behind the head",
       "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 429 No\r\nX-RateLimit-Remaining: 0\r\n\r\n", 200,
       FL_UNKNOWN},
      {"headers before a status line", "X-RateLimit-Remaining: 5\r\nHTTP/1.1 200 OK\r\n\r\n", 200,
       FL_UNKNOWN},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head = head_of(cases[i].text);
    check_number(cases[i].name, head.status, cases[i].status);
    check_number(cases[i].name, head.remaining, cases[i].remaining);
    check_number(cases[i].name, head.nonsense, 0);
  }
}

/* Of two Remaining the smaller, of two Retry-After the longer; below 0 is spent only with a 429. */
static void takes_the_careful_one_of_several(void **state) {
  static const struct {
    const char *name, *text;
    int64_t remaining;
    int retry_after, nonsense; /* seconds; -1: none */
  } cases[] = {
      {"two Remaining", "HTTP/1.1 200 x\nX-RateLimit-Remaining: 9\nX-RateLimit-Remaining: 3\n", 3,
       -1, 0},
      {"the smaller first", "HTTP/1.1 200 x\nX-RateLimit-Remaining: 3\nX-RateLimit-Remaining: 9\n",
       3, -1, 0},
      {"a list", "HTTP/1.1 200 x\nX-RateLimit-Remaining: 9;w=60, 3;w=1\n", 3, -1, 0},
      {"one unreadable", "HTTP/1.1 200 x\nX-RateLimit-Remaining: lots, 3\n", 3, -1, 1},
      {"below 0 with 429", "HTTP/1.1 429 x\nX-RateLimit-Remaining: -1\n", 0, -1, 0},
      {"below 0 with 200", "HTTP/1.1 200 x\nX-RateLimit-Remaining: -1\n", FL_UNKNOWN, -1, 1},
      {"below 0 and another", "HTTP/1.1 429 x\nX-RateLimit-Remaining: -1, 4\n", 4, -1, 1},
      {"minus 0", "HTTP/1.1 200 x\nX-RateLimit-Remaining: -0\n", 0, -1, 0},
      {"a list of waits", "HTTP/1.1 429 x\nRetry-After: 1, 2\n", FL_UNKNOWN, 2, 0},
      {"two waits", "HTTP/1.1 429 x\nRetry-After: 7\nRetry-After: 2\n", FL_UNKNOWN, 7, 0},
      {"a date and seconds",
       "HTTP/1.1 429 x\nRetry-After: Wed, 15 May 2024 12:00:30 GMT\nRetry-After: 2\n", FL_UNKNOWN,
       30, 0},
      {"seconds and an earlier date",
       "HTTP/1.1 429 x\nRetry-After: 40\nRetry-After: Wed, 15 May 2024 12:00:30 GMT\n", FL_UNKNOWN,
       40, 0},
      {"one wait unreadable", "HTTP/1.1 429 x\nRetry-After: soon, 2\n", FL_UNKNOWN, 2, 1},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head = head_of(cases[i].text);
    check_number(cases[i].name, head.remaining, cases[i].remaining);
    check_number(cases[i].name, head.retry_after_known, cases[i].retry_after >= 0);
    if (head.retry_after_known)
      check_number(cases[i].name, head.retry_after, cases[i].retry_after * FL_SECOND);
    check_number(cases[i].name, head.nonsense, cases[i].nonsense);
  }
}

static void reads_counts(void **state) {
  static const struct {
    const char *limit, *remaining;
    int64_t wanted_limit, wanted_remaining;
    int nonsense;
  } cases[] = {
      {"X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", 100, 99, 0},
      {"x-ratelimit-limit:100", "x-ratelimit-remaining:\t 0 \t", 100, 0, 0},
      {"X-RATELIMIT-LIMIT:   100  \r\n", "X-RATELIMIT-REMAINING: 007\n", 100, 7, 0},
      {"X-RateLimit-Limit: 100, 100;w=60", "X-RateLimit-Remaining: 4;x", 100, 4, 0},
      {"X-RateLimit-Limit: 60.0", "X-RateLimit-Remaining: 1000000000", 60, 60, 1},
      {"X-RateLimit-Limit: 10", "X-RateLimit-Remaining: 11", 10, 10, 1},
      {"X-RateLimit-Limit: 0", "X-RateLimit-Remaining: 0", 0, 0, 0},
      {"X-RateLimit-Limit: 0", "X-RateLimit-Remaining: 7", 0, 7, 0},
      {"X-RateLimit-Limit: -1", "X-RateLimit-Remaining: -1", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit: NaN", "X-RateLimit-Remaining: nan", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit: inf", "X-RateLimit-Remaining: 1e3", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit: 1.5", "X-RateLimit-Remaining: 1.", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit: +5", "X-RateLimit-Remaining: 0x10", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit: 1000000001", "X-RateLimit-Remaining: 5", FL_UNKNOWN, 5, 1},
      {"X-RateLimit-Limit: 9223372036854775807", "X-RateLimit-Remaining: 99999999999999999999999",
       FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limit:", "X-RateLimit-Remaining: 1 2", FL_UNKNOWN, FL_UNKNOWN, 2},
      {"X-RateLimit-Limits: 5", "X-RateLimit-Remainin: 5", FL_UNKNOWN, FL_UNKNOWN, 0},
      {" X-RateLimit-Limit: 5", "X-RateLimit-Remaining 5", FL_UNKNOWN, FL_UNKNOWN, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head;
    fl_response_head_init(&head);
    line(&head, "HTTP/1.1 200 OK");
    line(&head, cases[i].limit);
    line(&head, cases[i].remaining);
    fl_response_head_finish(&head, DATE);
    check_number(cases[i].limit, head.limit, cases[i].wanted_limit);
    check_number(cases[i].remaining, head.remaining, cases[i].wanted_remaining);
    check_number(cases[i].limit, head.nonsense, cases[i].nonsense);
  }
}

static void tells_the_formats_of_reset_apart(void **state) {
  static const struct {
    const char *date, *reset;
    fl_time wanted; /* duration */
    bool assumed;
  } cases[] = {
      {DATE_TEXT, "0", 0, false},
      {DATE_TEXT, "30", 30 * FL_SECOND, false},
      {DATE_TEXT, " 1.5 ", FL_SECOND * 3 / 2, false},
      {DATE_TEXT, "75", 75 * FL_SECOND, false},
      {DATE_TEXT, "76", FL_RATE_WINDOW, true},
      {DATE_TEXT, "3600", FL_RATE_WINDOW, true},
      {DATE_TEXT, "999999999", FL_RATE_WINDOW, true},
      {DATE_TEXT, "1715774430", 30 * FL_SECOND, false},
      {DATE_TEXT, "1715774400", 0, false},
      {DATE_TEXT, "1715774399", 0, false},
      {DATE_TEXT, "1000000000", 0, false},
      {DATE_TEXT, "1715774475", 75 * FL_SECOND, false},
      {DATE_TEXT, "1715774476", FL_RATE_WINDOW, true},
      {DATE_TEXT, "1715774430250", 30 * FL_SECOND + FL_SECOND / 4, false},
      {DATE_TEXT, "1715774399999", 0, false},
      {DATE_TEXT, "1715778000000", FL_RATE_WINDOW, true},
      {DATE_TEXT, "1715774430000000", FL_RATE_WINDOW, true},
      {DATE_TEXT, "2024-05-15T12:00:45Z", 45 * FL_SECOND, false},
      {DATE_TEXT, "2024-05-15T14:00:45.5+02:00", 45 * FL_SECOND + FL_SECOND / 2, false},
      {DATE_TEXT, "2024-05-15T11:00:00Z", 0, false},
      {DATE_TEXT, "2025-05-15T11:00:00Z", FL_RATE_WINDOW, true},
      {DATE_TEXT, "Wed, 15 May 2024 12:00:59 GMT", 59 * FL_SECOND, false},
      {DATE_TEXT, "Wednesday, 15-May-24 12:00:20 GMT", 20 * FL_SECOND, false},
      {DATE_TEXT, "Wed May 15 12:00:21 2024", 21 * FL_SECOND, false},
      /* The server's clock an hour off: only its own Date counts. */
      {"Wed, 15 May 2024 13:00:00 GMT", "1715778010", 10 * FL_SECOND, false},
      {"Wed, 15 May 2024 11:00:00 GMT", "2024-05-15T11:00:10Z", 10 * FL_SECOND, false},
      /* No Date, or no readable one: the machine's clock, which reads DATE. */
      {NULL, "1715774412", 12 * FL_SECOND, false},
      {"yesterday", "1715774412", 12 * FL_SECOND, false},
      {DATE_TEXT, "-30", FL_RATE_WINDOW, true},
      {DATE_TEXT, "NaN", FL_RATE_WINDOW, true},
      {DATE_TEXT, "inf", FL_RATE_WINDOW, true},
      {DATE_TEXT, "1e9", FL_RATE_WINDOW, true},
      {DATE_TEXT, "", FL_RATE_WINDOW, true},
      {DATE_TEXT, "soon", FL_RATE_WINDOW, true},
      {DATE_TEXT, "99999999999999999999999999999999999999999999999999999999999999999999999999",
       FL_RATE_WINDOW, true},
      {DATE_TEXT, "9999999999999999", FL_RATE_WINDOW, true},
      {DATE_TEXT, "00000000000000000000000000000000000000000000000000000000000000000000000009",
       FL_RATE_WINDOW, true},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head;
    char text[160];
    bool dated = cases[i].date != NULL && strcmp(cases[i].date, "yesterday") != 0;
    fl_response_head_init(&head);
    line(&head, "HTTP/1.1 200 OK");
    /* The order of the lines must not matter. */
    snprintf(text, sizeof text, "X-RateLimit-Reset: %s\r\n", cases[i].reset);
    if (i % 2 == 0) line(&head, text);
    if (cases[i].date != NULL) {
      char date[80];
      snprintf(date, sizeof date, "Date: %s\r\n", cases[i].date);
      line(&head, date);
    }
    if (i % 2 == 1) line(&head, text);
    /* With a Date the machine's own clock must not matter. */
    fl_response_head_finish(&head, dated ? 12345 * FL_SECOND : DATE);
    check_number(cases[i].reset, head.reset, cases[i].wanted);
    check_number(cases[i].reset, head.reset_assumed, cases[i].assumed);
    check_number(cases[i].reset, head.nonsense,
                 cases[i].assumed + (cases[i].date != NULL && !dated ? 1 : 0));
    check_number(cases[i].reset, head.reset_wall, (dated ? head.date_wall : DATE) + head.reset);
  }
}

static void tells_formats_of_reset(void **state) {
  static const struct {
    const char *line, *format;
  } cases[] = {
      {"X-Other: 1", "absent"},
      {"X-RateLimit-Reset: 30", "delta"},
      {"X-RateLimit-Reset: 1715774400", "epoch"},
      {"X-RateLimit-Reset: 1715774400000", "epoch_ms"},
      {"X-RateLimit-Reset: 2024-05-15T12:00:10Z", "iso"},
      {"X-RateLimit-Reset: Wed, 15 May 2024 12:00:59 GMT", "http_date"},
      {"X-RateLimit-Reset: soon", "nonsense"},
      {"X-RateLimit-Reset:", "nonsense"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head;
    fl_response_head_init(&head);
    line(&head, "HTTP/1.1 200 OK");
    line(&head, cases[i].line);
    fl_response_head_finish(&head, DATE);
    assert_string_equal(fl_reset_format_name(head.reset_format), cases[i].format);
  }
}

static void keeps_encoding_and_tag(void **state) {
  fl_response_head head;
  (void)state;
  fl_response_head_init(&head);
  line(&head, "HTTP/1.1 200 OK");
  assert_string_equal(head.encoding, "");
  assert_false(head.has_etag);
  line(&head, "Content-Encoding: GZIP");
  line(&head, "ETag: \"1\"");
  assert_string_equal(head.encoding, "gzip");
  assert_true(head.has_etag);
}

static void reads_retry_after(void **state) {
  static const struct {
    const char *text;
    fl_time wanted;
  } cases[] = {
      {"0", 0},
      {"120", 120 * FL_SECOND},
      {" 7\t", 7 * FL_SECOND},
      {"1.5", FL_SECOND * 3 / 2},
      {"86400", 86400 * FL_SECOND},
      {"31622400", YEAR},
      {"31622401", YEAR},
      {"999999999999999999", YEAR},
      {"99999999999999999999999999999999999", YEAR},
      {"Wed, 15 May 2024 12:02:00 GMT", 120 * FL_SECOND},
      {"Wednesday, 15-May-24 12:00:01 GMT", FL_SECOND},
      {"Wed May 15 12:00:09 2024", 9 * FL_SECOND},
      {"Wed, 15 May 2024 11:59:00 GMT", 0},
      {"Wed, 15 May 2054 11:59:00 GMT", YEAR},
      {"-5", FL_UNKNOWN},
      {"", FL_UNKNOWN},
      {"NaN", FL_UNKNOWN},
      {"1e1", FL_UNKNOWN},
      {"a minute", FL_UNKNOWN},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_response_head head;
    char text[96];
    bool known = cases[i].wanted != FL_UNKNOWN;
    fl_response_head_init(&head);
    line(&head, "HTTP/1.1 429 Too Many Requests");
    line(&head, "date: " DATE_TEXT);
    snprintf(text, sizeof text, "retry-after: %s", cases[i].text);
    line(&head, text);
    fl_response_head_finish(&head, 0);
    check_number(cases[i].text, head.retry_after_known, known);
    if (known) check_number(cases[i].text, head.retry_after, cases[i].wanted);
    check_number(cases[i].text, head.nonsense, !known);
  }
}

static void reads_repeated_headers(void **state) {
  fl_response_head head;
  (void)state;
  fl_response_head_init(&head);
  line(&head, "HTTP/1.1 429 x");
  line(&head, "Date: never");
  line(&head, "Date: " DATE_TEXT);
  line(&head, "Date: Wed, 15 May 2024 13:00:00 GMT");
  line(&head, "X-RateLimit-Limit: lots");
  line(&head, "X-RateLimit-Limit: 100");
  line(&head, "X-RateLimit-Limit: 50");
  line(&head, "X-RateLimit-Remaining: 9");
  line(&head, "X-RateLimit-Remaining: lots");
  line(&head, "X-RateLimit-Reset: later");
  line(&head, "X-RateLimit-Reset: 2024-05-15T12:00:10Z");
  line(&head, "X-RateLimit-Reset: 20");
  line(&head, "Retry-After: 3");
  line(&head, "Retry-After: 4");
  line(&head, "Retry-After: never");
  line(&head, "Content-Type: application/JSON ; charset=utf-8");
  line(&head, "Content-Type: text/html");
  fl_response_head_finish(&head, 0);
  assert_true(head.date_wall == DATE);
  assert_int_equal(head.limit, 100);
  assert_int_equal(head.remaining, 9);
  assert_int_equal(head.reset, 10 * FL_SECOND);
  assert_false(head.reset_assumed);
  assert_int_equal(head.retry_after, 4 * FL_SECOND);
  assert_string_equal(head.content_type, "application/json");
  assert_int_equal(head.nonsense, 5);
}

static void cuts_long_texts(void **state) {
  fl_response_head head;
  char text[2000];
  size_t length = (size_t)snprintf(text, sizeof text, "Location: https://elsewhere/\x1b[2J");
  (void)state;
  /* An odd offset, so that the cut falls into a two-byte character. */
  while (length < sizeof text - 3) text[length++] = '\xc3', text[length++] = '\xa4';
  text[length] = '\0';
  fl_response_head_init(&head);
  line(&head, "HTTP/2 302");
  line(&head, text);
  assert_int_equal(strncmp(head.location, "https://elsewhere/?[2J\xc3\xa4", 24), 0);
  length = strlen(head.location);
  assert_in_range(length, sizeof head.location - 2, sizeof head.location - 1);
  assert_int_equal(head.location[length - 1], '\xa4');
  memset(text, 'A', sizeof text);
  memcpy(text, "Content-Type: ", 14);
  fl_response_head_line(&head, text, sizeof text);
  assert_int_equal(strlen(head.content_type), sizeof head.content_type - 1);
  assert_int_equal(head.content_type[62], 'a');
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_status_lines),
      cmocka_unit_test(knows_where_a_head_begins_and_ends),
      cmocka_unit_test(takes_the_careful_one_of_several),
      cmocka_unit_test(reads_counts),
      cmocka_unit_test(tells_the_formats_of_reset_apart),
      cmocka_unit_test(tells_formats_of_reset),
      cmocka_unit_test(keeps_encoding_and_tag),
      cmocka_unit_test(reads_retry_after),
      cmocka_unit_test(reads_repeated_headers),
      cmocka_unit_test(cuts_long_texts),
  };
  return cmocka_run_group_tests_name("response_head", tests, NULL, NULL);
}
