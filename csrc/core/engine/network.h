/*
 * network.h: attempts of calls on the network, all at once, without blocking: a multi handle of
 * libcurl and the transfers in it. Knows nothing of retries, budgets or time.
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

/* Starts an attempt, which sets call->transfer. False: it could not be set up and nothing was sent;
 * *kind and *words (static text) tell why. */
bool fl_network_start(fl_network *network, fl_call *call, fl_time now, fl_kind *kind,
                      const char **words);

/* Gives an attempt up. Whether its request may have left. */
bool fl_network_stop(fl_network *network, fl_call *call);

/* Sends and receives what can be sent and received now. */
void fl_network_perform(fl_network *network);

/* The next call whose attempt has ended, or NULL. Its reply or error is in it; *outcome is for
 * policy/retry.h. */
fl_call *fl_network_take_ended(fl_network *network, fl_outcome *outcome);

/* Waits for a socket, fl_network_wake, a signal or the time. True if a socket is ready. */
bool fl_network_sleep(fl_network *network, int milliseconds);
void fl_network_wake(fl_network *network);

#endif
