/*
 * lease.c: the part of a shared rate limit that one process holds.
 *
 * A lease ends with its window. The belief counts its windows, so a belief that has begun another
 * window since the grant shows that the lease is over. A question and its answer are some time
 * apart: requests that were taken between them are in the report as held ones, and the place counts
 * both the same. A window that began between them makes the answer useless.
 */
#include "policy/lease.h"

#define ASK_EVERY (FL_SECOND / 2) /* in the long run */
#define ASK_BURST 4               /* questions that may follow each other at once */
#define AHEAD (100 * FL_MILLISECOND)
#define IDLE FL_SECOND
#define ANSWER_WAIT \
  (5 * FL_MILLISECOND) /* calls look again after it while a question is under way */
#define ASK_LOST (5 * FL_SECOND)

static fl_time earliest(fl_time a, fl_time b) { return a < b ? a : b; }
static fl_time latest(fl_time a, fl_time b) { return a > b ? a : b; }

static bool is_over(const fl_lease *lease, const fl_rate_limit *limit, fl_time now) {
  return lease->window == 0 || lease->begun != limit->windows ||
         (limit->reset_at != FL_UNKNOWN && now >= limit->reset_at);
}

/* The time from which another question is allowed. */
static fl_time allowed_from(const fl_lease *lease) {
  return lease->asks_until - (ASK_BURST - 1) * ASK_EVERY;
}

/* Without the place: the process grants itself what it would get as one of the active processes. */
static void grant_itself(fl_lease *lease, fl_rate_limit *limit, fl_time now) {
  int64_t share;
  fl_rate_limit_roll(limit, now);
  if (lease->window != 0 && lease->begun == limit->windows) return;
  share = (limit->limit - limit->limit / 10) / (lease->active > 0 ? lease->active : 1);
  if (share < 1) share = 1;
  lease->window = -1; /* of no window of the place */
  lease->begun = limit->windows;
  lease->urgent = 0;
  lease->common = share > limit->spent ? share - limit->spent : 0;
  lease->spacing = lease->common > 0 ? (limit->reset_at - now) / lease->common : 0;
}

static fl_time next_look(const fl_lease *lease, const fl_rate_limit *limit, fl_time now) {
  fl_time at;
  if (lease->lost) return latest(now + ANSWER_WAIT, limit->reset_at);
  if (lease->asking || is_over(lease, limit, now)) at = now + ANSWER_WAIT;
  else if (lease->none_until > now) at = earliest(lease->none_until, limit->reset_at);
  else at = earliest(lease->ask_at, limit->reset_at);
  return latest(at, now + ANSWER_WAIT);
}

static fl_time go(fl_lease *lease, fl_rate_limit *limit, fl_time now) {
  lease->used_at = now;
  fl_rate_limit_count(limit);
  return 0;
}

fl_time fl_lease_take(fl_lease *lease, fl_rate_limit *limit, fl_time now, int64_t waiting,
                      bool interactive) {
  fl_time next;
  if (!lease->known && !lease->lost) return now + ANSWER_WAIT;
  lease->used_at = now;
  if (!lease->known || (!lease->limited && limit->limit == FL_UNKNOWN))
    return fl_rate_limit_take(limit, now, waiting, interactive);
  if (limit->blocked_until > now) return limit->blocked_until;
  if (lease->lost && limit->limit != FL_UNKNOWN) grant_itself(lease, limit, now);
  if (is_over(lease, limit, now)) return next_look(lease, limit, now);
  if (interactive && lease->urgent > 0) {
    lease->urgent--;
    return go(lease, limit, now);
  }
  if (lease->common == 0) return next_look(lease, limit, now);
  next = lease->taken_at + lease->spacing;
  if (lease->spacing > 0 && now < next) return earliest(next, limit->reset_at);
  lease->common--;
  /* A call that starts late delays the next one by half of it at most. */
  lease->taken_at = latest(next, now - lease->spacing / 2);
  lease->ask_at = earliest(lease->ask_at, lease->taken_at + lease->spacing - AHEAD);
  return go(lease, limit, now);
}

fl_time fl_lease_due(const fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                     int64_t waiting, int64_t urgent) {
  fl_time due = FL_NEVER, allowed = allowed_from(lease);
  bool over;
  if (lease->asking) return FL_NEVER;
  if (!lease->known || lease->lost) {
    /* A lost place is asked as well while calls start without it: else it would never come back. */
    const bool used = lease->lost && lease->used_at > lease->ask_at - ASK_LOST;
    return waiting > 0 || used ? latest(allowed, lease->ask_at) : FL_NEVER;
  }
  if (!lease->limited) return limit->limit != FL_UNKNOWN ? allowed : FL_NEVER;
  over = is_over(lease, limit, now);
  if (waiting > 0) {
    /* While calls wait, the place is asked now and then, since shares change. */
    due = over ? allowed : latest(allowed, lease->ask_at);
    if (!over && urgent > lease->urgent && lease->may_favour &&
        (lease->common == 0 || lease->spacing > 0))
      due = earliest(due, allowed);
    return due;
  }
  if (over) return FL_NEVER;
  if (lease->spacing == 0 && lease->common > 0 && lease->common <= lease->share / 4 &&
      lease->common < lease->share && lease->left > 0)
    due = allowed;
  if (lease->common + lease->urgent > 0) due = earliest(due, lease->used_at + IDLE);
  return due;
}

