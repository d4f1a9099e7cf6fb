/*
 * timer_heap.h: timers ordered by the time at which they are due: a binary heap.
 *
 * Pure apart from the memory of the heap's array. A timer is a member of a struct of its user. It
 * stores its place in the heap, so that it can be cleared or moved in logarithmic time.
 */
#ifndef FL_TIMER_HEAP_H
#define FL_TIMER_HEAP_H

#include "base/base.h"

typedef struct fl_timer {
  fl_time due;
  size_t place; /* in the heap, from 1; 0: not set */
} fl_timer;

/* Zero bytes are an empty heap. */
typedef struct fl_timer_heap {
  fl_timer **timers; /* from index 1 */
  size_t count, capacity;
} fl_timer_heap;

/* Room for `count` timers, which fl_timer_heap_set relies on. False without memory. */
bool fl_timer_heap_reserve(fl_timer_heap *heap, size_t count);

/* Sets a timer, also one that is set already. FL_NEVER clears it. */
void fl_timer_heap_set(fl_timer_heap *heap, fl_timer *timer, fl_time due);

/* Does nothing if the timer is not set. */
void fl_timer_heap_clear(fl_timer_heap *heap, fl_timer *timer);

/* The timer that is due first, or NULL. */
fl_timer *fl_timer_heap_first(const fl_timer_heap *heap);

/* Frees the array; the timers stay with their users. */
void fl_timer_heap_free(fl_timer_heap *heap);

#endif
