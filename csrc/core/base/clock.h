/*
 * clock.h: the only file that reads a clock. Policy never includes it: time comes to policy as an
 * argument, so that specs move it by hand.
 */
#ifndef FL_CLOCK_H
#define FL_CLOCK_H

#include "base/base.h"

/* Monotonic microseconds; comparable only within one run of one machine. */
fl_time fl_clock_now(void);

/* Microseconds since the Unix epoch, by the machine's own wall clock. */
fl_time fl_clock_wall(void);

#endif
