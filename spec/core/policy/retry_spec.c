/* retry_spec.c: the table of outcomes, waits, fates, the quota. */
#include "policy/retry.h"

#include "check.h"
#include "policy/response_head.h"

#define NOW (1000 * FL_SECOND)
#define HALF 0.5

static const fl_retry_policy POLICY = FL_RETRY_POLICY_DEFAULT;

enum { READ, WRITE, REPEATABLE };

static fl_retry_state call_of(int what, int attempts) {
  return (fl_retry_state){.attempts = attempts,
                          .write = what != READ,
                          .repeatable = what == REPEATABLE,
                          .deadline = FL_NEVER};
}

static fl_outcome reply(int status) {
  return (fl_outcome){.ending = FL_ENDING_REPLY, .status = status, .reset = FL_UNKNOWN};
}

static fl_outcome ended(fl_ending ending, fl_kind kind) {
  return (fl_outcome){.ending = ending, .kind = kind, .reset = FL_UNKNOWN};
}

static fl_outcome after(int status, fl_time wait) {
  fl_outcome outcome = reply(status);
  outcome.retry_after_known = true;
  outcome.retry_after = wait;
  return outcome;
}

static fl_outcome spent(int status, fl_time reset) {
  fl_outcome outcome = reply(status);
  outcome.budget_spent = true;
  outcome.reset = reset;
  return outcome;
}

static fl_retry_decision decide(fl_retry_state *state, fl_outcome outcome) {
  fl_retry_quota quota = {FL_RETRY_QUOTA_FULL};
  return fl_retry_decide(&POLICY, state, &quota, &outcome, NOW, HALF);
}

