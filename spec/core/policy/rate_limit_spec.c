/*
 * rate_limit_spec.c: single steps as tables, then whole runs against a model of a server that
 * counts requests in fixed windows, with latencies, replies out of order and other consumers. Time
 * is moved by hand from event to event.
 */
#include "policy/rate_limit.h"

#include "check.h"

#define U FL_UNKNOWN
#define T0 (5000 * FL_SECOND)
#define WINDOW FL_RATE_WINDOW

static fl_response_head head_of(int64_t limit, int64_t remaining, fl_time reset) {
  fl_response_head head;
  fl_response_head_init(&head);
  head.status = 200;
  head.limit = limit;
  head.remaining = remaining;
  head.reset = reset;
  return head;
}

static void learn(fl_rate_limit *budget, fl_time now, int64_t limit, int64_t remaining,
                  fl_time reset) {
  fl_response_head head = head_of(limit, remaining, reset);
  fl_rate_limit_learn(budget, now, &head);
}

static int take_many(fl_rate_limit *budget, fl_time now, int count, int64_t waiting) {
  int taken = 0;
  while (taken < count && fl_rate_limit_take(budget, now, waiting, false) == 0) taken++;
  return taken;
}

/* A budget in the middle of a window of 60 s that ends 30.5 s after T0, with `left` of 100. */
static fl_rate_limit budget_with(int64_t left) {
  fl_rate_limit budget;
  fl_rate_limit_init(&budget, 0);
  assert_int_equal(fl_rate_limit_take(&budget, T0, 1, false), 0);
  learn(&budget, T0, 100, left, 30 * FL_SECOND + FL_SECOND / 2);
  assert_int_equal(budget.left, left);
  assert_int_equal(budget.in_flight, 0);
  return budget;
}

static void tells_when_the_last_of_many_may_start(void **state) {
  static const struct {
    int64_t left, waiting;
    bool next_window;
  } rows[] = {{40, 40, false}, {40, 41, true}, {40, 1, false}, {0, 1, true}, {0, 200, true}};
  fl_rate_limit none;
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    fl_rate_limit budget = budget_with(rows[i].left);
    fl_time until = fl_rate_limit_full_until(&budget, T0 + FL_SECOND, rows[i].waiting);
    assert_int_equal(until, rows[i].next_window ? budget.reset_at : 0);
    /* The next window has begun. */
    until = fl_rate_limit_full_until(&budget, budget.reset_at + 1, rows[i].waiting);
    assert_int_equal(until != 0, rows[i].waiting > 100 && !budget.guessed);
  }
  fl_rate_limit_init(&none, 0);
  assert_int_equal(fl_rate_limit_full_until(&none, T0, 1000000), 0);
  fl_rate_limit_init(&none, 10); /* assumed: the end of its window is guessed */
  assert_int_equal(fl_rate_limit_take(&none, T0, 1, false), 0);
  assert_int_equal(fl_rate_limit_full_until(&none, T0, 1000000), 0);
}

static void knows_nothing_and_lets_every_call_go(void **state) {
  fl_rate_limit budget;
  (void)state;
  fl_rate_limit_init(&budget, 0);
  assert_int_equal(take_many(&budget, T0, 1000, 5000), 1000);
  assert_int_equal(budget.in_flight, 1000);
  assert_int_equal(budget.spent_total, 1000);
  assert_true(fl_rate_limit_pace(&budget, T0) < 0);
  /* Replies without headers leave it so. */
  learn(&budget, T0, U, U, U);
  assert_true(budget.limit == U);
  assert_int_equal(fl_rate_limit_take(&budget, T0, 1, false), 0);
}

