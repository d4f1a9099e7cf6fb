/*
 * network.h: concurrent attempts of calls, without blocking: a multi handle of libcurl and the
 * transfers in it. Has no part in retries, budgets or time.
 *
 * One thread at a time uses it; fl_network_wake alone may be called from any other.
 */
#ifndef FL_NETWORK_H
#define FL_NETWORK_H

#include "engine/call.h"

typedef struct fl_network fl_network;

/* NULL without memory. */
fl_network *fl_network_new(void);

/* Closes the connections. No attempt may be under way. */
void fl_network_free(fl_network *network);

/* Starts an attempt, and sets call->transfer. False if it could not be set up: nothing was sent,
 * and *kind and *words (static text) name the reason. */
bool fl_network_start(fl_network *network, fl_call *call, fl_time now, fl_kind *kind,
                      const char **words);

/* Aborts an attempt. Returns whether its request may have been sent. */
bool fl_network_stop(fl_network *network, fl_call *call);

/* Sends and receives as much as is possible without waiting. */
void fl_network_perform(fl_network *network);

/* The next call whose attempt has ended, or NULL. Its reply or error is in it; *outcome is for
 * policy/retry.h. */
fl_call *fl_network_take_ended(fl_network *network, fl_outcome *outcome);

/* Waits for a socket, a timer of libcurl, fl_network_wake, a signal or the time. True if a socket
 * or such a timer is ready. */
bool fl_network_sleep(fl_network *network, int milliseconds);
void fl_network_wake(fl_network *network);

#endif
