/*
 * store_spec.c: which files are state files, and what one that cannot be used is called.
 */
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
#include <sqlite3.h>

#include "files/store.h"

/* SQLite syncs by these functions, which stand before those of the C library. */
static int syncs;

__attribute__((visibility("default"))) int fsync(int descriptor) {
  (void)descriptor;
  syncs++;
  return 0;
}

__attribute__((visibility("default"))) int fdatasync(int descriptor) {
  (void)descriptor;
  syncs++;
  return 0;
}

static char folder[] = "/tmp/store_spec.XXXXXX";
static char path[64];

static void remove_state(void) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  size_t index;
  for (index = 0; index < sizeof endings / sizeof *endings; index++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", path, endings[index]);
    unlink(name);
  }
}

static void outside(const char *sql) {
  sqlite3 *database;
  assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
  assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(database);
}

static void add(fl_buffer *script, const char *sql, int changes) {
  fl_slice text;
  text.data = sql;
  text.length = strlen(sql);
  assert_int_equal(fl_script_statement(script, text, changes), FL_OK);
}

/* Up to two statements in a store of its own; *first: the first integer of the rows. */
static fl_store_code run(const char *one, const char *two, int changes, int64_t *first,
                         fl_store_error *error) {
  fl_store *store = fl_store_new(path, false);
  fl_buffer script, rows;
  fl_script_value value;
  fl_store_code code;
  size_t place = 0;
  int columns = 0;
  assert_non_null(store);
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  add(&script, one, two != NULL ? -1 : changes);
  if (two != NULL) add(&script, two, changes);
  code = fl_store_run(store, &script, false, &rows, &columns, error);
  *first = -1;
  while (code == FL_STORE_OK && (value = fl_script_read(&rows, &place)).type != FL_SCRIPT_END)
    if (value.type == FL_SCRIPT_INTEGER) {
      *first = value.integer;
      break;
    }
  fl_buffer_free(&script);
  fl_buffer_free(&rows);
  fl_store_release(store);
  return code;
}

static void test_files(void **state) {
  static const struct {
    const char *before; /* NULL: no file */
    fl_store_code code;
    const char *words;
  } cases[] = {
      {NULL, FL_STORE_OK, NULL},
      {"", FL_STORE_OK, NULL},
      {"CREATE TABLE foreign_rows (a)", FL_STORE_CONFIG, "the database of another program"},
      {"PRAGMA user_version = 1", FL_STORE_CONFIG, "the database of another program"},
      {"PRAGMA application_id = 0x666c7265; PRAGMA user_version = 99", FL_STORE_CONFIG,
       "newer flarelight"},
      {"PRAGMA application_id = 0x666c7265; PRAGMA user_version = -3", FL_STORE_CONFIG,
       "is damaged: the number of its version is negative"},
      {"PRAGMA application_id = 0x666c7265", FL_STORE_OK, NULL},
  };
  size_t index;
  (void)state;
  for (index = 0; index < sizeof cases / sizeof *cases; index++) {
    fl_store_error error;
    int64_t number;
    remove_state();
    if (cases[index].before != NULL) outside(cases[index].before);
    assert_int_equal(run("SELECT count(*) FROM batches", NULL, -1, &number, &error),
                     cases[index].code);
    if (cases[index].words != NULL) {
      assert_non_null(strstr(error.message, cases[index].words));
      assert_non_null(strstr(error.message, path));
    } else {
      assert_int_equal(number, 0);
      assert_int_equal(run("PRAGMA user_version", NULL, -1, &number, &error), FL_STORE_OK);
      assert_int_equal(number, FL_STORE_VERSION);
    }
  }
}

