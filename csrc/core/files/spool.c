/*
 * spool.c: a copy of a pipe, in steps. See spool.h.
 *
 * Relies on poll, which waits for a FIFO that no process has opened for writing yet, and on flock,
 * which the system releases for a process that is killed.
 */
#include "files/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/write_all.h"

#define STEP ((size_t)1024 * 1024)
#define PATIENCE 200 /* ms that a step waits */
#define RANDOM "XXXXXX"
#define LONGEST_MAGIC 10
#define LONGEST_ENDING 8
#define EMPTY_AGE (60 * FL_SECOND) /* after which an empty spool was left by a dead process */

struct fl_spool {
  atomic_int references;
  int from, to;
  bool owns_from, done;
  bool undecided; /* no copy is made yet: the first bytes decide how it is packed */
  char *source, *path;
  fl_compression content;     /* of what is copied */
  fl_compression compression; /* of the copy: that of the content, or one that is added */
  fl_packer *packer;          /* NULL: the content is copied as it is */
  char *bytes;
  size_t held; /* bytes that are not copied yet */
  char message[300];
};

static bool is_standard_input(const char *path) { return strcmp(path, "-") == 0; }

bool fl_spool_is_needed(const char *path) {
  struct stat about;
  if (is_standard_input(path)) return true;
  return stat(path, &about) == 0 && S_ISFIFO(about.st_mode);
}