static void counts_each_request_once(void **state) {
  fl_rate_limit budget = budget_with(80);
  (void)state;
  assert_int_equal(take_many(&budget, T0, 8, 8), 8);
  assert_int_equal(budget.left, 72);
  assert_int_equal(budget.in_flight, 8);
  /* Out of order; the lowest Remaining first. */
  learn(&budget, T0 + 1, 100, 72, 30 * FL_SECOND);
  learn(&budget, T0 + 2, 100, 79, 30 * FL_SECOND);
  learn(&budget, T0 + 3, 100, 75, 30 * FL_SECOND);
  assert_int_equal(budget.left, 72);
  assert_int_equal(budget.foreign, 0);
  fl_rate_limit_give_back(&budget);
  assert_int_equal(budget.left, 73);
  assert_int_equal(budget.in_flight, 4);
  assert_int_equal(budget.spent_total, 8);
  /* A reply lost has been spent. */
  fl_response_head nothing;
  fl_response_head_init(&nothing);
  for (int i = 0; i < 4; i++) fl_rate_limit_learn(&budget, T0 + 4, &nothing);
  assert_int_equal(budget.in_flight, 0);
  assert_int_equal(budget.left, 73);
  /* More endings than beginnings change nothing. */
  fl_rate_limit_learn(&budget, T0 + 5, &nothing);
  fl_rate_limit_give_back(&budget);
  assert_int_equal(budget.in_flight, 0);
  assert_int_equal(budget.left, 73);
  assert_int_equal(budget.spent_total, 8);
}

static void what_flies_before_the_first_word_comes_on_top_of_it(void **state) {
  fl_rate_limit budget;
  (void)state;
  fl_rate_limit_init(&budget, 0);
  assert_int_equal(take_many(&budget, T0, 8, 8), 8);
  learn(&budget, T0, 100, 50, 30 * FL_SECOND + 1);
  assert_int_equal(budget.left, 43);
  assert_int_equal(budget.foreign, 0);
}

