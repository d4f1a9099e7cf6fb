/*
 * retry.c: decides what follows an attempt, and the fate of a write.
 *
 * Two tables hold the rules of docs/delivery.md. The first gives the row of a status, the second
 * gives for each row whether reads and writes are sent again. The functions compute the time of a
 * retry, and decide whether one is forbidden.
 */
#include "policy/retry.h"

#include "policy/response_head.h"

#define TRANSIENT_COST 14
#define THROTTLED_COST 5

const char *fl_fate_name(fl_fate fate) {
  static const char *const names[] = {
      [FL_FATE_NONE] = NULL,           [FL_FATE_NOT_SENT] = "not_sent",
      [FL_FATE_REJECTED] = "rejected", [FL_FATE_APPLIED] = "applied",
      [FL_FATE_IN_DOUBT] = "in_doubt",
  };
  return names[fate];
}

const char *fl_kind_name(fl_kind kind) {
  static const char *const names[FL_KIND_COUNT] = {
      [FL_KIND_NONE] = "none",
      [FL_KIND_CONFIG] = "config",
      [FL_KIND_INVALID_REQUEST] = "invalid_request",
      [FL_KIND_UNAUTHORIZED] = "unauthorized",
      [FL_KIND_FORBIDDEN] = "forbidden",
      [FL_KIND_NOT_FOUND] = "not_found",
      [FL_KIND_RATE_LIMITED] = "rate_limited",
      [FL_KIND_SERVER] = "server",
      [FL_KIND_HTTP] = "http",
      [FL_KIND_TIMEOUT] = "timeout",
      [FL_KIND_NETWORK] = "network",
      [FL_KIND_TLS] = "tls",
      [FL_KIND_PROTOCOL] = "protocol",
      [FL_KIND_CANCELLED] = "cancelled",
      [FL_KIND_CLOSED] = "closed",
      [FL_KIND_CONFLICT] = "conflict",
  };
  return names[kind];
}

typedef enum row {
  ROW_SUCCESS,
  ROW_UNSENT,         /* provably not sent; another try may help */
  ROW_NOT_SENDABLE,   /* not sent, and no other try can help */
  ROW_LOST,           /* sent, and no usable reply arrived */
  ROW_UNUSABLE_REPLY, /* processed, but the reply is not usable, and would be the same again */
  ROW_STOPPED,      /* stopped by this process; the fate depends on whether the request was sent */
  ROW_THROTTLED,    /* 429 */
  ROW_BUDGET_SPENT, /* 403 with Remaining 0 */
  ROW_TRANSIENT_ERROR, /* an error of the server that another try may avoid */
  ROW_PERMANENT_ERROR, /* an error that would occur again; the request may have been processed */
  ROW_REFUSED          /* refused before processing */
} row;

static const struct {
  int first, last;
  row row;
  fl_kind kind;
} statuses[] = {
    {200, 299, ROW_SUCCESS, FL_KIND_NONE},
    /* Servers send See Other after they have processed a POST. */
    {303, 303, ROW_PERMANENT_ERROR, FL_KIND_HTTP},
    {300, 399, ROW_REFUSED, FL_KIND_HTTP},
    {400, 400, ROW_REFUSED, FL_KIND_INVALID_REQUEST},
    {401, 401, ROW_REFUSED, FL_KIND_UNAUTHORIZED},
    {403, 403, ROW_REFUSED, FL_KIND_FORBIDDEN},
    {404, 404, ROW_REFUSED, FL_KIND_NOT_FOUND},
    {408, 408, ROW_TRANSIENT_ERROR, FL_KIND_HTTP},
    {429, 429, ROW_THROTTLED, FL_KIND_RATE_LIMITED},
    /* A proxy sends 499 for a connection that closed; the server behind it may have the request. */
    {499, 499, ROW_TRANSIENT_ERROR, FL_KIND_HTTP},
    {400, 499, ROW_REFUSED, FL_KIND_HTTP},
    {501, 501, ROW_PERMANENT_ERROR, FL_KIND_SERVER},
    {505, 511, ROW_PERMANENT_ERROR, FL_KIND_SERVER},
    {500, 599, ROW_TRANSIENT_ERROR, FL_KIND_SERVER},
    /* A status that HTTP does not define proves nothing. */
    {INT32_MIN, INT32_MAX, ROW_PERMANENT_ERROR, FL_KIND_HTTP},
};

