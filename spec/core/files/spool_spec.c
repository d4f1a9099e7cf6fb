/*
 * spool_spec.c: copies of pipes: their content, their name by the first bytes, what is left of
 * them, and a disk that is full.
 */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/spool.h"

static char folder[] = "/tmp/spool_spec.XXXXXX";
static char fifo[64], prefix[64];

/* Opens a spool of the pipe and a writer of it. */
static fl_spool *begin(int *writer) {
  fl_spool *spool = fl_spool_new(fifo, prefix, FL_COMPRESSION_NONE);
  assert_int_equal(fl_spool_step(spool), FL_SPOOL_MORE);
  *writer = open(fifo, O_WRONLY | O_CLOEXEC);
  assert_true(*writer >= 0);
  return spool;
}

/* Writes a text into the pipe in pieces, and copies each. Returns the last code. */
static fl_spool_code copy(fl_spool *spool, int writer, const char *text, size_t length,
                          size_t piece) {
  fl_spool_code code = FL_SPOOL_MORE;
  for (size_t at = 0; at < length; at += piece) {
    size_t count = length - at < piece ? length - at : piece;
    assert_int_equal(write(writer, text + at, count), (ssize_t)count);
    code = fl_spool_step(spool);
    if (code == FL_SPOOL_FAILED) break;
  }
  close(writer);
  while (code == FL_SPOOL_MORE) code = fl_spool_step(spool);
  return code;
}

static int left;
static void count_left(void *context, const char *path) {
  (void)context;
  left++;
  unlink(path);
}

static void copies_by_pieces(void **state) {
  static const struct {
    const char *label, *text;
    size_t length, piece;
    fl_compression content;
  } cases[] = {
      {"a text", "id\n1\n22222222222\n", 17, 17, FL_COMPRESSION_NONE},
      {"byte by byte", "id\n1\n22222222222\n", 17, 1, FL_COMPRESSION_NONE},
      {"fewer bytes than decide", "id\n", 3, 3, FL_COMPRESSION_NONE},
      {"nothing", "", 0, 1, FL_COMPRESSION_NONE},
      {"gzip", "\x1f\x8b\x08rest of it", 13, 1, FL_COMPRESSION_GZIP},
      {"gzip in few bytes", "\x1f\x8b\x08", 3, 3, FL_COMPRESSION_GZIP},
      {"zstd", "\x28\xb5\x2f\xfdrest of it", 14, 14, FL_COMPRESSION_ZSTD},
      {"xz",
       "\xfd"
       "7zXZ\0rest",
       10, 10, FL_COMPRESSION_XZ},
      {"bzip2", "BZh91AY&SYrest", 14, 5, FL_COMPRESSION_BZIP2},
      {"a text that begins as bzip2", "BZh9,text,more\n", 15, 15, FL_COMPRESSION_NONE},
      {"zip", "PK\x03\x04rest of it", 14, 14, FL_COMPRESSION_ZIP},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    int writer, descriptor;
    char bytes[64], path[128];
    struct stat about;
    fl_spool *spool = begin(&writer);
    check_text(cases[i].label, fl_spool_path(spool), "");
    check_number(cases[i].label,
                 copy(spool, writer, cases[i].text, cases[i].length, cases[i].piece),
                 FL_SPOOL_DONE);
    snprintf(path, sizeof path, "%s", fl_spool_path(spool));
    check(cases[i].label, strncmp(path, prefix, strlen(prefix)) == 0);
    check_number(cases[i].label, fl_archive_compression_of(path), cases[i].content);
    check_number(cases[i].label, fl_spool_content(spool), cases[i].content);
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
    check_number(cases[i].label, read(descriptor, bytes, sizeof bytes), cases[i].length);
    check(cases[i].label, memcmp(bytes, cases[i].text, cases[i].length) == 0);
    fstat(descriptor, &about);
    check_number(cases[i].label, about.st_mode & 0777, 0600);
    close(descriptor);
    left = 0;
    fl_spool_each_left(prefix, count_left, NULL);
    check_number("while it is open", left, 0);
    fl_spool_release(spool);
    fl_spool_each_left(prefix, count_left, NULL);
    /* An empty one may be new, and not locked yet. */
    check_number(cases[i].label, left, cases[i].length > 0 ? 1 : 0);
    unlink(path);
  }
}

static void removes_a_copy_that_has_no_room(void **state) {
  static char many[65536];
  struct rlimit before, small;
  int writer;
  fl_spool *spool = begin(&writer);
  fl_spool_code code = FL_SPOOL_MORE;
  (void)state;
  memset(many, 'x', sizeof many);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  small = (struct rlimit){100000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  code = copy(spool, writer, many, sizeof many, 4096);
  assert_int_equal(code, FL_SPOOL_DONE);
  fl_spool_each_left(prefix, count_left, NULL);
  unlink(fl_spool_path(spool));
  fl_spool_release(spool);
  small.rlim_cur = 10000;
  setrlimit(RLIMIT_FSIZE, &small);
  spool = begin(&writer);
  code = copy(spool, writer, many, sizeof many, 4096);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(code, FL_SPOOL_FAILED);
  assert_non_null(strstr(fl_spool_message(spool), "cannot write the copy: File too large"));
  assert_string_equal(fl_spool_path(spool), "");
  assert_int_equal(fl_spool_step(spool), FL_SPOOL_FAILED);
  fl_spool_release(spool);
  assert_int_equal(unlink(fifo), 0);
  assert_int_equal(rmdir(folder), 0); /* nothing is left */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(copies_by_pieces),
      cmocka_unit_test(removes_a_copy_that_has_no_room),
  };
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(fifo, sizeof fifo, "%s/fifo", folder);
  snprintf(prefix, sizeof prefix, "%s/spec-", folder);
  if (mkfifo(fifo, 0600) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
