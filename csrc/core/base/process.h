/*
 * process.h: tells a forked child from its parents, without a system call.
 */
#ifndef FL_PROCESS_H
#define FL_PROCESS_H

#include "base/base.h"

/* The number of forks between the first process that asked and this one. Any thread. */
uint64_t fl_process_generation(void);

#endif