static size_t find_status(int status) {
  size_t i = 0;
  while (status < statuses[i].first || status > statuses[i].last) i++;
  return i;
}

fl_kind fl_kind_of_status(int status) { return statuses[find_status(status)].kind; }

/* `again_read` is for reads and repeatable writes, `again_write` for all other writes.
 * `fate` is that of a write which ends with this attempt. */
static const struct {
  bool again_read, again_write;
  fl_fate fate;
  int cost; /* of the retry, in tokens of the quota */
  const char *reason;
} rows[] = {
    [ROW_SUCCESS] = {false, false, FL_FATE_APPLIED, 0, NULL},
    [ROW_UNSENT] = {true, true, FL_FATE_NOT_SENT, TRANSIENT_COST, "network"},
    [ROW_NOT_SENDABLE] = {false, false, FL_FATE_NOT_SENT, 0, "final"},
    [ROW_LOST] = {true, false, FL_FATE_IN_DOUBT, TRANSIENT_COST, "network"},
    [ROW_UNUSABLE_REPLY] = {false, false, FL_FATE_IN_DOUBT, 0, "final"},
    [ROW_STOPPED] = {false, false, FL_FATE_NOT_SENT, 0, "stopped"},
    [ROW_THROTTLED] = {true, true, FL_FATE_REJECTED, THROTTLED_COST, "throttled"},
    [ROW_BUDGET_SPENT] = {true, true, FL_FATE_REJECTED, THROTTLED_COST, "throttled"},
    [ROW_TRANSIENT_ERROR] = {true, false, FL_FATE_IN_DOUBT, TRANSIENT_COST, "server"},
    [ROW_PERMANENT_ERROR] = {false, false, FL_FATE_IN_DOUBT, 0, "final"},
    [ROW_REFUSED] = {false, false, FL_FATE_REJECTED, 0, "final"},
};

static row classify(const fl_outcome *outcome) {
  static const row endings[] = {
      [FL_ENDING_UNSENT] = ROW_UNSENT,   [FL_ENDING_NOT_SENDABLE] = ROW_NOT_SENDABLE,
      [FL_ENDING_LOST] = ROW_LOST,       [FL_ENDING_UNUSABLE_REPLY] = ROW_UNUSABLE_REPLY,
      [FL_ENDING_STOPPED] = ROW_STOPPED,
  };
  if (outcome->ending != FL_ENDING_REPLY) return endings[outcome->ending];
  if (outcome->status == 403 && outcome->budget_spent) return ROW_BUDGET_SPENT;
  return statuses[find_status(outcome->status)].row;
}

fl_time fl_retry_backoff(fl_time base, fl_time cap, int attempt, double random) {
  fl_time most = base;
  while (--attempt > 0 && most < cap) most = most > cap / 2 ? cap : most * 2;
  if (most > cap) most = cap;
  return (fl_time)(random * (double)most);
}

/* Until the next window: a Reset of 0 is less than a second away. */
static fl_time wait_for_reset(const fl_outcome *outcome) {
  return outcome->reset < FL_SECOND ? FL_SECOND : outcome->reset;
}

/* The wait that the server asked for, or FL_UNKNOWN. A Retry-After of 0, or a date that has passed,
 * names no wait: the backoff then separates the attempts. */
static fl_time server_wait(row entry, const fl_outcome *outcome) {
  bool knows_reset = outcome->reset != FL_UNKNOWN;
  if (outcome->ending != FL_ENDING_REPLY) return FL_UNKNOWN;
  if (entry != ROW_THROTTLED && entry != ROW_BUDGET_SPENT && outcome->status != 503)
    return FL_UNKNOWN;
  if (outcome->retry_after_known && outcome->retry_after > 0) return outcome->retry_after;
  if (entry == ROW_BUDGET_SPENT) return knows_reset ? wait_for_reset(outcome) : FL_RATE_WINDOW;
  if (entry == ROW_THROTTLED && outcome->budget_spent && knows_reset)
    return wait_for_reset(outcome);
  return FL_UNKNOWN;
}

