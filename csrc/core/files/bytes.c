/*
 * bytes.c: a regular file as a source of bytes. See bytes.h.
 */
#include "files/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool fail_system(fl_bytes_file *self, const char *what) {
  return fl_bytes_fail(&self->bytes, FL_BYTES_SYSTEM, "cannot %s the file: %s", what,
                       strerror(errno));
}

bool fl_bytes_same_status(const struct stat *one, const struct stat *other) {
  return one->st_ino == other->st_ino && one->st_dev == other->st_dev &&
         one->st_size == other->st_size &&
         FL_BYTES_MODIFIED(*one).tv_sec == FL_BYTES_MODIFIED(*other).tv_sec &&
         FL_BYTES_MODIFIED(*one).tv_nsec == FL_BYTES_MODIFIED(*other).tv_nsec;
}

bool fl_bytes_is_changed(const fl_bytes_file *self) {
  struct stat now, named;
  if (fstat(self->descriptor, &now) != 0 || !fl_bytes_same_status(&now, &self->status)) return true;
  return stat(self->path, &named) == 0 &&
         (named.st_ino != now.st_ino || named.st_dev != now.st_dev);
}

static size_t read_file(fl_bytes *bytes, char *out, size_t room) {
  fl_bytes_file *self = (fl_bytes_file *)(void *)bytes;
  ssize_t count;
  if (bytes->code != FL_BYTES_OK) return 0;
  do count = read(self->descriptor, out, room);
  while (count < 0 && errno == EINTR);
  if (count < 0) {
    fail_system(self, "read");
    return 0;
  }
  self->position += count;
  if (self->position > (int64_t)self->status.st_size && fl_bytes_is_changed(self)) {
    fl_bytes_fail(bytes, FL_BYTES_CHANGED, FL_BYTES_CHANGED_WORDS);
    return 0;
  }
  return (size_t)count;
}

static bool rewind_file(fl_bytes *bytes) {
  fl_bytes_file *self = (fl_bytes_file *)(void *)bytes;
  if (lseek(self->descriptor, 0, SEEK_SET) != 0) return fail_system(self, "read");
  self->position = 0;
  return true;
}

static void close_file(fl_bytes *bytes) {
  fl_bytes_file *self = (fl_bytes_file *)(void *)bytes;
  if (self->descriptor >= 0) close(self->descriptor);
  free(self->path);
  free(self);
}

static const fl_bytes_class file_class = {read_file, rewind_file, close_file};

static fl_bytes_file *new_file(const char *path) {
  fl_bytes_file *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->bytes.class = &file_class;
  self->descriptor = -1;
  self->path = strdup(path);
  if (self->path == NULL) fl_bytes_fail_memory(&self->bytes);
  return self;
}

fl_bytes_file *fl_bytes_open_file(const char *path) {
  fl_bytes_file *self = new_file(path);
  if (self == NULL || self->bytes.code != FL_BYTES_OK) return self;
  /* Without O_NONBLOCK a pipe without a writer would block here. */
  self->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (self->descriptor < 0 || fstat(self->descriptor, &self->status) != 0) {
    fail_system(self, "open");
  } else if (S_ISDIR(self->status.st_mode)) {
    errno = EISDIR;
    fail_system(self, "read");
  } else if (!S_ISREG(self->status.st_mode)) {
    fl_bytes_fail(&self->bytes, FL_BYTES_SYSTEM, "not a regular file: it has to be read twice");
  }
  return self;
}

/* The path is empty, which is no file's: see fl_bytes_is_changed. */
fl_bytes_file *fl_bytes_adopt_file(int descriptor) {
  fl_bytes_file *self = new_file("");
  if (self == NULL) {
    if (descriptor >= 0) close(descriptor);
    return NULL;
  }
  self->descriptor = descriptor;
  if (self->bytes.code == FL_BYTES_OK && (descriptor < 0 || fstat(descriptor, &self->status) != 0 ||
                                          lseek(descriptor, 0, SEEK_SET) != 0))
    fail_system(self, "open");
  return self;
}
