/*
 * lease_pool_spec.c: shares of a limit among processes: single questions as a table, then windows,
 * foreign use, deaths and clocks that were set back.
 */
#include "policy/lease_pool.h"

#include "check.h"
#include "policy/rate_limit.h"

#define T0 (1000 * FL_SECOND)
#define MOST 4

typedef struct place {
  fl_lease_pool pool;
  fl_lease_member members[MOST];
  size_t count;
} place;

/* A place that knows the limit, at the beginning of a window of a minute. */
static place place_of(int64_t limit, size_t count) {
  place made = {
      .pool = {.limit = limit, .window = 1, .began_at = T0, .reset_at = T0 + FL_RATE_WINDOW},
      .count = count};
  return made;
}

/* What a process reports that has `demand` calls waiting and has taken `taken`. */
static fl_lease_report report_of(const place *at, int64_t demand, int64_t taken) {
  return (fl_lease_report){.limit = at->pool.limit,
                           .window = at->pool.window,
                           .reset_at = at->pool.reset_at,
                           .seen = FL_UNKNOWN,
                           .taken = taken,
                           .demand = demand};
}

static fl_lease_grant ask(place *at, size_t self, fl_lease_report report, fl_time now) {
  fl_lease_grant grant;
  fl_lease_pool_settle(&at->pool, at->members, at->count, self, &report, now, &grant);
  return grant;
}

static void make_active(place *at, size_t which, int64_t granted, int64_t demand) {
  at->members[which] = (fl_lease_member){
      .window = 1, .granted = granted, .demand = demand, .expires_at = T0 + 5 * FL_SECOND};
  at->pool.granted += granted;
}

static void shares_are_equal_over_the_window(void **state) {
  static const struct {
    const char *name;
    int64_t limit;
    int64_t granted[MOST], demand[MOST]; /* of the processes; the first one asks */
    int64_t interactive;                 /* of its demand */
    int64_t common, urgent;
    bool spread;
  } cases[] = {
      {"alone, a quarter ahead of need", 800, {0}, {1}, 0, 90, 0, false},
      {"alone, with many calls", 800, {0}, {500}, 0, 90, 0, false},
      {"alone, more calls than requests", 60, {0}, {500}, 0, 1, 0, true},
      {"two, all fits", 800, {0, 0}, {1, 1}, 0, 60, 0, false},
      {"two that are equal do not fit", 800, {0, 0}, {900, 900}, 0, 6, 0, true},
      {"the one that got less gets more", 800, {0, 300}, {900, 900}, 0, 6, 0, true},
      {"the one that got more waits", 800, {500, 100}, {900, 900}, 0, 0, 0, true},
      {"an idle process has no part", 800, {0, 0}, {900, 0}, 0, 12, 0, true},
      {"interactive calls have the tenth", 800, {700, 0}, {5, 0}, 5, 0, 5, true},
      {"interactive calls have an equal part of the tenth",
       800,
       {350, 350},
       {70, 70},
       70,
       0,
       40,
       true},
      {"nothing is left", 10, {10}, {5}, 5, 0, 0, true},
      {"a limit of one", 1, {0}, {3}, 0, 1, 0, true},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    place at = place_of(cases[i].limit, MOST);
    fl_lease_report report;
    fl_lease_grant grant;
    for (size_t m = 0; m < MOST; m++) make_active(&at, m, cases[i].granted[m], cases[i].demand[m]);
    report = report_of(&at, cases[i].demand[0], cases[i].granted[0]);
    report.wanted_urgent = cases[i].interactive;
    grant = ask(&at, 0, report, T0);
    check_number(cases[i].name, grant.common, cases[i].common);
    check_number(cases[i].name, grant.urgent, cases[i].urgent);
    check_number(cases[i].name, grant.spacing > 0, cases[i].spread && grant.common > 0);
    check(cases[i].name, at.pool.granted <= at.pool.limit);
    check_number(cases[i].name, grant.left, at.pool.limit - at.pool.granted);
  }
}

