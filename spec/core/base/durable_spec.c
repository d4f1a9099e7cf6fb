/*
 * durable_spec.c: what is synced, in which order, and what is said where that fails. The fsync of
 * this program is the one below: it tells what it was called for.
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

#include "base/durable.h"

static char folder[] = "/tmp/durable_spec.XXXXXX";
static char path[64];
static char synced[8]; /* f: the file, d: its folder, ?: something else */
static int file_reason, folder_reason;

int fsync(int descriptor) {
  struct stat found, file, directory;
  char what = '?';
  int reason = 0;
  if (fstat(descriptor, &found) != 0 || stat(path, &file) != 0 || stat(folder, &directory) != 0)
    return -1;
  if (found.st_ino == file.st_ino) what = 'f', reason = file_reason;
  else if (found.st_ino == directory.st_ino) what = 'd', reason = folder_reason;
  synced[strlen(synced)] = what;
  errno = reason;
  return reason == 0 ? 0 : -1;
}

static void test_a_file_and_then_its_folder(void **state) {
  static const struct {
    int file, folder;
    const char *synced;
    int reason;
  } cases[] = {
      {0, 0, "fd", 0},      {EIO, 0, "f", EIO},  {ENOSPC, 0, "f", ENOSPC},
      {EINVAL, 0, "fd", 0}, {0, EIO, "fd", EIO}, {0, EINVAL, "fd", 0},
  };
  size_t index;
  (void)state;
  for (index = 0; index < sizeof cases / sizeof *cases; index++) {
    memset(synced, 0, sizeof synced);
    file_reason = cases[index].file;
    folder_reason = cases[index].folder;
    assert_int_equal(fl_make_durable(path), cases[index].reason);
    assert_string_equal(synced, cases[index].synced);
  }
  file_reason = folder_reason = 0;
}

static void test_names_without_a_folder(void **state) {
  char before[4096];
  (void)state;
  memset(synced, 0, sizeof synced);
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  assert_int_equal(fl_make_durable("file"), 0);
  assert_int_equal(chdir(before), 0);
  assert_string_equal(synced, "fd");
}

static void test_what_is_no_file(void **state) {
  char missing[80];
  (void)state;
  memset(synced, 0, sizeof synced);
  snprintf(missing, sizeof missing, "%s/missing", folder);
  assert_int_equal(fl_make_durable(missing), ENOENT);
  assert_int_equal(fl_make_durable("/dev/null"), 0);
  assert_null(strchr(synced, 'f'));
}

static int make_file(void **state) {
  FILE *file;
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/file", folder);
  file = fopen(path, "w");
  return file == NULL || fclose(file) != 0 ? -1 : 0;
}

static int remove_file(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_file_and_then_its_folder),
      cmocka_unit_test(test_names_without_a_folder),
      cmocka_unit_test(test_what_is_no_file),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
