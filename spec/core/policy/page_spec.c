/* page_spec.c: the decision that follows a page. */
#include "policy/page.h"

#include "check.h"

static void decides_one_page(void **state) {
  static const struct {
    const char *name;
    int64_t start, count;
    bool first, was_short, trust;
    int status;
    int64_t got;
    fl_page_action action;
    int64_t next_start, next_count;
    bool short_now;
  } cases[] = {
      {"a full page", 0, 100, true, false, false, 200, 100, FL_PAGE_ROWS, 100, 100, false},
      {"a short page", 0, 100, true, false, false, 200, 30, FL_PAGE_ROWS, 30, 100, true},
      {"a short page, trusted", 0, 100, true, false, true, 200, 30, FL_PAGE_LAST, 30, 100, true},
      {"a full page, trusted", 0, 100, true, false, true, 200, 100, FL_PAGE_ROWS, 100, 100, false},
      {"more than asked", 0, 100, true, false, true, 200, 130, FL_PAGE_ROWS, 130, 100, false},
      {"a full page after a short one", 30, 100, false, true, false, 200, 100, FL_PAGE_ROWS, 130,
       100, false},
      {"another 2xx", 0, 100, true, false, false, 206, 100, FL_PAGE_ROWS, 100, 100, false},
      {"empty, first", 7, 100, true, false, false, 200, 0, FL_PAGE_END, 7, 100, false},
      {"empty, past a full page", 100, 100, false, false, false, 200, 0, FL_PAGE_END, 100, 100,
       false},
      {"null, first", 0, 100, true, false, false, 200, -1, FL_PAGE_FAIL, 0, 100, false},
      {"null, past a full page", 100, 100, false, false, false, 200, -1, FL_PAGE_FAIL, 100, 100,
       false},
      {"null, past a short page", 130, 100, false, true, false, 200, -1, FL_PAGE_END, 130, 100,
       true},
      {"404, first", 0, 100, true, false, false, 404, -1, FL_PAGE_FAIL, 0, 100, false},
      {"404, past a full page", 100, 100, false, false, false, 404, -1, FL_PAGE_FAIL, 100, 100,
       false},
      {"404, past a short page", 130, 100, false, true, false, 404, -1, FL_PAGE_END, 130, 100,
       true},
      {"416, first", 0, 100, true, false, false, 416, -1, FL_PAGE_FAIL, 0, 100, false},
      {"416, past a full page", 100, 100, false, false, false, 416, -1, FL_PAGE_FAIL, 100, 100,
       false},
      {"416, past a short page", 130, 100, false, true, false, 416, -1, FL_PAGE_END, 130, 100,
       true},
      {"418, past a short page", 130, 100, false, true, false, 418, -1, FL_PAGE_FAIL, 130, 100,
       true},
      {"400, past a full page", 5000, 5000, false, false, false, 400, -1, FL_PAGE_FAIL, 5000, 5000,
       false},
      {"400, past a short page", 130, 5000, false, true, false, 400, -1, FL_PAGE_END, 130, 5000,
       true},
      {"400, first", 0, 5000, true, false, false, 400, -1, FL_PAGE_SMALLER, 0, 2500, false},
      {"400, first, later start", 70, 1001, true, false, false, 400, -1, FL_PAGE_SMALLER, 70, 500,
       false},
      {"400, first, near the floor", 0, 150, true, false, false, 400, -1, FL_PAGE_SMALLER, 0, 100,
       false},
      {"400, first, at the floor", 0, 100, true, false, false, 400, -1, FL_PAGE_FAIL, 0, 100,
       false},
      {"400, first, below the floor", 0, 10, true, false, false, 400, -1, FL_PAGE_FAIL, 0, 10,
       false},
      {"500", 130, 100, false, true, false, 500, -1, FL_PAGE_FAIL, 130, 100, true},
      {"401, past a short page", 130, 100, false, true, false, 401, -1, FL_PAGE_FAIL, 130, 100,
       true},
      {"403, first", 0, 5000, true, false, false, 403, -1, FL_PAGE_FAIL, 0, 5000, false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_page_state page = {cases[i].start, cases[i].count, cases[i].first, cases[i].was_short,
                          cases[i].trust};
    check_number(cases[i].name, fl_page_next(&page, cases[i].status, cases[i].got),
                 cases[i].action);
    check_number(cases[i].name, page.start, cases[i].next_start);
    check_number(cases[i].name, page.count, cases[i].next_count);
    if (cases[i].action == FL_PAGE_ROWS || cases[i].action == FL_PAGE_LAST) {
      check_number(cases[i].name, page.last_was_short, cases[i].short_now);
      check_number(cases[i].name, page.first, false);
    }
    if (cases[i].action == FL_PAGE_SMALLER) check_number(cases[i].name, page.first, true);
  }
}

/* A server with `rows` rows that gives at most `cap` at once, refuses a count beyond `most`, and
 * answers a start past the end in one of several ways: every row comes exactly once. */
static void reads_every_row_once_from_any_server(void **state) {
  enum { EMPTY, NIL, MISSING, BAD };
  (void)state;
  for (int rows = 0; rows < 700; rows += 53)
    for (int cap = 40; cap <= 400; cap += 90)
      for (int most = 120; most <= 5000; most += 1220)
        for (int past = EMPTY; past <= BAD; past++) {
          fl_page_state page = {0, 1000, true, false, false};
          int64_t read = 0;
          int requests = 0;
          fl_page_action action = FL_PAGE_ROWS;
          while (action == FL_PAGE_ROWS || action == FL_PAGE_SMALLER) {
            int64_t there = rows - page.start, got = there < page.count ? there : page.count;
            int status = 200;
            if (got > cap) got = cap;
            if (there <= 0) got = past == EMPTY ? 0 : -1;
            if (there <= 0 && past == MISSING) status = 404;
            if ((there <= 0 && past == BAD) || page.count > most) status = 400, got = -1;
            assert_int_equal(page.start, read);
            action = fl_page_next(&page, status, got);
            if (action == FL_PAGE_ROWS) read += got;
            assert_true(++requests < 100);
          }
          if (action == FL_PAGE_END) assert_int_equal(read, rows);
          /* What cannot be told from an error is one, never a silent end. */
          else
            assert_true(past != EMPTY &&
                        (rows == 0 || (cap >= page.count && rows % page.count == 0)));
        }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decides_one_page),
      cmocka_unit_test(reads_every_row_once_from_any_server),
  };
  return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