/* The table of docs/delivery.md, a first attempt of four. `+` again, `-` fail, `.` done. */
static void follows_the_table_of_outcomes(void **state) {
  static const struct {
    const char *name;
    fl_ending ending;
    int status;
    fl_kind kind; /* of the error, if it ends here */
    char read, write, repeatable;
    fl_fate fate; /* of a write that ends here */
  } cases[] = {
#define R FL_ENDING_REPLY,
      {"200", R 200, FL_KIND_NONE, '.', '.', '.', FL_FATE_APPLIED},
      {"201", R 201, FL_KIND_NONE, '.', '.', '.', FL_FATE_APPLIED},
      {"299", R 299, FL_KIND_NONE, '.', '.', '.', FL_FATE_APPLIED},
      {"301", R 301, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"302", R 302, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"303", R 303, FL_KIND_HTTP, '-', '-', '-', FL_FATE_IN_DOUBT},
      {"304", R 304, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"307", R 307, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"400", R 400, FL_KIND_INVALID_REQUEST, '-', '-', '-', FL_FATE_REJECTED},
      {"401", R 401, FL_KIND_UNAUTHORIZED, '-', '-', '-', FL_FATE_REJECTED},
      {"403", R 403, FL_KIND_FORBIDDEN, '-', '-', '-', FL_FATE_REJECTED},
      {"404", R 404, FL_KIND_NOT_FOUND, '-', '-', '-', FL_FATE_REJECTED},
      {"405", R 405, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"408", R 408, FL_KIND_HTTP, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"409", R 409, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"413", R 413, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"422", R 422, FL_KIND_HTTP, '-', '-', '-', FL_FATE_REJECTED},
      {"429", R 429, FL_KIND_RATE_LIMITED, '+', '+', '+', FL_FATE_REJECTED},
      {"499", R 499, FL_KIND_HTTP, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"500", R 500, FL_KIND_SERVER, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"501", R 501, FL_KIND_SERVER, '-', '-', '-', FL_FATE_IN_DOUBT},
      {"502", R 502, FL_KIND_SERVER, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"503", R 503, FL_KIND_SERVER, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"504", R 504, FL_KIND_SERVER, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"505", R 505, FL_KIND_SERVER, '-', '-', '-', FL_FATE_IN_DOUBT},
      {"511", R 511, FL_KIND_SERVER, '-', '-', '-', FL_FATE_IN_DOUBT},
      {"524", R 524, FL_KIND_SERVER, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"600", R 600, FL_KIND_HTTP, '-', '-', '-', FL_FATE_IN_DOUBT},
#undef R
      {"refused", FL_ENDING_UNSENT, 0, FL_KIND_NETWORK, '+', '+', '+', FL_FATE_NOT_SENT},
      {"connect time-out", FL_ENDING_UNSENT, 0, FL_KIND_TIMEOUT, '+', '+', '+', FL_FATE_NOT_SENT},
      {"bad certificate", FL_ENDING_NOT_SENDABLE, 0, FL_KIND_TLS, '-', '-', '-', FL_FATE_NOT_SENT},
      {"bad option", FL_ENDING_NOT_SENDABLE, 0, FL_KIND_CONFIG, '-', '-', '-', FL_FATE_NOT_SENT},
      {"reset", FL_ENDING_LOST, 0, FL_KIND_NETWORK, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"time-out", FL_ENDING_LOST, 0, FL_KIND_TIMEOUT, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"broken JSON", FL_ENDING_LOST, 200, FL_KIND_PROTOCOL, '+', '-', '+', FL_FATE_IN_DOUBT},
      {"not the envelope", FL_ENDING_UNUSABLE_REPLY, 200, FL_KIND_PROTOCOL, '-', '-', '-',
       FL_FATE_IN_DOUBT},
      {"cancelled", FL_ENDING_STOPPED, 0, FL_KIND_CANCELLED, '-', '-', '-', FL_FATE_NOT_SENT},
      {"closed", FL_ENDING_STOPPED, 0, FL_KIND_CLOSED, '-', '-', '-', FL_FATE_NOT_SENT},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    for (int what = READ; what <= REPEATABLE; what++) {
      char wanted = what == READ    ? cases[i].read
                    : what == WRITE ? cases[i].write
                                    : cases[i].repeatable;
      /* The engine may leave the kind of a reply to the status. */
      fl_outcome outcome = ended(cases[i].ending, cases[i].status ? FL_KIND_NONE : cases[i].kind);
      fl_retry_state call = call_of(what, 1);
      fl_retry_decision decision;
      outcome.status = cases[i].status;
      if (outcome.ending != FL_ENDING_REPLY) outcome.kind = cases[i].kind;
      decision = decide(&call, outcome);
      check_number(cases[i].name, decision.action,
                   wanted == '+'   ? FL_RETRY_AGAIN
                   : wanted == '.' ? FL_RETRY_DONE
                                   : FL_RETRY_FAIL);
      check_number(cases[i].name, decision.kind, cases[i].kind);
      check_number(cases[i].name, decision.fate, what == READ ? FL_FATE_NONE : cases[i].fate);
      check_number(cases[i].name, call.doubted, what != READ && cases[i].fate == FL_FATE_IN_DOUBT);
      if (decision.action == FL_RETRY_FAIL) check_number(cases[i].name, decision.at, FL_UNKNOWN);
      if (decision.action == FL_RETRY_AGAIN)
        check_number(cases[i].name, decision.at,
                     NOW + FL_SECOND / (cases[i].status == 429 ? 2 : 4));
      /* The last attempt never goes again, whatever the row says. */
      call = call_of(what, 4);
      decision = decide(&call, outcome);
      check_number(cases[i].name, decision.action, wanted == '.' ? FL_RETRY_DONE : FL_RETRY_FAIL);
      check_number(cases[i].name, decision.fate, what == READ ? FL_FATE_NONE : cases[i].fate);
      check_number(cases[i].name, decision.kind, cases[i].kind);
      if (wanted == '+') check_text(cases[i].name, decision.reason, "attempts");
    }
  }
}

static void a_stopped_write_is_in_doubt_only_if_it_was_sent(void **state) {
  (void)state;
  for (int what = READ; what <= REPEATABLE; what++)
    for (int sent = 0; sent < 2; sent++)
      for (int doubted = 0; doubted < 2; doubted++) {
        fl_outcome outcome = ended(FL_ENDING_STOPPED, FL_KIND_TIMEOUT);
        fl_retry_state call = call_of(what, 2);
        fl_retry_decision decision;
        outcome.sent = sent;
        call.doubted = doubted;
        decision = decide(&call, outcome);
        assert_int_equal(decision.action, FL_RETRY_FAIL);
        assert_int_equal(decision.kind, FL_KIND_TIMEOUT);
        assert_int_equal(decision.fate, what == READ      ? FL_FATE_NONE
                                        : sent || doubted ? FL_FATE_IN_DOUBT
                                                          : FL_FATE_NOT_SENT);
        assert_string_equal(decision.reason, "stopped");
      }
}

