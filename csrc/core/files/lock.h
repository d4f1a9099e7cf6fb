/*
 * lock.h: names that one holder at a time may have, over all processes of a machine.
 *
 * A lock is a byte of a file beside the state file, at an offset made of the name, held by an
 * advisory record lock: the system gives it back when its process ends, however it ends. Within a
 * process a list keeps holders apart. A child made by fork holds none of its parent's.
 */
#ifndef FL_LOCK_H
#define FL_LOCK_H

#include "base/base.h"

typedef struct fl_lock fl_lock;

/* FL_OK with *lock; FL_INVALID: somebody else has the name; FL_SYSTEM: errno tells; FL_NO_MEMORY.
 * The file is made where it is not there, for its owner alone. Never blocks. */
fl_result fl_lock_take(const char *path, fl_slice name, fl_lock **lock);

/* Gives it back; NULL is allowed. */
void fl_lock_release(fl_lock *lock);

#endif
