/*
 * timer.h: alarms on a thread of their own: resume a suspended connection, commit late.
 *
 * Thread safe. An alarm fires once, on the timer's thread or on a thread that catches up. `ended`
 * is true where the timer was stopped before the alarm was due: then the alarm only frees its
 * context.
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
 * Fires every alarm that is due on the calling thread, and waits for one that is firing. After it
 * nothing is late, however busy the machine is. The caller holds no lock that an alarm takes.
 */
void sandbox_timer_catch_up(sandbox_timer *timer);
/* Fires all alarms as ended and joins the thread. Every later add is refused. */
void sandbox_timer_stop(sandbox_timer *timer);
/* After the stop, when no thread can add any more. */
void sandbox_timer_free(sandbox_timer *timer);

#endif
