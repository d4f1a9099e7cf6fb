/*
 * rate_limit.c: budget arithmetic: take, wait, learn from headers.
 *
 * What is hard is that replies come late and in any order, and that nobody tells to which window of
 * the server a request was counted. So:
 *   1. A request is spent when it is taken. Remaining can then only show others' use, never our
 * own.
 *   2. The end of a window is believed to be no earlier than the server's: a reply is seen after it
 *      was made, and a Reset in whole seconds may be cut by almost one.
 *   3. When a window rolls, what is in flight may be counted by the server in the old window or the
 *      new: it is taken from the new one, and given back where the reply shows that it was the old.
 *   4. A reply that ends much earlier than the window at hand is of a window past: its Remaining is
 *      history. One that ends much later is of a window that has begun without us.
 */
#include "policy/rate_limit.h"

/* How far the ends of one window may lie apart by the word of several replies. */
#define SAME_WINDOW (FL_RATE_WINDOW / 2)
/* The error of a Reset in whole seconds. */
#define GRAIN FL_SECOND
/* How much later than the server's the end of a window may be believed to be. Only this near to it
 * can a reply be of a window that has begun without us; else it is a slow one. */
#define NEAR_THE_END (5 * FL_SECOND)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void fl_rate_limit_init(fl_rate_limit *budget, int64_t assumed_limit) {
  memset(budget, 0, sizeof *budget);
  budget->limit = budget->left = assumed_limit > 0 ? assumed_limit : FL_UNKNOWN;
  budget->assumed = assumed_limit > 0;
  budget->reset_at = FL_UNKNOWN;
}

/* A new window that ends at `end` with `left` requests, of which those in flight are already gone.
 */
static void begin_window(fl_rate_limit *budget, fl_time end, int64_t left) {
  budget->reset_at = end;
  budget->older = budget->spent = budget->in_flight;
  budget->left = left - budget->in_flight;
  budget->foreign = budget->favoured = 0;
  budget->next_at = 0;
}

/* Lets the window end when its time has come. */
static void roll(fl_rate_limit *budget, fl_time now) {
  if (budget->limit == FL_UNKNOWN || budget->reset_at == FL_UNKNOWN || now < budget->reset_at)
    return;
  /* The end of the new one is a guess, and a late one, until a reply tells. */
  begin_window(budget, now + FL_RATE_WINDOW, budget->limit);
  budget->guessed = true;
}

/* What may still be taken in this window: without what is kept for interactive calls, and without
 * what the others will take if they go on as they did, but never more than half for them. */
static int64_t usable(const fl_rate_limit *budget, fl_time now, bool interactive) {
  int64_t kept = budget->limit / 10 - budget->favoured;
  int64_t left = budget->left - (interactive || kept < 0 ? 0 : kept);
  if (left > 0 && budget->foreign > 0 && budget->reset_at != FL_UNKNOWN) {
    fl_time rest = budget->reset_at - now, gone = FL_RATE_WINDOW - rest;
    double theirs = (double)budget->foreign * (double)rest / (double)(gone > GRAIN ? gone : GRAIN);
    left -= theirs < (double)(left / 2) ? (int64_t)theirs : left / 2;
  }
  return left;
}

static bool is_scarce(const fl_rate_limit *budget) { return budget->left < budget->limit / 5; }

fl_time fl_rate_limit_take(fl_rate_limit *budget, fl_time now, int64_t waiting, bool interactive) {
  roll(budget, now);
  if (budget->blocked_until > now) return budget->blocked_until;
  if (budget->limit != FL_UNKNOWN) {
    int64_t common, share;
    if (budget->reset_at == FL_UNKNOWN) {
      budget->reset_at = now + FL_RATE_WINDOW;
      budget->guessed = true;
    }
    common = usable(budget, now, false);
    share = interactive ? usable(budget, now, true) : common;
    if (share <= 0) return budget->reset_at;
    if (waiting > common || is_scarce(budget)) {
      if (interactive && budget->favoured < budget->limit / 10) {
        budget->favoured++;
      } else {
        if (now < budget->next_at) return budget->next_at;
        budget->next_at = now + (budget->reset_at - now) / share;
      }
    }
    budget->left--;
  }
  budget->in_flight++;
  budget->spent++;
  budget->spent_total++;
  return 0;
}

static void land(fl_rate_limit *budget) {
  if (budget->in_flight > 0) budget->in_flight--;
  budget->older = least(budget->older, budget->in_flight);
}

