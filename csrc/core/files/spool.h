/*
 * spool.h: copies standard input or a pipe into a file of its own, which can be read as often as a
 * source is.
 *
 * A spool is made at PREFIX and six characters that cannot be guessed, with mode 0600. It may be
 * compressed; its name then ends as that of a compressed file. A content that is compressed already
 * (by the name of the pipe, or by its first bytes) is copied as it is. The spool is locked
 * (flock) while the process that made it keeps it open, so that other processes can tell it from
 * one that a dead process has left. The copy goes in steps: none waits for long, so that a caller
 * can stop between them.
 */
#ifndef FL_SPOOL_H
#define FL_SPOOL_H

#include "base/base.h"
#include "files/archive.h"

typedef struct fl_spool fl_spool;

typedef enum fl_spool_code { FL_SPOOL_MORE, FL_SPOOL_DONE, FL_SPOOL_FAILED } fl_spool_code;

/* Whether reading the path would use up its content: "-", which is standard input, and pipes. */
bool fl_spool_is_needed(const char *path);

/* NULL: no memory. Files are opened by the steps. A compression needs the module of compressed
 * files (archive.h). */
fl_spool *fl_spool_new(const char *from, const char *prefix, fl_compression compression);
fl_spool *fl_spool_retain(fl_spool *self);
/* Closes the files with the last reference. The spool stays where it is. */
void fl_spool_release(fl_spool *self);

/* Copies what has arrived, 1 MiB at most, or waits 0.2 s for it. One thread at a time. After the
 * end the spool is on the disk (fsync). After a failure it is removed. */
fl_spool_code fl_spool_step(fl_spool *self);

/* Calls `found` for each spool at this prefix that no process keeps open and that this user owns.
 */
void fl_spool_each_left(const char *prefix, void (*found)(void *context, const char *path),
                        void *context);

/* The compression of the content; known once there is a path. */
fl_compression fl_spool_content(const fl_spool *self);
/* The path of the spool; "" before the first bytes have come and after a failure. */
const char *fl_spool_path(const fl_spool *self);
/* Why the last step failed. */
const char *fl_spool_message(const fl_spool *self);

#endif
