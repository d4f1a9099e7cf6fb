/* sockets.c: an array that is searched from its beginning, since a process has few connections. */
#include "engine/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"

/* Without memory the socket is left out of the table. */
static void add(fl_sockets *sockets, int descriptor) {
  if (sockets->count == sockets->capacity) {
    size_t capacity = sockets->capacity > 0 ? sockets->capacity * 2 : 16;
    fl_socket *grown = realloc(sockets->open, capacity * sizeof *grown);
    if (grown == NULL) return;
    sockets->open = grown;
    sockets->capacity = capacity;
  }
  sockets->open[sockets->count++] = (fl_socket){descriptor, 0, false};
}

int fl_sockets_open(fl_sockets *sockets, int family, int type, int protocol) {
  int descriptor = fl_descriptor_socket(family, type, protocol);
  if (descriptor >= 0) add(sockets, descriptor);
  return descriptor;
}

void fl_sockets_close(fl_sockets *sockets, int descriptor) {
  for (size_t i = 0; i < sockets->count; i++)
    if (sockets->open[i].descriptor == descriptor) {
      sockets->open[i] = sockets->open[--sockets->count];
      break;
    }
  close(descriptor);
}

static int local_port(int descriptor) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address = {0};
  socklen_t length = sizeof address;
  if (getsockname(descriptor, &address.any, &length) != 0) return 0;
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

static fl_socket *next_of_port(fl_sockets *sockets, size_t *place, int port) {
  while (*place < sockets->count) {
    fl_socket *each = &sockets->open[(*place)++];
    if (each->port == 0) each->port = local_port(each->descriptor);
    if (each->port == port) return each;
  }
  return NULL;
}

/* The end of the stream, an error, or bytes where none should be. A reset that libcurl has seen
 * reads as the end. */
static bool is_spent(const fl_socket *socket) {
  char byte;
  ssize_t got = recv(socket->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return socket->answered;
  return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool fl_sockets_is_spent(fl_sockets *sockets, int port) {
  size_t place = 0;
  for (fl_socket *each; (each = next_of_port(sockets, &place, port)) != NULL;)
    if (is_spent(each)) return true;
  return false;
}

void fl_sockets_note_reply(fl_sockets *sockets, int port) {
  size_t place = 0;
  for (fl_socket *each; (each = next_of_port(sockets, &place, port)) != NULL;)
    each->answered = true;
}

void fl_sockets_free(fl_sockets *sockets) { free(sockets->open); }