static void what_is_given_back_is_free_again(void **state) {
  place at = place_of(100, 2);
  fl_lease_report report = report_of(&at, 40, 0);
  fl_lease_grant grant = ask(&at, 0, report, T0);
  (void)state;
  assert_int_equal(grant.common, 11);
  report = report_of(&at, 0, 10);
  report.leaving = true;
  grant = ask(&at, 0, report, T0 + FL_SECOND);
  assert_int_equal(at.pool.granted, 10);
  assert_int_equal(grant.left, 90);
  assert_int_equal(at.members[0].demand, 0);
}

static void a_process_that_died_is_dropped_and_its_requests_come_back_with_the_window(
    void **state) {
  place at = place_of(100, 2);
  fl_lease_grant grant;
  (void)state;
  ask(&at, 1, report_of(&at, 500, 0), T0);
  grant = ask(&at, 0, report_of(&at, 500, 0), T0);
  assert_int_equal(grant.active, 2);
  grant = ask(&at, 0, report_of(&at, 500, 1), T0 + 6 * FL_SECOND);
  assert_int_equal(grant.active, 1);
  assert_true(at.pool.granted >= 2); /* what it took is not known */
  grant = ask(&at, 0, report_of(&at, 500, 1), T0 + FL_RATE_WINDOW);
  assert_int_equal(grant.window, 2);
  assert_int_equal(at.pool.granted, grant.common);
  assert_true(grant.guessed);
}

static void foreign_use_is_counted_once(void **state) {
  place at = place_of(100, 2);
  fl_lease_report report = report_of(&at, 10, 0);
  (void)state;
  ask(&at, 0, report, T0);
  ask(&at, 1, report, T0);
  /* Both have seen that others have taken 20. */
  report = report_of(&at, 1, at.members[0].granted);
  report.seen = 100 - at.pool.granted - 20;
  ask(&at, 0, report, T0 + 30 * FL_SECOND);
  assert_int_equal(at.pool.foreign_total, 20);
  report = report_of(&at, 1, at.members[1].granted);
  report.seen = 100 - at.pool.granted - 20;
  ask(&at, 1, report, T0 + 30 * FL_SECOND);
  assert_int_equal(at.pool.foreign_total, 20);
  /* Requests without a grant looked like foreign use until they were reported. */
  report = report_of(&at, 1, at.members[1].granted + 5);
  ask(&at, 1, report, T0 + 31 * FL_SECOND);
  assert_int_equal(at.pool.foreign_total, 15);
}

static void windows_follow_the_replies(void **state) {
  static const struct {
    const char *name;
    int64_t window; /* of the report */
    bool pool_guessed, guessed;
    fl_time now, end; /* from T0 */
    fl_time wanted;
    int64_t wanted_window;
  } cases[] = {
      {"an earlier end counts", 1, false, false, FL_SECOND, 50 * FL_SECOND, 50 * FL_SECOND, 1},
      {"a later end does not", 1, false, false, FL_SECOND, 62 * FL_SECOND, 60 * FL_SECOND, 1},
      {"unless the end was a guess", 1, true, false, FL_SECOND, 62 * FL_SECOND, 62 * FL_SECOND, 1},
      {"a guess moves nothing", 1, false, true, FL_SECOND, 50 * FL_SECOND, 60 * FL_SECOND, 1},
      {"a window before the present one", 0, true, false, FL_SECOND, 2 * FL_SECOND, 60 * FL_SECOND,
       1},
      {"an older lease", 7, true, false, FL_SECOND, 50 * FL_SECOND, 60 * FL_SECOND, 1},
      {"the next window has begun", 0, false, false, 58 * FL_SECOND, 118 * FL_SECOND,
       118 * FL_SECOND, 2},
      {"the window has ended", 1, false, false, 55 * FL_SECOND, 55 * FL_SECOND, 115 * FL_SECOND, 2},
      {"the time has come", 1, false, false, 60 * FL_SECOND, 60 * FL_SECOND, 120 * FL_SECOND, 2},
      {"the clock was set back", 1, false, false, -300 * FL_SECOND, 60 * FL_SECOND,
       -240 * FL_SECOND, 2},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    place at = place_of(100, 1);
    fl_lease_report report = report_of(&at, 1, 0);
    at.pool.guessed = cases[i].pool_guessed;
    report.window = cases[i].window;
    report.guessed = cases[i].guessed;
    report.reset_at = T0 + cases[i].end;
    ask(&at, 0, report, T0 + cases[i].now);
    check_number(cases[i].name, at.pool.reset_at - T0, cases[i].wanted);
    check_number(cases[i].name, at.pool.window, cases[i].wanted_window);
  }
}

