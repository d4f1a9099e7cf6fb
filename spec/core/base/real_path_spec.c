/*
 * real_path_spec.c: files are found through links of every kind, also files that are missing; a
 * path that leads nowhere is kept.
 */
#include <limits.h>
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

#include "base/real_path.h"

static char folder[PATH_MAX]; /* without links */

static void in_folder(char *out, const char *name) {
  bool relative = name[0] != '/' && name[0] != '\0';
  snprintf(out, 2 * PATH_MAX, "%s%s%s", relative ? folder : "", relative ? "/" : "", name);
}

/* Both names are of the folder; an empty `wanted`: the path is kept as it is. */
static void expect(const char *name, const char *wanted, bool linked) {
  char path[2 * PATH_MAX], place[2 * PATH_MAX];
  bool found = !linked;
  char *real;
  in_folder(path, name);
  in_folder(place, wanted);
  real = fl_real_path(path, &found);
  assert_non_null(real);
  assert_string_equal(real, *wanted != '\0' ? place : path);
  assert_int_equal(found, linked);
  free(real);
}

static void make_link(const char *target, const char *name) {
  char path[2 * PATH_MAX];
  in_folder(path, name);
  assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state) {
  char name[] = "/tmp/real_path_spec.XXXXXX";
  char path[2 * PATH_MAX];
  FILE *file;
  (void)state;
  assert_non_null(mkdtemp(name));
  assert_non_null(realpath(name, folder));
  in_folder(path, "real");
  assert_int_equal(mkdir(path, 0700), 0);
  in_folder(path, "real/file");
  file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  in_folder(path, "real/file");
  make_link("real/file", "link");
  make_link(path, "absolute");
  make_link("link", "second");
  make_link("real", "way");
  make_link("../link", "real/back");
  make_link("real/none", "dangling");
  make_link("way/none", "far");
  make_link("far", "farther");
  make_link("gone/none", "lost");
  make_link("loop", "loop");
  make_link("/flarelight-none", "root");
  return 0;
}

static int tear_down(void **state) {
  static const char *const names[] = {"real/back", "real/file", "real",     "link", "absolute",
                                      "second",    "way",       "dangling", "far",  "farther",
                                      "lost",      "loop",      "root",     ""};
  char path[2 * PATH_MAX];
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    in_folder(path, names[i]);
    remove(*names[i] != '\0' ? path : folder);
  }
  return 0;
}

static void test_files_that_are_there(void **state) {
  (void)state;
  expect("real/file", "real/file", false);
  expect("link", "real/file", true);
  expect("absolute", "real/file", true);
  expect("second", "real/file", true);
  expect("way/file", "real/file", false);
  expect("way/back", "real/file", true);
  expect("way/../link", "real/file", true);
  expect("./real/../real//file", "real/file", false);
}

static void test_files_that_are_missing(void **state) {
  (void)state;
  expect("real/none", "real/none", false);
  expect("way/none", "real/none", false);
  expect("way/../none", "none", false);
  expect("dangling", "real/none", true);
  expect("far", "real/none", true);
  expect("farther", "real/none", true);
  expect("root", "/flarelight-none", true);
  expect("/flarelight-none", "/flarelight-none", false);
}

static void test_paths_that_lead_nowhere(void **state) {
  char name[PATH_MAX];
  (void)state;
  expect("lost", "gone/none", true);
  expect("loop", "", true);
  expect("gone/none", "", false);
  expect("real/file/none", "", false);
  expect("real/none/", "", false);
  expect("none/..", "", false);
  memset(name, 'a', 300);
  name[300] = '\0';
  expect(name, "", false);
}

static void test_a_relative_path(void **state) {
  char before[PATH_MAX];
  static const char *const names[] = {"link", "dangling", "none", ":memory:", ""};
  static const char *const wanted[] = {"real/file", "real/none", "none", ":memory:", ""};
  bool linked;
  (void)state;
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char place[2 * PATH_MAX], *real = fl_real_path(names[i], &linked);
    in_folder(place, wanted[i]);
    assert_non_null(real);
    assert_string_equal(real, place);
    assert_int_equal(linked, i < 2);
    free(real);
  }
  assert_int_equal(chdir(before), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files_that_are_there), cmocka_unit_test(test_files_that_are_missing),
      cmocka_unit_test(test_paths_that_lead_nowhere), cmocka_unit_test(test_a_relative_path)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
