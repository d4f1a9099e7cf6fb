/*
 * gate.h: who may come in, and how often: both headers, the keys' permissions, the features that
 * are on, and the rate limit with its three headers.
 *
 * Pure: time comes in, and headers as text. The caller holds the sandbox's lock.
 */
#ifndef SANDBOX_GATE_H
#define SANDBOX_GATE_H

#include "options.h"

/* A fixed window that begins with its first request. */
typedef struct sandbox_gate {
  fl_time window_end; /* monotonic; 0 = none has begun */
  int64_t used;
} sandbox_gate;

/* 0 if the headers let the caller in, else the status of the refusal; *message says why. */
int sandbox_gate_admit(const sandbox_options *options, const char *api_key,
                       const char *subscription_id, const char **message);
/* 0 if this key may use the operation, else the status of the refusal. */
int sandbox_gate_permit(const sandbox_options *options, const char *api_key,
                        sandbox_operation operation, const char **message);
/* Takes one request from the window. False: it is used up. */
bool sandbox_gate_take(sandbox_gate *gate, const sandbox_options *options, fl_time now);
/* Another consumer uses `count` requests, or what is left; a negative count is all that is left. */
void sandbox_gate_spend(sandbox_gate *gate, const sandbox_options *options, fl_time now,
                        int64_t count);

#define GATE_VALUE 64
typedef struct sandbox_gate_headers {
  char limit[GATE_VALUE], remaining[GATE_VALUE], reset[GATE_VALUE]; /* "" = not sent */
  char retry_after[GATE_VALUE]; /* for a reply over the limit */
} sandbox_gate_headers;

/* What the headers say at `now`; `wall` is the machine's clock, to which the skew is added. */
void sandbox_gate_describe(const sandbox_gate *gate, const sandbox_options *options, fl_time now,
                           fl_time wall, sandbox_gate_headers *headers);

#define HTTP_DATE 40
void sandbox_http_date(char out[HTTP_DATE], fl_time wall);

#endif
