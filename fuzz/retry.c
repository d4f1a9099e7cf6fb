/*
 * retry.c: fuzzes the decisions about retries. The input is a call and the outcomes of its
 * attempts. No write is repeated after it may have arrived, and every end has a fate.
 */
#include "fuzz.h"

#include "policy/retry.h"

static const fl_retry_policy policy = FL_RETRY_POLICY_DEFAULT;

static fl_outcome read_outcome(fuzz_input *input) {
  static const int statuses[] = {200, 204, 303, 400, 401, 403, 404, 408,
                                 413, 429, 499, 500, 501, 503, 504, 302};
  unsigned flags = fuzz_byte(input);
  fl_outcome outcome = {.ending = (fl_ending)(fuzz_byte(input) % (FL_ENDING_STOPPED + 1)),
                        .retry_after_known = (flags & 1) != 0,
                        .budget_spent = (flags & 2) != 0,
                        .sent = (flags & 4) != 0,
                        .reset = FL_UNKNOWN};
  if (outcome.retry_after_known) outcome.retry_after = (fl_time)fuzz_number(input) * 1000;
  if ((flags & 8) != 0) outcome.reset = (fl_time)(fuzz_number(input) % 75000) * 1000;
  if (outcome.ending == FL_ENDING_REPLY) {
    outcome.sent = true;
    outcome.status = flags & 16 ? (int)(fuzz_number(input) % 1000) : statuses[flags / 32 * 2 % 16];
  } else {
    outcome.kind = (fl_kind)(1 + fuzz_byte(input) % (FL_KIND_COUNT - 1));
    if (outcome.ending == FL_ENDING_UNSENT || outcome.ending == FL_ENDING_NOT_SENDABLE)
      outcome.sent = false;
    else if (outcome.ending != FL_ENDING_STOPPED) outcome.sent = true;
  }
  return outcome;
}

/* Whether the attempt proves that the server has not processed the request. */
static bool proves_refusal(const fl_outcome *outcome) {
  if (!outcome->sent) return true;
  return outcome->ending == FL_ENDING_REPLY &&
         ((outcome->status >= 400 && outcome->status < 500 && outcome->status != 408 &&
           outcome->status != 499) ||
          (outcome->status >= 300 && outcome->status < 400 && outcome->status != 303));
}

static void check(const fl_retry_state *state, const fl_retry_decision *decision,
                  const fl_outcome *outcome, bool doubted, fl_time now) {
  bool success = outcome->ending == FL_ENDING_REPLY && outcome->status / 100 == 2;
  HOLDS(success == (decision->action == FL_RETRY_DONE));
  HOLDS((decision->fate == FL_FATE_NONE) == !state->write);
  HOLDS((decision->reason == NULL) == success);
  if (state->write && doubted)
    HOLDS(decision->fate == FL_FATE_IN_DOUBT || decision->fate == FL_FATE_APPLIED);
  if (state->write && success) HOLDS(decision->fate == FL_FATE_APPLIED);
  if (state->write && !success && !proves_refusal(outcome))
    HOLDS(decision->fate == FL_FATE_IN_DOUBT);
  if (decision->action == FL_RETRY_FAIL) {
    HOLDS(decision->kind != FL_KIND_NONE && fl_kind_name(decision->kind) != NULL);
    HOLDS(decision->at == FL_UNKNOWN || decision->at >= now);
  }
  if (decision->action != FL_RETRY_AGAIN) return;
  HOLDS(decision->at >= now && decision->at < state->deadline);
  HOLDS(decision->at - now <= policy.retry_after_ceiling);
  HOLDS(state->attempts < policy.max_attempts);
  HOLDS(outcome->ending != FL_ENDING_STOPPED && outcome->ending != FL_ENDING_NOT_SENDABLE);
  if (state->write && !state->repeatable) HOLDS(proves_refusal(outcome));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fuzz_input input = {bytes, length};
  fl_retry_quota quota = {FL_RETRY_QUOTA_FULL};
  fl_time now = FL_SECOND;
  while (input.left > 0) { /* one call after the other, with the quota of one service */
    unsigned flags = fuzz_byte(&input);
    fl_retry_state state = {.write = (flags & 1) != 0, .repeatable = (flags & 2) != 0};
    fl_retry_decision decision;
    state.deadline = flags & 4 ? now + (fl_time)fuzz_number(&input) * 1000 : FL_NEVER;
    do {
      fl_outcome outcome = read_outcome(&input);
      bool doubted = state.doubted;
      int tokens = quota.tokens;
      state.attempts++;
      decision =
          fl_retry_decide(&policy, &state, &quota, &outcome, now, (double)fuzz_byte(&input) / 256);
      check(&state, &decision, &outcome, doubted, now);
      HOLDS(quota.tokens >= 0 && quota.tokens <= FL_RETRY_QUOTA_FULL);
      HOLDS(decision.action != FL_RETRY_AGAIN || quota.tokens < tokens);
      now = decision.action == FL_RETRY_AGAIN ? decision.at : now + fuzz_byte(&input) * 1000;
    } while (decision.action == FL_RETRY_AGAIN);
  }
  return 0;
}