/* The compression of a content by its first bytes. */
static fl_compression compression_of(const char *bytes, size_t length) {
  static const struct {
    fl_compression compression;
    const char *magic;
    size_t length;
  } known[] = {{FL_COMPRESSION_GZIP, "\x1f\x8b\x08", 3},
               {FL_COMPRESSION_ZSTD, "\x28\xb5\x2f\xfd", 4},
               {FL_COMPRESSION_XZ,
                "\xfd"
                "7zXZ\0",
                6},
               {FL_COMPRESSION_ZIP, "PK\x03\x04", 4}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (length >= known[i].length && memcmp(bytes, known[i].magic, known[i].length) == 0)
      return known[i].compression;
  if (length >= LONGEST_MAGIC && memcmp(bytes, "BZh", 3) == 0 &&
      memcmp(bytes + 4, "1AY&SY", 6) == 0)
    return FL_COMPRESSION_BZIP2;
  return FL_COMPRESSION_NONE;
}

fl_spool *fl_spool_new(const char *from, const char *prefix, fl_compression compression) {
  fl_spool *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  atomic_init(&self->references, 1);
  self->from = self->to = -1;
  self->source = strdup(from);
  self->compression = compression;
  self->undecided = true;
  self->path = malloc(strlen(prefix) + sizeof RANDOM + LONGEST_ENDING);
  self->bytes = malloc(STEP);
  if (self->source == NULL || self->path == NULL || self->bytes == NULL) {
    fl_spool_release(self);
    return NULL;
  }
  strcpy(self->path, prefix);
  strcat(self->path, RANDOM);
  return self;
}

fl_spool *fl_spool_retain(fl_spool *self) {
  atomic_fetch_add(&self->references, 1);
  return self;
}

void fl_spool_release(fl_spool *self) {
  if (atomic_fetch_sub(&self->references, 1) != 1) return;
  if (self->packer != NULL) fl_archive_installed()->pack_free(self->packer);
  if (self->owns_from && self->from >= 0) close(self->from);
  if (self->to >= 0) close(self->to);
  free(self->source);
  free(self->path);
  free(self->bytes);
  free(self);
}

static fl_spool_code fail(fl_spool *self, const char *path, const char *what) {
  const char *name = is_standard_input(path) ? "standard input" : path;
  const char *of_packer = self->packer != NULL ? self->packer->message : "";
  if (of_packer[0] != '\0')
    snprintf(self->message, sizeof self->message, "%s: %s", name, of_packer);
  else
    snprintf(self->message, sizeof self->message, "%s: cannot %s: %s", name, what, strerror(errno));
  if (self->to >= 0) {
    unlink(self->path);
    close(self->to);
    self->to = -1;
  }
  return FL_SPOOL_FAILED;
}

static bool open_source(fl_spool *self) {
  self->owns_from = !is_standard_input(self->source);
  /* A blocking open of a FIFO would wait for its writer. */
  self->from =
      self->owns_from ? open(self->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : STDIN_FILENO;
  if (self->from >= 0) return true;
  fail(self, self->source, "open the file");
  return false;
}

/* Makes the copy. A content that is compressed, by the name of the pipe or by its first bytes, is
 * copied as it is; so is an empty one, since an empty file is not a compressed one. */
static bool make_copy(fl_spool *self) {
  const char *ending;
  self->undecided = false;
  self->content = self->owns_from ? fl_archive_compression_of(self->source) : FL_COMPRESSION_NONE;
  if (self->content == FL_COMPRESSION_NONE) self->content = compression_of(self->bytes, self->held);
  if (self->content != FL_COMPRESSION_NONE || self->held == 0) self->compression = self->content;
  ending = fl_archive_ending(self->compression);
  strcat(self->path, ending);
  self->to = fl_descriptor_temporary(self->path, (int)strlen(ending));
  if (self->to < 0) {
    fail(self, self->path, "make the copy");
    return false;
  }
  fchmod(self->to, 0600);
  flock(self->to, LOCK_EX | LOCK_NB);
  return true;
}

/* Copies the bytes that are held. */
static bool put(fl_spool *self) {
  size_t length = self->held;
  if (self->undecided && !make_copy(self)) return false;
  self->held = 0;
  if (length == 0) return true;
  if (self->compression == self->content) {
    if (fl_write_all(self->to, self->bytes, length)) return true;
  } else {
    errno = ENOMEM;
    if (self->packer == NULL)
      self->packer = fl_archive_installed()->pack(self->to, self->compression, NULL, true);
    if (self->packer != NULL &&
        fl_archive_installed()->pack_bytes(self->packer, self->bytes, length))
      return true;
  }
  fail(self, self->path, "write the copy");
  return false;
}

static bool end(fl_spool *self) {
  if (!put(self)) return false;
  if ((self->packer == NULL || fl_archive_installed()->pack_end(self->packer)) &&
      fsync(self->to) == 0)
    return true;
  fail(self, self->path, "write the copy");
  return false;
}

fl_spool_code fl_spool_step(fl_spool *self) {
  struct pollfd polled;
  ssize_t got;
  if (self->done) return FL_SPOOL_DONE;
  if (self->message[0] != '\0') return FL_SPOOL_FAILED;
  if (self->from < 0 && !open_source(self)) return FL_SPOOL_FAILED;
  polled = (struct pollfd){.fd = self->from, .events = POLLIN};
  if (poll(&polled, 1, PATIENCE) <= 0) return FL_SPOOL_MORE;
  got = read(self->from, self->bytes + self->held, STEP - self->held);
  if (got < 0)
    return errno == EAGAIN || errno == EINTR ? FL_SPOOL_MORE : fail(self, self->source, "read");
  self->held += (size_t)got;
  if (got > 0) {
    if (self->undecided && self->held < LONGEST_MAGIC) return FL_SPOOL_MORE;
    return put(self) ? FL_SPOOL_MORE : FL_SPOOL_FAILED;
  }
  if (!end(self)) return FL_SPOOL_FAILED;
  self->done = true;
  return FL_SPOOL_DONE;
}

fl_compression fl_spool_content(const fl_spool *self) { return self->content; }

/* Whether the rest of a name is six characters and perhaps the ending of a compressed file. */
static bool is_random(const char *rest) {
  size_t ending = strlen(fl_archive_ending(fl_archive_compression_of(rest)));
  return strlen(rest) == strlen(RANDOM) + ending;
}

/* A file is locked before anything is written into it. One that is empty may be new and not locked
 * yet. */
static bool is_left(const char *path) {
  struct stat about;
  int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  bool left =
      descriptor >= 0 && fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode) &&
      about.st_uid == geteuid() && flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
      (about.st_size > 0 || fl_clock_wall() - (fl_time)about.st_mtime * FL_SECOND > EMPTY_AGE);
  if (descriptor >= 0) close(descriptor);
  return left;
}

void fl_spool_each_left(const char *prefix, void (*found)(void *context, const char *path),
                        void *context) {
  const char *slash = strrchr(prefix, '/'), *begin = slash != NULL ? slash + 1 : prefix;
  size_t folder_length = (size_t)(begin - prefix), length = strlen(begin);
  char path[PATH_MAX];
  DIR *entries;
  if (strlen(prefix) + sizeof RANDOM > sizeof path) return;
  memcpy(path, prefix, folder_length);
  path[folder_length] = '\0';
  entries = opendir(folder_length > 0 ? path : ".");
  if (entries == NULL) return;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    if (strncmp(entry->d_name, begin, length) != 0 || !is_random(entry->d_name + length)) continue;
    strcpy(path + folder_length, entry->d_name);
    if (is_left(path)) found(context, path);
  }
  closedir(entries);
}

const char *fl_spool_path(const fl_spool *self) { return self->to >= 0 ? self->path : ""; }
const char *fl_spool_message(const fl_spool *self) { return self->message; }
