/*
 * pause.h: pauses a connection: libmicrohttpd suspends it, and the timer resumes it.
 */
#ifndef SANDBOX_PAUSE_H
#define SANDBOX_PAUSE_H

#include "timer.h"

#include <microhttpd.h>

/*
 * Suspends the connection (call this from its own callback only) and has the timer resume it after
 * `delay`. False: it cannot wait, and was not suspended or is resumed already.
 */
bool sandbox_pause(struct MHD_Connection *connection, sandbox_timer *timer, fl_time delay);

#endif
