/*
 * write_all.h: writes bytes to a descriptor, all of them. POSIX.
 */
#ifndef FL_WRITE_ALL_H
#define FL_WRITE_ALL_H

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/base.h"

/* False with errno. The descriptor may be a non-blocking one; then the function waits. */
static inline bool fl_write_all(int descriptor, const char *bytes, size_t length) {
  while (length > 0) {
    /* Some systems refuse a write of more than INT_MAX bytes. */
    ssize_t put = write(descriptor, bytes, length < (size_t)INT_MAX ? length : (size_t)INT_MAX);
    if (put >= 0) {
      bytes += put;
      length -= (size_t)put;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      struct pollfd ready = {.fd = descriptor, .events = POLLOUT};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

#endif
