/*
 * transfer.h: one attempt of a call on an easy handle of libcurl.
 *
 * A transfer is an easy handle with its buffers, which is used for one attempt after another.
 */
#ifndef FL_TRANSFER_H
#define FL_TRANSFER_H

#include <curl/curl.h>

#include "engine/call.h"
#include "engine/sockets.h"

typedef struct fl_transfer fl_transfer;

/* NULL without memory. The table outlives the transfer and its connections. */
fl_transfer *fl_transfer_new(fl_sockets *sockets);
/* The handle must be in no multi handle. */
void fl_transfer_free(fl_transfer *transfer);

CURL *fl_transfer_handle(fl_transfer *transfer);
/* The call of the attempt under way. */
fl_call *fl_transfer_call(fl_transfer *transfer);
/* The index of the transfer in a list of its owner, who sets it. */
size_t *fl_transfer_place(fl_transfer *transfer);

/* Prepares the handle for an attempt of `call`; the caller adds it to a multi handle. Any code but
 * CURLE_OK: libcurl refused an option, and the attempt has not begun. */
CURLcode fl_transfer_prepare(fl_transfer *transfer, fl_call *call, fl_time now);

/* The code of an attempt that libcurl will not run again, since it had no memory to keep its
 * sockets. */
#define FL_TRANSFER_LOST CURL_LAST

/*
 * The attempt has ended with `code`, and the handle is out of the multi handle. Sets the outcome of
 * the call (outcome.h) and returns the input of policy/retry.h. The transfer is free for the next
 * attempt.
 */
fl_outcome fl_transfer_finish(fl_transfer *transfer, CURLcode code);

/* Whether the attempt ended before its request was sent, because the server had closed the idle
 * connection that was chosen for it. */
bool fl_transfer_met_closed(const fl_transfer *transfer);

/* Aborts the attempt; the handle is out of the multi handle. Returns whether the request may have
 * been sent. */
bool fl_transfer_abort(fl_transfer *transfer);

/* A text that names the version of libcurl that is needed, or NULL if this one is new enough. */
const char *fl_transfer_check_library(void);

#endif
