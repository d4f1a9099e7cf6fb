/*
 * retry.h: decides what follows an attempt (the end of the call, or another attempt and its time),
 * and the fate of a write.
 *
 * Pure: time and randomness are arguments. docs/delivery.md has the table of outcomes. Whether a
 * call may be sent again depends on whether it is a write, and on what proves that the server did
 * not process it. For cases that the table does not name, these rules keep a write from being
 * repeated:
 *   - 303 to a write is in_doubt, since servers send it after processing; any other 3xx is
 *     rejected;
 *   - a request is sent again after every 5xx as after 500, except after 501 and 505 to 511, which
 *     would occur again: those fail, in_doubt;
 *   - a status that HTTP does not define fails, in_doubt;
 *   - a Retry-After of 0 or in the past names no wait: the backoff counts;
 *   - a 429 without Retry-After and with Remaining 0 waits for the reset;
 *   - a wait that ends at the deadline or later fails now.
 */
#ifndef FL_RETRY_H
#define FL_RETRY_H

#include "base/base.h"

/* The fate of a write: meta.fate and err.fate. (An upload may find more, see docs/uploads.md.) */
typedef enum fl_fate {
  FL_FATE_NONE,     /* the call is a read */
  FL_FATE_NOT_SENT, /* no byte of the request was sent */
  FL_FATE_REJECTED, /* the server refused it before processing */
  FL_FATE_APPLIED,  /* the server confirmed it */
  FL_FATE_IN_DOUBT  /* it may have been processed */
} fl_fate;

/* "not_sent", …; NULL for FL_FATE_NONE. */
const char *fl_fate_name(fl_fate fate);

/* The kind of an error of a call: err.kind. (Lua modules have more, see docs/api.md.) */
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
  FL_KIND_CONFLICT, /* another process may have taken over the work of this one */
  FL_KIND_COUNT
} fl_kind;

const char *fl_kind_name(fl_kind kind);

/* The kind of an error by its status; FL_KIND_NONE for 2xx. */
fl_kind fl_kind_of_status(int status);

/* How one attempt ended. */
typedef enum fl_ending {
  FL_ENDING_REPLY,  /* a status, and for a 2xx a usable body */
  FL_ENDING_UNSENT, /* not sent, and another try may help: refused, DNS, time-out of connect, TLS */
  FL_ENDING_NOT_SENDABLE, /* not sent, and no other try can help: bad certificate, URL or option */
  FL_ENDING_LOST, /* sent, then no usable reply: time-out, reset, short or empty reply, a 2xx that
                     is not JSON, or lacks the id that the operation expects */
  FL_ENDING_UNUSABLE_REPLY, /* a 2xx in valid JSON that is not the envelope, or a reply larger than
                               the ceiling. Another try would get the same */
  FL_ENDING_STOPPED         /* by this process: cancelled, closed, or past the deadline */
} fl_ending;

typedef struct fl_outcome {
  fl_ending ending;
  fl_kind kind; /* of the error; ignored for a success. FL_KIND_NONE with a reply: the status
                   decides */
  int status;   /* 0 without a reply */
  bool sent;    /* the request may have left */
  bool retry_after_known;
  fl_time retry_after; /* duration */
  bool budget_spent;   /* the reply has X-RateLimit-Remaining: 0 */
  fl_time reset;       /* duration until the next window, or FL_UNKNOWN */
} fl_outcome;

typedef struct fl_retry_policy {
  int max_attempts;                      /* 4 */
  fl_time base, cap;                     /* 0.5 s, 20 s */
  fl_time throttled_base, throttled_cap; /* 1 s, 60 s */
  fl_time retry_after_ceiling;           /* 120 s: a longer wait fails at once, with err.retry_at */
} fl_retry_policy;

#define FL_RETRY_POLICY_DEFAULT \
  { 4, FL_SECOND / 2, 20 * FL_SECOND, FL_SECOND, 60 * FL_SECOND, 120 * FL_SECOND }

/* Bounds the retries of a service: 500 tokens; a transient retry takes 14, a throttled one 5, and
 * each success gives 1 back. */
typedef struct fl_retry_quota {
  int tokens;
} fl_retry_quota;
#define FL_RETRY_QUOTA_FULL 500

typedef struct fl_retry_state {
  int attempts;    /* made so far, the one that has ended included */
  bool write;      /* the call may change something on the server */
  bool repeatable; /* the caller allows a write to be sent again */
  bool doubted;    /* an attempt was lost: the fate is in_doubt, unless a later attempt is applied.
                      Kept by fl_retry_decide */
  bool forbidden_retried; /* the one retry of a 403 with Remaining 0 is used up. Kept by
                             fl_retry_decide */
  fl_time deadline;       /* point in time; FL_NEVER: none */
} fl_retry_state;

typedef enum fl_retry_action { FL_RETRY_DONE, FL_RETRY_FAIL, FL_RETRY_AGAIN } fl_retry_action;

typedef struct fl_retry_decision {
  fl_retry_action action;
  /* AGAIN: the start of the next attempt. FAIL: the earliest start of another attempt, if the
   * server named a wait or the deadline forbids the attempt; else FL_UNKNOWN. */
  fl_time at;
  /* FAIL: err.kind. If the deadline forbids a retry, the kind is a time-out, except that
   * rate_limited and forbidden stay. */
  fl_kind kind;
  fl_fate fate; /* of the call, if it ends now */
  /* True: no call of the same budget is sent before `at`, even if this call is not retried. False
   * also after a throttled reply that names a wait longer than the ceiling: then the other calls
   * are sent, and each fails by its own reply. */
  bool throttled;
  /* For events. AGAIN: "throttled", "server", "network". FAIL: the reason against a retry:
   * "deadline", "attempts", "quota", "retry_after" (over the ceiling), "in_doubt" (only a read
   * would be sent again), "stopped", "final". DONE: NULL. */
  const char *reason;
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
