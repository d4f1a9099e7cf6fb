/*
 * process_spec.c: what happens if the system cannot register handlers of forks. The functions that
 * need them are of base/process.c, files/lock.c and files/store.c. This program has a
 * pthread_atfork of its own, which fails when it should, and never registers anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "base/process.h"
#include "files/lock.h"
#include "files/store.h"

static bool failing;

/* ThreadSanitizer calls it before its functions can be called. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
__attribute__((disable_sanitizer_instrumentation))
#endif
#endif
int pthread_atfork(void (*before)(void), void (*after)(void), void (*child)(void)) {
  (void)before;
  (void)after;
  (void)child;
  return failing ? ENOMEM : 0;
}

static char path[64];

static int name_file(void **state) {
  (void)state;
  failing = true;
  return snprintf(path, sizeof path, "/tmp/process_spec.%d", (int)getpid()) > 0 ? 0 : -1;
}

static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

static void a_child_is_told_from_its_parent(void **state) {
  const uint64_t here = fl_process_generation();
  int status = -1;
  pid_t child;
  (void)state;
  assert_int_equal(fl_process_generation(), here);
  child = fork();
  if (child == 0) _exit(fl_process_generation() == here);
  assert_true(child > 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void no_lock_is_taken_without_handlers(void **state) {
  const char *fault;
  fl_lock *lock = NULL;
  (void)state;
  assert_int_equal(fl_lock_take(path, fl_slice_of("name"), false, &lock, &fault), FL_NO_MEMORY);
  assert_int_equal(access(path, F_OK), -1);
  failing = false;
  assert_int_equal(fl_lock_take(path, fl_slice_of("name"), false, &lock, &fault), FL_OK);
  fl_lock_release(lock);
}

static void no_store_is_made_without_handlers(void **state) {
  fl_store *store;
  (void)state;
  failing = true;
  assert_false(fl_store_prepare());
  assert_null(fl_store_new(path, false));
  failing = false;
  store = fl_store_new(path, false);
  assert_non_null(store);
  fl_store_release(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_is_told_from_its_parent),
      cmocka_unit_test(no_lock_is_taken_without_handlers),
      cmocka_unit_test(no_store_is_made_without_handlers),
  };
  return cmocka_run_group_tests_name("process", tests, name_file, remove_file);
}
