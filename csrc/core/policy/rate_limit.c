/*
 * rate_limit.c: the arithmetic of the rate limit: take, wait, learn from headers.
 *
 * Replies arrive late and in any order, and no reply tells the window of the server in which its
 * request was counted. Hence four rules:
 *   1. A request is spent when it is taken. A lower Remaining then shows only the use of others,
 *      never our own use.
 *   2. A window is believed to end no earlier than the server's: a reply arrives after the server
 *      wrote it, and a Reset in whole seconds may be short by almost one.
 *   3. When a window ends, the server may count a request in flight in the old window or the new.
 *      The request is taken from the new window, and given back if the reply names the old one.
 *   4. A reply whose window ends much earlier than the present one is of a past window: its
 *      Remaining is ignored. A reply whose window ends much later shows that a new window has
 *      begun.
 */
#include "policy/rate_limit.h"

/* Replies of one window may name ends that lie apart by less than this. */
#define SAME_WINDOW (FL_RATE_WINDOW / 2)
/* The error of a Reset in whole seconds. */
#define GRAIN FL_SECOND
/* The believed end of a window may be later than the server's by this much. A reply of a new window
 * can only arrive this near to the believed end; earlier, a later end means a slow reply. */
#define NEAR_THE_END (5 * FL_SECOND)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void fl_rate_limit_init(fl_rate_limit *limit, int64_t assumed_limit) {
  memset(limit, 0, sizeof *limit);
  limit->limit = limit->left =
      assumed_limit > 0 ? least(assumed_limit, FL_RATE_LIMIT_MOST) : FL_UNKNOWN;
  limit->assumed = assumed_limit > 0;
  limit->reset_at = limit->seen = FL_UNKNOWN;
}

void fl_rate_limit_assume(fl_rate_limit *limit, int64_t requests) {
  if (limit->limit != FL_UNKNOWN || requests <= 0) return;
  requests = least(requests, FL_RATE_LIMIT_MOST);
  limit->limit = requests;
  limit->left = requests - limit->in_flight;
  limit->assumed = true;
}

/* Begins a window of `left` requests that ends at `end`; those in flight are taken from it. */
static void begin_window(fl_rate_limit *limit, fl_time end, int64_t left) {
  limit->reset_at = end;
  limit->older = limit->spent = limit->in_flight;
  limit->left = left - limit->in_flight;
  limit->foreign = limit->favoured = 0;
  limit->next_at = 0;
  limit->windows++;
  limit->seen = FL_UNKNOWN;
}

/* Begins the first window with the first call, and the next one if the present one has ended. */
void fl_rate_limit_roll(fl_rate_limit *limit, fl_time now) {
  if (limit->limit == FL_UNKNOWN) return;
  if (limit->reset_at == FL_UNKNOWN) {
    limit->reset_at = now + FL_RATE_WINDOW;
    limit->guessed = true;
  }
  if (now < limit->reset_at) return;
  /* No reply has named the end of this window. The guess assumes that the window begins now, so it
   * is never too early. */
  begin_window(limit, now + FL_RATE_WINDOW, limit->limit);
  limit->guessed = true;
}

/* The requests that may still be taken in this window: without the part kept for interactive calls,
 * and without what other consumers will take at their present rate, which is at most half. */
static int64_t usable(const fl_rate_limit *limit, fl_time now, bool interactive) {
  int64_t kept = limit->limit / 10 - limit->favoured;
  int64_t left = limit->left - (interactive || kept < 0 ? 0 : kept);
  if (left > 0 && limit->foreign > 0 && limit->reset_at != FL_UNKNOWN) {
    fl_time rest = limit->reset_at - now, gone = FL_RATE_WINDOW - rest;
    double theirs = (double)limit->foreign * (double)rest / (double)(gone > GRAIN ? gone : GRAIN);
    int64_t half = left / 2;
    left -= theirs < (double)half ? (int64_t)theirs : half;
  }
  return left;
}

static bool is_scarce(const fl_rate_limit *limit) { return limit->left < limit->limit / 5; }

fl_time fl_rate_limit_take(fl_rate_limit *limit, fl_time now, int64_t waiting, bool interactive) {
  fl_rate_limit_roll(limit, now);
  if (limit->blocked_until > now) return limit->blocked_until;
  if (limit->limit != FL_UNKNOWN) {
    int64_t common, share;
    common = usable(limit, now, false);
    share = interactive ? usable(limit, now, true) : common;
    if (share <= 0) return limit->reset_at;
    if (waiting > common || is_scarce(limit)) {
      if (interactive && limit->favoured < limit->limit / 10) {
        limit->favoured++;
      } else {
        if (now < limit->next_at) return limit->next_at;
        limit->next_at = now + (limit->reset_at - now) / share;
      }
    }
  }
  fl_rate_limit_count(limit);
  return 0;
}

void fl_rate_limit_count(fl_rate_limit *limit) {
  if (limit->limit != FL_UNKNOWN) limit->left--;
  limit->in_flight++;
  limit->spent++;
  limit->spent_total++;
}

void fl_rate_limit_begin(fl_rate_limit *limit, fl_time end) {
  begin_window(limit, end, limit->limit);
  limit->guessed = true;
}

void fl_rate_limit_know(fl_rate_limit *limit, int64_t requests, bool assumed) {
  limit->limit = requests;
  limit->left = requests - limit->in_flight;
  limit->assumed = assumed;
}

static void land(fl_rate_limit *limit) {
  if (limit->in_flight > 0) limit->in_flight--;
  limit->older = least(limit->older, limit->in_flight);
}

