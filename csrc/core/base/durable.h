/*
 * durable.h: makes what was written to a file survive a loss of power. POSIX. Blocks for as long as
 * the disk takes.
 */
#ifndef FL_DURABLE_H
#define FL_DURABLE_H

/*
 * Syncs a file that was written and closed, and the folder that it is in. 0, or errno. Does nothing
 * for other than regular files (a pipe, /dev/null), and for a folder that cannot be opened.
 */
int fl_make_durable(const char *path);

#endif
