/*
 * rate_limit.h: budget arithmetic: take, wait, learn from headers.
 *
 * Pure: time comes in. One value of this type is the belief about one budget (base URL and
 * subscription); where it lives and who locks it is the business of budget.h. The rules:
 *   - nothing known and no limit assumed: every call goes at once;
 *   - calls go at once while those waiting fit into what is left, less a tenth kept for interactive
 *     calls; only when less than a fifth of the limit is left, or they do not fit, are they spread
 *     evenly over the rest of the window;
 *   - interactive calls go ahead of that pace, up to a tenth of the limit in a window; what they
 * have had of it is no longer kept. Beyond it they are calls like any other, so that neither kind
 *     starves the other. A limit below ten keeps nothing;
 *   - the server's Remaining only ever lowers what is believed to be left until the reset; calls in
 *     flight are counted before their reply is seen; an unexplained drop is another consumer, and
 *     its pace is allowed for in the rest of the window, with at most half of what is left;
 *   - after the reset the whole limit is believed to be there, less what is in flight and may be
 *     counted in the new window; a reply that shows it was not gives it back;
 *   - a reply of a window past, or of one that has begun without us, is known by its Reset (a Reset
 *     that has passed or is not to be believed tells nothing; an answer to a call from before the
 *     roll is then taken for one of the window past). Among the ends that the replies of one window
 *     name the earliest stands, a second added where it is in whole seconds, so that the window
 *     never ends before the server's;
 *   - Limit 0 is no limit: the server that says so has just answered. A Remaining above the limit
 *     is the limit. Remaining 0 without any Limit stops calls until the reset;
 *   - a throttled reply (429) stops everyone of the budget until its Retry-After has passed, at
 * most FL_RATE_BLOCK_CEILING. An assumed limit counts in windows of our own, from the first call
 * on: where the server's begin is not known until it tells, so that one of them may see calls of
 * two of ours.
 */
#ifndef FL_RATE_LIMIT_H
#define FL_RATE_LIMIT_H

#include "base/base.h"
#include "policy/response_head.h"

/* No one throttled reply stops the others for longer. */
#define FL_RATE_BLOCK_CEILING (120 * FL_SECOND)

typedef struct fl_rate_limit {
  int64_t limit;       /* requests a window; FL_UNKNOWN */
  int64_t left;        /* believed to be left until the reset; FL_UNKNOWN with limit. Below 0 where
                           more is in flight than a new window has: show that as 0 */
  int64_t in_flight;   /* taken, their replies not seen yet */
  int64_t spent;       /* taken by us in this window */
  int64_t foreign;     /* seen taken by others in this window */
  int64_t spent_total; /* since the beginning */
  int64_t foreign_total;
  fl_time reset_at;      /* end of the window; FL_UNKNOWN until known */
  fl_time blocked_until; /* a throttled reply's word; 0 */
  fl_time next_at;       /* the pace while calls are spread: no call before it */
  int64_t older;         /* of in_flight, those from before the window began (an upper bound) */
  int64_t favoured;      /* interactive calls that went ahead of the pace in this window */
  bool assumed;          /* the limit is the caller's option, not the server's word */
  bool guessed;          /* no reply has told the end of this window yet */
} fl_rate_limit;

/* `assumed_limit`: requests a minute to believe before the server has said, or 0 for none. */
void fl_rate_limit_init(fl_rate_limit *budget, int64_t assumed_limit);

/*
 * Asks for one request. Answers 0 and takes it (in_flight grows), or the point in time at which to
 * ask again, which is after `now`. `waiting` is how many calls wait, this one included;
 * `interactive` calls may use the last tenth.
 */
fl_time fl_rate_limit_take(fl_rate_limit *budget, fl_time now, int64_t waiting, bool interactive);

/* A request that was taken was never sent (count 0): it is given back. */
void fl_rate_limit_give_back(fl_rate_limit *budget);

/* A request that was taken has ended with this head (which may know nothing: head->status 0). */
void fl_rate_limit_learn(fl_rate_limit *budget, fl_time now, const fl_response_head *head);

/* A throttled reply: nobody goes before `until`. */
void fl_rate_limit_throttled(fl_rate_limit *budget, fl_time now, fl_time until);

/* Requests a second at which calls that are not interactive go now: 0 while stopped, negative for
 * "at once". */
double fl_rate_limit_pace(const fl_rate_limit *budget, fl_time now);

#endif
