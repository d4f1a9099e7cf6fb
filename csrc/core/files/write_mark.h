/*
 * write_mark.h: a mark that each write changes, for the processes with one state file. What a
 * process has read before the mark changed may be untrue.
 *
 * The mark is 8 random bytes in a file beside the state file. Reading it costs two system calls and
 * takes no lock.
 */
#ifndef FL_WRITE_MARK_H
#define FL_WRITE_MARK_H

#include "base/base.h"

#define FL_WRITE_MARK_ENDING "-writes"
#define FL_WRITE_MARK_SIZE 8

typedef struct fl_write_mark {
  int descriptor; /* -1: not open */
  bool shared;    /* base/owned.h */
  char path[];
} fl_write_mark;

/* Opens nothing. NULL without memory. */
fl_write_mark *fl_write_mark_new(const char *path, bool shared);
void fl_write_mark_free(fl_write_mark *mark);

/* Copies the mark to `value`. Creates the file if it is missing. FL_SYSTEM with *fault, the reason
 * why the file is refused (base/owned.h), or with errno and *fault = NULL. */
fl_result fl_write_mark_read(fl_write_mark *mark, char value[FL_WRITE_MARK_SIZE],
                             const char **fault);

/* Changes the mark. Without the file, nobody has read the mark, and nothing is done. Errors: as of
 * fl_write_mark_read. */
fl_result fl_write_mark_change(fl_write_mark *mark, const char **fault);

#endif
