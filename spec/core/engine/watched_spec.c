/*
 * watched_spec.c: which sockets are found ready, also while the table changes, and what ends a
 * wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/watched.h"

#define PIPES 3

static fl_watched watched;
static int readers[PIPES], writers[PIPES];

static int open_all(void **state) {
  (void)state;
  for (int i = 0; i < PIPES; i++) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    readers[i] = ends[0];
    writers[i] = ends[1];
  }
  return fl_watched_init(&watched) ? 0 : 1;
}

static int close_all(void **state) {
  (void)state;
  fl_watched_free(&watched);
  for (int i = 0; i < PIPES; i++) {
    close(readers[i]);
    if (writers[i] >= 0) close(writers[i]);
  }
  return 0;
}

static void watch_all(void) {
  for (int i = 0; i < PIPES; i++) assert_true(fl_watched_set(&watched, readers[i], true, false));
}

static void make_ready(int index) { assert_int_equal(write(writers[index], "x", 1), 1); }

static void only_ready_sockets_are_taken(void **state) {
  fl_ready ready;
  (void)state;
  watch_all();
  assert_false(fl_watched_wait(&watched, 0));
  assert_false(fl_watched_take(&watched, &ready));
  make_ready(1);
  assert_true(fl_watched_wait(&watched, 1000));
  assert_true(fl_watched_take(&watched, &ready));
  assert_int_equal(ready.descriptor, readers[1]);
  assert_true(ready.readable && !ready.writable && !ready.failed);
  assert_false(fl_watched_take(&watched, &ready));
}

static void writing_and_the_end_of_a_stream_are_told(void **state) {
  fl_ready ready;
  (void)state;
  assert_true(fl_watched_set(&watched, writers[0], false, true));
  assert_true(fl_watched_wait(&watched, 1000));
  assert_true(fl_watched_take(&watched, &ready));
  assert_true(ready.writable && !ready.readable);
  assert_true(fl_watched_set(&watched, writers[0], false, false));
  assert_true(fl_watched_set(&watched, readers[2], true, false));
  close(writers[2]);
  writers[2] = -1;
  assert_true(fl_watched_wait(&watched, 1000));
  assert_true(fl_watched_take(&watched, &ready));
  assert_int_equal(ready.descriptor, readers[2]);
  assert_true(ready.readable);
}

/* Each of the three is ready. Whichever is taken first, the next change of the table neither hides
 * one of the others nor gives one twice. */
static void the_table_may_change_between_two_sockets(void **state) {
  fl_ready ready;
  (void)state;
  for (int stopped = 0; stopped < PIPES; stopped++) {
    int taken[PIPES] = {0}, sum = 0;
    watch_all();
    for (int i = 0; i < PIPES; i++)
      if (stopped == 0) make_ready(i);
    assert_true(fl_watched_wait(&watched, 1000));
    assert_true(fl_watched_take(&watched, &ready));
    for (int i = 0; i < PIPES; i++) taken[i] += ready.descriptor == readers[i];
    assert_true(fl_watched_set(&watched, readers[stopped], false, false));
    while (fl_watched_take(&watched, &ready))
      for (int i = 0; i < PIPES; i++) taken[i] += ready.descriptor == readers[i];
    for (int i = 0; i < PIPES; i++) {
      assert_true(taken[i] == 1 || (i == stopped && taken[i] == 0));
      sum += taken[i];
    }
    assert_true(sum >= PIPES - 1);
  }
}

static void a_wake_ends_one_wait(void **state) {
  (void)state;
  watch_all();
  fl_watched_wake(&watched);
  fl_watched_wake(&watched);
  assert_false(fl_watched_wait(&watched, -1)); /* returns: it was woken, and no socket is ready */
  make_ready(0);
  fl_watched_wake(&watched);
  assert_true(fl_watched_wait(&watched, -1));
  assert_true(fl_watched_wait(&watched, -1));
}

static void more_sockets_than_the_reserve_are_watched(void **state) {
  int copies[64];
  fl_ready ready;
  (void)state;
  for (int i = 0; i < 64; i++) {
    copies[i] = dup(readers[0]);
    assert_true(fl_watched_set(&watched, copies[i], true, false));
  }
  make_ready(0);
  assert_true(fl_watched_wait(&watched, 1000));
  for (int i = 0; i < 64; i++) assert_true(fl_watched_take(&watched, &ready));
  assert_false(fl_watched_take(&watched, &ready));
  for (int i = 0; i < 64; i++) {
    assert_true(fl_watched_set(&watched, copies[i], false, false));
    close(copies[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(only_ready_sockets_are_taken, open_all, close_all),
      cmocka_unit_test_setup_teardown(writing_and_the_end_of_a_stream_are_told, open_all,
                                      close_all),
      cmocka_unit_test_setup_teardown(the_table_may_change_between_two_sockets, open_all,
                                      close_all),
      cmocka_unit_test_setup_teardown(a_wake_ends_one_wait, open_all, close_all),
      cmocka_unit_test_setup_teardown(more_sockets_than_the_reserve_are_watched, open_all,
                                      close_all),
  };
  return cmocka_run_group_tests_name("watched", tests, NULL, NULL);
}
