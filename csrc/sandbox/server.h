/*
 * server.h: the HTTP server, over libmicrohttpd.
 */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include "shared.h"

/* Listens and answers. Fills in `port`. NULL: *error is a text to free. */
struct MHD_Daemon *sandbox_server_start(sandbox *owner, char **error);

#endif
