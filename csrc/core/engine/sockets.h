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
  int port;      /* local; 0: not asked for yet */
  bool answered; /* a reply of HTTP/1 has come on it */
} fl_socket;

/* Zero bytes are an empty table. */
typedef struct fl_sockets {
  fl_socket *open;
  size_t count, capacity;
} fl_sockets;

/* Opens a socket, close-on-exec; -1 with errno. */
int fl_sockets_open(fl_sockets *sockets, int family, int type, int protocol);

void fl_sockets_close(fl_sockets *sockets, int descriptor);

/*
 * Whether no request may be sent on the connection of this local port: the peer has closed or reset
 * it, or has sent bytes since the last reply. They belong to no request, and would be taken for the
 * reply to this one. (On a new connection they may be of TLS, in HTTP/2 of another request.) True
 * if one of several sockets with this port is so; false if no socket has the port.
 */
bool fl_sockets_is_spent(fl_sockets *sockets, int port);

/* Notes that a reply of HTTP/1 has begun on the connection of this local port. */
void fl_sockets_note_reply(fl_sockets *sockets, int port);

/* Frees the table; the sockets are closed already. */
void fl_sockets_free(fl_sockets *sockets);

#endif
