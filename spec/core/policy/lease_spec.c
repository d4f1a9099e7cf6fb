/*
 * lease_spec.c: when a process asks, and what it may start between two answers. bench/leases.c runs
 * whole windows of many processes.
 */
#include "policy/lease.h"

#include "check.h"

#define T0 (1000 * FL_SECOND)
#define MS FL_MILLISECOND

typedef struct process {
  fl_lease lease;
  fl_rate_limit limit;
} process;

static process process_of(void) {
  process made = {{0}, {0}};
  fl_rate_limit_init(&made.limit, 0);
  return made;
}

static fl_lease_grant grant_of(int64_t common, int64_t urgent, fl_time spacing) {
  return (fl_lease_grant){.limit = 100,
                          .window = 1,
                          .reset_at = T0 + 60 * FL_SECOND,
                          .common = common,
                          .urgent = urgent,
                          .spacing = spacing,
                          .ask_again = 2 * FL_SECOND,
                          .active = 2,
                          .left = 50};
}

static process granted(int64_t common, int64_t urgent, fl_time spacing) {
  process made = process_of();
  fl_lease_grant grant = grant_of(common, urgent, spacing);
  fl_lease_ask(&made.lease, &made.limit, T0, 1, 0, false);
  fl_lease_learn(&made.lease, &made.limit, T0, &grant);
  return made;
}

static int take_many(process *one, fl_time now, int count, bool interactive) {
  int taken = 0;
  while (taken < count && fl_lease_take(&one->lease, &one->limit, now, 1, interactive) == 0)
    taken++;
  return taken;
}

static void calls_start_by_the_lease(void **state) {
  static const struct {
    const char *name;
    int64_t common, urgent;
    fl_time spacing;
    bool interactive;
    int at_once, within_a_second;
  } cases[] = {
      {"at once", 5, 0, 0, false, 5, 5},
      {"spread", 5, 0, 250 * MS, false, 1, 5},
      {"spread, interactive", 5, 0, 250 * MS, true, 1, 5},
      {"those for interactive calls", 0, 3, 0, true, 3, 3},
      {"are not for others", 0, 3, 0, false, 0, 0},
      {"interactive calls do not wait for others", 5, 3, 250 * MS, true, 4, 8},
      {"nothing", 0, 0, 0, true, 0, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    process one = granted(cases[i].common, cases[i].urgent, cases[i].spacing);
    int taken = take_many(&one, T0, 20, cases[i].interactive);
    check_number(cases[i].name, taken, cases[i].at_once);
    for (fl_time now = T0; now <= T0 + FL_SECOND; now += 50 * MS)
      taken += take_many(&one, now, 20, cases[i].interactive);
    check_number(cases[i].name, taken, cases[i].within_a_second);
    check_number(cases[i].name, one.limit.in_flight, taken);
  }
}

static void the_first_answer_is_waited_for(void **state) {
  process one = process_of();
  fl_lease_grant unlimited = {.limit = FL_UNKNOWN};
  (void)state;
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 0, 0) == FL_NEVER);
  assert_true(fl_lease_take(&one.lease, &one.limit, T0, 1, true) > T0);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 1, 1) <= T0);
  fl_lease_ask(&one.lease, &one.limit, T0, 1, 1, false);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 1, 1) == FL_NEVER);
  fl_lease_learn(&one.lease, &one.limit, T0, &unlimited);
  assert_int_equal(take_many(&one, T0, 500, false), 500);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + FL_SECOND, 0, 0) == FL_NEVER);
  /* A reply that names the limit is reported. */
  fl_rate_limit_know(&one.limit, 100, false);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + FL_SECOND, 0, 0) <= T0 + FL_SECOND);
}

static void asks_ahead_of_need_and_gives_back_when_idle(void **state) {
  process one = granted(8, 0, 0);
  fl_lease_report report;
  (void)state;
  assert_int_equal(take_many(&one, T0, 5, true), 5);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 0, 0) ==
              T0 + FL_SECOND); /* the idle second */
  assert_int_equal(take_many(&one, T0, 1, true), 1);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 0, 0) <= T0);
  report = fl_lease_ask(&one.lease, &one.limit, T0, 0, 0, false);
  assert_int_equal(report.held, 2);
  assert_int_equal(report.taken, 6);
  assert_int_equal(report.demand, 1);
  fl_lease_grant none = grant_of(0, 0, 0);
  fl_lease_learn(&one.lease, &one.limit, T0, &none);
  report = fl_lease_ask(&one.lease, &one.limit, T0 + FL_SECOND, 0, 0, false);
  assert_true(report.leaving);
  assert_int_equal(report.held + report.demand, 0);
  assert_int_equal(one.lease.common, 0);
}

static void asks_twice_a_second_after_a_burst(void **state) {
  process one = process_of();
  fl_lease_grant none = grant_of(0, 0, 0);
  int asked = 0;
  (void)state;
  none.ask_again = 0;
  for (fl_time now = T0; now < T0 + 10 * FL_SECOND; now += MS) {
    if (fl_lease_due(&one.lease, &one.limit, now, 5, 5) > now) continue;
    fl_lease_ask(&one.lease, &one.limit, now, 5, 5, false);
    fl_lease_learn(&one.lease, &one.limit, now, &none);
    asked++;
  }
  assert_in_range(asked, 20, 24);
}

