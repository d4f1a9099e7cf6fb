/*
 * ahead.c: reads a source of bytes on a thread of its own, a little ahead of the reader, so that
 * decompression and parsing run in parallel.
 *
 * The thread alone uses the inner source while it runs. It starts with the first read of a pass and
 * ends with the source's end, a rewind or the close. A forked child does not have the thread, so
 * the source fails there. If no thread can be started, reads go directly to the inner source.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "module.h"

enum { SLOTS = 4 };
#define SLOT ((size_t)128 * 1024)

typedef struct ahead {
  fl_bytes bytes;
  fl_bytes *inner;
  pid_t process;
  bool begun, threaded; /* this pass has begun; on the thread */
  pthread_t thread;
  pthread_mutex_t lock; /* protects the members below, except the content of slots */
  pthread_cond_t changed;
  bool stop, ended;
  size_t first, filled; /* the first slot that holds bytes, and their number */
  size_t lengths[SLOTS];
  size_t at; /* bytes of the first slot that were given; used by the reader only */
  char slots[SLOTS][SLOT];
} ahead;

static void *run(void *context) {
  ahead *self = context;
  bool more = true;
  pthread_mutex_lock(&self->lock);
  while (more) {
    size_t place, count;
    while (self->filled == SLOTS && !self->stop) pthread_cond_wait(&self->changed, &self->lock);
    if (self->stop) break;
    place = (self->first + self->filled) % SLOTS;
    pthread_mutex_unlock(&self->lock);
    count = self->inner->class->read(self->inner, self->slots[place], SLOT);
    pthread_mutex_lock(&self->lock);
    more = count > 0;
    self->lengths[place] = count;
    if (more) self->filled++;
    else self->ended = true;
    pthread_cond_signal(&self->changed);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

static void start(ahead *self) {
  sigset_t all, before;
  self->begun = true;
  /* This thread blocks all signals, so that the host's threads handle them. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  self->threaded = pthread_create(&self->thread, NULL, run, self) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop(ahead *self) {
  if (self->threaded) {
    pthread_mutex_lock(&self->lock);
    self->stop = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
  }
  self->begun = self->threaded = self->stop = self->ended = false;
  self->first = self->filled = self->at = 0;
}

static bool is_here(ahead *self) {
  return self->process == getpid() ||
         fl_bytes_fail(&self->bytes, FL_BYTES_SYSTEM,
                       "cannot read the file: it was opened before a fork");
}

/* Waits until a slot holds bytes or the source has ended. True if a slot holds bytes. */
static bool await(ahead *self) {
  bool any;
  pthread_mutex_lock(&self->lock);
  while (self->filled == 0 && !self->ended) pthread_cond_wait(&self->changed, &self->lock);
  any = self->filled > 0;
  pthread_mutex_unlock(&self->lock);
  return any;
}

static size_t read_ahead(fl_bytes *bytes, char *out, size_t room) {
  ahead *self = (ahead *)(void *)bytes;
  size_t count;
  if (bytes->code != FL_BYTES_OK || !is_here(self)) return 0;
  if (!self->begun) start(self);
  if (!self->threaded) {
    count = self->inner->class->read(self->inner, out, room);
    if (count == 0) fl_bytes_is_well(bytes, self->inner);
    return count;
  }
  if (!await(self)) {
    fl_bytes_is_well(bytes, self->inner);
    return 0;
  }
  count = self->lengths[self->first] - self->at;
  if (count > room) count = room;
  memcpy(out, self->slots[self->first] + self->at, count);
  self->at += count;
  if (self->at < self->lengths[self->first]) return count;
  self->at = 0;
  pthread_mutex_lock(&self->lock);
  self->first = (self->first + 1) % SLOTS;
  self->filled--;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->lock);
  return count;
}

static bool rewind_ahead(fl_bytes *bytes) {
  ahead *self = (ahead *)(void *)bytes;
  if (!is_here(self)) return false;
  stop(self);
  fl_bytes_forget_content(bytes);
  return self->inner->class->rewind(self->inner) || fl_bytes_is_well(bytes, self->inner);
}

static void close_ahead(fl_bytes *bytes) {
  ahead *self = (ahead *)(void *)bytes;
  /* After a fork the thread's data is left alone. */
  if (self->threaded && self->process != getpid()) return;
  stop(self);
  self->inner->class->close(self->inner);
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

static const fl_bytes_class ahead_class = {read_ahead, rewind_ahead, close_ahead};

fl_bytes *fl_ahead_inner(fl_bytes *self) {
  return self->class == &ahead_class ? ((ahead *)(void *)self)->inner : self;
}

fl_bytes *fl_ahead_open(fl_bytes *inner) {
  ahead *self = malloc(sizeof *self);
  if (self == NULL) return NULL;
  memset(self, 0, offsetof(ahead, slots));
  self->bytes.class = &ahead_class;
  self->inner = inner;
  self->process = getpid();
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->changed, NULL);
  fl_bytes_is_well(&self->bytes, inner);
  return &self->bytes;
}