static void doubt_stays_unless_an_attempt_is_applied(void **state) {
  static const struct {
    int first, second;
    fl_fate fate;
  } cases[] = {
      {500, 400, FL_FATE_IN_DOUBT}, {500, 200, FL_FATE_APPLIED},  {429, 400, FL_FATE_REJECTED},
      {502, 429, FL_FATE_IN_DOUBT}, {408, 404, FL_FATE_IN_DOUBT}, {503, 413, FL_FATE_IN_DOUBT},
      {0, 401, FL_FATE_IN_DOUBT},   {0, 201, FL_FATE_APPLIED},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_retry_state call = call_of(REPEATABLE, 1);
    fl_retry_decision decision;
    decision = decide(
        &call, cases[i].first ? reply(cases[i].first) : ended(FL_ENDING_LOST, FL_KIND_TIMEOUT));
    assert_int_equal(decision.action, FL_RETRY_AGAIN);
    call.attempts = 4;
    decision = decide(&call, reply(cases[i].second));
    assert_int_equal(decision.fate, cases[i].fate);
  }
  /* Unsent attempts after a lost one do not make it unsent. */
  fl_retry_state call = call_of(REPEATABLE, 1);
  decide(&call, ended(FL_ENDING_LOST, FL_KIND_TIMEOUT));
  call.attempts = 2;
  assert_int_equal(decide(&call, ended(FL_ENDING_UNSENT, FL_KIND_NETWORK)).fate, FL_FATE_IN_DOUBT);
  call.attempts = 3;
  assert_int_equal(decide(&call, ended(FL_ENDING_NOT_SENDABLE, FL_KIND_TLS)).fate,
                   FL_FATE_IN_DOUBT);
}

static void waits_as_the_server_asks(void **state) {
  static const struct {
    const char *name;
    int what;
    int status;
    fl_time retry_after; /* FL_UNKNOWN for none */
    bool budget_spent;
    fl_time reset;
    fl_retry_action action;
    fl_time wait; /* until decision.at; FL_UNKNOWN for no time */
    bool throttled;
  } cases[] = {
#define S *FL_SECOND
#define U FL_UNKNOWN
      {"429, 7 s", READ, 429, 7 S, false, U, FL_RETRY_AGAIN, 7 S, true},
      {"429, 7 s, write", WRITE, 429, 7 S, false, U, FL_RETRY_AGAIN, 7 S, true},
      {"429 at the ceiling", READ, 429, 120 S, false, U, FL_RETRY_AGAIN, 120 S, true},
      {"429 over the ceiling", READ, 429, 121 S, false, U, FL_RETRY_FAIL, 121 S, false},
      {"429 over the ceiling, write", WRITE, 429, 121 S, false, U, FL_RETRY_FAIL, 121 S, false},
      {"429, asks nothing", READ, 429, 0, false, U, FL_RETRY_AGAIN, FL_SECOND / 2, true},
      {"429 bare", WRITE, 429, U, false, U, FL_RETRY_AGAIN, FL_SECOND / 2, true},
      {"429, a reset but not spent", READ, 429, U, false, 30 S, FL_RETRY_AGAIN, FL_SECOND / 2,
       true},
      {"429, spent", READ, 429, U, true, 30 S, FL_RETRY_AGAIN, 30 S, true},
      {"429, spent, no reset", READ, 429, U, true, U, FL_RETRY_AGAIN, FL_SECOND / 2, true},
      {"429, spent, the reset is now", READ, 429, U, true, 0, FL_RETRY_AGAIN, 1 S, true},
      {"429, a year", READ, 429, 366 * 86400 S, false, U, FL_RETRY_FAIL, 366 * 86400 S, false},
      {"429, Retry-After before reset", READ, 429, 5 S, true, 30 S, FL_RETRY_AGAIN, 5 S, true},
      {"503, 7 s", READ, 503, 7 S, false, U, FL_RETRY_AGAIN, 7 S, true},
      {"503 over the ceiling", READ, 503, 121 S, false, U, FL_RETRY_FAIL, 121 S, false},
      {"503, asks nothing", READ, 503, 0, false, U, FL_RETRY_AGAIN, FL_SECOND / 4, false},
      {"503, 7 s, write", WRITE, 503, 7 S, false, U, FL_RETRY_FAIL, 7 S, true},
      {"503, 7 s, repeatable", REPEATABLE, 503, 7 S, false, U, FL_RETRY_AGAIN, 7 S, true},
      {"500 has no say", READ, 500, 7 S, true, 30 S, FL_RETRY_AGAIN, FL_SECOND / 4, false},
      {"404 has no say", READ, 404, 7 S, true, 30 S, FL_RETRY_FAIL, U, false},
      {"403, spent", READ, 403, U, true, 30 S, FL_RETRY_AGAIN, 30 S, true},
      {"403, spent, write", WRITE, 403, U, true, 30 S, FL_RETRY_AGAIN, 30 S, true},
      {"403, spent, no reset", READ, 403, U, true, U, FL_RETRY_AGAIN, 60 S, true},
      {"403, spent, the reset is now", WRITE, 403, U, true, 0, FL_RETRY_AGAIN, 1 S, true},
      {"403, spent, Retry-After", READ, 403, 9 S, true, 30 S, FL_RETRY_AGAIN, 9 S, true},
      {"403, spent, over the ceiling", READ, 403, 121 S, true, 30 S, FL_RETRY_FAIL, 121 S, false},
      {"403, not spent", READ, 403, 9 S, false, 30 S, FL_RETRY_FAIL, U, false},
#undef S
#undef U
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_outcome outcome = spent(cases[i].status, cases[i].reset);
    fl_retry_state call = call_of(cases[i].what, 1);
    fl_retry_decision decision;
    outcome.budget_spent = cases[i].budget_spent;
    outcome.retry_after_known = cases[i].retry_after != FL_UNKNOWN;
    if (outcome.retry_after_known) outcome.retry_after = cases[i].retry_after;
    decision = decide(&call, outcome);
    check_number(cases[i].name, decision.action, cases[i].action);
    check_number(cases[i].name, decision.at,
                 cases[i].wait == FL_UNKNOWN ? FL_UNKNOWN : NOW + cases[i].wait);
    check_number(cases[i].name, decision.throttled, cases[i].throttled);
    check_number(cases[i].name, decision.kind, fl_kind_of_status(cases[i].status));
  }
}

