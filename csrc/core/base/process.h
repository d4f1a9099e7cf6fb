/*
 * process.h: tells a forked child from its parents, usually without a system call.
 */
#ifndef FL_PROCESS_H
#define FL_PROCESS_H

#include "base/base.h"

/* A number that no parent and no child of this process has. Any thread. */
uint64_t fl_process_generation(void);

#endif