/* With a -wal file, as after a crash of the machine. */
static void overwrite(size_t size, char byte) {
  char name[sizeof path + 8];
  FILE *file;
  snprintf(name, sizeof name, "%s-wal", path);
  file = fopen(name, "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(name, 0600), 0);
  file = fopen(path, "r+");
  assert_non_null(file);
  for (size_t i = 0; i < size; i++) assert_int_equal(fputc(byte, file), (unsigned char)byte);
  assert_int_equal(fclose(file), 0);
}

static fl_store_code run_in_file_that_may_be_lost(const char *sql, fl_store_error *error) {
  static const char *const migrations[] = {"CREATE TABLE numbers (number)"};
  static const fl_store_schema schema = {"file of numbers", 1, migrations, FL_SECOND, false};
  fl_store *store = fl_store_new_of(path, false, &schema);
  fl_buffer script, rows;
  fl_store_code code;
  int columns;
  assert_non_null(store);
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  add(&script, sql, -1);
  code = fl_store_run(store, &script, false, &rows, &columns, error);
  fl_buffer_free(&script);
  fl_buffer_free(&rows);
  fl_store_release(store);
  return code;
}

/* The first script says it; the next one has a new file. A foreign file is left as it is. */
static void test_a_damaged_file_is_made_anew_if_it_may_be_lost(void **state) {
  static const struct {
    const char *damage; /* NULL: the bytes at the beginning of the file */
    size_t size;
    char byte;
    fl_store_code code, next;
    const char *words;
  } cases[] = {
      {"PRAGMA user_version = -3", 0, 0, FL_STORE_IO, FL_STORE_OK,
       "the file of numbers is damaged"},
      {NULL, 4096, '\0', FL_STORE_IO, FL_STORE_OK, "the file of numbers is damaged"},
      {NULL, 20, 'x', FL_STORE_IO, FL_STORE_IO, "is no file of numbers: it is no SQLite database"},
      {"PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 99", 0, 0, FL_STORE_IO,
       FL_STORE_OK, "the file of numbers is damaged"},
      {"PRAGMA application_id = 1", 0, 0, FL_STORE_CONFIG, FL_STORE_CONFIG,
       "is no file of numbers: it is the database of another program"},
      {"PRAGMA user_version = 9", 0, 0, FL_STORE_CONFIG, FL_STORE_CONFIG,
       "(version 9 of the file of numbers; this one knows 1)"},
  };
  static const char sql[] = "INSERT INTO numbers VALUES (1)";
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fl_store_error error;
    remove_state();
    assert_int_equal(run_in_file_that_may_be_lost(sql, &error), FL_STORE_OK);
    if (cases[i].damage != NULL) outside(cases[i].damage);
    else overwrite(cases[i].size, cases[i].byte);
    assert_int_equal(run_in_file_that_may_be_lost(sql, &error), cases[i].code);
    assert_non_null(strstr(error.message, cases[i].words));
    assert_int_equal(run_in_file_that_may_be_lost(sql, &error), cases[i].next);
  }
}

/* SQLite gives these a meaning of its own; here they are paths of files. */
static void test_odd_names_are_paths(void **state) {
  static const char *const names[] = {":memory:", "file:x?mode=memory", "file:y", "x?mode=ro",
                                      "%41"};
  fl_store_error error;
  int64_t number;
  char before[1024], kept[sizeof path];
  size_t index;
  (void)state;
  remove_state();
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  memcpy(kept, path, sizeof path);
  for (index = 0; index < sizeof names / sizeof *names; index++) {
    snprintf(path, sizeof path, "%s", names[index]);
    assert_int_equal(run("CREATE TABLE kept AS SELECT 5 AS a", NULL, -1, &number, &error),
                     FL_STORE_OK);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(run("SELECT a FROM kept", NULL, -1, &number, &error), FL_STORE_OK);
    assert_int_equal(number, 5);
    remove_state();
  }
  snprintf(path, sizeof path, "%s", "");
  assert_int_equal(run("SELECT 1", NULL, -1, &number, &error), FL_STORE_IO);
  memcpy(path, kept, sizeof path);
  assert_int_equal(chdir(before), 0);
}

