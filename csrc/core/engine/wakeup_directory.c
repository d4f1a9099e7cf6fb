/*
 * wakeup_directory.c: the private directory of the wake-up socket.
 *
 * The directory holds a file that is locked while the process lives. Relies on flock, which the
 * system releases for a process that is killed.
 */
#include "engine/wakeup_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define PREFIX "flarelight-"
#define TEMPLATE PREFIX "XXXXXX"
#define SOCKET_NAME "wake"
#define LOCK_NAME "lock"
/* The age at which a directory without a lock file is removed. */
#define UNLOCKED_AGE (3600 * FL_SECOND)

static const char *base_directory(void) {
  const char *given = getenv("TMPDIR");
  /* The path of a unix socket has a bound of about 100 bytes. */
  if (given == NULL || *given != '/' || strlen(given) > 40) return "/tmp";
  return given;
}

/* Removes a directory if the process that made it is gone. */
static void sweep_one(int base, const char *name) {
  struct stat about;
  int lock_file, directory = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool gone = false;
  if (directory < 0) return;
  if (fstat(directory, &about) == 0 && about.st_uid == geteuid()) {
    lock_file = openat(directory, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock_file >= 0) {
      gone = flock(lock_file, LOCK_EX | LOCK_NB) == 0;
      if (gone) {
        unlinkat(directory, SOCKET_NAME, 0);
        unlinkat(directory, LOCK_NAME, 0);
      }
      close(lock_file);
    } else if (errno == ENOENT) {
      gone = fl_clock_wall() - (fl_time)about.st_mtime * FL_SECOND > UNLOCKED_AGE;
      if (gone) unlinkat(directory, SOCKET_NAME, 0);
    }
  }
  close(directory);
  if (gone) unlinkat(base, name, AT_REMOVEDIR);
}

static void sweep(const char *base) {
  DIR *entries = opendir(base);
  if (entries == NULL) return;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
    if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
        strlen(entry->d_name) == strlen(TEMPLATE))
      sweep_one(dirfd(entries), entry->d_name);
  closedir(entries);
}

/* The file is locked under another name first, so that under its own name it is always locked. */
static bool lock_directory(fl_wakeup_directory *self) {
  char making[96], made[96];
  snprintf(making, sizeof making, "%s/" LOCK_NAME ".new", self->path);
  snprintf(made, sizeof made, "%s/" LOCK_NAME, self->path);
  self->lock_file = open(making, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (self->lock_file < 0) return false;
  return flock(self->lock_file, LOCK_EX | LOCK_NB) == 0 && rename(making, made) == 0;
}

bool fl_wakeup_directory_make(fl_wakeup_directory *self) {
  const char *base = base_directory();
  self->lock_file = -1;
  sweep(base);
  snprintf(self->path, sizeof self->path, "%s/" TEMPLATE, base);
  if (mkdtemp(self->path) == NULL) return false;
  snprintf(self->socket, sizeof self->socket, "%s/" SOCKET_NAME, self->path);
  if (lock_directory(self)) return true;
  fl_wakeup_directory_remove(self);
  fl_wakeup_directory_close(self);
  return false;
}

void fl_wakeup_directory_remove(const fl_wakeup_directory *self) {
  char name[96];
  unlink(self->socket);
  snprintf(name, sizeof name, "%s/" LOCK_NAME, self->path);
  unlink(name);
  rmdir(self->path);
}

void fl_wakeup_directory_close(fl_wakeup_directory *self) {
  if (self->lock_file >= 0) close(self->lock_file);
  self->lock_file = -1;
}
