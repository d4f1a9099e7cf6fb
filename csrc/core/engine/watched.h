/*
 * watched.h: the sockets that the network waits for, and a descriptor that ends the wait.
 *
 * One thread at a time uses it; fl_watched_wake alone may be called from any other.
 */
#ifndef FL_WATCHED_H
#define FL_WATCHED_H

#include "base/base.h"
#include "base/wake_descriptor.h"

struct pollfd;

typedef struct fl_watched {
  fl_wake_descriptor wake;
  struct pollfd *polled; /* the first is that of `wake` */
  size_t count, capacity;
  size_t ready; /* those below this index may be ready */
} fl_watched;

typedef struct fl_ready {
  int descriptor;
  bool readable, writable, failed;
} fl_ready;

/* False without memory or descriptors; then it must not be used, and may be freed. */
bool fl_watched_init(fl_watched *watched);
void fl_watched_free(fl_watched *watched);

/* Makes room for the sockets of so many transfers. False without memory. */
bool fl_watched_reserve(fl_watched *watched, size_t transfers);

/* Watches a socket for reading, writing or both; for neither: stops watching it. False without
 * memory, which cannot be within the reserve. */
bool fl_watched_set(fl_watched *watched, int descriptor, bool reading, bool writing);

/* Watches no socket any more. */
void fl_watched_clear(fl_watched *watched);

/* Waits for a socket, fl_watched_wake, a signal or the time. True if a socket is ready. */
bool fl_watched_wait(fl_watched *watched, int milliseconds);

/* The next socket that the last wait found ready, unless it is not watched any more. False if there
 * is none. Sockets may be set between two calls. */
bool fl_watched_take(fl_watched *watched, fl_ready *ready);

void fl_watched_wake(fl_watched *watched);

#endif
