/*
 * recording_spec.c: records in a temporary file without a name: read back as batches with their
 * lines, and a disk that is full.
 */
#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "files/recording.h"
#include "files/source.h"

static char folder[] = "/tmp/recording_spec.XXXXXX";
static const fl_source_options options;

static int files_in_folder(void) {
  DIR *entries = opendir(folder);
  int count = 0;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
    if (entry->d_name[0] != '.') count++;
  closedir(entries);
  return count;
}

static fl_recording *new_recording(void) {
  char prefix[sizeof folder + 8];
  snprintf(prefix, sizeof prefix, "%s/spec-", folder);
  return fl_recording_new(prefix, FL_COMPRESSION_NONE);
}

static bool add(fl_recording *recording, const char *text, int64_t line, uint32_t part) {
  fl_recording_head head = {line, (uint32_t)strlen(text), part};
  return fl_recording_write(recording, (const char *)&head, sizeof head) &&
         fl_recording_write(recording, text, strlen(text));
}

static fl_source *source_of(fl_recording *recording, fl_source_error *error) {
  return fl_source_open_recording(recording, "the file", &options, error);
}

static void gives_records_with_their_lines(void **state) {
  fl_recording *recording = new_recording();
  fl_source_error error;
  fl_source_batch batch;
  fl_source *source;
  const fl_source_span *spans;
  (void)state;
  fl_source_batch_init(&batch);
  /* A head whose first bytes look like UTF-16. */
  assert_true(add(recording, "{\"a\":1}", 0x00410041, 0) && add(recording, "{\"a\":22}", 7, 1) &&
              add(recording, "{\"a\":\"\xc3\xa4\"}", 8, 1));
  assert_int_equal(files_in_folder(), 0);
  assert_true(fl_recording_end(recording));
  source = source_of(recording, &error);
  fl_recording_release(recording);
  assert_non_null(source);
  assert_int_equal(fl_source_read(source, 2, 1000, &batch, &error), FL_SOURCE_OK);
  assert_string_equal(batch.text.data, "[{\"a\":1},{\"a\":22}]");
  spans = fl_source_batch_spans(&batch);
  assert_int_equal(spans[0].line, 0x00410041);
  assert_int_equal(spans[1].line, 7);
  assert_int_equal(spans[1].part, 1);
  assert_int_equal(fl_source_read(source, 2, 1, &batch, &error), FL_SOURCE_OK);
  assert_string_equal(batch.text.data, "[{\"a\":\"\xc3\xa4\"}]");
  assert_int_equal(fl_source_read(source, 2, 1, &batch, &error), FL_SOURCE_END);
  fl_source_close(source);
  fl_source_batch_free(&batch);
}

static void holds_none_or_very_many(void **state) {
  static const int counts[] = {0, 1, 20000};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(counts); i++) {
    fl_recording *recording = new_recording();
    fl_source_batch batch;
    fl_source_error error;
    fl_source *source;
    int found = 0;
    fl_source_batch_init(&batch);
    for (int n = 0; n < counts[i]; n++)
      assert_true(add(recording, "{\"name\":\"a text of some length\"}", n + 2, 0));
    assert_true(fl_recording_end(recording));
    source = source_of(recording, &error);
    assert_non_null(source);
    while (fl_source_read(source, 999, 16384, &batch, &error) == FL_SOURCE_OK) {
      assert_int_equal(fl_source_batch_spans(&batch)[0].line, found + 2);
      assert_true(batch.text.length <= 16384);
      found += (int)fl_source_batch_count(&batch);
    }
    assert_int_equal(error.code, FL_SOURCE_OK);
    assert_int_equal(found, counts[i]);
    fl_source_close(source);
    fl_recording_release(recording);
    fl_source_batch_free(&batch);
  }
}

static void fails_within_a_record(void **state) {
  fl_recording *recording = new_recording();
  fl_recording_head head = {2, 100, 0};
  fl_source_batch batch;
  fl_source_error error;
  fl_source *source;
  (void)state;
  fl_source_batch_init(&batch);
  assert_true(fl_recording_write(recording, (const char *)&head, sizeof head));
  assert_true(fl_recording_end(recording));
  source = source_of(recording, &error);
  assert_int_equal(fl_source_read(source, 9, 999, &batch, &error), FL_SOURCE_CONTENT);
  assert_string_equal(error.message, "the file ends within a record");
  fl_source_close(source);
  fl_recording_release(recording);
  fl_source_batch_free(&batch);
}

static void says_that_it_cannot_be_written(void **state) {
  struct rlimit before, small;
  fl_recording *recording = new_recording(), *nowhere = fl_recording_new("/no/such-", 0);
  bool written = true;
  (void)state;
  assert_false(fl_recording_end(nowhere));
  assert_non_null(strstr(fl_recording_message(nowhere), "cannot make the file: No such file"));
  fl_recording_release(nowhere);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  small = (struct rlimit){4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (int n = 0; n < 1000 && written; n++) written = add(recording, "{\"a\":1}", n, 0);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_false(written);
  assert_non_null(strstr(fl_recording_message(recording), "cannot write: File too large"));
  assert_false(fl_recording_end(recording));
  fl_recording_release(recording);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_records_with_their_lines),
      cmocka_unit_test(holds_none_or_very_many),
      cmocka_unit_test(fails_within_a_record),
      cmocka_unit_test(says_that_it_cannot_be_written),
  };
  int failed;
  if (mkdtemp(folder) == NULL) return 1;
  failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(folder);
  return failed;
}