static void requests_in_flight_count_in_the_next_window(void **state) {
  place at = place_of(100, 1);
  fl_lease_report report = report_of(&at, 1, 50);
  (void)state;
  report.in_flight = 7;
  ask(&at, 0, report, T0 + FL_RATE_WINDOW);
  assert_int_equal(at.members[0].granted - 7, at.pool.granted - 7);
  assert_true(at.pool.granted > 7 && at.pool.granted < 50);
}

static void the_kept_tenth_is_free_at_the_end(void **state) {
  (void)state;
  for (int second = 0; second < 60; second += 30) {
    place at = place_of(100, 1);
    fl_lease_grant grant;
    make_active(&at, 0, 90, 500);
    grant = ask(&at, 0, report_of(&at, 500, 90), T0 + second * FL_SECOND);
    assert_int_equal(grant.common, 0);
    assert_true(grant.none_until > T0 + 50 * FL_SECOND && grant.none_until < at.pool.reset_at);
  }
  place at = place_of(100, 1);
  make_active(&at, 0, 90, 500);
  assert_true(ask(&at, 0, report_of(&at, 500, 90), T0 + 58 * FL_SECOND).common > 0);
}

static void without_a_limit_nothing_is_granted(void **state) {
  place at = {.pool = {.limit = FL_UNKNOWN}, .count = 1};
  fl_lease_report report = {
      .limit = FL_UNKNOWN, .reset_at = FL_UNKNOWN, .seen = FL_UNKNOWN, .demand = 5};
  fl_lease_grant grant = ask(&at, 0, report, T0);
  (void)state;
  assert_true(grant.limit == FL_UNKNOWN);
  assert_int_equal(at.pool.window, 0);
  /* An assumed limit counts until a reply names one, and not against one. */
  report.limit = 50;
  report.assumed = true;
  assert_int_equal(ask(&at, 0, report, T0).limit, 50);
  report.limit = 80;
  report.assumed = false;
  assert_int_equal(ask(&at, 0, report, T0).limit, 80);
  report.limit = 50;
  report.assumed = true;
  assert_int_equal(ask(&at, 0, report, T0).limit, 80);
}

static void a_throttled_reply_stops_all(void **state) {
  place at = place_of(100, 2);
  fl_lease_report report = report_of(&at, 1, 0);
  (void)state;
  report.blocked_until = T0 + 7 * FL_SECOND;
  ask(&at, 0, report, T0);
  assert_true(ask(&at, 1, report_of(&at, 1, 0), T0).blocked_until == T0 + 7 * FL_SECOND);
  report.blocked_until = T0 + 86400 * FL_SECOND;
  assert_true(ask(&at, 0, report, T0).blocked_until == T0 + FL_RATE_BLOCK_CEILING);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shares_are_equal_over_the_window),
      cmocka_unit_test(what_is_given_back_is_free_again),
      cmocka_unit_test(a_process_that_died_is_dropped_and_its_requests_come_back_with_the_window),
      cmocka_unit_test(foreign_use_is_counted_once),
      cmocka_unit_test(windows_follow_the_replies),
      cmocka_unit_test(requests_in_flight_count_in_the_next_window),
      cmocka_unit_test(the_kept_tenth_is_free_at_the_end),
      cmocka_unit_test(without_a_limit_nothing_is_granted),
      cmocka_unit_test(a_throttled_reply_stops_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
