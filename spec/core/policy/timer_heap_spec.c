/*
 * timer_heap_spec.c: timers come out in the order in which they are due, whatever is set, moved and
 * cleared in between, over seeded random sequences.
 */
#include "policy/timer_heap.h"

#include "check.h"
#include "policy/random.h"

#define TIMERS 200

static fl_timer timers[TIMERS];

/* Every timer knows its place, and none is due before its parent. */
static void check_places(const fl_timer_heap *heap) {
  size_t set = 0;
  for (size_t place = 1; place <= heap->count; place++) {
    assert_int_equal(heap->timers[place]->place, place);
    if (place > 1) assert_true(heap->timers[place / 2]->due <= heap->timers[place]->due);
  }
  for (size_t i = 0; i < TIMERS; i++) set += timers[i].place != 0;
  assert_int_equal(set, heap->count);
}

static void test_random_sequences(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 50; seed++) {
    fl_timer_heap heap = {NULL, 0, 0};
    fl_random random;
    memset(timers, 0, sizeof timers);
    fl_random_seed(&random, seed, 1);
    assert_true(fl_timer_heap_reserve(&heap, TIMERS));
    for (int step = 0; step < 1000; step++) {
      fl_timer *timer = &timers[fl_random_next(&random) % TIMERS];
      switch (fl_random_next(&random) % 4) {
        case 0: fl_timer_heap_clear(&heap, timer); break;
        case 1: fl_timer_heap_set(&heap, timer, FL_NEVER); break;
        default: fl_timer_heap_set(&heap, timer, (fl_time)(fl_random_next(&random) % 100));
      }
      if (step % 50 == 0) check_places(&heap);
    }
    check_places(&heap);
    for (fl_time last = -1; heap.count > 0;) {
      fl_timer *first = fl_timer_heap_first(&heap);
      assert_true(first->due >= last);
      last = first->due;
      fl_timer_heap_clear(&heap, first);
      assert_int_equal(first->place, 0);
    }
    assert_null(fl_timer_heap_first(&heap));
    fl_timer_heap_free(&heap);
  }
}

static void test_reserving_keeps_what_is_set(void **state) {
  fl_timer_heap heap = {NULL, 0, 0};
  (void)state;
  memset(timers, 0, sizeof timers);
  for (size_t i = 0; i < TIMERS; i++) {
    assert_true(fl_timer_heap_reserve(&heap, i + 1));
    fl_timer_heap_set(&heap, &timers[i], (fl_time)(TIMERS - i));
  }
  check_places(&heap);
  assert_ptr_equal(fl_timer_heap_first(&heap), &timers[TIMERS - 1]);
  fl_timer_heap_free(&heap);
}

static void test_a_timer_that_is_not_set_can_be_cleared(void **state) {
  fl_timer_heap heap = {NULL, 0, 0};
  fl_timer timer = {0, 0};
  (void)state;
  fl_timer_heap_clear(&heap, &timer);
  fl_timer_heap_set(&heap, &timer, FL_NEVER);
  assert_null(fl_timer_heap_first(&heap));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_sequences),
      cmocka_unit_test(test_reserving_keeps_what_is_set),
      cmocka_unit_test(test_a_timer_that_is_not_set_can_be_cleared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
