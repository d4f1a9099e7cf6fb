/*
 * rate_limit.h: the arithmetic of the rate limit: take, wait, learn from headers.
 *
 * Pure: time is an argument. A fl_rate_limit is the belief about the budget of one service (base
 * URL and subscription); engine/budget.h stores and locks it. The rules:
 *   - While no limit is known or assumed, every call starts at once.
 *   - Calls start at once while all waiting calls fit into the requests that are left, less a tenth
 *     that is kept for interactive calls. If they do not fit, or less than a fifth of the limit is
 *     left, they are spread evenly over the rest of the window.
 *   - Interactive calls are not spread, up to a tenth of the limit in each window. The kept part
 *     shrinks as they use it. Beyond the tenth they are treated like other calls, so that neither
 *     kind starves the other. A limit below ten keeps nothing.
 *   - Remaining only lowers the number of requests believed to be left. Calls in flight are counted
 *     already. A further drop is the use of another consumer, for whose rate at most half of the
 *     rest is kept.
 *   - After the reset the whole limit is available, less the calls in flight, which the server may
 *     count in the new window. A reply that names the old window gives its call back.
 *   - The Reset of a reply tells its window. Without a usable Reset, the reply to a call from
 *     before the reset counts for the old window. Replies of one window may name different
 *     ends: the earliest counts. A second is added to an end in whole seconds, so that no
 *     window ends before the server's.
 *   - Limit 0 means no limit, since the server that sends it has just answered. A Remaining above
 *     the limit counts as the limit. Remaining 0 without a Limit stops calls until the reset.
 *     A Reset that has passed is ignored. With Remaining 0 it means that the next window is a
 *     second away.
 *   - A throttled reply (429) stops every call of the budget until its Retry-After has passed, at
 *     most FL_RATE_BLOCK_CEILING.
 *   - An assumed limit counts in windows from our first call on. Until the server names the end of
 *     its window, one window of the server may hold calls of two of ours.
 */
#ifndef FL_RATE_LIMIT_H
#define FL_RATE_LIMIT_H

#include "base/base.h"
#include "policy/response_head.h"

/* The longest time for which one throttled reply stops other calls. */
#define FL_RATE_BLOCK_CEILING (120 * FL_SECOND)

typedef struct fl_rate_limit {
  int64_t limit; /* requests a window; FL_UNKNOWN */
  int64_t left; /* requests believed to be left until the reset; FL_UNKNOWN if the limit is. Below 0
                   if more requests are in flight than a new window has; shown as 0 */
  int64_t in_flight;   /* taken, and without a reply yet */
  int64_t spent;       /* taken by this process in this window */
  int64_t foreign;     /* taken by other consumers in this window, as far as replies show it */
  int64_t spent_total; /* since the beginning */
  int64_t foreign_total;
  fl_time reset_at;      /* end of the window; FL_UNKNOWN until known */
  fl_time blocked_until; /* by a throttled reply; 0 */
  fl_time next_at;       /* while calls are spread: no call starts before this time */
  int64_t older;         /* the part of in_flight taken before the window began, at most */
  int64_t favoured;      /* interactive calls that were not spread in this window */
  bool assumed;          /* the limit is an option of the caller; the server has named none */
  bool guessed;          /* no reply has named the end of this window yet */
  bool shared;           /* lease.h decides when calls start: a lower Remaining is no foreign use */
  int64_t windows;       /* the number of windows that have begun */
  int64_t seen;          /* the lowest Remaining of a reply in this window; FL_UNKNOWN */
} fl_rate_limit;

/* A larger limit counts as this one, so that no arithmetic with it overflows. */
#define FL_RATE_LIMIT_MOST 1000000000

/* `assumed_limit`: requests a minute until the server names a limit; 0: none. */
void fl_rate_limit_init(fl_rate_limit *limit, int64_t assumed_limit);

/* Another client names a limit to assume. Does nothing if a limit is known or assumed already. */
void fl_rate_limit_assume(fl_rate_limit *limit, int64_t requests);

/*
 * Asks for one request. Returns 0 and takes it (in_flight grows), or returns the point in time,
 * after `now`, at which to ask again. `waiting` is the number of calls that wait, this one
 * included; `interactive` calls may use the last tenth.
 */
fl_time fl_rate_limit_take(fl_rate_limit *limit, fl_time now, int64_t waiting, bool interactive);

/* When the last of `waiting` calls can start at the earliest: the end of the window, if they are
 * more than the requests that are left in it; 0 if it may start in this window, or the end of the
 * window is not known. */
fl_time fl_rate_limit_full_until(fl_rate_limit *limit, fl_time now, int64_t waiting);

/* Gives a request back that was taken and provably not sent. */
void fl_rate_limit_give_back(fl_rate_limit *limit);

/* A request that was taken has ended with this head; status 0: without a reply. */
void fl_rate_limit_learn(fl_rate_limit *limit, fl_time now, const fl_response_head *head);

/* A throttled reply: no request is taken before `until`. */
void fl_rate_limit_throttled(fl_rate_limit *limit, fl_time now, fl_time until);

/* --- for a limit that processes share (lease.h) --- */

/* Begins the next window if the present one has ended. */
void fl_rate_limit_roll(fl_rate_limit *limit, fl_time now);

/* Begins a window that ends at `end`. The requests in flight count in it. */
void fl_rate_limit_begin(fl_rate_limit *limit, fl_time end);

/* Another process has learned the limit. */
void fl_rate_limit_know(fl_rate_limit *limit, int64_t requests, bool assumed);

/* Counts a request that was granted. */
void fl_rate_limit_count(fl_rate_limit *limit);

/* The rate at which calls that are not interactive start now, in requests a second: 0 while
 * stopped, negative if they start at once. */
double fl_rate_limit_pace(const fl_rate_limit *limit, fl_time now);

#endif
