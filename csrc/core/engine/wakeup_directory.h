/*
 * wakeup_directory.h: the private directory of the wake-up socket, below $TMPDIR or /tmp.
 *
 * Making one removes the directories of processes that are gone. wakeup.c holds its lock around all
 * of these functions.
 */
#ifndef FL_WAKEUP_DIRECTORY_H
#define FL_WAKEUP_DIRECTORY_H

#include "base/base.h"

typedef struct fl_wakeup_directory {
  int lock_file;   /* locked while the process lives; -1: not open */
  char path[80];   /* of mode 0700 */
  char socket[96]; /* the path of the socket in it, which the caller creates */
} fl_wakeup_directory;

/* Makes the directory. False if it cannot be made or locked; nothing is left then. */
bool fl_wakeup_directory_make(fl_wakeup_directory *self);

/* Removes the directory with the socket. */
void fl_wakeup_directory_remove(const fl_wakeup_directory *self);

/* Closes the lock file, and nothing else: in a forked child the directory is the parent's. */
void fl_wakeup_directory_close(fl_wakeup_directory *self);

#endif
