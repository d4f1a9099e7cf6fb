/*
 * lock.c: record locks on single bytes.
 *
 * On Linux a lock can belong to an open file description, and each lock here has a descriptor of
 * its own. On other systems a lock belongs to the process, which loses all locks of a file when it
 * closes any descriptor of the file. There the locks of one file share one descriptor, which is
 * closed with the last lock, and within a process the text of the path tells the files apart.
 */
#include "files/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/owned.h"
#include "base/process.h"

struct fl_lock {
  fl_lock *next;
  char *path;
  off_t offset;
  int descriptor;
  uint64_t process; /* fl_process_generation */
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static fl_lock *held;
static bool prepared;

static void before_fork(void) { pthread_mutex_lock(&guard); }
static void after_fork(void) { pthread_mutex_unlock(&guard); }

/* The child inherits the descriptors, and with them the locks of an open file description. It would
 * hold these locks after its parent has ended. */
static void in_child(void) {
  for (fl_lock *lock = held; lock != NULL; lock = lock->next) {
    bool shared = false;
    for (fl_lock *other = held; other != lock; other = other->next)
      shared |= other->descriptor == lock->descriptor;
    if (!shared) close(lock->descriptor);
  }
  held = NULL;
  pthread_mutex_unlock(&guard);
}

/* FNV-1a. A collision is very unlikely, since there are few names. */
static off_t offset_of(fl_slice name) {
  uint64_t value = 0xcbf29ce484222325u;
  for (size_t i = 0; i < name.length; i++)
    value = (value ^ (unsigned char)name.data[i]) * 0x100000001b3u;
  return (off_t)(value & (sizeof(off_t) > 4 ? 0x3fffffffffffffffu : 0x3fffffffu));
}

static struct flock range_of(off_t offset, short type) {
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
}

static int set_lock(int descriptor, off_t offset, short type) {
  struct flock range = range_of(offset, type);
#ifdef F_OFD_SETLK
  return fcntl(descriptor, F_OFD_SETLK, &range);
#else
  return fcntl(descriptor, F_SETLK, &range);
#endif
}

/* Under the guard: another lock of the same file, whose descriptor must be shared, or NULL. */
static fl_lock *partner(const char *path) {
#ifdef F_OFD_SETLK
  (void)path;
  return NULL;
#else
  fl_lock *lock = held;
  while (lock != NULL && strcmp(lock->path, path) != 0) lock = lock->next;
  return lock;
#endif
}

static bool is_used(int descriptor) {
  for (fl_lock *lock = held; lock != NULL; lock = lock->next)
    if (lock->descriptor == descriptor) return true;
  return false;
}

static void close_unused(int descriptor) {
  int reason = errno;
  if (descriptor >= 0 && !is_used(descriptor)) close(descriptor);
  errno = reason;
}

/* Under the guard. */
static fl_result take(fl_lock *lock, bool shared, const char **fault) {
  fl_lock *other = held;
  for (; other != NULL; other = other->next)
    if (other->offset == lock->offset && strcmp(other->path, lock->path) == 0) return FL_INVALID;
  other = partner(lock->path);
  lock->descriptor = other != NULL ? other->descriptor : fl_owned_open(lock->path, shared, fault);
  if (lock->descriptor < 0) return FL_SYSTEM;
  if (set_lock(lock->descriptor, lock->offset, F_WRLCK) == 0) return FL_OK;
  close_unused(lock->descriptor);
  return errno == EAGAIN || errno == EACCES ? FL_INVALID : FL_SYSTEM;
}

fl_result fl_lock_take(const char *path, fl_slice name, bool shared, fl_lock **out,
                       const char **fault) {
  fl_lock *lock = calloc(1, sizeof *lock);
  fl_result result;
  *fault = NULL;
  if (lock == NULL) return FL_NO_MEMORY;
  lock->path = strdup(path);
  if (lock->path == NULL) {
    free(lock);
    return FL_NO_MEMORY;
  }
  lock->offset = offset_of(name);
  lock->process = fl_process_generation();
  pthread_mutex_lock(&guard);
  if (!prepared) prepared = pthread_atfork(before_fork, after_fork, in_child) == 0;
  result = prepared ? take(lock, shared, fault) : FL_NO_MEMORY;
  if (result == FL_OK) {
    lock->next = held;
    held = lock;
  }
  pthread_mutex_unlock(&guard);
  if (result == FL_OK) {
    *out = lock;
    return FL_OK;
  }
  free(lock->path);
  free(lock);
  return result;
}

/* Under the guard. */
static fl_result ask(const char *path, off_t offset, bool *held_by_any) {
  struct flock range = range_of(offset, F_WRLCK);
  fl_lock *other = held;
  int descriptor, result;
  for (; other != NULL; other = other->next)
    if (other->offset == offset && strcmp(other->path, path) == 0) {
      *held_by_any = true;
      return FL_OK;
    }
  other = partner(path);
  descriptor = other != NULL ? other->descriptor : open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
  *held_by_any = false;
  if (descriptor < 0) return errno == ENOENT ? FL_OK : FL_SYSTEM;
#ifdef F_OFD_GETLK
  result = fcntl(descriptor, F_OFD_GETLK, &range);
#else
  result = fcntl(descriptor, F_GETLK, &range);
#endif
  close_unused(descriptor);
  *held_by_any = range.l_type != F_UNLCK;
  return result == 0 ? FL_OK : FL_SYSTEM;
}

fl_result fl_lock_is_held(const char *path, fl_slice name, bool *held_by_any) {
  fl_result result;
  pthread_mutex_lock(&guard);
  result = ask(path, offset_of(name), held_by_any);
  pthread_mutex_unlock(&guard);
  return result;
}

int fl_lock_descriptor(const fl_lock *lock) { return lock->descriptor; }

void fl_lock_release(fl_lock *lock) {
  if (lock == NULL) return;
  pthread_mutex_lock(&guard);
  if (lock->process == fl_process_generation()) {
    fl_lock **link = &held;
    while (*link != lock) link = &(*link)->next;
    *link = lock->next;
    set_lock(lock->descriptor, lock->offset, F_UNLCK);
    close_unused(lock->descriptor);
  }
  pthread_mutex_unlock(&guard);
  free(lock->path);
  free(lock);
}
