/*
 * server.h: HTTP. From libmicrohttpd's callbacks to a call of routes.h, and from its reply, or what
 * a fault makes of it, back to bytes.
 */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include "shared.h"

/* Listens and answers. Fills in `port`. NULL: *error is a text to free. */
struct MHD_Daemon *sandbox_server_start(sandbox *owner, char **error);

#endif
