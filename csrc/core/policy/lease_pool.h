/*
 * lease_pool.h: divides the requests of a rate limit among the processes that share it.
 *
 * Pure: the records of the service and of its processes are arguments, and so is the time. A place
 * that all processes reach (a state file) keeps the records. A process asks the place with a
 * report, and gets a grant: requests that it alone may take until the window ends. The rules:
 *   - A request that is granted counts as used, until its process gives it back. What a process
 *     held when it died is free again in the next window.
 *   - Processes that want requests are active. Their shares are equal, counted over the window: a
 *     process that has got less gets more now. Odd requests go to the one that has waited longest.
 *   - Requests start at once while all waiting calls fit into the requests that are left. If they
 *     do not fit, or less than a fifth of the limit is left, each process spreads its share over
 *     the rest of the window.
 *   - A tenth of the limit is kept for interactive calls, over all processes. It shrinks as they
 *     use it. In the last eighth of the window the other calls may use more and more of it.
 *   - The lowest Remaining of any reply shows the use of other consumers, once for all processes.
 *     At most half of the rest is kept for them.
 *   - An active process asks at least every few seconds. One that does not ask any more is dropped.
 * All times are by the clock of the place.
 */
#ifndef FL_LEASE_POOL_H
#define FL_LEASE_POOL_H

#include "base/base.h"

/* The record of a service. All members of a new record are 0, but for the limit: FL_UNKNOWN. */
typedef struct fl_lease_pool {
  int64_t limit;              /* requests a window */
  bool assumed;               /* the limit is an option of a caller; the server has named none */
  int64_t window;             /* number of the window, from 1; 0: none has begun */
  fl_time began_at, reset_at; /* of the window */
  bool guessed;               /* no reply has named the end of this window yet */
  int64_t granted;            /* in this window, less what was given back */
  int64_t favoured;           /* of these, the ones for interactive calls that were not spread */
  int64_t foreign;            /* taken by other consumers in this window */
  int64_t foreign_total;      /* since the beginning */
  fl_time blocked_until;      /* by a throttled reply; 0 */
} fl_lease_pool;

/* The record of a process. All members of a new record are 0. */
typedef struct fl_lease_member {
  int64_t window;     /* the window for which `granted` counts */
  int64_t granted;    /* requests that it has taken or holds */
  int64_t demand;     /* requests that it wants; 0: it is not active */
  fl_time granted_at; /* its last grant */
  fl_time expires_at; /* it is not active after this time */
} fl_lease_member;

/* What a process reports when it asks. */
typedef struct fl_lease_report {
  int64_t limit; /* FL_UNKNOWN */
  bool assumed;
  int64_t window;   /* of its last grant; 0: none, or it has seen a later window begin */
  fl_time reset_at; /* of the window in which it is; FL_UNKNOWN */
  bool guessed;
  int64_t seen;          /* the lowest Remaining of a reply in that window; FL_UNKNOWN */
  int64_t taken;         /* requests that it has taken in that window */
  int64_t in_flight;     /* requests without a reply */
  int64_t held, urgent;  /* requests of its last grant that it keeps: common and for interactive
                            calls */
  int64_t demand;        /* calls that wait; at least 1 if it is going to need more */
  int64_t wanted_urgent; /* of these, interactive calls */
  fl_time blocked_until; /* 0 */
  bool leaving;          /* it ends, or is idle: it wants nothing, and keeps nothing */
} fl_lease_report;

typedef struct fl_lease_grant {
  int64_t limit; /* FL_UNKNOWN: no limit is known, and calls start at once */
  bool assumed;
  int64_t window;
  fl_time reset_at;
  bool guessed;
  int64_t common, urgent; /* requests, beside those that it keeps */
  fl_time spacing;        /* between two common requests; 0: at once */
  fl_time ask_again;      /* duration until it asks again, if calls wait then */
  fl_time none_until;     /* no common request is left before this time; 0 */
  fl_time blocked_until;
  bool may_favour; /* requests for interactive calls are left in the tenth */
  int64_t left;    /* requests of the window that nobody has */
  int64_t foreign_total;
  int64_t active; /* processes that want requests, this one included; 0 to one that leaves */
} fl_lease_grant;

/* Takes the report of the process members[self], changes its record and that of the service, and
 * fills in the grant. */
void fl_lease_pool_settle(fl_lease_pool *pool, fl_lease_member *members, size_t count, size_t self,
                          const fl_lease_report *report, fl_time now, fl_lease_grant *grant);

#endif
