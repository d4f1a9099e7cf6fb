/*
 * owned_spec.c: whose file is refused, by owner, group and mode; new files; files that are
 * replaced.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/owned.h"

static char folder[] = "/tmp/owned_spec.XXXXXX";
static char path[64], other[64];

#define OTHER ((uid_t)54321)
#define FOREIGN ((gid_t)54321)

static void test_whose_file_is_refused(void **state) {
  const uid_t me = geteuid();
  const gid_t mine = getegid();
  const struct {
    uid_t owner;
    gid_t group;
    mode_t mode;
    const char *alone, *shared;
  } cases[] = {
      {me, mine, S_IFREG | 0600, NULL, NULL},
      {me, mine, S_IFREG | 0644, NULL, NULL},
      {0, mine, S_IFREG | 0444, NULL, NULL},
      {OTHER, mine, S_IFREG | 0600, "belongs to another user", NULL},
      {OTHER, mine, S_IFREG | 0660, "belongs to another user", NULL},
      {OTHER, FOREIGN, S_IFREG | 0644, "belongs to another user", "belongs to another user"},
      {me, mine, S_IFREG | 0620, "its group may write it", NULL},
      {me, FOREIGN, S_IFREG | 0660, "its group may write it", "its group may write it"},
      {me, mine, S_IFREG | 0602, "every user may write it", "every user may write it"},
      {OTHER, mine, S_IFIFO | 0600, "belongs to another user", NULL},
      {me, mine, S_IFIFO | 0666, "every user may write it", "every user may write it"},
      {OTHER, FOREIGN, S_IFCHR | 0666, NULL, NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int shared = 0; shared < 2; shared++) {
      struct stat status = {
          .st_uid = cases[i].owner, .st_gid = cases[i].group, .st_mode = cases[i].mode};
      const char *wanted = shared ? cases[i].shared : cases[i].alone;
      const char *fault = fl_owned_fault(&status, shared);
      assert_int_equal(fault == NULL, wanted == NULL);
      if (fault != NULL) assert_string_equal(fault, wanted);
    }
}

static mode_t mode_of(const char *name) {
  struct stat status;
  assert_int_equal(stat(name, &status), 0);
  return status.st_mode & 07777;
}

static void test_new_files_under_any_umask(void **state) {
  static const mode_t masks[] = {0, 0027, 0777};
  const char *fault;
  (void)state;
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++)
    for (int shared = 0; shared < 2; shared++) {
      mode_t before = umask(masks[i]);
      int descriptor = fl_owned_open(path, shared, &fault);
      assert_int_equal(fl_owned_umask(), masks[i]);
      umask(before);
      assert_true(descriptor >= 0);
      close(descriptor);
      assert_int_equal(mode_of(path), shared ? 0660 : 0600);
      unlink(path);
    }
}

static void test_no_link_and_no_pipe_is_opened(void **state) {
  const char *fault;
  (void)state;
  assert_int_equal(symlink(other, path), 0); /* dangling: nothing is created behind it */
  assert_int_equal(fl_owned_open(path, false, &fault), -1);
  assert_string_equal(fault, "is a symbolic link");
  assert_string_equal(fl_owned_fault_at(path, false), "is a symbolic link");
  assert_int_equal(access(other, F_OK), -1);
  unlink(path);
  assert_null(fl_owned_fault_at(path, false));
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(fl_owned_open(path, false, &fault), -1); /* and it does not wait for a reader */
  assert_string_equal(fault, "is no regular file");
  unlink(path);
}

static void test_a_file_is_read_and_replaced(void **state) {
  const char *fault;
  fl_buffer text;
  mode_t before = umask(0);
  (void)state;
  fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
  assert_int_equal(fl_owned_replace(path, "one", 3), 0);
  assert_int_equal(fl_owned_replace(path, "second", 6), 0);
  umask(before);
  assert_int_equal(mode_of(path), 0600);
  assert_int_equal(fl_owned_read(path, false, &text, &fault), 0);
  assert_int_equal(text.length, 6);
  assert_memory_equal(text.data, "second", 6);
  assert_int_equal(chmod(path, 0622), 0);
  assert_int_equal(fl_owned_read(path, false, &text, &fault), 0);
  assert_string_equal(fault, "every user may write it");
  unlink(path);
  assert_int_equal(fl_owned_read(path, false, &text, &fault), ENOENT);
  /* A file that cannot be replaced leaves nothing behind: the folder's removal shows it. */
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_not_equal(fl_owned_replace(path, "text", 4), 0);
  rmdir(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(fl_owned_replace(path, "text", 4), ENOTSUP);
  unlink(path);
  fl_buffer_free(&text);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/file", folder);
  snprintf(other, sizeof other, "%s/other", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whose_file_is_refused),
      cmocka_unit_test(test_new_files_under_any_umask),
      cmocka_unit_test(test_no_link_and_no_pipe_is_opened),
      cmocka_unit_test(test_a_file_is_read_and_replaced),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
