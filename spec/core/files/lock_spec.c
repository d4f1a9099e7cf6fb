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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/lock.h"

static char folder[] = "/tmp/lock_spec.XXXXXX";
static char path[64];
static const char *fault;

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
    _exit((int)fl_lock_take(path, name_of(name), false, &lock, &fault));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void test_one_holder_in_the_process(void **state) {
  fl_lock *one = NULL, *second = NULL, *other = NULL;
  (void)state;
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &one, &fault), FL_OK);
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &second, &fault), FL_INVALID);
  assert_int_equal(fl_lock_take(path, name_of("b"), false, &other, &fault), FL_OK);
  fl_lock_release(one);
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &second, &fault), FL_OK);
  fl_lock_release(second);
  fl_lock_release(other);
  fl_lock_release(NULL);
}

static void test_one_holder_over_processes(void **state) {
  fl_lock *one = NULL, *other = NULL;
  (void)state;
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &one, &fault), FL_OK);
  assert_int_equal(fl_lock_take(path, name_of("b"), false, &other, &fault), FL_OK);
  assert_int_equal(taken_by_a_child("a"), FL_INVALID);
  /* Giving one name back, which might close the file, keeps the other held. */
  fl_lock_release(other);
  assert_int_equal(taken_by_a_child("a"), FL_INVALID);
  assert_int_equal(taken_by_a_child("b"), FL_OK);
  fl_lock_release(one);
  assert_int_equal(taken_by_a_child("a"), FL_OK);
  /* The child's end gave it back. */
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &one, &fault), FL_OK);
  fl_lock_release(one);
}

/* Files that another user could change, or could have put there, hold no locks. */
static void test_files_of_others_are_refused(void **state) {
  static const struct {
    mode_t mode;
    bool shared;
    const char *fault;
  } cases[] = {{0600, false, NULL},
               {0644, false, NULL},
               {0660, false, "its group may write it"},
               {0660, true, NULL},
               {0606, true, "every user may write it"}};
  fl_lock *lock = NULL;
  char elsewhere[80];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(chmod(path, cases[i].mode), 0);
    assert_int_equal(fl_lock_take(path, name_of("a"), cases[i].shared, &lock, &fault),
                     cases[i].fault == NULL ? FL_OK : FL_SYSTEM);
    if (cases[i].fault == NULL) fl_lock_release(lock);
    else assert_string_equal(fault, cases[i].fault);
  }
  snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", path);
  assert_int_equal(rename(path, elsewhere), 0);
  assert_int_equal(symlink(elsewhere, path), 0);
  assert_int_equal(fl_lock_take(path, name_of("a"), false, &lock, &fault), FL_SYSTEM);
  assert_string_equal(fault, "is a symbolic link");
  unlink(path);
  unlink(elsewhere);
}

static void test_a_new_file_is_its_owners_under_any_umask(void **state) {
  static const mode_t masks[] = {0, 0022, 0777};
  fl_lock *lock = NULL;
  struct stat status;
  (void)state;
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    mode_t before = umask(masks[i]);
    assert_int_equal(fl_lock_take(path, name_of("a"), false, &lock, &fault), FL_OK);
    umask(before);
    fl_lock_release(lock);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    unlink(path);
  }
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
      cmocka_unit_test(test_files_of_others_are_refused),
      cmocka_unit_test(test_a_new_file_is_its_owners_under_any_umask),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
