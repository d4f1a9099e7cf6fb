/* owned.c: who owns a file and may write it, by its owner and mode. Relies on POSIX alone. */
#include "base/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/write_all.h"

#define RANDOM ".XXXXXX"
#define PIECE ((size_t)16 * 1024)

/* Whether this process belongs to the group. A process in more groups than a list here has is in
 * none of those behind. */
static bool is_member(gid_t group) {
  gid_t groups[256];
  int count = getgroups((int)(sizeof groups / sizeof *groups), groups);
  for (int i = 0; i < count; i++)
    if (groups[i] == group) return true;
  return group == getegid();
}

const char *fl_owned_fault(const struct stat *status, bool shared) {
  bool own = status->st_uid == geteuid() || status->st_uid == 0;
  bool judged = S_ISREG(status->st_mode) || S_ISFIFO(status->st_mode);
  if (!judged) return NULL;
  if (status->st_mode & S_IWOTH) return "every user may write it";
  if (shared && is_member(status->st_gid)) return NULL;
  if (!own) return "belongs to another user";
  return status->st_mode & S_IWGRP ? "its group may write it" : NULL;
}

const char *fl_owned_fault_at(const char *path, bool shared) {
  struct stat status;
  if (lstat(path, &status) != 0) return NULL;
  if (S_ISLNK(status.st_mode)) return "is a symbolic link";
  return fl_owned_fault(&status, shared);
}

/* The mode is set again, since the umask may have taken rights that the next opening needs. */
static int create(const char *path, bool shared) {
  mode_t mode = shared ? 0660 : 0600;
  int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
  if (descriptor >= 0) fchmod(descriptor, mode);
  return descriptor;
}

int fl_owned_open(const char *path, bool shared, const char **fault) {
  struct stat status;
  int descriptor;
  *fault = NULL;
  do {
    descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (descriptor >= 0 || errno != ENOENT) break;
    descriptor = create(path, shared);
    if (descriptor >= 0) return descriptor;
  } while (errno == EEXIST); /* another process created it meanwhile */
  if (descriptor < 0) {
    if (errno == ELOOP || errno == EMLINK) *fault = "is a symbolic link";
    return -1;
  }
  if (fstat(descriptor, &status) == 0)
    *fault = S_ISREG(status.st_mode) ? fl_owned_fault(&status, shared) : "is no regular file";
  else *fault = "cannot be examined";
  if (*fault == NULL) return descriptor;
  close(descriptor);
  return -1;
}

int fl_owned_read(const char *path, bool shared, fl_buffer *out, const char **fault) {
  struct stat status;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), reason = 0;
  *fault = NULL;
  if (descriptor < 0) return errno;
  if (fstat(descriptor, &status) != 0) reason = errno;
  else *fault = fl_owned_fault(&status, shared);
  while (reason == 0 && *fault == NULL) {
    ssize_t got;
    if (fl_buffer_reserve(out, PIECE) != FL_OK) {
      reason = ENOMEM;
      break;
    }
    got = read(descriptor, out->data + out->length, PIECE);
    if (got == 0) break;
    if (got > 0) out->length += (size_t)got;
    else if (errno != EINTR) reason = errno;
  }
  close(descriptor);
  return reason;
}

int fl_owned_replace(const char *path, const char *bytes, size_t length) {
  size_t room = strlen(path) + sizeof RANDOM;
  char *temporary = malloc(room);
  struct stat status;
  int descriptor, reason = 0;
  if (temporary == NULL) return ENOMEM;
  /* A rename would take the place of a device or a pipe, too. */
  if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
    free(temporary);
    return ENOTSUP;
  }
  snprintf(temporary, room, "%s%s", path, RANDOM);
  descriptor = fl_descriptor_temporary(temporary, 0);
  if (descriptor < 0) reason = errno;
  else {
    if (fchmod(descriptor, 0600) != 0 || !fl_write_all(descriptor, bytes, length) ||
        fsync(descriptor) != 0)
      reason = errno;
    if (close(descriptor) != 0 && reason == 0) reason = errno;
    if (reason == 0 && rename(temporary, path) != 0) reason = errno;
    if (reason != 0) unlink(temporary);
  }
  free(temporary);
  return reason;
}

/* Reads a line as "Umask:\t0022". */
static bool read_umask(const char *line, mode_t *mask) {
  static const char name[] = "Umask:";
  char *end;
  if (strncmp(line, name, sizeof name - 1) != 0) return false;
  line += sizeof name - 1;
  *mask = (mode_t)strtoul(line, &end, 8);
  return end != line;
}

/* Linux tells the umask. Elsewhere it has to be set to be read; a file that another thread creates
 * meanwhile gets fewer rights, not more. */
mode_t fl_owned_umask(void) {
  static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
  char line[256];
  mode_t mask = 0;
  bool found = false;
  FILE *status = fopen("/proc/self/status", "re");
  mode_t before;
  while (status != NULL && !found && fgets(line, sizeof line, status) != NULL)
    found = read_umask(line, &mask);
  if (status != NULL) (void)fclose(status);
  if (found) return mask;
  pthread_mutex_lock(&guard);
  before = umask(077);
  umask(before);
  pthread_mutex_unlock(&guard);
  return before;
}
