/*
 * timer.h: alarms on a thread of their own, which resume a suspended connection or carry out late
 * work.
 *
 * Thread safe. An alarm fires once, on the timer's thread or on a thread that catches up. `ended`
 * is true if the timer was stopped before the alarm was due. The alarm then only frees its context.
 */
#ifndef SANDBOX_TIMER_H
#define SANDBOX_TIMER_H

#include "base/base.h"

typedef struct sandbox_timer sandbox_timer;
typedef void (*sandbox_alarm)(void *context, bool ended);

/* NULL if there is no memory, pipe or thread. The caller has blocked the signals. */
sandbox_timer *sandbox_timer_start(void);
/* Sets an alarm after `delay`. False if the timer is stopped or without memory: the alarm will not
 * fire. */
bool sandbox_timer_add(sandbox_timer *timer, fl_time delay, sandbox_alarm alarm, void *context);
/*
 * Fires every due alarm on the calling thread, and waits for an alarm that is firing. So no alarm
 * is late afterwards, however busy the machine is. The caller must not hold a lock that an alarm
 * takes.
 */
void sandbox_timer_catch_up(sandbox_timer *timer);
/* Fires all alarms as ended and joins the thread. Every later add is refused. */
void sandbox_timer_stop(sandbox_timer *timer);
/* Frees the timer after its stop, when no thread can add an alarm any more. */
void sandbox_timer_free(sandbox_timer *timer);

#endif
