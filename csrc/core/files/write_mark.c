/* write_mark.c: see write_mark.h. POSIX. */
#include "files/write_mark.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/owned.h"

fl_write_mark *fl_write_mark_new(const char *path, bool shared) {
  size_t length = strlen(path) + 1;
  fl_write_mark *mark = calloc(1, sizeof *mark + length);
  if (mark == NULL) return NULL;
  mark->descriptor = -1;
  mark->shared = shared;
  memcpy(mark->path, path, length);
  return mark;
}

static void close_file(fl_write_mark *mark) {
  if (mark->descriptor >= 0) close(mark->descriptor);
  mark->descriptor = -1;
}

void fl_write_mark_free(fl_write_mark *mark) {
  close_file(mark);
  free(mark);
}

/* The file at the path, which may have been deleted since it was opened. */
static fl_result open_file(fl_write_mark *mark, const char **fault) {
  struct stat status;
  *fault = NULL;
  if (mark->descriptor >= 0 && fstat(mark->descriptor, &status) == 0 && status.st_nlink > 0)
    return FL_OK;
  close_file(mark);
  mark->descriptor = fl_owned_open(mark->path, mark->shared, fault);
  return mark->descriptor >= 0 ? FL_OK : FL_SYSTEM;
}

static fl_result write_new(fl_write_mark *mark, char value[FL_WRITE_MARK_SIZE]) {
  ssize_t written;
  if (getentropy(value, FL_WRITE_MARK_SIZE) != 0) return FL_SYSTEM;
  written = pwrite(mark->descriptor, value, FL_WRITE_MARK_SIZE, 0);
  if (written == FL_WRITE_MARK_SIZE) return FL_OK;
  if (written >= 0) errno = ENOSPC;
  return FL_SYSTEM;
}

fl_result fl_write_mark_read(fl_write_mark *mark, char value[FL_WRITE_MARK_SIZE],
                             const char **fault) {
  ssize_t got;
  if (open_file(mark, fault) != FL_OK) return FL_SYSTEM;
  got = pread(mark->descriptor, value, FL_WRITE_MARK_SIZE, 0);
  if (got == FL_WRITE_MARK_SIZE) return FL_OK;
  return got < 0 ? FL_SYSTEM : write_new(mark, value); /* the file is new */
}

fl_result fl_write_mark_change(fl_write_mark *mark, const char **fault) {
  char value[FL_WRITE_MARK_SIZE];
  *fault = NULL;
  if (access(mark->path, F_OK) != 0) return errno == ENOENT ? FL_OK : FL_SYSTEM;
  if (open_file(mark, fault) != FL_OK) return FL_SYSTEM;
  return write_new(mark, value);
}
