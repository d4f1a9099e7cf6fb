/*
 * lock.h: names that one holder at a time may have, over all processes of a machine.
 *
 * A lock is an advisory record lock on one byte of a file beside the state file; the offset is a
 * hash of the name. The system releases it when the process ends, however it ends. Within a process
 * a list keeps holders apart. A forked child holds none of its parent's locks.
 */
#ifndef FL_LOCK_H
#define FL_LOCK_H

#include "base/base.h"

typedef struct fl_lock fl_lock;

/* FL_OK with *lock; FL_INVALID: another holder has the name; FL_SYSTEM: errno tells; FL_NO_MEMORY.
 * A missing file is created, for its owner alone. Never blocks. */
fl_result fl_lock_take(const char *path, fl_slice name, fl_lock **lock);

/* Releases the lock; NULL is allowed. */
void fl_lock_release(fl_lock *lock);

#endif