static void a_lease_ends_with_its_window(void **state) {
  process one = granted(5, 5, 0);
  fl_lease_report report;
  fl_response_head head;
  (void)state;
  assert_int_equal(take_many(&one, T0 + 60 * FL_SECOND, 5, true), 0);
  report = fl_lease_ask(&one.lease, &one.limit, T0 + 60 * FL_SECOND, 1, 0, false);
  assert_int_equal(report.window, 1);
  assert_int_equal(report.held + report.urgent, 0);
  /* A reply that shows the next window ends it, too; what was asked before is of no use. */
  one = granted(5, 5, 0);
  one.limit.guessed = false;
  assert_int_equal(take_many(&one, T0 + 58 * FL_SECOND, 1, true), 1);
  fl_lease_ask(&one.lease, &one.limit, T0 + 59 * FL_SECOND, 1, 0, false);
  fl_response_head_init(&head);
  head.status = 200;
  head.limit = 100;
  head.remaining = 99;
  head.reset = 59 * FL_SECOND;
  fl_rate_limit_learn(&one.limit, T0 + 59 * FL_SECOND, &head);
  fl_lease_grant late = grant_of(10, 0, 0);
  fl_lease_learn(&one.lease, &one.limit, T0 + 59 * FL_SECOND, &late);
  assert_int_equal(take_many(&one, T0 + 59 * FL_SECOND, 5, true), 0);
  report = fl_lease_ask(&one.lease, &one.limit, T0 + 59 * FL_SECOND, 1, 0, false);
  assert_int_equal(report.window, 0);
  assert_int_equal(report.seen, 99);
}

static void without_the_place_the_last_share_counts(void **state) {
  process one = granted(5, 0, 0);
  fl_lease_grant grant = grant_of(3, 0, 0);
  int taken = 0;
  (void)state;
  assert_int_equal(take_many(&one, T0, 5, false), 5);
  fl_lease_ask(&one.lease, &one.limit, T0, 1, 0, false);
  fl_lease_learn(&one.lease, &one.limit, T0, NULL);
  for (fl_time now = T0; now < T0 + 60 * FL_SECOND; now += 100 * MS)
    taken += take_many(&one, now, 9, false);
  assert_in_range(taken, 39, 40); /* one of two active processes: half of ninety, less five */
  assert_true(fl_lease_due(&one.lease, &one.limit, T0, 1, 0) > T0);
  /* Calls that start without the place ask it, too. */
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + 60 * FL_SECOND, 0, 0) <=
              T0 + 60 * FL_SECOND);
  one.limit.in_flight = 0;
  for (fl_time now = T0 + 60 * FL_SECOND; now < T0 + 120 * FL_SECOND; now += 100 * MS)
    taken += take_many(&one, now, 9, false);
  assert_in_range(taken, 82, 85);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + 120 * FL_SECOND, 1, 0) <=
              T0 + 120 * FL_SECOND);
  fl_lease_ask(&one.lease, &one.limit, T0 + 120 * FL_SECOND, 1, 0, false);
  grant.window = 9;
  grant.reset_at = T0 + 170 * FL_SECOND;
  fl_lease_learn(&one.lease, &one.limit, T0 + 120 * FL_SECOND, &grant);
  assert_int_equal(take_many(&one, T0 + 120 * FL_SECOND, 9, false), 3);
  /* A place that never answered: the belief alone decides. */
  one = process_of();
  fl_lease_ask(&one.lease, &one.limit, T0, 1, 0, false);
  fl_lease_learn(&one.lease, &one.limit, T0, NULL);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + 60 * FL_SECOND, 0, 0) == FL_NEVER);
  assert_int_equal(take_many(&one, T0 + 6 * FL_SECOND, 50, false), 50);
  assert_true(fl_lease_due(&one.lease, &one.limit, T0 + 7 * FL_SECOND, 0, 0) <= T0 + 7 * FL_SECOND);
}

/* The place that comes back must not count what the process granted itself: the process would have
 * to wait for the next window. */
static void what_it_granted_itself_is_not_reported(void **state) {
  process one = granted(5, 0, 0);
  fl_lease_report report;
  (void)state;
  assert_int_equal(take_many(&one, T0, 5, false), 5);
  fl_lease_ask(&one.lease, &one.limit, T0, 1, 0, false);
  fl_lease_learn(&one.lease, &one.limit, T0, NULL);
  assert_true(take_many(&one, T0 + 2 * FL_SECOND, 9, false) > 0);
  assert_true(one.lease.common > 20);
  report = fl_lease_ask(&one.lease, &one.limit, T0 + 3 * FL_SECOND, 1, 0, false);
  assert_int_equal(report.held, 0);
  assert_int_equal(report.taken, one.limit.spent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(calls_start_by_the_lease),
      cmocka_unit_test(the_first_answer_is_waited_for),
      cmocka_unit_test(asks_ahead_of_need_and_gives_back_when_idle),
      cmocka_unit_test(asks_twice_a_second_after_a_burst),
      cmocka_unit_test(a_lease_ends_with_its_window),
      cmocka_unit_test(without_the_place_the_last_share_counts),
      cmocka_unit_test(what_it_granted_itself_is_not_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
