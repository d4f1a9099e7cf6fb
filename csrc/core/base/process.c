/*
 * process.c: counts forks by a handler that runs in every child. (A child of vfork may only exec,
 * by POSIX, so it needs no handler.) Without memory for the handler the process's number, which
 * costs a system call, tells a child from its parents.
 */
#include "base/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_ullong forks;
static bool counting; /* written once */

static void in_child(void) { atomic_fetch_add(&forks, 1); }
static void begin(void) { counting = pthread_atfork(NULL, NULL, in_child) == 0; }

uint64_t fl_process_generation(void) {
  pthread_once(&once, begin);
  return counting ? atomic_load(&forks) : (uint64_t)getpid();
}
