/* standard_spec.c: what takes the place of closed standard streams. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/standard.h"

/* In a child, whose standard streams are closed as the bits of `closed` say. Its exit status is 0
 * if all is as it should be, or the number of the check that failed. */
static int try_closed(unsigned closed) {
  char byte = 'x';
  int number;
  for (number = 0; number <= 2; number++)
    if (closed & 1u << number) close(number);
  fl_standard_keep();
  for (number = 0; number <= 2; number++) {
    int flags = fcntl(number, F_GETFD);
    if (flags < 0) return 1;
    if ((closed & 1u << number) == 0) continue;
    if ((flags & FD_CLOEXEC) == 0) return 2;
    if ((number == 0 ? read(number, &byte, 1) : write(number, &byte, 1)) != -1) return 3;
    if (errno != EBADF) return 4;
  }
  number = dup(2);
  return number > 2 ? 0 : 5;
}

static void test_closed_streams_stay_closed(void **state) {
  unsigned closed;
  (void)state;
  for (closed = 0; closed < 8; closed++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(try_closed(closed));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
}

/* Nothing is opened where nothing is closed. */
static void test_open_streams_are_left_alone(void **state) {
  int before = dup(2), after;
  (void)state;
  close(before);
  fl_standard_keep();
  after = dup(2);
  close(after);
  assert_int_equal(before, after);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_closed_streams_stay_closed),
      cmocka_unit_test(test_open_streams_are_left_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
