/* standard.c: see standard.h. */
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void fl_standard_keep(void) {
  /* open returns the least number that is free, and those before are taken. */
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
    if (fcntl(number, F_GETFD) < 0 && errno == EBADF)
      (void)!open("/dev/null", (number == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}
