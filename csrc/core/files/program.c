/*
 * program.c: runs a command line of a shell and takes what it prints. See program.h.
 *
 * A host may have a handler of SIGCHLD that takes the ends of all children, as nginx does, and then
 * waitpid finds nothing. So the shell prints the status of the command behind its output.
 */
#include "files/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

#define AT_ONCE 4096 /* bytes of one read */

/* The signals that a thread of the worker blocks, and those that a host ignores, are as usual for
 * the command. */
static int set_signals(posix_spawnattr_t *attributes) {
  sigset_t none, usual;
  int reason;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  reason = posix_spawnattr_setsigmask(attributes, &none);
  if (reason == 0) reason = posix_spawnattr_setsigdefault(attributes, &usual);
  if (reason == 0)
    reason = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return reason;
}

static int set_files(posix_spawn_file_actions_t *actions, int output) {
  int reason = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (reason == 0) reason = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
  return reason;
}

/* --- output --- */

/* Starts the shell. Returns 0 or errno. */
static int start(const char *command, int output, pid_t *process) {
  static char sh[] = "sh", dash_c[] = "-c";
  static char script[] = "sh -c \"$1\"; printf '\\n%d' $?";
  char *copy = strdup(command);
  char *const words[] = {sh, dash_c, script, sh, copy, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int reason;
  if (copy == NULL) return ENOMEM;
  reason = posix_spawn_file_actions_init(&actions);
  if (reason == 0) {
    reason = posix_spawnattr_init(&attributes);
    if (reason == 0) {
      reason = set_signals(&attributes);
      if (reason == 0) reason = set_files(&actions, output);
      if (reason == 0) reason = posix_spawnp(process, "sh", &actions, &attributes, words, environ);
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  free(copy);
  return reason;
}

/* Reads until the end, the time-out or the ceiling of the buffer. */
static fl_program_code read_all(int descriptor, fl_time ends, fl_buffer *output) {
  struct pollfd ready = {descriptor, POLLIN, 0};
  char bytes[AT_ONCE];
  fl_program_code code = FL_PROGRAM_ENDED;
  for (;;) {
    fl_time left = ends - fl_clock_now();
    fl_time milliseconds = left / FL_MILLISECOND + 1;
    ssize_t count;
    if (left <= 0) {
      code = FL_PROGRAM_TIMED_OUT;
      break;
    }
    if (poll(&ready, 1, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds) <= 0) continue;
    count = read(descriptor, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (fl_buffer_append(output, bytes, (size_t)count) != FL_OK) {
      code = FL_PROGRAM_TOO_LONG;
      break;
    }
  }
  fl_wipe(bytes, sizeof bytes);
  return code;
}

/* Removes the line with the status from the end of the output. */
static fl_program_code take_status(fl_buffer *output, int *status) {
  size_t at = output->length;
  while (at > 0 && output->data[at - 1] != '\n') at--;
  if (at == 0 || at == output->length) return FL_PROGRAM_KILLED;
  *status = (int)strtol(output->data + at, NULL, 10);
  output->length = at - 1;
  output->data[output->length] = '\0';
  return *status > 128 ? FL_PROGRAM_KILLED : FL_PROGRAM_ENDED;
}

fl_program_code fl_program_output(const char *command, fl_time timeout, fl_buffer *output,
                                  int *status) {
  fl_time ends = fl_time_after(fl_clock_now(), timeout);
  fl_program_code code;
  int ends_of_pipe[2], reason, state;
  pid_t process;
  *status = -1;
  if (pipe2(ends_of_pipe, O_CLOEXEC) != 0) return FL_PROGRAM_NOT_RUN;
  reason = start(command, ends_of_pipe[1], &process);
  close(ends_of_pipe[1]);
  if (reason != 0) {
    close(ends_of_pipe[0]);
    errno = reason;
    return FL_PROGRAM_NOT_RUN;
  }
  code = read_all(ends_of_pipe[0], ends, output);
  close(ends_of_pipe[0]);
  if (code != FL_PROGRAM_ENDED) kill(process, SIGKILL);
  while (waitpid(process, &state, 0) < 0 && errno == EINTR) continue;
  return code == FL_PROGRAM_ENDED ? take_status(output, status) : code;
}

/* --- foreground --- */

static const int passed_on[] = {SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT};
#define PASSED_ON (sizeof passed_on / sizeof *passed_on)

static volatile sig_atomic_t foreground; /* the process id of the command; 0: none */
static volatile sig_atomic_t early;      /* a signal that came before the command; 0: none */

static void pass_on(int number, siginfo_t *origin, void *context) {
  int saved = errno;
  (void)context;
  /* The terminal sends SIGINT and SIGQUIT to the whole group. */
  if (origin->si_code <= 0 || (number != SIGINT && number != SIGQUIT)) {
    if (foreground > 0) kill((pid_t)foreground, number);
    else early = number;
  }
  errno = saved;
}

fl_program_code fl_program_foreground(const char *command, int *status) {
  static char sh[] = "sh", dash_c[] = "-c";
  char *copy = strdup(command);
  char *const words[] = {sh, dash_c, copy, NULL};
  struct sigaction handler, before[PASSED_ON];
  posix_spawnattr_t attributes;
  pid_t process;
  int reason, state = 0;
  *status = -1;
  if (copy == NULL) return FL_PROGRAM_NOT_RUN;
  memset(&handler, 0, sizeof handler);
  handler.sa_sigaction = pass_on;
  handler.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&handler.sa_mask);
  early = 0;
  /* Before the start, so that no signal is lost. An ignored signal stays ignored, as for nohup. */
  for (size_t i = 0; i < PASSED_ON; i++) {
    sigaction(passed_on[i], NULL, &before[i]);
    if (before[i].sa_handler != SIG_IGN) sigaction(passed_on[i], &handler, NULL);
  }
  reason = posix_spawnattr_init(&attributes);
  if (reason == 0) reason = set_signals(&attributes);
  if (reason == 0) reason = posix_spawnp(&process, "sh", NULL, &attributes, words, environ);
  posix_spawnattr_destroy(&attributes);
  free(copy);
  if (reason == 0) {
    foreground = (sig_atomic_t)process;
    if (early != 0) kill(process, early);
    while (waitpid(process, &state, 0) < 0 && errno == EINTR) continue;
    foreground = 0;
  }
  for (size_t i = 0; i < PASSED_ON; i++) sigaction(passed_on[i], &before[i], NULL);
  errno = reason;
  if (reason != 0) return FL_PROGRAM_NOT_RUN;
  *status = WIFSIGNALED(state) ? WTERMSIG(state) : WEXITSTATUS(state);
  return WIFSIGNALED(state) ? FL_PROGRAM_KILLED : FL_PROGRAM_ENDED;
}

/* --- a file that goes with the process --- */

static const int ending[] = {SIGTERM, SIGHUP};

static char *removed;            /* the path; NULL: none */
static struct stat removed_file; /* the file that had the path */

/* The action is the usual one again, so the signal ends the process when the handler returns. */
static void remove_and_end(int number) {
  struct stat now;
  if (removed != NULL && stat(removed, &now) == 0 && now.st_dev == removed_file.st_dev &&
      now.st_ino == removed_file.st_ino)
    unlink(removed);
  (void)raise(number);
}

int fl_program_remove_at_end(const char *path) {
  struct sigaction handler, usual, before;
  char *former = removed, *copy = NULL;
  struct stat file;
  if (path != NULL) {
    if (stat(path, &file) != 0) return errno;
    copy = strdup(path);
    if (copy == NULL) return ENOMEM;
  }
  memset(&handler, 0, sizeof handler);
  handler.sa_handler = remove_and_end;
  handler.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&handler.sa_mask);
  usual = handler;
  usual.sa_handler = SIG_DFL;
  /* Without a handler while the path changes. */
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
    sigaction(ending[i], NULL, &before);
    if (before.sa_handler == remove_and_end) sigaction(ending[i], &usual, NULL);
  }
  removed = copy;
  free(former);
  if (path == NULL) return 0;
  removed_file = file;
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
    sigaction(ending[i], NULL, &before);
    if (before.sa_handler == SIG_DFL) sigaction(ending[i], &handler, NULL);
  }
  return 0;
}