/* The fate of the call, if it ends with this attempt. A call that was in doubt stays in doubt,
 * unless it is applied. */
static fl_fate decide_fate(fl_retry_state *state, row entry, const fl_outcome *outcome) {
  fl_fate fate = entry == ROW_STOPPED && outcome->sent ? FL_FATE_IN_DOUBT : rows[entry].fate;
  if (!state->write) return FL_FATE_NONE;
  if (fate == FL_FATE_IN_DOUBT) state->doubted = true;
  return state->doubted && fate != FL_FATE_APPLIED ? FL_FATE_IN_DOUBT : fate;
}

static fl_time backoff(const fl_retry_policy *policy, row entry, int attempts, double random) {
  return rows[entry].cost == THROTTLED_COST
             ? fl_retry_backoff(policy->throttled_base, policy->throttled_cap, attempts, random)
             : fl_retry_backoff(policy->base, policy->cap, attempts, random);
}

/* The reason that forbids another attempt at `at`, or NULL. `asked`: the server's wait, or
 * FL_UNKNOWN. */
static const char *forbidden_by(const fl_retry_policy *policy, const fl_retry_state *state,
                                const fl_retry_quota *quota, row entry, fl_time asked, fl_time at) {
  bool may_again =
      state->write && !state->repeatable ? rows[entry].again_write : rows[entry].again_read;
  if (entry == ROW_BUDGET_SPENT && state->forbidden_retried) return "final";
  if (!may_again) return rows[entry].again_read ? "in_doubt" : rows[entry].reason;
  if (asked != FL_UNKNOWN && asked > policy->retry_after_ceiling) return "retry_after";
  if (state->attempts >= policy->max_attempts) return "attempts";
  if (at >= state->deadline) return "deadline";
  if (quota->tokens < rows[entry].cost) return "quota";
  return NULL;
}

fl_retry_decision fl_retry_decide(const fl_retry_policy *policy, fl_retry_state *state,
                                  fl_retry_quota *quota, const fl_outcome *outcome, fl_time now,
                                  double random) {
  row entry = classify(outcome);
  fl_time asked = server_wait(entry, outcome);
  fl_time at = fl_time_after(
      now, asked != FL_UNKNOWN ? asked : backoff(policy, entry, state->attempts, random));
  bool heard = asked != FL_UNKNOWN && asked <= policy->retry_after_ceiling;
  bool used_up = entry == ROW_BUDGET_SPENT && state->forbidden_retried;
  const char *forbidden = forbidden_by(policy, state, quota, entry, asked, at);
  fl_retry_decision decision = {
      .action = FL_RETRY_FAIL,
      .at = asked == FL_UNKNOWN || used_up ? FL_UNKNOWN : at,
      .kind = outcome->kind,
      .fate = decide_fate(state, entry, outcome),
      .throttled = heard && !used_up,
      .reason = forbidden != NULL ? forbidden : rows[entry].reason,
  };
  if (entry == ROW_SUCCESS) {
    if (quota->tokens < FL_RETRY_QUOTA_FULL) quota->tokens++;
    decision.action = FL_RETRY_DONE;
    decision.kind = FL_KIND_NONE;
    return decision;
  }
  if (outcome->ending == FL_ENDING_REPLY && decision.kind == FL_KIND_NONE)
    decision.kind = fl_kind_of_status(outcome->status);
  if (forbidden == NULL) {
    quota->tokens -= rows[entry].cost;
    state->forbidden_retried |= entry == ROW_BUDGET_SPENT;
    decision.action = FL_RETRY_AGAIN;
    decision.at = at;
    decision.throttled |= entry == ROW_THROTTLED;
  } else if (strcmp(forbidden, "deadline") == 0) {
    decision.at = at;
    if (decision.kind != FL_KIND_RATE_LIMITED && decision.kind != FL_KIND_FORBIDDEN)
      decision.kind = FL_KIND_TIMEOUT;
  }
  return decision;
}
