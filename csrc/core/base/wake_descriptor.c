/* wake_descriptor.c: see wake_descriptor.h. */
#include "base/wake_descriptor.h"

#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "base/descriptor.h"

bool fl_wake_open(fl_wake_descriptor *wake) {
#ifdef __linux__
  wake->reader = wake->writer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return wake->reader >= 0;
#else
  int ends[2];
  if (fl_descriptor_pipe(ends) != 0) return false;
  wake->reader = ends[0];
  wake->writer = ends[1];
  return true;
#endif
}

void fl_wake_close(fl_wake_descriptor *wake) {
  close(wake->reader);
  if (wake->writer != wake->reader) close(wake->writer);
}

void fl_wake_set(const fl_wake_descriptor *wake) {
  const uint64_t one = 1;
  /* If the pipe or the counter is full, the descriptor is readable already. */
  ssize_t written = write(wake->writer, &one, sizeof one);
  (void)written;
}

void fl_wake_clear(const fl_wake_descriptor *wake) {
  uint64_t cleared;
  while (read(wake->reader, &cleared, sizeof cleared) > 0 && wake->reader != wake->writer) {}
}