static void lets_calls_go_at_once_or_spreads_them(void **state) {
  static const struct {
    const char *name;
    int64_t left, waiting;
    bool interactive;
    int at_once; /* of twenty asked for at one time */
  } cases[] = {
      {"plenty", 90, 20, false, 20},
      {"just fits, tenth kept", 90, 80, false, 20},
      {"does not fit", 90, 81, false, 1},
      {"a fifth left", 25, 1, false, 7},
      {"less than a fifth left", 19, 1, false, 1},
      {"only the tenth left", 10, 1, false, 0},
      {"only the tenth left, interactive", 10, 1, true, 10},
      {"does not fit, interactive", 90, 500, true, 11},
      {"one left", 1, 1, true, 1},
      {"none left", 0, 1, true, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_rate_limit budget = budget_with(cases[i].left);
    int taken = 0;
    fl_time at = 0;
    while (taken < 20) {
      int64_t waiting = cases[i].waiting > taken ? cases[i].waiting - taken : 1;
      at = fl_rate_limit_take(&budget, T0, waiting, cases[i].interactive);
      if (at != 0) break;
      taken++;
    }
    check_number(cases[i].name, taken, cases[i].at_once);
    if (taken < 20) check(cases[i].name, at > T0 && at <= budget.reset_at);
  }
}

static void spreads_evenly_to_the_end_of_the_window(void **state) {
  fl_rate_limit budget = budget_with(15);
  fl_time now = T0, end = budget.reset_at, at;
  int taken = 0;
  (void)state;
  /* 5 above the tenth, in 30.5 s. */
  while (now < end) {
    at = fl_rate_limit_take(&budget, now, 1, false);
    if (at == 0) {
      assert_in_range(now - T0, (uint64_t)taken * 6 * FL_SECOND,
                      (uint64_t)taken * 6 * FL_SECOND + FL_SECOND);
      taken++;
      if (taken < 5) {
        double pace = fl_rate_limit_pace(&budget, now);
        assert_true(pace > 0.07 && pace < 0.2);
      }
    } else {
      assert_true(at > now);
      now = at;
    }
  }
  assert_int_equal(taken, 5);
  /* After the reset the whole limit is there, less what is in flight. */
  assert_int_equal(fl_rate_limit_take(&budget, now, 1, false), 0);
  assert_int_equal(budget.left, 100 - 5 - 1);
  assert_true(fl_rate_limit_pace(&budget, now) < 0);
}

static void a_window_that_ends_sooner_has_its_places_sooner(void **state) {
  fl_rate_limit budget = budget_with(90);
  fl_time next, end = 2 * FL_SECOND + FL_SECOND / 2;
  (void)state;
  /* The window is over, and a minute is guessed for the next one. */
  fl_time now = T0 + WINDOW;
  assert_int_equal(fl_rate_limit_take(&budget, now, 500, false), 0);
  next = fl_rate_limit_take(&budget, now, 500, false);
  assert_int_equal(next, now + WINDOW / 90);
  learn(&budget, now, 100, 99, end);
  assert_int_equal(budget.reset_at, now + end);
  check_number("in proportion", fl_rate_limit_take(&budget, now, 500, false) - now, end / 90);
  /* One that ends later moves nothing. */
  learn(&budget, now, 100, 99, end + FL_SECOND / 2);
  check_number("later", fl_rate_limit_take(&budget, now, 500, false) - now, end / 90);
}

static void another_consumer_lowers_what_is_left(void **state) {
  fl_rate_limit budget = budget_with(80);
  (void)state;
  assert_int_equal(fl_rate_limit_take(&budget, T0, 1, false), 0);
  learn(&budget, T0, 100, 60, 30 * FL_SECOND + 1);
  assert_int_equal(budget.left, 60);
  assert_int_equal(budget.foreign, 19);
  assert_int_equal(budget.foreign_total, 19);
  /* 19 in half a window: another 19 are allowed for, beside the tenth. */
  assert_int_equal(fl_rate_limit_take(&budget, T0, 31, false), 0);
  assert_int_equal(fl_rate_limit_take(&budget, T0, 32, false), 0);
  assert_true(fl_rate_limit_take(&budget, T0, 32, false) > T0);
  /* At most half is left to others. */
  learn(&budget, T0, 100, 20, 30 * FL_SECOND + 1);
  assert_int_equal(budget.foreign, 57);
  assert_true(fl_rate_limit_pace(&budget, T0) > 0);
  /* A higher word does not raise the belief. */
  learn(&budget, T0, 100, 90, 30 * FL_SECOND + 1);
  assert_int_equal(budget.left, 20);
}

static void tells_the_windows_of_replies_apart(void **state) {
  fl_rate_limit budget = budget_with(10);
  fl_time end = budget.reset_at;
  (void)state;
  assert_int_equal(fl_rate_limit_take(&budget, end - 10, 1, true), 0);
  assert_int_equal(fl_rate_limit_take(&budget, end - 10, 1, true), 0);
  assert_int_equal(budget.left, 8);
  assert_int_equal(fl_rate_limit_take(&budget, end, 1, false), 0);
  assert_int_equal(budget.left, 97);
  /* The first of the two was counted in the old window and is late: Remaining 9 is history. */
  learn(&budget, end + FL_SECOND, 100, 9, 1);
  assert_int_equal(budget.left, 98);
  assert_int_equal(budget.foreign, 0);
  /* The second was counted in the new one, as was the third. */
  learn(&budget, end + FL_SECOND, 100, 99, 59 * FL_SECOND + 1);
  learn(&budget, end + FL_SECOND, 100, 98, 59 * FL_SECOND + 1);
  assert_int_equal(budget.left, 98);
  assert_int_equal(budget.in_flight, 0);
  assert_int_equal(budget.spent, 2);
  assert_true(budget.reset_at == end + 60 * FL_SECOND + 1);
  /* Just before what we believe to be its end the server begins the next. */
  fl_time now = budget.reset_at - 1;
  assert_int_equal(fl_rate_limit_take(&budget, now, 1, true), 0);
  assert_int_equal(fl_rate_limit_take(&budget, now, 1, true), 0);
  learn(&budget, now, 100, 99, 59 * FL_SECOND + 1);
  assert_int_equal(budget.left, 98);
  assert_true(budget.reset_at == now + 59 * FL_SECOND + 1);
}

static void a_slow_reply_raises_nothing(void **state) {
  fl_rate_limit budget = budget_with(80);
  (void)state;
  /* Taken 20 s ago, its headers made then: Remaining 79, 50 s to the reset as it was. */
  assert_int_equal(take_many(&budget, T0, 40, 1), 40);
  learn(&budget, T0 + 20 * FL_SECOND, 100, 79, 50 * FL_SECOND);
  assert_int_equal(budget.left, 40);
  assert_true(budget.reset_at == T0 + 30 * FL_SECOND + FL_SECOND / 2);
}

static void among_the_ends_of_a_window_the_earliest_stands(void **state) {
  fl_rate_limit budget = budget_with(80);
  fl_time end = budget.reset_at;
  (void)state;
  learn(&budget, T0 + FL_SECOND, 100, 79, 31 * FL_SECOND);
  assert_true(budget.reset_at == end);
  /* 28 whole seconds may be almost 29. */
  learn(&budget, T0 + FL_SECOND, 100, 79, 28 * FL_SECOND);
  assert_true(budget.reset_at == T0 + 30 * FL_SECOND);
  /* Neither a reset that has passed nor one that is assumed moves it. */
  learn(&budget, T0 + FL_SECOND, 100, 79, 0);
  fl_response_head assumed = head_of(100, 79, WINDOW);
  assumed.reset_assumed = true;
  fl_rate_limit_learn(&budget, T0 + FL_SECOND, &assumed);
  assert_true(budget.reset_at == T0 + 30 * FL_SECOND);
  /* A window that began by our own clock takes the first word, later or earlier. */
  fl_time now = T0 + 500 * FL_SECOND;
  assert_int_equal(fl_rate_limit_take(&budget, now, 1, false), 0);
  assert_true(budget.reset_at == now + WINDOW);
  fl_rate_limit_learn(&budget, now, &assumed);
  assert_true(budget.reset_at == now + WINDOW);
  learn(&budget, now, 100, 99, 5 * FL_SECOND + 1);
  assert_true(budget.reset_at == now + 5 * FL_SECOND + 1);
}

static void follows_the_server_about_the_limit(void **state) {
  static const struct {
    const char *name;
    int64_t assumed; /* 0: a budget with 80 of 100 left */
    int64_t limit, remaining;
    int64_t wanted_limit, wanted_left; /* after three taken and the reply to one */
  } cases[] = {
      {"the same", 0, 100, 77, 100, 77},
      {"raised", 0, 200, 177, 200, 177},
      {"raised, by the server's word only", 0, 200, 120, 200, 120},
      {"lowered", 0, 50, 27, 50, 27},
      {"lowered below what is spent", 0, 10, 0, 10, -13},
      {"remaining above the limit", 0, 100, 500, 100, 77},
      {"limit of none", 0, 0, 0, 100, 77},
      {"no limit said", 0, U, 70, 100, 70},
      {"nothing said", 0, U, U, 100, 77},
      {"assumed too low", 10, 100, 99, 100, 97},
      {"assumed too high", 1000, 100, 99, 100, 97},
      {"assumed right", 100, 100, 99, 100, 97},
      {"assumed, and the server says nothing", 50, U, U, 50, 47},
      {"assumed, and the server counts without limit", 50, U, 40, 50, 40},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_rate_limit budget;
    if (cases[i].assumed) fl_rate_limit_init(&budget, cases[i].assumed);
    else budget = budget_with(80);
    check_number(cases[i].name, budget.assumed, cases[i].assumed != 0);
    check_number(cases[i].name, take_many(&budget, T0, 3, 1), 3);
    learn(&budget, T0, cases[i].limit, cases[i].remaining, 30 * FL_SECOND + 1);
    check_number(cases[i].name, budget.limit, cases[i].wanted_limit);
    check_number(cases[i].name, budget.left, cases[i].wanted_left);
    check_number(cases[i].name, budget.assumed, cases[i].assumed && cases[i].limit == U);
  }
  /* A limit of none and nothing else known: calls go. */
  fl_rate_limit budget;
  fl_rate_limit_init(&budget, 0);
  learn(&budget, T0, 0, 0, 30 * FL_SECOND);
  assert_int_equal(fl_rate_limit_take(&budget, T0, 9, false), 0);
  /* Nothing left of an unknown limit: wait for the reset. */
  learn(&budget, T0, U, 0, 30 * FL_SECOND);
  assert_true(fl_rate_limit_take(&budget, T0, 1, true) == T0 + 30 * FL_SECOND);
}

/* A second client names a limit while calls of the first, which named none, are in flight. */
static void a_limit_may_be_assumed_later(void **state) {
  fl_rate_limit limit;
  (void)state;
  fl_rate_limit_init(&limit, 0);
  assert_int_equal(take_many(&limit, T0, 2, 2), 2);
  fl_rate_limit_assume(&limit, 10);
  assert_int_equal(limit.left, 8);
  learn(&limit, T0 + FL_SECOND, U, U, 30 * FL_SECOND);
  assert_int_equal(limit.reset_at, T0 + 32 * FL_SECOND); /* in whole seconds: one more */
  fl_rate_limit_assume(&limit, 20);                      /* the first to say so counts */
  assert_int_equal(limit.limit, 10);
  learn(&limit, T0 + FL_SECOND, 50, 40, 30 * FL_SECOND);
  fl_rate_limit_assume(&limit, 20);
  assert_int_equal(limit.limit, 50);
}

/* "Remaining 0, Reset 0" and "Remaining 0, Reset 1" are a second apart. */
static void nothing_left_and_a_reset_that_is_now(void **state) {
  static const struct {
    const char *name;
    int64_t limit;
    fl_time reset, wait;
  } cases[] = {
      {"Reset 0", 100, 0, FL_SECOND},
      {"Reset 1", 100, FL_SECOND, 2 * FL_SECOND},
      {"Reset 0 without a limit", U, 0, FL_SECOND},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_rate_limit limit;
    fl_rate_limit_init(&limit, 0);
    assert_int_equal(fl_rate_limit_take(&limit, T0, 1, false), 0);
    learn(&limit, T0, cases[i].limit, 0, cases[i].reset);
    check_number(cases[i].name, fl_rate_limit_take(&limit, T0, 1, true) - T0, cases[i].wait);
    check_number(cases[i].name, fl_rate_limit_take(&limit, T0 + cases[i].wait, 1, true), 0);
  }
}

static void a_limit_of_one_still_moves(void **state) {
  fl_rate_limit budget;
  fl_time at;
  (void)state;
  fl_rate_limit_init(&budget, 1);
  assert_int_equal(fl_rate_limit_take(&budget, T0, 3, false), 0);
  at = fl_rate_limit_take(&budget, T0, 2, false);
  assert_true(at == T0 + WINDOW);
  learn(&budget, T0, U, U, U);
  assert_int_equal(fl_rate_limit_take(&budget, at, 2, false), 0);
}

static void a_throttled_reply_stops_everyone(void **state) {
  fl_rate_limit budget = budget_with(80);
  (void)state;
  fl_rate_limit_throttled(&budget, T0, T0 + 7 * FL_SECOND);
  assert_true(fl_rate_limit_take(&budget, T0, 1, true) == T0 + 7 * FL_SECOND);
  assert_true(fl_rate_limit_pace(&budget, T0) == 0);
  fl_rate_limit_throttled(&budget, T0, T0 + 3 * FL_SECOND);
  assert_true(fl_rate_limit_take(&budget, T0, 1, true) == T0 + 7 * FL_SECOND);
  assert_int_equal(fl_rate_limit_take(&budget, T0 + 7 * FL_SECOND, 1, false), 0);
  fl_rate_limit_throttled(&budget, T0, T0 + 86400 * FL_SECOND);
  assert_true(fl_rate_limit_take(&budget, T0, 1, true) == T0 + FL_RATE_BLOCK_CEILING);
  fl_rate_limit_init(&budget, 0);
  fl_rate_limit_throttled(&budget, T0, T0 + 7 * FL_SECOND);
  assert_true(fl_rate_limit_take(&budget, T0, 1, false) == T0 + 7 * FL_SECOND);
}

/* --- whole runs --- */

typedef enum reset_format {
  WHOLE_DOWN,
  WHOLE_UP,
  EPOCH,
  MILLISECONDS,
  ABSENT,
  NONSENSE
} reset_format;

typedef struct world {
  int limit, concurrency, calls;
  fl_time latency_low, latency_high; /* each way */
  reset_format format;
  fl_time phase;             /* where the server's windows begin */
  fl_time foreign_every;     /* 0 for none */
  fl_time interactive_every; /* 0 for none */
  bool window_from_first;    /* the server's window begins with its first request */
  uint64_t seed;
} world;

typedef struct run {
  fl_time elapsed;
  int refused, refused_foreign;
  int most_in_window;        /* ours, as the server counted */
  fl_time worst_interactive; /* wait of an interactive call */
  int interactive_done;
  fl_time longest_silence; /* between two takes of the waiting calls */
} run;

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static fl_time latency(world *w) {
  return w->latency_low +
         (fl_time)(next_random(&w->seed) % (uint64_t)(w->latency_high - w->latency_low + 1));
}

typedef struct flight {
  bool used, arrived, refused, interactive;
  fl_time at; /* of the arrival at the server, then of the reply here */
  fl_response_head head;
} flight;

typedef struct server {
  fl_time begin; /* of the window */
  int count, ours;
} server;

static void advance(server *s, const world *w, fl_time now) {
  if (now < s->begin + WINDOW) return;
  s->count = s->ours = 0;
  s->begin = w->window_from_first ? now : s->begin + (now - s->begin) / WINDOW * WINDOW;
}

static fl_time reset_of(const server *s, const world *w, fl_time now) {
  fl_time end = s->begin + WINDOW, rest = end - now;
  switch (w->format) {
    case WHOLE_DOWN: return rest / FL_SECOND * FL_SECOND;
    case WHOLE_UP: return (rest + FL_SECOND - 1) / FL_SECOND * FL_SECOND;
    case EPOCH: return (end / FL_SECOND - now / FL_SECOND) * FL_SECOND;
    case MILLISECONDS: return end - now / FL_SECOND * FL_SECOND;
    case NONSENSE: return WINDOW;
    default: return U;
  }
}

static run simulate(world w) {
  enum { FLIGHTS = 64 };
  flight flights[FLIGHTS] = {{0}};
  fl_rate_limit budget;
  run result = {0};
  fl_time now = T0, wake = T0, foreign_at = w.foreign_every ? T0 : FL_NEVER;
  fl_time interactive_at = w.interactive_every ? T0 : FL_NEVER, interactive_since = 0,
          last_take = T0;
  server s = {T0 - w.phase, 0, 0};
  int waiting = w.calls, in_flight = 0, done = 0;
  bool interactive_waits = false;
  fl_rate_limit_init(&budget, 0);
  while (done < w.calls) {
    fl_time next = FL_NEVER;
    /* Everything that may go, goes; interactive calls come first. */
    wake = FL_NEVER;
    while (in_flight < w.concurrency && (waiting > 0 || interactive_waits)) {
      fl_time at = fl_rate_limit_take(&budget, now, waiting + interactive_waits, interactive_waits);
      int slot = 0;
      if (at != 0 && interactive_waits && waiting > 0) {
        /* The call that waits behind an interactive one may still go. */
        wake = at;
        at = fl_rate_limit_take(&budget, now, waiting, false);
        if (at != 0) {
          assert_true(at > now);
          if (at < wake) wake = at;
          break;
        }
        waiting--;
      } else if (at != 0) {
        assert_true(at > now);
        wake = at;
        break;
      } else if (interactive_waits) {
        interactive_waits = false;
        interactive_at = now + w.interactive_every;
        result.interactive_done++;
        if (now - interactive_since > result.worst_interactive)
          result.worst_interactive = now - interactive_since;
        at = -1;
      } else {
        waiting--;
      }
      if (at == 0) {
        if (now - last_take > result.longest_silence) result.longest_silence = now - last_take;
        last_take = now;
      }
      while (flights[slot].used) slot++;
      flights[slot] = (flight){.used = true, .interactive = at == -1, .at = now + latency(&w)};
      in_flight++;
      assert_int_equal(budget.in_flight, in_flight);
    }
    for (int i = 0; i < FLIGHTS; i++)
      if (flights[i].used && flights[i].at < next) next = flights[i].at;
    if (in_flight < w.concurrency && wake < next) next = wake;
    if (foreign_at < next) next = foreign_at;
    if (!interactive_waits && interactive_at < next) next = interactive_at;
    assert_true(next != FL_NEVER && next >= now);
    now = next;
    assert_true(now < T0 + 100000 * FL_SECOND);
    if (now == foreign_at) {
      advance(&s, &w, now);
      if (s.count < w.limit) s.count++;
      else result.refused_foreign++;
      foreign_at = now + 1 + (fl_time)(next_random(&w.seed) % (uint64_t)(2 * w.foreign_every));
    }
    if (!interactive_waits && now == interactive_at) {
      interactive_waits = true;
      interactive_since = now;
    }
    for (int i = 0; i < FLIGHTS; i++) {
      flight *f = &flights[i];
      if (!f->used || f->at != now) continue;
      if (!f->arrived) {
        advance(&s, &w, now);
        f->arrived = true;
        f->refused = s.count >= w.limit;
        if (f->refused) result.refused++;
        else s.count++, s.ours++;
        if (s.ours > result.most_in_window) result.most_in_window = s.ours;
        f->head = head_of(w.limit, w.limit - s.count, reset_of(&s, &w, now));
        f->head.reset_assumed = w.format == NONSENSE;
        f->at = now + latency(&w);
      } else {
        f->used = false;
        in_flight--;
        fl_rate_limit_learn(&budget, now, &f->head);
        assert_int_equal(budget.in_flight, in_flight);
        if (!f->interactive) {
          if (f->refused) waiting++;
          else done++;
        }
      }
    }
  }
  result.elapsed = now - T0;
  return result;
}

#define MS FL_MILLISECOND

static void never_passes_the_limit_and_loses_little_time(void **state) {
  static const int limits[] = {10, 60, 100, 600};
  static const int concurrencies[] = {1, 4, 8};
  static const struct {
    fl_time low, high;
  } latencies[] = {{1 * MS, 5 * MS}, {20 * MS, 200 * MS}, {10 * MS, 1500 * MS}};
  (void)state;
  for (size_t l = 0; l < COUNT_OF(limits); l++)
    for (size_t c = 0; c < COUNT_OF(concurrencies); c++)
      for (size_t d = 0; d < COUNT_OF(latencies); d++)
        for (int format = WHOLE_DOWN; format <= MILLISECONDS; format++)
          for (int from_first = 0; from_first < 2; from_first++)
            for (uint64_t seed = 1; seed <= 5; seed++) {
              world w = {.limit = limits[l],
                         .concurrency = concurrencies[c],
                         .calls = limits[l] * 8,
                         .latency_low = latencies[d].low,
                         .latency_high = latencies[d].high,
                         .format = (reset_format)format,
                         .phase = (fl_time)(seed * 13) * FL_SECOND % WINDOW + 123456,
                         .window_from_first = from_first,
                         .seed = seed * 7919};
              run r = simulate(w);
              double share = limits[l] - limits[l] / 10;
              /* What the wire can carry at this concurrency, and what the windows can. */
              double wire =
                  (double)w.calls * (double)(w.latency_low + w.latency_high) / w.concurrency;
              double windows = (w.calls / share + 1) * (double)WINDOW;
              char label[160];
              snprintf(label, sizeof label,
                       "limit %d, %d at once, latency to %d ms, format %d, from first %d, seed %d",
                       w.limit, w.concurrency, (int)(w.latency_high / MS), format, from_first,
                       (int)seed);
              check_number(label, r.refused, 0);
              check(label, r.most_in_window <= w.limit);
              check(label, (double)r.elapsed < (windows > wire ? windows : wire) * 1.08 + 2e6);
              check(label, r.longest_silence < WINDOW + 6 * FL_SECOND);
            }
}

static world usual(uint64_t seed) {
  return (world){.limit = 60,
                 .concurrency = 8,
                 .calls = 400,
                 .latency_low = 20 * MS,
                 .latency_high = 300 * MS,
                 .format = (reset_format)(seed % 4),
                 .phase = (fl_time)(seed * 17) * FL_SECOND % WINDOW + 5,
                 .window_from_first = seed / 4 % 2,
                 .seed = seed * 104729};
}

static void interactive_calls_get_their_tenth(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    world w = usual(seed);
    run r;
    /* Five in a window, of six kept: none waits for more than a free connection. */
    w.interactive_every = 12 * FL_SECOND;
    r = simulate(w);
    check_number("within the tenth", r.refused, 0);
    check("within the tenth", r.worst_interactive <= 2 * w.latency_high);
    check("within the tenth", r.interactive_done >= 30);
    /* More than the tenth: they take their turn, and nobody starves. */
    w.interactive_every = 5 * FL_SECOND;
    r = simulate(w);
    check_number("beyond the tenth", r.refused, 0);
    check("beyond the tenth", r.worst_interactive < WINDOW + 2 * FL_SECOND);
    check("beyond the tenth", r.longest_silence < WINDOW + 2 * FL_SECOND);
    check("beyond the tenth", r.elapsed < 11 * WINDOW);
  }
}

