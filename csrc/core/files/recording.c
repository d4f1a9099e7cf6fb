/*
 * recording.c: writes the temporary file. See recording.h.
 */
#include "files/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/write_all.h"

#define RANDOM "XXXXXX"

struct fl_recording {
  atomic_int references;
  pthread_mutex_t lock;
  bool ended;
  int descriptor; /* -1: not made yet */
  fl_compression compression;
  fl_packer *packer;
  char *path;
  char message[300];
};

fl_recording *fl_recording_new(const char *prefix, fl_compression compression) {
  fl_recording *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->lock, NULL);
  self->descriptor = -1;
  self->compression = compression;
  self->path = malloc(strlen(prefix) + sizeof RANDOM);
  if (self->path == NULL) {
    pthread_mutex_destroy(&self->lock);
    free(self);
    return NULL;
  }
  strcpy(self->path, prefix);
  strcat(self->path, RANDOM);
  return self;
}

fl_recording *fl_recording_retain(fl_recording *self) {
  atomic_fetch_add(&self->references, 1);
  return self;
}

void fl_recording_release(fl_recording *self) {
  if (self == NULL || atomic_fetch_sub(&self->references, 1) != 1) return;
  if (self->packer != NULL) fl_archive_installed()->pack_free(self->packer);
  if (self->descriptor >= 0) close(self->descriptor);
  pthread_mutex_destroy(&self->lock);
  free(self->path);
  free(self);
}

static bool fail(fl_recording *self, const char *what) {
  const char *of_packer = self->packer != NULL ? self->packer->message : "";
  if (self->message[0] != '\0') return false;
  if (of_packer[0] != '\0')
    snprintf(self->message, sizeof self->message, "%s: %s", self->path, of_packer);
  else
    snprintf(self->message, sizeof self->message, "%s: cannot %s: %s", self->path, what,
             strerror(errno));
  return false;
}

static bool make_file(fl_recording *self) {
  self->descriptor = fl_descriptor_temporary(self->path, 0);
  if (self->descriptor < 0) return fail(self, "make the file");
  return unlink(self->path) == 0 || fail(self, "remove the name of the file");
}

static bool begin_packing(fl_recording *self) {
  errno = ENOMEM;
  self->packer = fl_archive_installed()->pack(self->descriptor, self->compression, NULL, true);
  return (self->packer != NULL && self->packer->message[0] == '\0') || fail(self, "write");
}

static bool write_bytes(fl_recording *self, const char *bytes, size_t length) {
  if (self->message[0] != '\0' || self->ended) return false;
  if (self->descriptor < 0 && !make_file(self)) return false;
  if (length == 0) return true;
  if (self->packer == NULL && self->compression != FL_COMPRESSION_NONE && !begin_packing(self))
    return false;
  if (self->packer != NULL ? fl_archive_installed()->pack_bytes(self->packer, bytes, length)
                           : fl_write_all(self->descriptor, bytes, length))
    return true;
  return fail(self, "write");
}

bool fl_recording_write(fl_recording *self, const char *bytes, size_t length) {
  bool done;
  pthread_mutex_lock(&self->lock);
  done = write_bytes(self, bytes, length);
  pthread_mutex_unlock(&self->lock);
  return done;
}

bool fl_recording_end(fl_recording *self) {
  bool done;
  pthread_mutex_lock(&self->lock);
  done = write_bytes(self, "", 0) && /* makes the file of an empty recording, too */
         (self->packer == NULL || fl_archive_installed()->pack_end(self->packer) ||
          fail(self, "write"));
  self->ended = done;
  pthread_mutex_unlock(&self->lock);
  return done;
}

const char *fl_recording_message(const fl_recording *self) { return self->message; }

fl_bytes_file *fl_recording_open(fl_recording *self) {
  int descriptor = -1;
  pthread_mutex_lock(&self->lock);
  errno = EBUSY;
  if (self->ended) descriptor = fcntl(self->descriptor, F_DUPFD_CLOEXEC, 0);
  pthread_mutex_unlock(&self->lock);
  return fl_bytes_adopt_file(descriptor);
}

/* An empty file is not a compressed one. */
fl_compression fl_recording_compression(const fl_recording *self) {
  return self->packer != NULL ? self->compression : FL_COMPRESSION_NONE;
}