static void names_what_forbids_a_retry(void **state) {
  fl_retry_state call = call_of(READ, 1);
  (void)state;
  assert_string_equal(decide(&call, after(429, 121 * FL_SECOND)).reason, "retry_after");
  assert_string_equal(decide(&call, reply(429)).reason, "throttled");
  assert_string_equal(decide(&call, reply(502)).reason, "server");
  assert_string_equal(decide(&call, ended(FL_ENDING_LOST, FL_KIND_NETWORK)).reason, "network");
  assert_string_equal(decide(&call, reply(404)).reason, "final");
  assert_null(decide(&call, reply(200)).reason);
  call = call_of(WRITE, 1);
  assert_string_equal(decide(&call, reply(502)).reason, "in_doubt");
  assert_string_equal(decide(&call, reply(303)).reason, "final");
}

static void a_forbidden_call_without_budget_has_one_retry(void **state) {
  (void)state;
  for (int what = READ; what <= WRITE; what++) {
    fl_retry_state call = call_of(what, 1);
    fl_retry_decision decision = decide(&call, spent(403, 30 * FL_SECOND));
    assert_int_equal(decision.action, FL_RETRY_AGAIN);
    assert_true(call.forbidden_retried);
    call.attempts = 2;
    decision = decide(&call, spent(403, 30 * FL_SECOND));
    assert_int_equal(decision.action, FL_RETRY_FAIL);
    assert_int_equal(decision.kind, FL_KIND_FORBIDDEN);
    assert_int_equal(decision.fate, what == READ ? FL_FATE_NONE : FL_FATE_REJECTED);
    assert_true(decision.at == FL_UNKNOWN);
    assert_false(decision.throttled);
    assert_string_equal(decision.reason, "final");
    /* A throttled reply in between is another matter. */
    assert_int_equal(decide(&call, reply(429)).action, FL_RETRY_AGAIN);
  }
}

