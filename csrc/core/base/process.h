/*
 * process.h: which process this is, told apart over forks without a system call.
 */
#ifndef FL_PROCESS_H
#define FL_PROCESS_H

#include "base/base.h"

/* How many forks lie between the process that asked first and this one. Any thread. */
uint64_t fl_process_generation(void);

#endif
