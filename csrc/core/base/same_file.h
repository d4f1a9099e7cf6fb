/*
 * same_file.h: whether two paths name one file, before something is written over what is still
 * needed. POSIX.
 */
#ifndef FL_SAME_FILE_H
#define FL_SAME_FILE_H

#include <stdbool.h>

/* True where both are the same text, or lead to the same file of the same device. */
bool fl_same_file(const char *one, const char *other);

#endif
