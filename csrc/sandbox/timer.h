/*
 * timer.h: things to do later, on a thread of their own: wake a request that waits, commit what was
 * to be committed late.
 *
 * Thread safe. An alarm fires once, on the timer's thread or on one that catches up; `ended` tells
 * it that the time did not come, because the timer is stopped: then it only lets go of what it
 * holds.
 */
#ifndef SANDBOX_TIMER_H
#define SANDBOX_TIMER_H

#include "base/base.h"

typedef struct sandbox_timer sandbox_timer;
typedef void (*sandbox_alarm)(void *context, bool ended);

/* NULL if there is no memory, pipe or thread. The caller has blocked the signals. */
sandbox_timer *sandbox_timer_start(void);
/* `delay` from now on. False: the timer is stopped or without memory, and the alarm will not
 * fire. */
bool sandbox_timer_add(sandbox_timer *timer, fl_time delay, sandbox_alarm alarm, void *context);
/*
 * Fires what is due, here, and waits for what is firing: after it, nothing is late, however long
 * the timer's own thread was kept from running. Not under a lock that an alarm takes.
 */
void sandbox_timer_catch_up(sandbox_timer *timer);
/* Fires all alarms as ended and joins the thread. Every later add is refused. */
void sandbox_timer_stop(sandbox_timer *timer);
/* After the stop, when no thread can add any more. */
void sandbox_timer_free(sandbox_timer *timer);

#endif
