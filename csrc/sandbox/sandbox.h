/*
 * sandbox.h: the start and the stop of a sandbox.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "shared.h"

/* Takes over what `options` owns, on failure too. NULL: *error is a text to free, or NULL without
 * memory. */
sandbox *sandbox_start(sandbox_options *options, char **error);
/* Ends all connections and joins the threads. Idempotent; the log and the rows can still be
 * read. */
void sandbox_stop(sandbox *running);
/* Stops it if it runs, and frees everything. */
void sandbox_free(sandbox *running);

#endif
