/* clock.c: the clocks of POSIX. */
#include "base/clock.h"

#include <time.h>

static fl_time read_clock(clockid_t id) {
  struct timespec at;
  clock_gettime(id, &at);
  return (fl_time)at.tv_sec * FL_SECOND + at.tv_nsec / 1000;
}

fl_time fl_clock_now(void) { return read_clock(CLOCK_MONOTONIC); }

#ifdef CLOCK_BOOTTIME
fl_time fl_clock_elapsed(void) { return read_clock(CLOCK_BOOTTIME); }
#else
fl_time fl_clock_elapsed(void) { return read_clock(CLOCK_MONOTONIC); }
#endif

fl_time fl_clock_wall(void) { return read_clock(CLOCK_REALTIME); }
