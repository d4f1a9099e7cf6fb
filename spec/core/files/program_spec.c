/*
 * program_spec.c: the output of a command line and its end, also where the host takes the ends of
 * all children.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "check.h"
#include "files/program.h"

static void test_outputs_and_ends(void **state) {
  static const struct {
    const char *command, *output;
    fl_program_code code;
    int status;
  } cases[] = {
      {"echo one", "one\n", FL_PROGRAM_ENDED, 0},
      {"printf one", "one", FL_PROGRAM_ENDED, 0},
      {"true", "", FL_PROGRAM_ENDED, 0},
      {"echo one; exit 3", "one\n", FL_PROGRAM_ENDED, 3},
      {"exit 128", "", FL_PROGRAM_ENDED, 128},
      {"echo 'a b'; echo \"$0\" >/dev/null", "a b\n", FL_PROGRAM_ENDED, 0},
      {"(", "", FL_PROGRAM_ENDED, 2},
      {"cat", "", FL_PROGRAM_ENDED, 0},
      {"kill -9 $$", "", FL_PROGRAM_KILLED, 137},
      {"kill -9 $PPID", "", FL_PROGRAM_KILLED, -1},
      {"echo 0123456789", "", FL_PROGRAM_TOO_LONG, -1},
      {"sleep 60", "", FL_PROGRAM_TIMED_OUT, -1},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    fl_time timeout = cases[i].code == FL_PROGRAM_TIMED_OUT ? 10 * FL_MILLISECOND : 60 * FL_SECOND;
    fl_buffer output;
    int status;
    fl_buffer_init(&output, cases[i].code == FL_PROGRAM_TOO_LONG ? 8 : 64);
    check_number(cases[i].command, fl_program_output(cases[i].command, timeout, &output, &status),
                 cases[i].code);
    check_number(cases[i].command, status, cases[i].status);
    check_text(cases[i].command, output.length > 0 ? output.data : "", cases[i].output);
    fl_buffer_free(&output);
  }
}

static void test_a_time_out_beyond_all_times(void **state) {
  fl_time timeouts[] = {FL_NEVER, FL_NEVER - 1, 30 * 86400 * FL_SECOND};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
    fl_buffer output;
    int status;
    fl_buffer_init(&output, 64);
    check_number("code", fl_program_output("echo one", timeouts[i], &output, &status),
                 FL_PROGRAM_ENDED);
    check_text("output", output.data, "one\n");
    fl_buffer_free(&output);
  }
}

static void take_all(int signal_number) {
  const int before = errno;
  (void)signal_number;
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  errno = before;
}

static void test_a_host_that_takes_the_ends_of_children(void **state) {
  void (*handlers[])(int) = {SIG_IGN, take_all};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(handlers); i++) {
    fl_buffer output;
    int status;
    signal(SIGCHLD, handlers[i]);
    fl_buffer_init(&output, 64);
    check_number("SIGCHLD", fl_program_output("echo one; exit 4", 60 * FL_SECOND, &output, &status),
                 FL_PROGRAM_ENDED);
    check_number("SIGCHLD", status, 4);
    check_text("SIGCHLD", output.data, "one\n");
    fl_buffer_free(&output);
    signal(SIGCHLD, SIG_DFL);
  }
}

static void test_signals_are_as_usual(void **state) {
  sigset_t all, before;
  fl_buffer output;
  int status;
  (void)state;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  signal(SIGPIPE, SIG_IGN);
  fl_buffer_init(&output, 64);
  check_number("PIPE",
               fl_program_output("kill -PIPE $$; echo alive", 60 * FL_SECOND, &output, &status),
               FL_PROGRAM_KILLED);
  check_number("PIPE", output.length, 0);
  fl_buffer_free(&output);
  signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_outputs_and_ends),
      cmocka_unit_test(test_a_time_out_beyond_all_times),
      cmocka_unit_test(test_a_host_that_takes_the_ends_of_children),
      cmocka_unit_test(test_signals_are_as_usual),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
