/*
 * transfer.h: call <-> curl easy handle. Only this file, loop.c and engine.c use curl.
 *
 * A transfer is one easy handle with its buffers, used again and again. It carries one attempt of
 * one call at a time, and tells afterwards how the attempt ended.
 */
#ifndef FL_TRANSFER_H
#define FL_TRANSFER_H

#include <curl/curl.h>

#include "engine/call.h"

typedef struct fl_transfer fl_transfer;

/* NULL without memory. Given back by fl_transfer_free, outside of any multi handle. */
fl_transfer *fl_transfer_new(void);
void fl_transfer_free(fl_transfer *transfer);
CURL *fl_transfer_handle(fl_transfer *transfer);
fl_call *fl_transfer_call(fl_transfer *transfer);

/* Sets the handle up for an attempt of `call`, to be added to a multi handle. Not CURLE_OK: an
 * option was refused (a setting that this libcurl cannot do); the attempt was not begun. */
CURLcode fl_transfer_prepare(fl_transfer *transfer, fl_call *call, fl_time now);

/*
 * The attempt has ended with `code`, and the handle is off the multi handle. Moves the reply into
 * the call (text, tape, envelope, head), sets its message and excerpt where it is an error, and
 * tells the outcome for retry.h. Afterwards the transfer is free for the next attempt.
 */
fl_outcome fl_transfer_finish(fl_transfer *transfer, CURLcode code);

/* The attempt is given up before its end, and the handle is off the multi handle: whether the
 * request had left. */
bool fl_transfer_abort(fl_transfer *transfer);

/* Where the libraries' version falls short, what is missing, else NULL. After curl_global_init. */
const char *fl_transfer_check_library(void);

#endif