fl_lease_report fl_lease_ask(fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                             int64_t waiting, int64_t urgent, bool leaving) {
  bool over = is_over(lease, limit, now);
  fl_lease_report report = {0};
  leaving = leaving || (waiting == 0 && now >= lease->used_at + IDLE);
  if (over || leaving) lease->common = lease->urgent = 0;
  report.limit = limit->limit;
  report.assumed = limit->assumed;
  /* A lease whose window has passed by time alone is reported by its number: the place then counts
   * the requests in flight. */
  report.window = lease->window > 0 && lease->begun == limit->windows ? lease->window : 0;
  report.reset_at = limit->reset_at;
  report.guessed = limit->guessed;
  report.seen = limit->seen;
  report.taken = limit->spent;
  report.in_flight = limit->in_flight;
  /* What the process has granted itself ends with the answer, so the place must not count it. */
  report.held = lease->window < 0 ? 0 : lease->common;
  report.urgent = lease->urgent;
  report.demand = leaving ? 0 : waiting > 0 ? waiting : 1;
  report.wanted_urgent = urgent;
  report.blocked_until = limit->blocked_until > now ? limit->blocked_until : 0;
  report.leaving = leaving;
  lease->asked_begun = limit->windows;
  lease->asking = true;
  lease->asks_until = latest(lease->asks_until, now) + ASK_EVERY;
  return report;
}

/* Puts the belief into the window of the grant. */
static void enter_window(fl_lease *lease, fl_rate_limit *limit, const fl_lease_grant *grant) {
  bool same = lease->window == grant->window;
  bool known = lease->window <= 0 || lease->begun != limit->windows;
  if (!same) lease->common = lease->urgent = 0;
  /* A belief that has begun this window by itself has counted its requests already. */
  if (!same && !(known && limit->reset_at != FL_UNKNOWN))
    fl_rate_limit_begin(limit, grant->reset_at);
  if (same && !limit->guessed && !grant->guessed && limit->reset_at < grant->reset_at) {
    /* A reply has named an earlier end since the question. */
  } else if (limit->guessed || !grant->guessed) {
    limit->reset_at = grant->reset_at;
    limit->guessed = grant->guessed;
  }
  lease->window = grant->window;
  lease->begun = limit->windows;
}

void fl_lease_learn(fl_lease *lease, fl_rate_limit *limit, fl_time now,
                    const fl_lease_grant *grant) {
  bool stale = lease->asked_begun != limit->windows;
  lease->asking = false;
  limit->shared = grant != NULL;
  if (grant == NULL) {
    lease->lost = true;
    lease->window = 0;
    lease->ask_at = now + ASK_LOST;
    return;
  }
  if (lease->lost && lease->window < 0) lease->window = 0;
  lease->known = true;
  lease->lost = false;
  lease->limited = grant->limit != FL_UNKNOWN;
  if (!lease->limited) return;
  if (limit->limit == FL_UNKNOWN || (limit->assumed && !grant->assumed)) {
    fl_rate_limit_know(limit, grant->limit, grant->assumed);
    stale = false;
  }
  if (grant->blocked_until > now) fl_rate_limit_throttled(limit, now, grant->blocked_until);
  if (stale) {
    lease->window = lease->common = lease->urgent = 0;
    return;
  }
  enter_window(lease, limit, grant);
  lease->common += grant->common;
  lease->urgent += grant->urgent;
  lease->share = lease->common;
  lease->spacing = grant->spacing;
  lease->none_until = grant->none_until;
  lease->may_favour = grant->may_favour;
  lease->ask_at = now + grant->ask_again;
  /* A lease without spacing is renewed when it is used up, one that was given back when a call
   * comes. */
  if (grant->active == 0 || (lease->spacing == 0 && lease->common + lease->urgent > 0))
    lease->ask_at = now;
  lease->left = grant->left;
  lease->active = grant->active > 0 ? grant->active : lease->active;
  lease->foreign_total = grant->foreign_total;
}

double fl_lease_pace(const fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                     int64_t waiting) {
  if (limit->blocked_until > now) return 0;
  if (limit->limit == FL_UNKNOWN || is_over(lease, limit, now)) return -1;
  if (lease->spacing > 0) return (double)FL_SECOND / (double)lease->spacing;
  return waiting > 0 && lease->common == 0 && lease->none_until > now ? 0 : -1;
}

int64_t fl_lease_remaining(const fl_lease *lease, const fl_rate_limit *limit, fl_time now) {
  if (lease->window == 0) return limit->left;
  if (is_over(lease, limit, now)) return limit->limit - limit->in_flight;
  return lease->left + lease->common + lease->urgent;
}
