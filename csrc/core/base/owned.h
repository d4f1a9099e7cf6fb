/*
 * owned.h: files that no other user may change. POSIX.
 *
 * A file that another user owns, or may write, could hold that user's data in place of this
 * process's. The superuser counts as this user. With `shared`, a file may also belong to other
 * members of a group of this process, and that group may write it; a file that everyone may write
 * is refused all the same. A list of access rights (ACL) that lets another user write shows as
 * rights of the group.
 */
#ifndef FL_OWNED_H
#define FL_OWNED_H

#include <sys/stat.h>

#include "base/buffer.h"

/* NULL if no other user may change the file; else the reason, for a message after the file's name.
 * Devices are not judged. */
const char *fl_owned_fault(const struct stat *status, bool shared);

/* The same of the file at `path`, without following a link there. NULL if there is no file. */
const char *fl_owned_fault_at(const char *path, bool shared);

/* Opens a regular file for reading and writing, and creates it if it is missing: with mode 0600
 * (shared: 0660) under any umask. Never follows a link at `path` and never blocks. Returns -1 with
 * *fault (see above), or with errno and *fault = NULL. */
int fl_owned_open(const char *path, bool shared, const char **fault);

/* Appends the content of the file at `path`, which may be a link to it, to `out`. Returns 0 or
 * errno; with *fault (see above) nothing was read. */
int fl_owned_read(const char *path, bool shared, fl_buffer *out, const char **fault);

/* Replaces the file at `path` by `bytes`, with mode 0600 under any umask: writes a file with an
 * unguessable name beside it, syncs it and renames it. Returns 0 or errno; then the old file is
 * as before. ENOTSUP: what stands at `path` is no file, for example a device. */
int fl_owned_replace(const char *path, const char *bytes, size_t length);

/* The umask of the process. Any thread. */
mode_t fl_owned_umask(void);

#endif
