/*
 * same_file.h: whether two paths name one file, so that a file which is still needed is not
 * overwritten. POSIX.
 */
#ifndef FL_SAME_FILE_H
#define FL_SAME_FILE_H

#include <stdbool.h>

/* True if both paths are the same text, or lead to the same inode of the same device. */
bool fl_same_file(const char *one, const char *other);

#endif
