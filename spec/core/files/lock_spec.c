/*
 * lock_spec.c: one holder a name, in the process and over a fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/lock.h"

static char folder[] = "/tmp/lock_spec.XXXXXX";
static char path[64];

static fl_slice name_of(const char *text) {
  fl_slice name;
  name.data = text;
  name.length = strlen(text);
  return name;
}

/* What a child made by fork gets for the name: the result of fl_lock_take. It ends without giving
 * back. */
static int taken_by_a_child(const char *name) {
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    fl_lock *lock = NULL;
    _exit((int)fl_lock_take(path, name_of(name), &lock));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void test_one_holder_in_the_process(void **state) {
  fl_lock *one = NULL, *second = NULL, *other = NULL;
  (void)state;
  assert_int_equal(fl_lock_take(path, name_of("a"), &one), FL_OK);
  assert_int_equal(fl_lock_take(path, name_of("a"), &second), FL_INVALID);
  assert_int_equal(fl_lock_take(path, name_of("b"), &other), FL_OK);
  fl_lock_release(one);
  assert_int_equal(fl_lock_take(path, name_of("a"), &second), FL_OK);
  fl_lock_release(second);
  fl_lock_release(other);
  fl_lock_release(NULL);
}

static void test_one_holder_over_processes(void **state) {
  fl_lock *one = NULL, *other = NULL;
  (void)state;
  assert_int_equal(fl_lock_take(path, name_of("a"), &one), FL_OK);
  assert_int_equal(fl_lock_take(path, name_of("b"), &other), FL_OK);
  assert_int_equal(taken_by_a_child("a"), FL_INVALID);
  /* Giving one name back, which might close the file, keeps the other held. */
  fl_lock_release(other);
  assert_int_equal(taken_by_a_child("a"), FL_INVALID);
  assert_int_equal(taken_by_a_child("b"), FL_OK);
  fl_lock_release(one);
  assert_int_equal(taken_by_a_child("a"), FL_OK);
  /* The child's end gave it back. */
  assert_int_equal(fl_lock_take(path, name_of("a"), &one), FL_OK);
  fl_lock_release(one);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/lock", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_holder_in_the_process),
      cmocka_unit_test(test_one_holder_over_processes),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
