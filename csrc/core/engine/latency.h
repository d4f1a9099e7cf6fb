/*
 * latency.h: how long the attempts of a client take: count, sum and histogram by operation.
 *
 * The engine's thread adds; any thread reads. An entry stays until the list is freed, so a reader
 * needs no lock.
 */
#ifndef FL_LATENCY_H
#define FL_LATENCY_H

#include <stdatomic.h>

#include "base/base.h"

#define FL_LATENCY_BOUNDS 16

/* The upper bounds of the buckets, in microseconds. One more bucket holds the rest. */
extern const fl_time fl_latency_bounds[FL_LATENCY_BOUNDS];

typedef struct fl_latency {
  struct fl_latency *next;
  char operation[32];
  atomic_llong count, sum; /* sum: microseconds */
  atomic_llong buckets[FL_LATENCY_BOUNDS + 1];
} fl_latency;

typedef _Atomic(fl_latency *) fl_latency_list; /* NULL: empty */

/* Adds an attempt. Paths that a caller chose ("GET /Any") are all counted as "request", so that the
 * list stays short. Without memory for a new entry the attempt is not counted. */
void fl_latency_add(fl_latency_list *list, const char *operation, fl_time elapsed);

void fl_latency_free(fl_latency_list *list);

#endif