static void test_a_link_to_nothing_is_refused(void **state) {
  fl_store_error error;
  int64_t number;
  char target[80];
  (void)state;
  remove_state();
  snprintf(target, sizeof target, "%s/target", folder);
  assert_int_equal(symlink(target, path), 0);
  assert_int_equal(run("SELECT 1", NULL, -1, &number, &error), FL_STORE_IO);
  assert_non_null(strstr(error.message, "is a symbolic link to a file that is not there"));
  assert_int_equal(access(target, F_OK), -1);
  unlink(path);
  /* One to a state file is followed. */
  assert_int_equal(run("CREATE TABLE kept (a)", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(rename(path, target), 0);
  assert_int_equal(symlink(target, path), 0);
  assert_int_equal(run("SELECT count(*) FROM kept", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(number, 0);
  unlink(target);
}

static void test_a_full_disk_and_a_guard_leave_nothing(void **state) {
  fl_store_error error;
  int64_t number;
  (void)state;
  remove_state();
  assert_int_equal(run("CREATE TABLE kept (a)", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(run("PRAGMA max_page_count = 1", "INSERT INTO kept VALUES (zeroblob(1000000))",
                       1, &number, &error),
                   FL_STORE_IO);
  assert_non_null(strstr(error.message, "the disk is full"));
  assert_int_equal(run("INSERT INTO kept VALUES (1)", "DELETE FROM kept", 2, &number, &error),
                   FL_STORE_GUARD);
  assert_int_equal(run("SELECT count(*) FROM kept", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(number, 0);
}

/* Of the opening, too: each of its tries would have patience of its own. */
static void test_a_locked_file_is_given_up(void **state) {
  fl_store_error error;
  int64_t number;
  sqlite3 *holder;
  (void)state;
  remove_state();
  assert_int_equal(run("SELECT 1", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(holder, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL),
      SQLITE_OK);
  alarm(60); /* or it hangs */
  assert_int_equal(run("SELECT 1", NULL, -1, &number, &error), FL_STORE_IO);
  alarm(0);
  assert_non_null(strstr(error.message, "locked by another program"));
  sqlite3_close(holder);
  assert_int_equal(run("SELECT 1", NULL, -1, &number, &error), FL_STORE_OK);
}

/* Processes that start at once all create the file. */
static void test_the_first_script_waits_longer(void **state) {
  static const char *const migrations[] = {"CREATE TABLE any (value TEXT);"};
  static const fl_store_schema hasty = {"file", 1, migrations, 20 * FL_MILLISECOND, false};
  static const char *const waits[] = {"more than 2 s", "more than 20 ms", "more than 20 ms"};
  fl_store *store = fl_store_new_of(path, false, &hasty);
  fl_store_error error;
  fl_buffer script, rows;
  sqlite3 *holder;
  int columns;
  (void)state;
  remove_state();
  assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
  assert_int_equal(chmod(path, 0600), 0);
  assert_int_equal(sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  add(&script, "SELECT 1", -1);
  alarm(60);
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    assert_int_equal(fl_store_run(store, &script, false, &rows, &columns, &error), FL_STORE_IO);
    if (strstr(error.message, waits[i]) == NULL) fail_msg("%s", error.message);
  }
  alarm(0);
  sqlite3_close(holder);
  assert_int_equal(fl_store_run(store, &script, false, &rows, &columns, &error), FL_STORE_OK);
  fl_store_release(store);
  fl_buffer_free(&script);
  fl_buffer_free(&rows);
}

static fl_store_code run_one(fl_store *store, const char *sql, bool relaxed) {
  fl_store_error error;
  fl_buffer script, rows;
  int columns = 0;
  fl_store_code code;
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  add(&script, sql, -1);
  code = fl_store_run(store, &script, relaxed, &rows, &columns, &error);
  fl_buffer_free(&script);
  fl_buffer_free(&rows);
  return code;
}

static void test_a_relaxed_script_is_not_synced(void **state) {
  static const struct {
    const char *sql;
    bool relaxed;
    int syncs;
  } cases[] = {
      {"INSERT INTO kept VALUES (1)", true, 0},  {"INSERT INTO kept VALUES (2)", false, 1},
      {"INSERT INTO kept VALUES (3)", true, 0},  {"SELECT 1", false, 0},
      {"INSERT INTO kept VALUES (4)", false, 1},
  };
  fl_store *store;
  fl_store_error error;
  int64_t number;
  size_t index;
  (void)state;
  remove_state();
  store = fl_store_new(path, false);
  assert_int_equal(run_one(store, "CREATE TABLE kept (a)", false), FL_STORE_OK);
  for (index = 0; index < sizeof cases / sizeof *cases; index++) {
    syncs = 0;
    assert_int_equal(run_one(store, cases[index].sql, cases[index].relaxed), FL_STORE_OK);
    assert_int_equal(syncs, cases[index].syncs);
    if (cases[index].relaxed) { /* another connection sees it */
      assert_int_equal(run("SELECT max(a) FROM kept", NULL, -1, &number, &error), FL_STORE_OK);
      assert_int_equal(number, (int)index + 1);
    }
  }
  /* One that fails leaves no relaxed connection behind. */
  assert_int_equal(run_one(store, "INSERT INTO nothing VALUES (1)", true), FL_STORE_IO);
  assert_int_equal(run_one(store, "SELECT 1", false), FL_STORE_OK);
  syncs = 0;
  assert_int_equal(run_one(store, "INSERT INTO kept VALUES (5)", false), FL_STORE_OK);
  assert_true(syncs >= 1);
  fl_store_release(store);
}

static void test_the_history_is_bounded(void **state) {
  fl_store_error error;
  int64_t number;
  (void)state;
  remove_state();
  assert_int_equal(run("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < "
                       "50100) INSERT INTO history (service, subject, at, event, detail)"
                       " SELECT 's', 'u', i, 'e', '{}' FROM n",
                       NULL, -1, &number, &error),
                   FL_STORE_OK);
  assert_int_equal(run("SELECT count(*) FROM history", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(number, 50000);
  assert_int_equal(run("SELECT min(number) FROM history", NULL, -1, &number, &error), FL_STORE_OK);
  assert_int_equal(number, 101);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/state", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  remove_state();
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_a_damaged_file_is_made_anew_if_it_may_be_lost),
      cmocka_unit_test(test_odd_names_are_paths),
      cmocka_unit_test(test_a_link_to_nothing_is_refused),
      cmocka_unit_test(test_a_full_disk_and_a_guard_leave_nothing),
      cmocka_unit_test(test_a_locked_file_is_given_up),
      cmocka_unit_test(test_the_first_script_waits_longer),
      cmocka_unit_test(test_a_relaxed_script_is_not_synced),
      cmocka_unit_test(test_the_history_is_bounded),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
