/* timer_heap.c: a binary heap from index 1: the children of place n are at 2n and 2n + 1. */
#include "policy/timer_heap.h"

#include <stdlib.h>

static void put(fl_timer_heap *heap, size_t place, fl_timer *timer) {
  heap->timers[place] = timer;
  timer->place = place;
}

static void sift_up(fl_timer_heap *heap, size_t place, fl_timer *timer) {
  while (place > 1 && heap->timers[place / 2]->due > timer->due) {
    put(heap, place, heap->timers[place / 2]);
    place /= 2;
  }
  put(heap, place, timer);
}

static void sift_down(fl_timer_heap *heap, size_t place, fl_timer *timer) {
  for (;;) {
    size_t child = place * 2;
    if (child > heap->count) break;
    if (child < heap->count && heap->timers[child + 1]->due < heap->timers[child]->due) child++;
    if (heap->timers[child]->due >= timer->due) break;
    put(heap, place, heap->timers[child]);
    place = child;
  }
  put(heap, place, timer);
}

bool fl_timer_heap_reserve(fl_timer_heap *heap, size_t count) {
  fl_timer **timers;
  size_t capacity = heap->capacity ? heap->capacity : 64;
  while (capacity < count + 1) capacity *= 2;
  if (capacity == heap->capacity) return true;
  timers = realloc(heap->timers, capacity * sizeof(fl_timer *));
  if (timers == NULL) return false;
  heap->timers = timers;
  heap->capacity = capacity;
  return true;
}

void fl_timer_heap_set(fl_timer_heap *heap, fl_timer *timer, fl_time due) {
  fl_timer_heap_clear(heap, timer);
  if (due == FL_NEVER) return;
  timer->due = due;
  sift_up(heap, ++heap->count, timer);
}

void fl_timer_heap_clear(fl_timer_heap *heap, fl_timer *timer) {
  size_t place = timer->place;
  fl_timer *last;
  if (place == 0) return;
  timer->place = 0;
  last = heap->timers[heap->count--];
  if (last == timer) return;
  if (place > 1 && heap->timers[place / 2]->due > last->due) sift_up(heap, place, last);
  else sift_down(heap, place, last);
}

fl_timer *fl_timer_heap_first(const fl_timer_heap *heap) {
  return heap->count > 0 ? heap->timers[1] : NULL;
}

void fl_timer_heap_free(fl_timer_heap *heap) {
  free(heap->timers);
  *heap = (fl_timer_heap){NULL, 0, 0};
}
