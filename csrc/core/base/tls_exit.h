/*
 * tls_exit.h: keeps OpenSSL usable while the process ends. Relies on dlsym.
 *
 * OpenSSL registers a handler of `exit` when it is first used, which frees its data. A thread that
 * is inside of OpenSSL then crashes. A handler that stops our threads would have to run before it,
 * so it would have to be registered after it: too late for an exit that begins while another thread
 * prepares OpenSSL. So OpenSSL is told to register none, as it can since 1.1.1b. The system takes
 * its memory anyway.
 */
#ifndef FL_TLS_EXIT_H
#define FL_TLS_EXIT_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

/* To be called before a library is prepared that may use OpenSSL, and before the handler of `exit`
 * is registered that stops its threads. Changes nothing where the host has used OpenSSL already,
 * whose handler then runs after ours; nor where the host exports another OpenSSL than that of the
 * library. */
static inline void fl_keep_tls_at_exit(void) {
#ifdef RTLD_DEFAULT
  const uint64_t no_atexit = 0x00080000; /* OPENSSL_INIT_NO_ATEXIT */
  int (*init)(uint64_t, const void *) = NULL;
  /* Found among the libraries of the program, then among those that this library depends on. Not by
   * dlopen, which prepares libraries again that have ended, where another thread is in `exit`. */
  *(void **)(void *)&init = dlsym(RTLD_DEFAULT, "OPENSSL_init_crypto");
  if (init != NULL) init(no_atexit, NULL);
#endif
}

#endif