/* A request that was taken from this window was not counted in it. */
static void refund(fl_rate_limit *limit) {
  if (limit->limit != FL_UNKNOWN && limit->left < limit->limit) limit->left++;
  if (limit->spent > 0) limit->spent--;
}

fl_time fl_rate_limit_full_until(fl_rate_limit *limit, fl_time now, int64_t waiting) {
  fl_rate_limit_roll(limit, now);
  if (limit->limit == FL_UNKNOWN || limit->guessed || limit->reset_at == FL_UNKNOWN) return 0;
  return waiting > limit->left ? limit->reset_at : 0;
}

void fl_rate_limit_give_back(fl_rate_limit *limit) {
  if (limit->in_flight == 0) return;
  land(limit);
  refund(limit);
  limit->spent_total--;
}

/* The server's limit: the first that it names, or another one, since tiers change. */
static void learn_limit(fl_rate_limit *limit, fl_time now, int64_t requests) {
  requests = least(requests, FL_RATE_LIMIT_MOST);
  if (limit->limit == FL_UNKNOWN) {
    limit->limit = requests;
    begin_window(limit, now + FL_RATE_WINDOW, requests);
    limit->guessed = true;
    limit->older = 0;
  } else {
    limit->left = least(limit->left + requests - limit->limit, requests);
    limit->limit = requests;
  }
  limit->assumed = false;
}

/* The window ends sooner than believed, so the next request may be taken sooner too. */
static void shorten(fl_rate_limit *limit, fl_time now, fl_time end) {
  if (end >= limit->reset_at) return;
  if (limit->next_at > now)
    limit->next_at = now + (fl_time)((double)(limit->next_at - now) * (double)(end - now) /
                                     (double)(limit->reset_at - now));
  limit->reset_at = end;
}

/* Finds the window of a reply by its Reset. False for a past window. */
static bool learn_window(fl_rate_limit *limit, fl_time now, const fl_response_head *head,
                         bool was_older) {
  /* A Reset that has passed is usable if nothing is left: the next window is near. */
  bool usable = head->reset > 0 || (head->reset == 0 && head->remaining == 0);
  fl_time end;
  /* Without a usable Reset, the reply is of the present window, unless its request was taken in an
   * earlier one. */
  if (!usable || head->reset_assumed) return !was_older;
  end = now + head->reset + (head->reset % FL_SECOND == 0 ? GRAIN : 0);
  if (was_older && end < limit->reset_at - SAME_WINDOW) {
    refund(limit);
    return false;
  }
  if (limit->guessed) {
    if (end > limit->reset_at) limit->reset_at = end;
    shorten(limit, now, end);
    limit->guessed = false;
  } else if (end > limit->reset_at + SAME_WINDOW && now > limit->reset_at - NEAR_THE_END) {
    /* Remaining shows how much of the new window is used. Requests in flight may not be counted in
     * it. */
    int64_t remaining = head->remaining == FL_UNKNOWN ? limit->limit : head->remaining;
    begin_window(limit, end, least(remaining, limit->limit));
  } else {
    shorten(limit, now, end);
  }
  return true;
}

void fl_rate_limit_learn(fl_rate_limit *limit, fl_time now, const fl_response_head *head) {
  bool first, was_older;
  int64_t before;
  fl_rate_limit_roll(limit, now);
  was_older = limit->older > 0;
  land(limit);
  if (head->status == 0) return;
  /* A Limit of 0 means "no limit": a server that allows no request would not have answered this
   * one. */
  if (head->limit == 0) return;
  first = head->limit != FL_UNKNOWN && (limit->limit == FL_UNKNOWN || limit->assumed);
  before = first ? limit->spent : 0;
  if (head->limit != FL_UNKNOWN) learn_limit(limit, now, head->limit);
  if (limit->limit == FL_UNKNOWN) {
    if (head->remaining == 0 && head->reset != FL_UNKNOWN)
      fl_rate_limit_throttled(limit, now, now + (head->reset > 0 ? head->reset : GRAIN));
    return;
  }
  if (!learn_window(limit, now, head, was_older && !first)) return;
  if (head->remaining != FL_UNKNOWN) {
    int64_t left = least(head->remaining, limit->limit);
    if (limit->seen == FL_UNKNOWN || left < limit->seen) limit->seen = left;
    if (first) {
      /* This Remaining may not include the requests in flight. */
      limit->left = least(limit->left, left - limit->in_flight);
      /* So far no window has begun, so the count may be of a longer time. */
      before = least(before, limit->limit - left + limit->in_flight);
      if (before > limit->spent) limit->spent = before;
    } else if (left < limit->left) {
      if (!limit->shared) {
        limit->foreign += limit->left - left;
        limit->foreign_total += limit->left - left;
      }
      limit->left = left;
    }
  }
}

void fl_rate_limit_throttled(fl_rate_limit *limit, fl_time now, fl_time until) {
  if (until > now + FL_RATE_BLOCK_CEILING) until = now + FL_RATE_BLOCK_CEILING;
  if (until > limit->blocked_until) limit->blocked_until = until;
}

double fl_rate_limit_pace(const fl_rate_limit *limit, fl_time now) {
  int64_t share;
  fl_time rest;
  if (limit->blocked_until > now) return 0;
  if (limit->limit == FL_UNKNOWN || limit->reset_at == FL_UNKNOWN || now >= limit->reset_at)
    return -1;
  share = usable(limit, now, false);
  if (share <= 0) return 0;
  rest = limit->reset_at - now;
  if (!is_scarce(limit) && limit->next_at + rest / share <= now) return -1;
  return (double)share * (double)FL_SECOND / (double)rest;
}
