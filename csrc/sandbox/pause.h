/*
 * pause.h: pauses a connection: libmicrohttpd suspends it, and the timer resumes it.
 */
#ifndef SANDBOX_PAUSE_H
#define SANDBOX_PAUSE_H

#include "timer.h"

#include <microhttpd.h>

/*
 * Suspends the connection, and lets the timer resume it after `delay`. Call this only from the
 * connection's own callback. False if the pause failed: the connection is not suspended.
 */
bool sandbox_pause(struct MHD_Connection *connection, sandbox_timer *timer, fl_time delay);

#endif