/* A request that was taken from this window was not counted in it. */
static void refund(fl_rate_limit *budget) {
  if (budget->limit != FL_UNKNOWN && budget->left < budget->limit) budget->left++;
  if (budget->spent > 0) budget->spent--;
}

void fl_rate_limit_give_back(fl_rate_limit *budget) {
  if (budget->in_flight == 0) return;
  land(budget);
  refund(budget);
  budget->spent_total--;
}

/* The first word about the limit, or a new one: tiers change. */
static void learn_limit(fl_rate_limit *budget, fl_time now, int64_t limit) {
  if (budget->limit == FL_UNKNOWN) {
    budget->limit = limit;
    begin_window(budget, now + FL_RATE_WINDOW, limit);
    budget->guessed = true;
    budget->older = 0;
  } else {
    budget->left = least(budget->left + limit - budget->limit, limit);
    budget->limit = limit;
  }
  budget->assumed = false;
}

/* The window ends sooner than was believed: so does the wait for the next place in it. */
static void shorten(fl_rate_limit *budget, fl_time now, fl_time end) {
  if (end >= budget->reset_at) return;
  if (budget->next_at > now)
    budget->next_at = now + (fl_time)((double)(budget->next_at - now) * (double)(end - now) /
                                      (double)(budget->reset_at - now));
  budget->reset_at = end;
}

/* Places the reply among the windows by its Reset. False if it is of a window past. */
static bool learn_window(fl_rate_limit *budget, fl_time now, const fl_response_head *head,
                         bool was_older) {
  fl_time end;
  /* Without a word of use: of the window at hand, unless it may be a late one. */
  if (head->reset == FL_UNKNOWN || head->reset_assumed || head->reset <= 0) return !was_older;
  end = now + head->reset + (head->reset % FL_SECOND == 0 ? GRAIN : 0);
  if (was_older && end < budget->reset_at - SAME_WINDOW) {
    refund(budget);
    return false;
  }
  if (budget->guessed) {
    if (end > budget->reset_at) budget->reset_at = end;
    shorten(budget, now, end);
    budget->guessed = false;
  } else if (end > budget->reset_at + SAME_WINDOW && now > budget->reset_at - NEAR_THE_END) {
    /* Remaining comes next and says how much of this is gone; what is in flight may come on top. */
    int64_t remaining = head->remaining == FL_UNKNOWN ? budget->limit : head->remaining;
    begin_window(budget, end, least(remaining, budget->limit));
  } else {
    shorten(budget, now, end);
  }
  return true;
}

void fl_rate_limit_learn(fl_rate_limit *budget, fl_time now, const fl_response_head *head) {
  bool first, was_older;
  roll(budget, now);
  was_older = budget->older > 0;
  land(budget);
  if (head->status == 0) return;
  /* A limit of 0 is how some servers say that there is none: an answer came, so something goes. */
  if (head->limit == 0) return;
  first = head->limit != FL_UNKNOWN && (budget->limit == FL_UNKNOWN || budget->assumed);
  if (head->limit != FL_UNKNOWN) learn_limit(budget, now, head->limit);
  if (budget->limit == FL_UNKNOWN) {
    if (head->remaining == 0 && head->reset != FL_UNKNOWN)
      fl_rate_limit_throttled(budget, now, now + head->reset);
    return;
  }
  if (!learn_window(budget, now, head, was_older && !first)) return;
  if (head->remaining != FL_UNKNOWN) {
    int64_t left = least(head->remaining, budget->limit);
    if (first) {
      /* What was in flight before anything was known may not be in this Remaining. */
      budget->left = least(budget->left, left - budget->in_flight);
    } else if (left < budget->left) {
      budget->foreign += budget->left - left;
      budget->foreign_total += budget->left - left;
      budget->left = left;
    }
  }
}

void fl_rate_limit_throttled(fl_rate_limit *budget, fl_time now, fl_time until) {
  if (until > now + FL_RATE_BLOCK_CEILING) until = now + FL_RATE_BLOCK_CEILING;
  if (until > budget->blocked_until) budget->blocked_until = until;
}

double fl_rate_limit_pace(const fl_rate_limit *budget, fl_time now) {
  int64_t share;
  fl_time rest;
  if (budget->blocked_until > now) return 0;
  if (budget->limit == FL_UNKNOWN || budget->reset_at == FL_UNKNOWN || now >= budget->reset_at)
    return -1;
  share = usable(budget, now, false);
  if (share <= 0) return 0;
  rest = budget->reset_at - now;
  if (!is_scarce(budget) && budget->next_at + rest / share <= now) return -1;
  return (double)share * (double)FL_SECOND / (double)rest;
}
