/*
 * process.c: counts forks by a handler that runs in every child. (A child of vfork may only exec,
 * by POSIX, so it needs no handler.)
 */
#include "base/process.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_ullong forks;

static void in_child(void) { atomic_fetch_add(&forks, 1); }
static void begin(void) { pthread_atfork(NULL, NULL, in_child); }

uint64_t fl_process_generation(void) {
  pthread_once(&once, begin);
  return atomic_load(&forks);
}
