/*
 * clock.h: the clocks. Policy never includes this file: time is an argument there, so that specs
 * can set it.
 */
#ifndef FL_CLOCK_H
#define FL_CLOCK_H

#include "base/base.h"

/* Monotonic microseconds. The system chooses their zero, for example its boot. */
fl_time fl_clock_now(void);

/* Monotonic microseconds, which count the time for which the machine was suspended, too, where the
 * system can tell it. */
fl_time fl_clock_elapsed(void);

/* Microseconds since the Unix epoch, by the machine's wall clock. */
fl_time fl_clock_wall(void);

#endif