static void shares_with_other_consumers(void **state) {
  static const int per_window[] = {6, 15, 30, 45};
  (void)state;
  for (size_t f = 0; f < COUNT_OF(per_window); f++)
    for (uint64_t seed = 1; seed <= 40; seed++) {
      world w = usual(seed);
      run r;
      int windows;
      w.foreign_every = WINDOW / per_window[f];
      r = simulate(w);
      windows = (int)(r.elapsed / WINDOW) + 1;
      char label[64];
      snprintf(label, sizeof label, "%d foreign, seed %d", per_window[f], (int)seed);
      /* Refused at most what was in flight when the others took the last. */
      check(label, r.refused <= windows * w.concurrency / 4);
      check(label, r.most_in_window <= w.limit);
      check(label, r.elapsed < (fl_time)(w.calls / ((60 - per_window[f]) * 0.7) + 2) * WINDOW);
    }
}

static void gets_by_without_a_reset(void **state) {
  (void)state;
  for (int format = ABSENT; format <= NONSENSE; format++)
    for (uint64_t seed = 1; seed <= 40; seed++) {
      world w = usual(seed);
      run r;
      w.format = (reset_format)format;
      r = simulate(w);
      check("no reset", r.refused <= w.concurrency);
      check("no reset", r.elapsed < 2 * (w.calls / 54 + 1) * WINDOW);
    }
}

