/*
 * lock.h: named locks, which exclude all other holders on the machine, in any process.
 *
 * A lock is an advisory record lock on one byte of a file; the offset is a hash of the name. The
 * system releases it when the process ends, however it ends. Within a process a list of the locks
 * excludes other holders. A forked child holds none of its parent's locks.
 */
#ifndef FL_LOCK_H
#define FL_LOCK_H

#include "base/base.h"

typedef struct fl_lock fl_lock;

/* FL_OK with *lock; FL_INVALID: another holder has the name; FL_SYSTEM with *fault, the reason why
 * the file is refused (base/owned.h), or with errno and *fault = NULL; FL_NO_MEMORY. A missing file
 * is created with mode 0600 (shared: 0660). Never blocks. */
fl_result fl_lock_take(const char *path, fl_slice name, bool shared, fl_lock **lock,
                       const char **fault);

/* FL_OK with *held: whether a holder, in any process, has the name. Takes nothing, so that no other
 * process is disturbed. FL_SYSTEM with errno. */
fl_result fl_lock_is_held(const char *path, fl_slice name, bool *held);

/* The open file, which the lock owns. In a forked child it is closed. */
int fl_lock_descriptor(const fl_lock *lock);

/* Releases the lock; NULL is allowed. */
void fl_lock_release(fl_lock *lock);

#endif
