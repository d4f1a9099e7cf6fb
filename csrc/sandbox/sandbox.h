/*
 * sandbox.h: a running sandbox: what its threads share, and its start and stop.
 *
 * Three threads meet here: libmicrohttpd's, which answers requests; the timer's; and that of
 * whoever asks from Lua. `options`, `timer` and `daemon` are fixed from start to stop; everything
 * else in the structure is read and written under `lock`.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "admission.h"
#include "request_log.h"
#include "routes.h"
#include "timer.h"

#include <pthread.h>
#include <sys/types.h>

struct MHD_Daemon;

typedef struct sandbox {
  sandbox_options options;
  sandbox_timer *timer;
  struct MHD_Daemon *daemon;
  int port;
  pid_t process; /* the one that started it; after a fork the child only forgets it */
  bool stopped;

  pthread_mutex_t lock;
  sandbox_database *database;
  sandbox_admission admission;
  sandbox_faults faults;
  sandbox_log *log;
  sandbox_tally tally;
  int64_t connections;
  int64_t pages; /* asked for, for alternating row order */

  struct sandbox *next; /* in the list of those that run */
} sandbox;

/* Takes over what `options` owns, on failure too. NULL: *error is a text to free, or NULL without
 * memory. */
sandbox *sandbox_start(sandbox_options *options, char **error);
/* Ends all connections and joins the threads. Idempotent; the log and the rows can still be
 * read. */
void sandbox_stop(sandbox *running);
/* Stops it if it runs, and frees everything. */
void sandbox_free(sandbox *running);

#endif
