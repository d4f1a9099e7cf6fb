/*
 * lease.h: the part of a shared rate limit that one process holds: when a call may start by it, and
 * when to ask for more.
 *
 * Pure: time is an argument. lease_pool.h has the other side, which divides the limit. The belief
 * of the process about the limit (rate_limit.h) still learns from replies; while the limit is
 * shared, a call needs a request of the lease instead. The rules:
 *   - Before the first answer calls wait. It takes about a millisecond.
 *   - While no limit is known, calls start at once.
 *   - More is asked for before the lease is used up, at most twice a second after a burst of four.
 *   - An idle second gives the rest of the lease back.
 *   - If the place cannot be asked, the process grants itself its last share of each window, and
 *     asks again every few seconds. Without a share the belief alone decides.
 */
#ifndef FL_LEASE_H
#define FL_LEASE_H

#include "policy/lease_pool.h"
#include "policy/rate_limit.h"

/* All members of a new lease are 0. */
typedef struct fl_lease {
  int64_t window;         /* number of the window at the place; 0: the lease is of no window */
  int64_t begun;          /* `windows` of the belief when the lease was granted */
  int64_t asked_begun;    /* the same when the question was asked */
  int64_t common, urgent; /* requests that it holds */
  int64_t share;          /* what it held after the last answer */
  fl_time spacing;        /* between two common requests; 0: at once */
  fl_time taken_at;       /* the last common request */
  fl_time used_at;        /* the last request, or the last time that a call waited */
  fl_time ask_at;         /* when to ask again if calls wait */
  fl_time none_until;     /* no common request is left before; 0 */
  fl_time asks_until;     /* the asks so far use up the allowance until this time */
  bool asking;            /* a question is under way */
  bool known;             /* an answer has come */
  bool lost;              /* the last question got no answer */
  bool limited;           /* the place knows a limit */
  bool may_favour;
  int64_t left, active, foreign_total; /* by the last answer */
} fl_lease;

/* As fl_rate_limit_take: 0, and the request is taken from lease and belief; or the time at which to
 * ask again. That is the earliest time at which the call can start, as far as it is known. */
fl_time fl_lease_take(fl_lease *lease, fl_rate_limit *limit, fl_time now, int64_t waiting,
                      bool interactive);

/* The time at which to ask the place; FL_NEVER if nothing is needed. `waiting`, `urgent`: the calls
 * that wait, and the interactive ones of these. */
fl_time fl_lease_due(const fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                     int64_t waiting, int64_t urgent);

/* Makes the report for a question that is due or, with `leaving`, for the last one. */
fl_lease_report fl_lease_ask(fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                             int64_t waiting, int64_t urgent, bool leaving);

/* The answer has come; its times are by the clock of the process. NULL: the place cannot be asked.
 */
void fl_lease_learn(fl_lease *lease, fl_rate_limit *limit, fl_time now,
                    const fl_lease_grant *grant);

/* The rate at which common requests start, as fl_rate_limit_pace. */
double fl_lease_pace(const fl_lease *lease, const fl_rate_limit *limit, fl_time now,
                     int64_t waiting);

/* The requests that are left in the window, as far as the place knows. */
int64_t fl_lease_remaining(const fl_lease *lease, const fl_rate_limit *limit, fl_time now);

#endif
