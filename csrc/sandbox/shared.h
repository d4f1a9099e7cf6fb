/*
 * shared.h: the data that the threads of a running sandbox share.
 *
 * There are three threads: libmicrohttpd's, which answers requests; the timer's; and the Lua
 * caller's. `options`, `timer` and `daemon` are fixed from start to stop. Everything else in the
 * structure is read and written under `lock`.
 */
#ifndef SANDBOX_SHARED_H
#define SANDBOX_SHARED_H

#include "admission.h"
#include "handlers.h"
#include "request_log.h"
#include "timer.h"

#include <pthread.h>
#include <sys/types.h>

struct MHD_Daemon;

typedef struct sandbox {
  sandbox_options options;
  sandbox_timer *timer;
  struct MHD_Daemon *daemon;
  int port;
  pid_t process; /* the process that started it; a forked child does not use it */
  bool stopped;

  pthread_mutex_t lock;
  sandbox_database *database;
  sandbox_admission admission;
  sandbox_faults faults;
  sandbox_request_log *log;
  sandbox_tally tally;
  int64_t connections;
  int64_t pages; /* pages of rows requested so far */

  struct sandbox *next; /* in the list of running sandboxes */
} sandbox;

#endif
