/*
 * program.h: runs a command line of a shell and takes what it prints.
 *
 * Relies on POSIX: sh, posix_spawn. Blocks until the command has ended, so it is called by a job of
 * the worker.
 */
#ifndef FL_PROGRAM_H
#define FL_PROGRAM_H

#include "base/buffer.h"

typedef enum fl_program_code {
  FL_PROGRAM_ENDED,     /* with `status` */
  FL_PROGRAM_KILLED,    /* a signal has ended it, or its shell */
  FL_PROGRAM_TIMED_OUT, /* it has not closed its output in time; its shell was killed */
  FL_PROGRAM_TOO_LONG,  /* it has printed more than the buffer may hold; its shell was killed */
  FL_PROGRAM_NOT_RUN    /* errno has the reason */
} fl_program_code;

/*
 * Runs `sh -c command` with /dev/null as its standard input, and appends its standard output to the
 * buffer. Its standard error is that of this process. The command keeps the process group, so it
 * can ask on the terminal, and Ctrl-C reaches it. The end of a child is taken here if the host does
 * not take it first; `status` does not depend on that.
 */
fl_program_code fl_program_output(const char *command, fl_time timeout, fl_buffer *output,
                                  int *status);

/*
 * Runs `sh -c command` in the foreground: with the standard streams of this process, in its process
 * group. SIGHUP, SIGTERM, SIGUSR1 and SIGUSR2 that this process gets meanwhile are passed on, and
 * so are SIGINT and SIGQUIT, unless the terminal has sent them to the command as well. One call at
 * a time. FL_PROGRAM_ENDED with the status, or FL_PROGRAM_KILLED with the number of the signal.
 */
fl_program_code fl_program_foreground(const char *command, int *status);

/*
 * Lets SIGTERM and SIGHUP remove the file at `path` before they end this process, unless another
 * file has its name by then. A signal that is ignored, or has a handler, is left alone. One file at
 * a time; NULL: none any more. Returns 0 or errno.
 */
int fl_program_remove_at_end(const char *path);

#endif