static void takes_no_limit_beyond_a_billion(void **state) {
  fl_response_head head = head_of(INT64_MAX, INT64_MAX, WINDOW);
  fl_rate_limit budget;
  (void)state;
  fl_rate_limit_init(&budget, INT64_MAX);
  assert_int_equal(budget.limit, FL_RATE_LIMIT_MOST);
  fl_rate_limit_init(&budget, 0);
  fl_rate_limit_assume(&budget, INT64_MAX);
  assert_int_equal(budget.limit, FL_RATE_LIMIT_MOST);
  fl_rate_limit_init(&budget, 0);
  fl_rate_limit_learn(&budget, T0, &head);
  assert_int_equal(budget.limit, FL_RATE_LIMIT_MOST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knows_nothing_and_lets_every_call_go),
      cmocka_unit_test(counts_each_request_once),
      cmocka_unit_test(tells_when_the_last_of_many_may_start),
      cmocka_unit_test(what_flies_before_the_first_word_comes_on_top_of_it),
      cmocka_unit_test(lets_calls_go_at_once_or_spreads_them),
      cmocka_unit_test(spreads_evenly_to_the_end_of_the_window),
      cmocka_unit_test(a_window_that_ends_sooner_has_its_places_sooner),
      cmocka_unit_test(another_consumer_lowers_what_is_left),
      cmocka_unit_test(tells_the_windows_of_replies_apart),
      cmocka_unit_test(a_slow_reply_raises_nothing),
      cmocka_unit_test(among_the_ends_of_a_window_the_earliest_stands),
      cmocka_unit_test(follows_the_server_about_the_limit),
      cmocka_unit_test(a_limit_may_be_assumed_later),
      cmocka_unit_test(nothing_left_and_a_reset_that_is_now),
      cmocka_unit_test(a_limit_of_one_still_moves),
      cmocka_unit_test(a_throttled_reply_stops_everyone),
      cmocka_unit_test(never_passes_the_limit_and_loses_little_time),
      cmocka_unit_test(interactive_calls_get_their_tenth),
      cmocka_unit_test(shares_with_other_consumers),
      cmocka_unit_test(gets_by_without_a_reset),
      cmocka_unit_test(takes_no_limit_beyond_a_billion),
  };
  return cmocka_run_group_tests_name("rate_limit", tests, NULL, NULL);
}
