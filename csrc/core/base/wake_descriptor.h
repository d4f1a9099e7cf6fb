/*
 * wake_descriptor.h: a descriptor that any thread makes readable, to wake the one that polls it.
 * An eventfd, or a pipe on systems without one.
 */
#ifndef FL_WAKE_DESCRIPTOR_H
#define FL_WAKE_DESCRIPTOR_H

#include "base/base.h"

typedef struct fl_wake_descriptor {
  int reader, writer; /* the same descriptor if it is an eventfd */
} fl_wake_descriptor;

/* Close-on-exec. False, with errno, if it cannot be opened. */
bool fl_wake_open(fl_wake_descriptor *wake);

void fl_wake_close(fl_wake_descriptor *wake);

/* Any thread. Makes `reader` readable. */
void fl_wake_set(const fl_wake_descriptor *wake);

/* Makes `reader` unreadable again. */
void fl_wake_clear(const fl_wake_descriptor *wake);

#endif
