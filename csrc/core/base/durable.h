/*
 * durable.h: what was written to a file survives the loss of power from here on. POSIX; holds its
 * caller up for as long as the disk takes.
 */
#ifndef FL_DURABLE_H
#define FL_DURABLE_H

/*
 * Syncs a file that was written and closed, and the folder that names it. 0, or errno. What is no
 * regular file (a pipe, /dev/null) has nothing to be synced, and neither has a folder that cannot
 * be.
 */
int fl_make_durable(const char *path);

#endif
