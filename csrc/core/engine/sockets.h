/*
 * sockets.h: the open sockets of the network, found by their local port. Before libcurl sends a
 * request, it names only the local port of the connection.
 *
 * One thread at a time uses it.
 */
#ifndef FL_SOCKETS_H
#define FL_SOCKETS_H

#include "base/base.h"

typedef struct fl_socket {
  int descriptor;
  int port; /* local; 0: not asked for yet */
} fl_socket;

/* Zero bytes are an empty table. */
typedef struct fl_sockets {
  fl_socket *open;
  size_t count, capacity;
} fl_sockets;

/* Opens a socket, close-on-exec; -1 with errno. */
int fl_sockets_open(fl_sockets *sockets, int family, int type, int protocol);

void fl_sockets_close(fl_sockets *sockets, int descriptor);

/* Whether the peer has closed or reset the connection of this local port. True if one of several
 * sockets with this port is closed; false if no socket has it. */
bool fl_sockets_is_closed(fl_sockets *sockets, int port);

/* Frees the table; the sockets are closed already. */
void fl_sockets_free(fl_sockets *sockets);

#endif