static void fails_now_where_the_deadline_forbids_the_wait(void **state) {
  static const struct {
    const char *name;
    fl_ending ending;
    int status;
    fl_kind kind, wanted;
    fl_time wait; /* that it would need */
  } cases[] = {
      {"429", FL_ENDING_REPLY, 429, FL_KIND_RATE_LIMITED, FL_KIND_RATE_LIMITED, 10 * FL_SECOND},
      {"503", FL_ENDING_REPLY, 503, FL_KIND_SERVER, FL_KIND_TIMEOUT, 10 * FL_SECOND},
      {"403", FL_ENDING_REPLY, 403, FL_KIND_FORBIDDEN, FL_KIND_FORBIDDEN, 10 * FL_SECOND},
      {"500", FL_ENDING_REPLY, 500, FL_KIND_SERVER, FL_KIND_TIMEOUT, FL_SECOND / 4},
      {"refused", FL_ENDING_UNSENT, 0, FL_KIND_NETWORK, FL_KIND_TIMEOUT, FL_SECOND / 4},
      {"lost", FL_ENDING_LOST, 0, FL_KIND_NETWORK, FL_KIND_TIMEOUT, FL_SECOND / 4},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    for (int room = -1; room <= 1; room++) {
      fl_outcome outcome = after(cases[i].status, 10 * FL_SECOND);
      fl_retry_state call = call_of(READ, 1);
      fl_retry_decision decision;
      outcome.ending = cases[i].ending;
      outcome.kind = cases[i].kind;
      outcome.budget_spent = cases[i].status == 403;
      call.deadline = NOW + cases[i].wait + room;
      decision = decide(&call, outcome);
      check_number(cases[i].name, decision.action, room > 0 ? FL_RETRY_AGAIN : FL_RETRY_FAIL);
      check_number(cases[i].name, decision.at, NOW + cases[i].wait);
      if (room <= 0) {
        check_number(cases[i].name, decision.kind, cases[i].wanted);
        check_text(cases[i].name, decision.reason, "deadline");
        check_number(cases[i].name, call.forbidden_retried, false);
      }
    }
  /* An unsent write that has no time left is provably unsent. */
  fl_retry_state call = call_of(WRITE, 1);
  call.deadline = NOW;
  assert_int_equal(decide(&call, ended(FL_ENDING_UNSENT, FL_KIND_NETWORK)).fate, FL_FATE_NOT_SENT);
}

static void a_quota_stops_retry_storms(void **state) {
  static const struct {
    const char *name;
    int tokens, status, left;
    fl_retry_action action;
  } cases[] = {
      {"transient", 500, 500, 486, FL_RETRY_AGAIN},
      {"transient, just enough", 14, 500, 0, FL_RETRY_AGAIN},
      {"transient, too few", 13, 500, 13, FL_RETRY_FAIL},
      {"throttled", 500, 429, 495, FL_RETRY_AGAIN},
      {"throttled, just enough", 5, 429, 0, FL_RETRY_AGAIN},
      {"throttled, too few", 4, 429, 4, FL_RETRY_FAIL},
      {"forbidden", 10, 403, 5, FL_RETRY_AGAIN},
      {"final", 10, 404, 10, FL_RETRY_FAIL},
      {"success", 10, 200, 11, FL_RETRY_DONE},
      {"success, full", 500, 200, 500, FL_RETRY_DONE},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    for (int attempts = 1; attempts <= 3; attempts++) {
      fl_retry_quota quota = {cases[i].tokens};
      fl_retry_state call = call_of(READ, attempts);
      fl_outcome outcome = spent(cases[i].status, FL_SECOND);
      fl_retry_decision decision = fl_retry_decide(&POLICY, &call, &quota, &outcome, NOW, HALF);
      check_number(cases[i].name, decision.action, cases[i].action);
      check_number(cases[i].name, quota.tokens, cases[i].left);
      if (cases[i].action == FL_RETRY_FAIL)
        check_text(cases[i].name, decision.reason, cases[i].status == 404 ? "final" : "quota");
    }
  /* What does not go again for another reason costs nothing. */
  fl_retry_quota quota = {100};
  fl_retry_state call = call_of(READ, 4);
  fl_outcome outcome = reply(500);
  fl_retry_decide(&POLICY, &call, &quota, &outcome, NOW, HALF);
  call = call_of(READ, 1);
  call.deadline = NOW;
  fl_retry_decide(&POLICY, &call, &quota, &outcome, NOW, HALF);
  outcome = after(429, 121 * FL_SECOND);
  call.deadline = FL_NEVER;
  fl_retry_decide(&POLICY, &call, &quota, &outcome, NOW, HALF);
  assert_int_equal(quota.tokens, 100);
}

static void each_row_has_its_cost_and_its_reason(void **state) {
  static const struct {
    fl_ending ending;
    int status;
    bool spent;
    int cost; /* 0: it does not go again */
    const char *reason;
  } cases[] = {
      {FL_ENDING_UNSENT, 0, false, 14, "network"},
      {FL_ENDING_NOT_SENDABLE, 0, false, 0, "final"},
      {FL_ENDING_LOST, 0, false, 14, "network"},
      {FL_ENDING_UNUSABLE_REPLY, 200, false, 0, "final"},
      {FL_ENDING_STOPPED, 0, false, 0, "stopped"},
      {FL_ENDING_REPLY, 429, false, 5, "throttled"},
      {FL_ENDING_REPLY, 403, true, 5, "throttled"},
      {FL_ENDING_REPLY, 408, false, 14, "server"},
      {FL_ENDING_REPLY, 502, false, 14, "server"},
      {FL_ENDING_REPLY, 501, false, 0, "final"},
      {FL_ENDING_REPLY, 404, false, 0, "final"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_outcome outcome = cases[i].spent ? spent(cases[i].status, 5 * FL_SECOND)
                                        : ended(cases[i].ending, FL_KIND_NONE);
    fl_retry_state call = call_of(READ, 1);
    fl_retry_quota quota = {100};
    fl_retry_decision decision;
    outcome.status = cases[i].status;
    decision = fl_retry_decide(&POLICY, &call, &quota, &outcome, NOW, HALF);
    check_number(cases[i].reason, decision.action,
                 cases[i].cost > 0 ? FL_RETRY_AGAIN : FL_RETRY_FAIL);
    check_number(cases[i].reason, quota.tokens, 100 - cases[i].cost);
    check_text(cases[i].reason, decision.reason, cases[i].reason);
  }
}

static void backs_off_with_full_jitter(void **state) {
  static const struct {
    fl_time base, cap;
    int attempt;
    double random;
    fl_time wanted;
  } cases[] = {
      {500, 20000, 1, 0.0, 0},       {500, 20000, 1, 0.5, 250},    {500, 20000, 2, 0.5, 500},
      {500, 20000, 3, 0.5, 1000},    {500, 20000, 6, 0.5, 8000},   {500, 20000, 7, 0.5, 10000},
      {500, 20000, 100, 0.5, 10000}, {500, 20000, 0, 0.5, 250},    {500, 300, 1, 0.5, 150},
      {1, FL_NEVER, 1000, 0.0, 0},   {1, 1024, 1000000, 0.5, 512},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    check_number("backoff",
                 fl_retry_backoff(cases[i].base, cases[i].cap, cases[i].attempt, cases[i].random),
                 cases[i].wanted);
  /* The attempt grows the wait: transient by 0.5 s, throttled by 1 s. */
  for (int attempts = 1; attempts <= 3; attempts++) {
    fl_retry_state call = call_of(READ, attempts);
    assert_int_equal(decide(&call, reply(500)).at, NOW + (FL_SECOND / 4 << (attempts - 1)));
    assert_int_equal(decide(&call, reply(429)).at, NOW + (FL_SECOND / 2 << (attempts - 1)));
  }
}

static void names_are_those_of_the_lua_interface(void **state) {
  static const char *const kinds[FL_KIND_COUNT] = {
      "none",      "config",    "invalid_request", "unauthorized",
      "forbidden", "not_found", "rate_limited",    "server",
      "http",      "timeout",   "network",         "tls",
      "protocol",  "cancelled", "closed",          "conflict"};
  static const char *const fates[] = {NULL, "not_sent", "rejected", "applied", "in_doubt"};
  (void)state;
  for (int kind = 0; kind < FL_KIND_COUNT; kind++)
    assert_string_equal(fl_kind_name((fl_kind)kind), kinds[kind]);
  assert_null(fl_fate_name(FL_FATE_NONE));
  for (int fate = 1; fate <= FL_FATE_IN_DOUBT; fate++)
    assert_string_equal(fl_fate_name((fl_fate)fate), fates[fate]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_the_table_of_outcomes),
      cmocka_unit_test(a_stopped_write_is_in_doubt_only_if_it_was_sent),
      cmocka_unit_test(doubt_stays_unless_an_attempt_is_applied),
      cmocka_unit_test(waits_as_the_server_asks),
      cmocka_unit_test(names_what_forbids_a_retry),
      cmocka_unit_test(a_forbidden_call_without_budget_has_one_retry),
      cmocka_unit_test(fails_now_where_the_deadline_forbids_the_wait),
      cmocka_unit_test(a_quota_stops_retry_storms),
      cmocka_unit_test(each_row_has_its_cost_and_its_reason),
      cmocka_unit_test(backs_off_with_full_jitter),
      cmocka_unit_test(names_are_those_of_the_lua_interface),
  };
  return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
