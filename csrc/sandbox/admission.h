/*
 * admission.h: decides whether a request is admitted, by its two headers, the permissions of the
 * key, the enabled features, and the rate limit with its three headers.
 *
 * Pure: the time and the headers are arguments. The caller holds the sandbox's lock.
 */
#ifndef SANDBOX_ADMISSION_H
#define SANDBOX_ADMISSION_H

#include "options.h"
#include "routes.h"

/* A fixed window that begins with its first request. */
typedef struct sandbox_admission {
  fl_time window_end; /* monotonic; 0 = none has begun */
  int64_t used;
} sandbox_admission;

/*
 * 0 if the form of the request is accepted, else the status of the refusal. `host` has to name this
 * machine or the address on which the sandbox listens, so that a page in a browser cannot reach the
 * sandbox under a name of the page's server. NULL: the request has no such header.
 */
int sandbox_admission_check_form(const sandbox_options *options, const char *host,
                                 const char *content_length, const char *transfer_encoding,
                                 const char **message);
/* 0 if the headers are right, else the status of the refusal, with its reason in *message. */
int sandbox_admission_check(const sandbox_options *options, const char *api_key,
                            const char *subscription_id, const char **message);
/* 0 if this key may use the operation, else the status of the refusal. */
int sandbox_admission_permit(const sandbox_options *options, const char *api_key,
                             sandbox_operation operation, const char **message);
/* Takes one request from the window. False if the window is used up. */
bool sandbox_admission_take(sandbox_admission *admission, const sandbox_options *options,
                            fl_time now);
/* Another consumer uses `count` requests, at most all that are left. A negative count means all
 * that are left. */
void sandbox_admission_spend(sandbox_admission *admission, const sandbox_options *options,
                             fl_time now, int64_t count);

#define ADMISSION_VALUE 64
typedef struct sandbox_admission_headers {
  char limit[ADMISSION_VALUE], remaining[ADMISSION_VALUE],
      reset[ADMISSION_VALUE];        /* "" = not sent */
  char retry_after[ADMISSION_VALUE]; /* for a reply over the limit */
} sandbox_admission_headers;

/* The values of the headers at `now`. `wall` is the machine's clock, to which the skew is added. */
void sandbox_admission_describe(const sandbox_admission *admission, const sandbox_options *options,
                                fl_time now, fl_time wall, sandbox_admission_headers *headers);

#define HTTP_DATE 40
void sandbox_admission_http_date(char out[HTTP_DATE], fl_time wall);

#endif
