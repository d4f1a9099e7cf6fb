/*
 * real_path.h: the path of a file without links, so that all who use a file through different
 * names find the same files beside it. POSIX.
 */
#ifndef FL_REAL_PATH_H
#define FL_REAL_PATH_H

#include <stdbool.h>

/* The absolute path without links, which the caller frees; NULL without memory. A file that is
 * missing has its folder's path and its name; it may be the target of a link. A path that cannot be
 * followed, as into a missing folder, is kept, and so is the target of a link that cannot. *linked:
 * the last name of `path` is that of a link. */
char *fl_real_path(const char *path, bool *linked);

#endif
