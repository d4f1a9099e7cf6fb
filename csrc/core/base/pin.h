/*
 * pin.h: keeps the library that includes this file in memory until the process ends, because its
 * threads may outlive the Lua state that loaded it. Relies on dlopen; does nothing where the system
 * has no RTLD_NODELETE.
 */
#ifndef FL_PIN_H
#define FL_PIN_H

#include <dlfcn.h>
#include <stddef.h>

static inline void fl_pin_library(void) {
#if defined(RTLD_NODELETE) && defined(RTLD_NOLOAD)
  static const char inside; /* any address of the library */
  Dl_info found;
  if (dladdr((const void *)&inside, &found) != 0 && found.dli_fname != NULL) {
    void *library = dlopen(found.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    if (library != NULL) dlclose(library); /* the flag keeps it, not the count */
  }
#endif
}

#endif
