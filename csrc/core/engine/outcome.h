/*
 * outcome.h: the outcome of an attempt. Sets the outcome of the call (tape, envelope, message,
 * excerpt) and returns an fl_outcome, from which policy/retry.h decides what follows.
 */
#ifndef FL_OUTCOME_H
#define FL_OUTCOME_H

#include "engine/call.h"

/* The attempt ended with a whole reply: its head and text are in the call. The text is scanned in
 * place. */
fl_outcome fl_outcome_of_reply(fl_call *call);

/* The reason why an attempt ended without a complete reply. */
typedef struct fl_failure {
  fl_kind kind;
  bool permanent;     /* another try would fail in the same way */
  bool sent;          /* the request may have been sent */
  bool repeated;      /* libcurl wanted to send the request a second time, and was stopped */
  bool too_large;     /* the reply is larger than max_response_bytes */
  bool no_memory;     /* there was no memory for the reply */
  const char *detail; /* of the error, for the message */
} fl_failure;

/* The part of the reply that was received is in the call. */
fl_outcome fl_outcome_of_failure(fl_call *call, const fl_failure *failure);

#endif
