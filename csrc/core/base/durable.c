/* durable.c: fsync of a file, then of its folder. Relies on POSIX alone. */
#include "base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_file(const char *path) {
  struct stat status;
  int descriptor, reason = 0;
  if (stat(path, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return 0;
  descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return errno;
  if (fsync(descriptor) != 0) reason = errno;
  close(descriptor);
  /* These errors come from file systems that cannot sync. */
  return reason == EINVAL || reason == ENOTSUP ? 0 : reason;
}

/* Makes the name of a new file durable. Some folders can be written to but not opened. */
static int sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL   ? strdup(".")
                 : slash == path ? strdup("/")
                                 : strndup(path, (size_t)(slash - path));
  int descriptor, reason = 0;
  if (folder == NULL) return ENOMEM;
  descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (descriptor < 0) return 0;
  if (fsync(descriptor) != 0 && errno == EIO) reason = EIO;
  close(descriptor);
  return reason;
}

int fl_make_durable(const char *path) {
  int reason = sync_file(path);
  return reason != 0 ? reason : sync_folder(path);
}
