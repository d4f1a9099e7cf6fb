/*
 * retry.h: (policy, outcome, attempt, now, random) -> give up | again at t; and the fate of a
 * write.
 *
 * Pure. The table of outcomes is that of docs/delivery.md: what may be sent again depends on
 * whether the call is a write and on what proves that the server did not process it. What the table
 * does not name is decided so that no write is silently repeated:
 *   - 303 to a write is in_doubt (it is how a server sends a client away after processing); any
 * other 3xx is rejected;
 *   - 5xx are sent again as 500 is, but 501 and 505 to 511, which will come again: fail, in_doubt;
 *   - a status that HTTP does not know fails, in_doubt;
 *   - a Retry-After of 0 or in the past asks for nothing: the backoff stands;
 *   - a 429 without Retry-After that says Remaining 0 waits for the reset;
 *   - a wait that ends at the deadline or past it fails now.
 */
#ifndef FL_RETRY_H
#define FL_RETRY_H

#include "base/base.h"

/* What became of a write; on meta.fate and err.fate. */
typedef enum fl_fate {
  FL_FATE_NONE,     /* the call is a read */
  FL_FATE_NOT_SENT, /* no byte of the request left */
  FL_FATE_REJECTED, /* the server refused it before processing */
  FL_FATE_APPLIED,  /* the server said so */
  FL_FATE_PARTIAL,  /* found by an upload's read-back; never decided here */
  FL_FATE_IN_DOUBT  /* it may have been processed */
} fl_fate;

/* "not_sent", …; NULL for FL_FATE_NONE. */
const char *fl_fate_name(fl_fate fate);

/* err.kind. */
typedef enum fl_kind {
  FL_KIND_NONE, /* no error */
  FL_KIND_CONFIG,
  FL_KIND_INVALID_REQUEST,
  FL_KIND_UNAUTHORIZED,
  FL_KIND_FORBIDDEN,
  FL_KIND_NOT_FOUND,
  FL_KIND_RATE_LIMITED,
  FL_KIND_SERVER,
  FL_KIND_HTTP,
  FL_KIND_TIMEOUT,
  FL_KIND_NETWORK,
  FL_KIND_TLS,
  FL_KIND_PROTOCOL,
  FL_KIND_CANCELLED,
  FL_KIND_CLOSED,
  FL_KIND_PHASE,
  FL_KIND_IO,
  FL_KIND_CONFLICT,
  FL_KIND_COUNT
} fl_kind;

const char *fl_kind_name(fl_kind kind);

/* The kind that a status alone decides; FL_KIND_NONE for 2xx. */
fl_kind fl_kind_of_status(int status);

/* How one attempt ended. The count of PREREQ calls decides between unsent and lost, not curl's code
 * alone. */
typedef enum fl_ending {
  FL_ENDING_REPLY,  /* a status, and a body that is fit for it (only a 2xx needs one). A 304 that
                            answers our own If-None-Match is handed in as 200 */
  FL_ENDING_UNSENT, /* count 0, and another try may help: refused, DNS, connect or TLS time-out */
  FL_ENDING_UNSENT_FOREVER, /* count 0, and no try will help: bad certificate, bad URL, bad option
                             */
  FL_ENDING_LOST,   /* sent, then no usable reply: time-out, reset, short or empty reply, a 2xx
                            that is not JSON or (a create) has no id */
  FL_ENDING_UNFIT,  /* a whole 2xx reply in good JSON that is not the envelope, or one larger
                            than the ceiling: asking again gives the same */
  FL_ENDING_STOPPED /* cancelled, closed or past its deadline by our own doing */
} fl_ending;

typedef struct fl_outcome {
  fl_ending ending;
  fl_kind kind; /* of the error if this is the last attempt; ignored for a good reply.
                               FL_KIND_NONE with a reply: the status decides */
  int status;   /* 0 without a reply */
  bool sent;    /* for FL_ENDING_STOPPED: whether the request had left */
  bool retry_after_known;
  fl_time retry_after; /* duration */
  bool budget_spent;   /* the reply says X-RateLimit-Remaining: 0 */
  fl_time reset;       /* duration until the budget is new, or FL_UNKNOWN */
} fl_outcome;

typedef struct fl_retry_policy {
  int max_attempts;                      /* 4 */
  fl_time base, cap;                     /* 0.5 s, 20 s */
  fl_time throttled_base, throttled_cap; /* 1 s, 60 s */
  fl_time retry_after_ceiling;           /* 120 s: a longer one returns at once with err.retry_at */
} fl_retry_policy;

#define FL_RETRY_POLICY_DEFAULT \
  { 4, FL_SECOND / 2, 20 * FL_SECOND, FL_SECOND, 60 * FL_SECOND, 120 * FL_SECOND }

/* Stops retry storms: 500 tokens; a transient retry takes 14, a throttled one 5, a clean success
 * (after retries too) gives 1 back. One a service (base URL and subscription). */
typedef struct fl_retry_quota {
  int tokens;
} fl_retry_quota;
#define FL_RETRY_QUOTA_FULL 500

typedef struct fl_retry_state {
  int attempts;    /* made so far, this one included */
  bool write;      /* the call may change something on the server */
  bool repeatable; /* the caller said that it may be sent again */
  bool doubted;    /* an earlier attempt of this call was lost: the fate can not get better than
                           in_doubt unless an attempt is applied. fl_retry_decide keeps it. */
  bool forbidden_retried; /* the one retry that a 403 with Remaining 0 has. fl_retry_decide keeps
                             it. */
  fl_time deadline;       /* point in time, FL_NEVER for none */
} fl_retry_state;

typedef enum fl_retry_action { FL_RETRY_DONE, FL_RETRY_FAIL, FL_RETRY_AGAIN } fl_retry_action;

typedef struct fl_retry_decision {
  fl_retry_action action;
  fl_time at;   /* AGAIN: the point in time of the next attempt. FAIL: when it could have gone,
                       if the server said so or the deadline forbade it, else FL_UNKNOWN (from
                       response_head.h) */
  fl_kind kind; /* FAIL: err.kind. A time-out where the deadline forbids the wait that a retry
                       needs, unless the reply's own kind says more (rate_limited and forbidden
                       stay) */
  fl_fate fate; /* of the call, if it ends now */
  bool
      throttled; /* the wait is the server's wish: others of the same budget wait until `at` (which
                        is then known) too, whatever becomes of this call. Not where the wait passes
                        the ceiling: others would wait that long, and can fail at once instead */
  const char *reason; /* for events. AGAIN: "throttled", "server", "network". FAIL: what forbids a
                         retry, "deadline", "attempts", "quota", "retry_after" (over the ceiling),
                         "in_doubt" (a read would go again), "stopped", "final". DONE: NULL */
} fl_retry_decision;

/*
 * Decides what follows an attempt. `random` is in [0, 1). Changes `state` and `quota` as their
 * comments say.
 */
fl_retry_decision fl_retry_decide(const fl_retry_policy *policy, fl_retry_state *state,
                                  fl_retry_quota *quota, const fl_outcome *outcome, fl_time now,
                                  double random);

/* Full jitter: random x min(cap, base x 2^(attempt-1)). */
fl_time fl_retry_backoff(fl_time base, fl_time cap, int attempt, double random);

#endif
