/*
 * permit.h: the permission to send writes while a lock with a lease is held.
 *
 * The keeper of the lock extends it; the engine looks at it just before a request is sent. So a
 * process that was paused for longer than the lease sends nothing that it had prepared before.
 * Reference-counted; any thread. Times are points in time by fl_clock_elapsed.
 */
#ifndef FL_PERMIT_H
#define FL_PERMIT_H

#include "base/base.h"

typedef struct fl_permit fl_permit;

/* Good until it is limited. NULL without memory. One reference is the caller's. */
fl_permit *fl_permit_new(void);
/* NULL is allowed in these three: a permit that is always good. */
fl_permit *fl_permit_retain(fl_permit *permit);
void fl_permit_release(fl_permit *permit);
bool fl_permit_is_good(const fl_permit *permit, fl_time now);

/* Makes it good before `until`. FL_NEVER: always; 0: no more. */
void fl_permit_set(fl_permit *permit, fl_time until);

#endif
