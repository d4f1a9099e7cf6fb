/*
 * descriptor.h: makes descriptors that no program inherits which another thread starts meanwhile.
 * POSIX; where the system cannot make them so, they are inherited for a moment.
 */
#ifndef FL_DESCRIPTOR_H
#define FL_DESCRIPTOR_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int fl_descriptor_keep(int descriptor) {
  if (descriptor >= 0) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return descriptor;
}

/* As mkstemps: a file of a new name, whose last `ending` characters follow the XXXXXX. */
static inline int fl_descriptor_temporary(char *path, int ending) {
#ifdef __linux__
  return mkostemps(path, ending, O_CLOEXEC);
#else
  return fl_descriptor_keep(mkstemps(path, ending));
#endif
}

static inline int fl_descriptor_socket(int family, int type, int protocol) {
#ifdef SOCK_CLOEXEC
  return socket(family, type | SOCK_CLOEXEC, protocol);
#else
  return fl_descriptor_keep(socket(family, type, protocol));
#endif
}

static inline int fl_descriptor_accept(int listener) {
#ifdef SOCK_CLOEXEC
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
#else
  return fl_descriptor_keep(accept(listener, NULL, NULL));
#endif
}

/* As pipe; -1 with errno. Both ends do not block. */
static inline int fl_descriptor_pipe(int ends[2]) {
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
#else
  if (pipe(ends) != 0) return -1;
  for (int i = 0; i < 2; i++) fcntl(fl_descriptor_keep(ends[i]), F_SETFL, O_NONBLOCK);
  return 0;
#endif
}

#endif
