/*
 * watched.c: an array for poll. It is searched from its end, since a process has few connections
 * and libcurl changes the newest most often.
 */
#include "engine/watched.h"

#include <poll.h>
#include <stdlib.h>

/* A transfer has at most two sockets while it connects by two protocols, and one of the resolver.
 * The sockets that libcurl keeps without a transfer are not watched. */
#define SOCKETS_OF_A_TRANSFER 3
#define FIRST_SOCKET 1

bool fl_watched_init(fl_watched *watched) {
  *watched = (fl_watched){.wake = {-1, -1}};
  if (!fl_wake_open(&watched->wake)) return false;
  if (!fl_watched_reserve(watched, 4)) {
    fl_watched_free(watched);
    return false;
  }
  watched->polled[0] = (struct pollfd){.fd = watched->wake.reader, .events = POLLIN, .revents = 0};
  watched->count = FIRST_SOCKET;
  return true;
}

void fl_watched_free(fl_watched *watched) {
  if (watched->wake.reader >= 0) fl_wake_close(&watched->wake);
  free(watched->polled);
}

bool fl_watched_reserve(fl_watched *watched, size_t transfers) {
  size_t needed = FIRST_SOCKET + transfers * SOCKETS_OF_A_TRANSFER, capacity;
  struct pollfd *grown;
  if (needed <= watched->capacity) return true;
  capacity = watched->capacity * 2 > needed ? watched->capacity * 2 : needed;
  grown = realloc(watched->polled, capacity * sizeof *grown);
  if (grown == NULL) return false;
  watched->polled = grown;
  watched->capacity = capacity;
  return true;
}

/* The index of a socket; the count if it is not watched. */
static size_t find(const fl_watched *watched, int descriptor) {
  size_t i = watched->count;
  while (--i >= FIRST_SOCKET)
    if (watched->polled[i].fd == descriptor) return i;
  return watched->count;
}

bool fl_watched_set(fl_watched *watched, int descriptor, bool reading, bool writing) {
  size_t at = find(watched, descriptor);
  if (!reading && !writing) {
    /* What is moved here has been taken, if anything of it was ready: taking begins at the end. */
    if (at < watched->count) watched->polled[at] = watched->polled[--watched->count];
    return true;
  }
  if (at == watched->count) {
    if (at == watched->capacity && !fl_watched_reserve(watched, at)) return false;
    watched->polled[watched->count++] =
        (struct pollfd){.fd = descriptor, .events = 0, .revents = 0};
  }
  watched->polled[at].events = (short)((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
  return true;
}

void fl_watched_clear(fl_watched *watched) { watched->count = FIRST_SOCKET; }

bool fl_watched_wait(fl_watched *watched, int milliseconds) {
  int ready = poll(watched->polled, (nfds_t)watched->count, milliseconds);
  watched->ready = FIRST_SOCKET;
  if (ready <= 0) return false;
  watched->ready = watched->count;
  if (watched->polled[0].revents == 0) return true;
  fl_wake_clear(&watched->wake);
  return ready > 1;
}

bool fl_watched_take(fl_watched *watched, fl_ready *ready) {
  if (watched->ready > watched->count) watched->ready = watched->count;
  while (watched->ready > FIRST_SOCKET) {
    struct pollfd *polled = &watched->polled[--watched->ready];
    if (polled->revents == 0) continue;
    *ready = (fl_ready){.descriptor = polled->fd,
                        .readable = (polled->revents & (POLLIN | POLLHUP)) != 0,
                        .writable = (polled->revents & POLLOUT) != 0,
                        .failed = (polled->revents & (POLLERR | POLLNVAL)) != 0};
    polled->revents = 0;
    return true;
  }
  return false;
}

void fl_watched_wake(fl_watched *watched) { fl_wake_set(&watched->wake); }
