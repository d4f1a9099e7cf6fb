/*
 * durable.h: makes the content of a file survive a loss of power. POSIX. Blocks for as long as the
 * disk takes.
 */
#ifndef FL_DURABLE_H
#define FL_DURABLE_H

/*
 * Syncs a file that was written and closed, and its folder. Returns 0 or errno. A file that is not
 * regular (a pipe, /dev/null) and a folder that cannot be opened are left alone.
 */
int fl_make_durable(const char *path);

#endif
