/*
 * sandbox.c: starts and stops a sandbox.
 *
 * The stop: 1. the timer fires all alarms, so that no connection stays suspended, as libmicrohttpd
 * requires, and none can be suspended any more; 2. the daemon closes all connections and joins its
 * thread; 3. nothing can call the timer any more, and it is freed. At exit() the sandboxes that
 * still run are stopped, before the libraries that they use are torn down.
 */
#include "sandbox.h"

#include "server.h"

#include <dlfcn.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static sandbox *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void stop_all(void) {
  for (;;) {
    sandbox *first;
    pthread_mutex_lock(&list_lock);
    first = list;
    pthread_mutex_unlock(&list_lock);
    if (first == NULL) return;
    sandbox_stop(first);
  }
}

/* Called once a process. Keeps this library in memory, because the exit handler is one of its
 * functions. */
static void prepare(void) {
  Dl_info info;
  if (dladdr((const void *)&list, &info) && info.dli_fname)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
  /* Without memory for the handler the process ends without waiting for requests under way. */
  (void)atexit(stop_all);
}

static void enlist(sandbox *running) {
  pthread_mutex_lock(&list_lock);
  running->next = list;
  list = running;
  pthread_mutex_unlock(&list_lock);
}

static void delist(const sandbox *stopped) {
  pthread_mutex_lock(&list_lock);
  for (sandbox **place = &list; *place; place = &(*place)->next)
    if (*place == stopped) {
      *place = stopped->next;
      break;
    }
  pthread_mutex_unlock(&list_lock);
}

/* Signals belong to the program: the threads started here block all of them. */
static bool start_threads(sandbox *starting, char **error) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  starting->timer = sandbox_timer_start();
  if (starting->timer) starting->daemon = sandbox_server_start(starting, error);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return starting->daemon != NULL;
}

sandbox *sandbox_start(sandbox_options *options, char **error) {
  sandbox *starting = calloc(1, sizeof *starting);
  *error = NULL;
  if (starting == NULL) {
    sandbox_options_free(options);
    return NULL;
  }
  starting->options = *options;
  memset(options, 0, sizeof *options);
  starting->process = getpid();
  starting->stopped = true;
  pthread_mutex_init(&starting->lock, NULL);
  starting->log =
      sandbox_request_log_open(starting->options.log_requests, starting->options.log_bytes,
                               starting->options.log_body_bytes);
  if (starting->log) starting->database = sandbox_database_open(starting->options.database, error);
  if (starting->database && start_threads(starting, error)) {
    starting->stopped = false;
    pthread_once(&once, prepare);
    enlist(starting);
    return starting;
  }
  if (starting->timer) sandbox_timer_stop(starting->timer);
  sandbox_free(starting);
  return NULL;
}

void sandbox_stop(sandbox *running) {
  if (running->stopped) return;
  running->stopped = true;
  delist(running);
  if (running->process != getpid()) return;
  sandbox_timer_stop(running->timer);
  MHD_stop_daemon(running->daemon);
  running->daemon = NULL;
}

void sandbox_free(sandbox *running) {
  sandbox_stop(running);
  /* In a forked child, threads that do not exist there may hold the locks. */
  if (running->process != getpid()) return;
  sandbox_timer_free(running->timer);
  sandbox_database_close(running->database);
  sandbox_request_log_close(running->log);
  sandbox_faults_clear(&running->faults);
  pthread_mutex_destroy(&running->lock);
  sandbox_options_free(&running->options);
  free(running);
}
