/*
 * sandbox.h: starts and stops a sandbox.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "shared.h"

/* Takes ownership of the content of `options`, even on failure. On NULL, *error is a text to free,
 * or NULL without memory. */
sandbox *sandbox_start(sandbox_options *options, char **error);
/* Closes all connections and joins the threads. Idempotent. The log and the rows can still be read.
 */
void sandbox_stop(sandbox *running);
/* Stops it if it runs, and frees everything. */
void sandbox_free(sandbox *running);

#endif
