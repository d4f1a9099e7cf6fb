/*
 * source_spec.c: files as batches of records: every format, what can be wrong with one, how batches
 * are cut, and a file that changes. Writes its files into a directory of its own; the real data is
 * read from examples/data, so that it is run from the top of the project.
 */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/source.h"

static char directory[] = "/tmp/flarelight-source-XXXXXX";

static const char *path_of(const char *name) {
  static char path[200];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void write_bytes(const char *path, const char *bytes, size_t length) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

static void write_file(const char *path, const char *text) {
  write_bytes(path, text, strlen(text));
}

static fl_source *open_one(const char *path, const fl_source_options *options,
                           fl_source_error *error) {
  return fl_source_open(&path, 1, options, error);
}

static fl_source *open_in_chunks(const char *path, fl_column_type otherwise, size_t chunk,
                                 fl_source_error *error) {
  static fl_source_options options;
  options = (fl_source_options){
      .format = fl_source_format_of(path), .columns = {.otherwise = otherwise}, .chunk = chunk};
  memset(error, 0, sizeof *error);
  return open_one(path, &options, error);
}

static fl_source *open_as(const char *path, fl_column_type otherwise, fl_source_error *error) {
  return open_in_chunks(path, otherwise, 0, error);
}

static fl_source *open_good(const char *path) {
  fl_source_error error;
  fl_source *source = open_as(path, FL_COLUMN_UNDECIDED, &error);
  if (source == NULL) fail_msg("%s: %s", path, error.message);
  return source;
}

/* Reads a source to its end or an error; the records of all batches go to `all`, a comma after
 * each. */
static fl_source_code drain(fl_source *source, size_t max_records, size_t max_bytes, fl_buffer *all,
                            fl_source_error *error) {
  fl_source_batch batch;
  fl_source_code code;
  fl_place place = 0;
  fl_source_batch_init(&batch);
  while ((code = fl_source_read(source, max_records, max_bytes, &batch, error)) == FL_SOURCE_OK) {
    size_t count = fl_source_batch_count(&batch), expected = 1;
    assert_in_range(count, 1, max_records);
    assert_true(count == 1 || batch.text.length <= max_bytes);
    assert_int_equal(batch.text.data[0], '[');
    assert_int_equal(batch.text.data[batch.text.length - 1], ']');
    for (size_t i = 0; i < count; i++) {
      const fl_source_span *span = &fl_source_batch_spans(&batch)[i];
      assert_int_equal(span->start, expected);
      assert_true(fl_place_of(span->part, span->line) >= place);
      place = fl_place_of(span->part, span->line);
      expected = span->start + span->length + 1;
      assert_int_equal(fl_buffer_append(all, batch.text.data + span->start, span->length), FL_OK);
      assert_int_equal(fl_buffer_append_byte(all, ','), FL_OK);
    }
    assert_int_equal(batch.text.length, expected);
  }
  assert_string_equal(batch.text.data, "[]");
  fl_source_batch_free(&batch);
  return code;
}

/* --- contents, good and bad --- */

#define NO_RECORDS                                                                                \
  "the object has no member \"records\" and no array: give format = \"jsonl\" if each line is a " \
  "record, or put the records in an array"

static const struct {
  const char *name, *file, *content;
  const char *records; /* a comma after each */
  const char *message; /* NULL: it ends well */
  int64_t line;
} contents[] = {
    {"rows", "a.csv", "id,name,ok\n1,x,true\n2,,false\n",
     "{\"id\":1,\"name\":\"x\",\"ok\":true},{\"id\":2,\"name\":null,\"ok\":false},", NULL, 0},
    {"no line break at the end", "a.csv", "a\n1", "{\"a\":1},", NULL, 0},
    {"CRLF", "a.csv", "a,b\r\n1,x\r\n", "{\"a\":1,\"b\":\"x\"},", NULL, 0},
    {"a byte order mark", "a.csv",
     "\xef\xbb\xbf"
     "a\n1\n",
     "{\"a\":1},", NULL, 0},
    {"quotes", "a.csv", "\"a,b\"\n\"x\"\"y\"\n\"\"\n\"two\nlines\"\n",
     "{\"a,b\":\"x\\\"y\"},{\"a,b\":\"\"},{\"a,b\":\"two\\nlines\"},", NULL, 0},
    {"blank lines", "a.csv", "\na\n\n1\n\n2\n", "{\"a\":1},{\"a\":2},", NULL, 0},
    {"a header alone", "a.csv", "a,b\n", "", NULL, 0},
    {"tabs", "a.tsv", "a\tb\n1,5\t\"x\ty\"\n", "{\"a\":\"1,5\",\"b\":\"x\\ty\"},", NULL, 0},
    {"an upper case ending", "a.CSV", "a\n1\n", "{\"a\":1},", NULL, 0},
    {"an empty file", "a.csv", "", "", "the file is empty", 0},
    {"blank lines alone", "a.csv", "\n\n", "",
     "the file has no header: its first row should name the columns", 0},
    {"too many cells", "a.csv", "a,b\n1,2\n1,2,3\n", "", "the row has 3 cells for 2 columns", 3},
    {"too few cells", "a.csv", "a,b\n\"x\ny\",2\n1\n", "", "the row has 1 cell for 2 columns", 4},
    {"a name twice", "a.csv", "a,a\n1,2\n", "", "column \"a\" is there twice", 1},
    {"an empty name", "a.csv", "\na,\n1,2\n", "", "column 2 has no name", 2},
    {"not UTF-8", "a.csv", "a\nx\n\xff\n", "",
     "bytes that are not UTF-8: encoding = \"windows-1252\", or the encoding that the file is in, "
     "reads it",
     3},
    {"not UTF-8 in the header", "a.csv", "\xff\n1\n", "",
     "bytes that are not UTF-8: encoding = \"windows-1252\", or the encoding that the file is in, "
     "reads it",
     1},
    {"an open quote", "a.csv", "a\nx\n\"y\nz\n", "", "a quote that is never closed", 3},
    {"an open quote in a later cell", "a.csv", "a,b\n1,2\n3,\"y\nz\n", "",
     "a quote that is never closed", 3},
    {"an open quote in the header", "a.csv", "a,\"b\n1,2\n", "", "a quote that is never closed", 1},
    {"a stray quote", "a.csv", "a\nx\"y\n", "",
     "a quote inside an unquoted cell, or text after a closing quote", 2},

    {"lines", "a.jsonl", "{\"a\": 1.50}\n{\"b\":\"\\u00e9\"}\n",
     "{\"a\": 1.50},{\"b\":\"\\u00e9\"},", NULL, 0},
    {"lines, the other name", "a.ndjson", "{}\n", "{},", NULL, 0},
    {"digits of any length", "a.jsonl", "{\"a\":123456789012345678901234567890}",
     "{\"a\":123456789012345678901234567890},", NULL, 0},
    {"lines, CRLF and blanks", "a.jsonl", "\r\n  {\"a\":1} \r\n\n \t\n{\"a\":2}",
     "{\"a\":1},{\"a\":2},", NULL, 0},
    {"lines, a byte order mark", "a.jsonl", "\xef\xbb\xbf{}\n", "{},", NULL, 0},
    {"lines with nothing on them", "a.jsonl", "\n\n", "", NULL, 0},
    {"lines, an empty file", "a.jsonl", "", "", NULL, 0},
    {"JSON, an empty file", "a.json", "", "", "the file is empty", 0},
    {"a line that is no JSON", "a.jsonl", "{}\n\n{\"a\":01}\n", "{},",
     "a malformed number (byte 7 of the value that begins on this line)", 3},
    {"a line that is an array", "a.jsonl", "{}\n[1]\n", "{},",
     "the record is not an object but an array", 2},
    {"a line that is a number", "a.jsonl", "7\n", "", "the record is not an object but a number",
     1},
    {"a line with two values", "a.jsonl", "{} {}\n", "",
     "text after the value (byte 4 of the value that begins on this line)", 1},
    {"an object over two lines", "a.jsonl", "{\"a\":\n1}\n", "",
     "the text ends inside a value (byte 6 of the value that begins on this line)", 1},
    {"a line that is not UTF-8", "a.jsonl", "{}\n{\"a\":\"\xff\"}\n", "{},",
     "bytes that are not UTF-8 (byte 7 of the value that begins on this line): encoding = "
     "\"windows-1252\", "
     "or the encoding that the file is in, reads it",
     2},

    {"an array", "a.json", "[{\"a\":1.50},{\"b\":[1,{\"c\":\"]},\"}]}]",
     "{\"a\":1.50},{\"b\":[1,{\"c\":\"]},\"}]},", NULL, 0},
    {"an array over lines", "a.json", "\n[\n  {\n \"a\" : 1\n },\n {\"a\":-2e5}\n]\n",
     "{\"a\":1},{\"a\":-2e5},", NULL, 0},
    {"escapes", "a.json", "[{\"a\\n\":\"\\\"}\\\\\"}]", "{\"a\\n\":\"\\\"}\\\\\"},", NULL, 0},
    {"an empty array", "a.json", " [ ] ", "", NULL, 0},
    {"an array, a byte order mark", "a.json", "\xef\xbb\xbf[{}]", "{},", NULL, 0},
    {"an object with records", "a.json", "{\"records\":[{\"a\":1},{}]}", "{\"a\":1},{},", NULL, 0},
    {"members around records", "a.json",
     "{\"n\": {\"records\":[1]}, \"records\" : [{}] , \"m\": \"x\"}", "{},", NULL, 0},
    {"a key with an escape", "a.json", "{\"r\\u0065cords\":[{}]}", "{},", NULL, 0},
    {"an object without records", "a.json", "{\"n\":1}", "", NO_RECORDS, 1},
    {"an empty object", "a.json", "{\n}", "", NO_RECORDS, 2},
    {"records that are no array", "a.json", "{\"records\":\n{}}", "",
     "the member \"records\" is not an array", 2},
    {"records twice", "a.json", "{\"records\":[{}],\n\"records\":[]}", "{},",
     "the member \"records\" is there twice", 2},
    {"a string", "a.json", "\"x\"", "",
     "neither an array of records nor an object with \"records\"", 1},
    {"white space", "a.json", " \n ", "",
     "neither an array of records nor an object with \"records\"", 2},
    {"a record that is no object", "a.json", "[{},\n\n1]", "{},",
     "the record is not an object but a number", 3},
    {"lines of records before count", "a.json", "[{\n\"a\":1\n},\n1]", "{\"a\":1},",
     "the record is not an object but a number", 4},
    {"escaped line breaks do not", "a.json", "[{\"a\":\"\\n\"},1]", "{\"a\":\"\\n\"},",
     "the record is not an object but a number", 1},
    {"a record that is a string", "a.json", "[\"x\"]", "",
     "the record is not an object but a string", 1},
    {"a comma at the end", "a.json", "[{},\n]", "{},", "an unexpected character", 2},
    {"a comma at the beginning", "a.json", "[,{}]", "", "an unexpected character", 1},
    {"a comma at the end of the object", "a.json", "{\"records\":[],}", "",
     "an unexpected character", 1},
    {"no comma", "a.json", "[{}\n{}]", "{},", "an unexpected character", 2},
    {"no colon", "a.json", "{\"records\"[]}", "", "an unexpected character", 1},
    {"the wrong bracket", "a.json", "[{\"a\":1}}", "{\"a\":1},", "an unexpected character", 1},
    {"cut in the array", "a.json", "[{},\n{}\n", "{},{},", "the text ends inside a value", 3},
    {"cut in a record", "a.json", "[{},\n{\"a\":[1", "{},",
     "the text ends inside a value (byte 8 of the value that begins on this line)", 2},
    {"cut after a backslash", "a.json", "[{\"a\":\"\\", "",
     "the text ends inside a value (byte 8 of the value that begins on this line)", 1},
    {"text after the array", "a.json", "[{}]\nx", "{},", "text after the value", 2},
    {"a bad record", "a.json", "[{},\n{\n\"a\":+1}]", "{},",
     "a malformed number (byte 7 of the value that begins on this line)", 2},
    {"a bad member around records", "a.json", "{\"n\":tru,\"records\":[]}", "",
     "the text ends inside a value (byte 4 of the value that begins on this line)", 1},
};

static void test_contents(void **state) {
  static const size_t sizes[] = {1, 2, 1000};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(contents); i++)
    for (size_t size = 0; size < COUNT_OF(sizes); size++) {
      const char *label = contents[i].name, *path = path_of(contents[i].file);
      fl_source_error error;
      fl_source *source;
      fl_buffer all;
      fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
      fl_buffer_append(&all, "", 0);
      write_file(path, contents[i].content);
      source = open_as(path, FL_COLUMN_UNDECIDED, &error);
      if (source != NULL) drain(source, sizes[size], 1 << 20, &all, &error);
      check_text(label, all.data, contents[i].records);
      check_number(label, error.code, contents[i].message ? FL_SOURCE_CONTENT : FL_SOURCE_OK);
      check_text(label, error.message, contents[i].message ? contents[i].message : "");
      check_number(label, error.line, contents[i].line);
      if (source != NULL) { /* what is over stays over */
        fl_source_error again = {.code = FL_SOURCE_OK};
        fl_source_code code = drain(source, 1, 1, &all, &again);
        check_number(label, code, error.code == FL_SOURCE_OK ? FL_SOURCE_END : error.code);
        check_text(label, again.message, error.message);
      }
      fl_source_close(source);
      fl_buffer_free(&all);
      unlink(path);
    }
}

/* Bytes that C's strings cannot hold. */
static void test_nul_bytes(void **state) {
  const struct {
    const char *file;
    fl_slice content;
    const char *message;
  } cases[] = {{"a.csv", FL_LITERAL("a\nx\0y\n"), "a NUL byte"},
               {"a.jsonl", FL_LITERAL("{\"a\":\"\0\"}\n"),
                "a control character in a string (byte 7 of the value that begins on this line)"},
               {"a.json", FL_LITERAL("[\0]"),
                "an unexpected character (byte 1 of the value that begins on this line)"}};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    const char *path = path_of(cases[i].file);
    fl_source_error error;
    fl_source *source;
    fl_buffer all;
    fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
    write_bytes(path, cases[i].content.data, cases[i].content.length);
    source = open_as(path, FL_COLUMN_UNDECIDED, &error);
    if (source != NULL) drain(source, 10, 1000, &all, &error);
    check_text(cases[i].file, error.message, cases[i].message);
    fl_source_close(source);
    fl_buffer_free(&all);
    unlink(path);
  }
}

/* Without columns to find out there is one pass: the records before an error are given. */
static void test_given_types(void **state) {
  const char *path = path_of("given.csv");
  fl_column_choice choices[] = {{FL_LITERAL("n"), FL_COLUMN_NUMBER},
                                {FL_LITERAL("z"), FL_COLUMN_TEXT}};
  fl_source_options options = {
      .format = FL_SOURCE_CSV,
      .columns = {.otherwise = FL_COLUMN_TEXT, .choices = choices, .choice_count = 2}};
  fl_source_error error = {.code = FL_SOURCE_OK};
  fl_source *source;
  fl_buffer all;
  (void)state;
  fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
  write_file(path, "n,z,other\n1e3,07,1\n2,8,true\nx,9,2\n3,3,3\n");
  source = open_one(path, &options, &error);
  assert_non_null(source);
  assert_int_equal(drain(source, 10, 1000, &all, &error), FL_SOURCE_CONTENT);
  assert_string_equal(
      all.data,
      "{\"n\":1e3,\"z\":\"07\",\"other\":\"1\"},{\"n\":2,\"z\":\"8\",\"other\":\"true\"},");
  assert_string_equal(error.message, "column \"n\": \"x\" is not a number");
  assert_int_equal(error.line, 4);
  fl_source_close(source);
  /* With one to find out the error comes before any record. */
  options.columns.otherwise = FL_COLUMN_UNDECIDED;
  assert_null(open_one(path, &options, &error));
  assert_int_equal(error.line, 4);
  choices[1].name = FL_LITERAL("nowhere");
  assert_null(open_one(path, &options, &error));
  assert_string_equal(
      error.message,
      "column \"nowhere\" is given a type, but the file does not have it: there are "
      "\"n\", \"z\", \"other\"");
  assert_int_equal(error.line, 1);
  fl_buffer_free(&all);
  unlink(path);
}

/* --- the system --- */

static void test_files_that_cannot_be_read(void **state) {
  fl_source_error error;
  (void)state;
  assert_null(open_as(path_of("missing.csv"), FL_COLUMN_UNDECIDED, &error));
  assert_int_equal(error.code, FL_SOURCE_SYSTEM);
  assert_string_equal(error.message, "cannot open the file: No such file or directory");
  assert_int_equal(mkdir(path_of("folder.csv"), 0700), 0);
  assert_null(open_as(path_of("folder.csv"), FL_COLUMN_UNDECIDED, &error));
  assert_int_equal(error.code, FL_SOURCE_SYSTEM);
  assert_string_equal(error.message, "cannot read the file: Is a directory");
  rmdir(path_of("folder.csv"));
  /* A pipe that nobody writes to must not hold us. */
  assert_int_equal(mkfifo(path_of("pipe.csv"), 0600), 0);
  assert_null(open_as(path_of("pipe.csv"), FL_COLUMN_UNDECIDED, &error));
  assert_int_equal(error.code, FL_SOURCE_SYSTEM);
  assert_string_equal(error.message, "not a regular file: it has to be read twice");
  unlink(path_of("pipe.csv"));
  if (geteuid() != 0) { /* root may read everything */
    write_file(path_of("locked.csv"), "a\n1\n");
    chmod(path_of("locked.csv"), 0);
    assert_null(open_as(path_of("locked.csv"), FL_COLUMN_UNDECIDED, &error));
    assert_string_equal(error.message, "cannot open the file: Permission denied");
    unlink(path_of("locked.csv"));
  }
}

static void test_descriptors_are_given_back(void **state) {
  const char *path = path_of("closed.csv");
  int before, after;
  (void)state;
  write_file(path, "a\n1\n");
  before = dup(0);
  close(before);
  fl_source_close(open_good(path));
  fl_source_close(NULL);
  after = dup(0);
  close(after);
  assert_int_equal(after, before);
  unlink(path);
}

static void test_descriptor_is_closed_on_exec(void **state) {
  const char *path = path_of("exec.csv");
  int next = dup(0);
  fl_source *source;
  (void)state;
  close(next);
  write_file(path, "a\n1\n");
  source = open_good(path);
  assert_true(fcntl(next, F_GETFD) & FD_CLOEXEC);
  fl_source_close(source);
  unlink(path);
}

/* --- a file that changes --- */

static void append_line(const char *path) {
  FILE *file = fopen(path, "ab");
  fputs("2\n", file);
  fclose(file);
}

static void rewrite_in_place(const char *path) { /* the same size, another number */
  FILE *file = fopen(path, "r+b");
  fputs("a\nx", file);
  fclose(file);
}

static void touch(const char *path) {
  const struct timespec times[2] = {{1, 0}, {1, 0}};
  utimensat(AT_FDCWD, path, times, 0);
}

static void grow_unseen(const char *path) { /* as some tools do: its time is put back */
  struct stat status;
  struct timespec times[2];
  stat(path, &status);
  append_line(path);
  times[0] = times[1] = status.st_mtim;
  utimensat(AT_FDCWD, path, times, 0);
}

static void replace(const char *path) {
  char other[220];
  struct stat status;
  struct timespec times[2];
  snprintf(other, sizeof other, "%s.new", path);
  write_file(other, "a\n9\n");
  stat(path, &status);
  times[0] = times[1] = status.st_mtim;
  utimensat(AT_FDCWD, other, times, 0);
  rename(other, path);
}

static void leave(const char *path) { (void)path; }
static void cut(const char *path) { assert_int_equal(truncate(path, 2), 0); }
static void delete (const char *path) { unlink(path); }

static void test_changes(void **state) {
  static const struct {
    const char *name;
    void (*change)(const char *path);
    fl_source_code code;
  } cases[] = {
      {"left alone", leave, FL_SOURCE_END},
      {"grown", append_line, FL_SOURCE_CHANGED},
      {"grown, its time put back", grow_unseen, FL_SOURCE_CHANGED},
      {"touched", touch, FL_SOURCE_CHANGED},
      {"replaced", replace, FL_SOURCE_CHANGED},
      {"cut", cut, FL_SOURCE_CHANGED},
      {"rewritten", rewrite_in_place, FL_SOURCE_CHANGED},
      {"deleted: what was opened is whole", delete, FL_SOURCE_END},
  };
  static const char *const files[][2] = {
      {"change.csv", "a\n1\n"}, {"change.jsonl", "{}\n\n"}, {"change.json", "[{}]"}};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    for (size_t file = 0; file < COUNT_OF(files); file++) {
      const char *path = path_of(files[file][0]);
      fl_source_error error = {.code = FL_SOURCE_OK};
      fl_source *source;
      fl_buffer all;
      fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
      write_file(path, files[file][1]);
      source = open_good(path);
      cases[i].change(path);
      check_number(cases[i].name, drain(source, 10, 1000, &all, &error), cases[i].code);
      check(cases[i].name, cases[i].change != append_line || strchr(all.data, '2') == NULL);
      if (cases[i].code == FL_SOURCE_CHANGED)
        check_text(cases[i].name, error.message, "the file changed while it was read");
      fl_source_close(source);
      fl_buffer_free(&all);
      unlink(path);
    }
}

/* A file larger than a chunk: its number column turns to words between the passes. The words do not
 * go out as numbers. */
static void test_change_between_the_passes(void **state) {
  const char *path = path_of("between.csv");
  fl_source_error error = {.code = FL_SOURCE_OK};
  fl_source *source;
  fl_buffer text, all;
  FILE *file;
  (void)state;
  fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
  fl_buffer_append_text(&text, "a\n");
  while (text.length < 400000) fl_buffer_append_text(&text, "1234567\n");
  write_file(path, text.data);
  source = open_good(path);
  file = fopen(path, "r+b");
  fseek(file, -8, SEEK_END);
  fputs("x,y:[{}", file);
  fclose(file);
  assert_int_equal(drain(source, 1000, 100000, &all, &error), FL_SOURCE_CHANGED);
  assert_null(strchr(all.data, 'x'));
  fl_source_close(source);
  fl_buffer_free(&text);
  fl_buffer_free(&all);
  unlink(path);
}

/* --- several files --- */

static const char *const part_names[] = {"part1.csv", "part2.csv", "part3.csv"};
enum { PARTS = 3 };

static fl_source *open_parts(const fl_source_options *options, fl_source_error *error) {
  static char paths[PARTS][200];
  const char *list[PARTS];
  for (size_t i = 0; i < PARTS; i++) {
    snprintf(paths[i], sizeof paths[i], "%s", path_of(part_names[i]));
    list[i] = paths[i];
  }
  memset(error, 0, sizeof *error);
  return fl_source_open(list, PARTS, options, error);
}

static void test_parts(void **state) {
  static const fl_source_options options = {.format = FL_SOURCE_CSV};
  fl_source_error error;
  fl_source *source;
  fl_source_batch batch;
  fl_buffer all;
  int64_t read, total;
  (void)state;
  fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
  write_file(path_of(part_names[0]), "a\n1\n2\n");
  write_file(path_of(part_names[1]), "a\n");
  write_file(path_of(part_names[2]), "a\nx\n");
  for (size_t most = 1; most < 5; most++) {
    source = open_parts(&options, &error);
    assert_non_null(source);
    all.length = 0;
    fl_source_batch_init(&batch);
    while (fl_source_read(source, most, 1000, &batch, &error) == FL_SOURCE_OK)
      for (size_t i = 0; i < fl_source_batch_count(&batch); i++) {
        const fl_source_span *span = &fl_source_batch_spans(&batch)[i];
        char place[40];
        snprintf(place, sizeof place, "%u:%lld ", (unsigned)span->part, (long long)span->line);
        fl_buffer_append_text(&all, place);
      }
    assert_string_equal(all.data, "0:2 0:3 2:2 ");
    fl_source_progress(source, &read, &total);
    assert_int_equal(read, 12);
    assert_int_equal(total, 12);
    assert_int_equal(fl_source_part_count(source), PARTS);
    assert_int_equal(fl_source_identify(source, 2).size, 4);
    fl_source_batch_free(&batch);
    fl_source_close(source);
  }
  /* Text, as the last part has words. */
  source = open_parts(&options, &error);
  all.length = 0;
  assert_int_equal(drain(source, 10, 1000, &all, &error), FL_SOURCE_END);
  assert_string_equal(all.data, "{\"a\":\"1\"},{\"a\":\"2\"},{\"a\":\"x\"},");
  fl_source_close(source);
  fl_buffer_free(&all);
  for (size_t i = 0; i < PARTS; i++) unlink(path_of(part_names[i]));
}

/* What the pass before the first record has found: "records: name type, ...". */
static void test_surveys(void **state) {
  static const fl_slice chosen[] = {{"a", 1}, {"c", 1}, {"d", 1}};
  static const fl_constant set[] = {{{"d", 1}, {"1", 1}}};
  static const struct {
    const char *name, *text, *found;
    bool survey, mapped;
  } cases[] = {
      {"s.csv", "a,b\n1,x\n2,y\n", "2: a number, b text, ", false,
       false}, /* types ask for it, too */
      {"s.csv", "a,b\n", "0: a text, b text, ", true, false},
      {"s.csv", "a,b,c,d\n1,2,x,y\n", "1: a number, c text, ", true, true},
      {"s.jsonl", "{\"a\":1}\n", "-1: ", false, false},
      {"s.jsonl", "", "0: ", true, false},
      {"s.jsonl", "{\"a\":1}\n\n{\"b\":\"\"}\n{\"a\":2.5}\n", "3: a number, b text, ", true, false},
      {"s.json", "[{\"a\":null,\"b\":true,\"c\":[],\"d\":{},\"e\":1},{\"b\":null,\"e\":\"\"}]",
       "2: a null, b boolean, c array, d object, e mixed, ", true, false},
      {"s.json", "[{\"a\":1,\"b\":2,\"c\":3,\"d\":4}]", "1: a number, c number, ", true, true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *path = path_of(cases[i].name);
    fl_source_options options = {.format = fl_source_format_of(path), .survey = cases[i].survey};
    char found[200];
    fl_source_member member;
    fl_source_error error;
    fl_source *source;
    if (cases[i].mapped) {
      options.columns.mapping.columns = (fl_names){chosen, 3};
      options.columns.mapping.set = set;
      options.columns.mapping.set_count = 1;
    }
    write_file(path, cases[i].text);
    source = open_one(path, &options, &error);
    if (source == NULL) fail_msg("%s: %s", cases[i].text, error.message);
    snprintf(found, sizeof found, "%d: ", (int)fl_source_count(source));
    for (size_t place = 0; fl_source_get_member(source, place, &member); place++) {
      size_t length = strlen(found);
      snprintf(found + length, sizeof found - length, "%.*s %s, ", (int)member.name.length,
               member.name.data, member.type);
    }
    assert_string_equal(found, cases[i].found);
    fl_source_close(source);
    unlink(path);
  }
}

/* A part is opened anew for each pass: it has to be the file that was read before. */
static void test_a_part_that_changes(void **state) {
  static const fl_source_options options = {.format = FL_SOURCE_CSV};
  static void (*const changes[])(const char *path) = {append_line, touch, replace, delete};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(changes); i++) {
    fl_source_error error;
    fl_source *source;
    fl_buffer all;
    fl_source_code code;
    fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
    for (size_t part = 0; part < PARTS; part++) write_file(path_of(part_names[part]), "a\n1\n");
    source = open_parts(&options, &error);
    assert_non_null(source);
    changes[i](path_of(part_names[1]));
    code = drain(source, 10, 1000, &all, &error);
    assert_int_equal(code, changes[i] == delete ? FL_SOURCE_SYSTEM : FL_SOURCE_CHANGED);
    assert_int_equal(error.part, 1);
    assert_string_equal(all.data, "{\"a\":1},");
    fl_source_close(source);
    fl_buffer_free(&all);
    for (size_t part = 0; part < PARTS; part++) unlink(path_of(part_names[part]));
  }
}

/* --- batches --- */

static const struct {
  size_t records, bytes, chunk;
} limits[] = {{1, 1 << 20, 0},   {7, 1 << 20, 0},   {5000, 1 << 20, 0}, {100000, 64 << 20, 0},
              {100000, 1, 0},    {100000, 700, 0},  {100000, 65536, 0}, {3, 300, 0},
              {1000, 100000, 0}, {100, 100000, 16}, {3, 300, 61},       {1000, 1 << 20, 1000}};

/* However batches and chunks are cut, all together are the same; `expected` is the count of
 * records. */
static void check_cuts(const char *path, size_t expected) {
  fl_buffer first;
  fl_buffer_init(&first, FL_BUFFER_UNLIMITED);
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    fl_source_error error = {.code = FL_SOURCE_OK};
    fl_source *source = open_in_chunks(path, FL_COLUMN_UNDECIDED, limits[i].chunk, &error);
    fl_buffer all;
    int64_t read, total;
    if (source == NULL) fail_msg("%s: %s", path, error.message);
    fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
    assert_int_equal(drain(source, limits[i].records, limits[i].bytes, &all, &error),
                     FL_SOURCE_END);
    fl_source_progress(source, &read, &total);
    assert_int_equal(read, total);
    if (i == 0) {
      size_t count = 0;
      assert_int_equal(fl_buffer_append(&first, all.data, all.length), FL_OK);
      for (const char *at = first.data; (at = strstr(at, "},{")) != NULL; at++) count++;
      assert_int_equal(count + 1, expected);
    }
    assert_int_equal(all.length, first.length);
    assert_memory_equal(all.data, first.data, all.length);
    fl_buffer_free(&all);
    fl_source_close(source);
  }
  fl_buffer_free(&first);
}

/* Records of every length up to several chunks, so that each kind of byte falls on a chunk's edge.
 */
static void test_cuts(void **state) {
  static const char *const files[] = {"cut.csv", "cut.jsonl", "cut.json"};
  (void)state;
  for (size_t kind = 0; kind < COUNT_OF(files); kind++) {
    const char *path = path_of(files[kind]);
    fl_buffer text;
    char word[64];
    fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
    fl_buffer_append_text(&text, kind == 0 ? "n,text\n" : kind == 2 ? "[" : "");
    for (int i = 0; i < 2000; i++) {
      if (kind == 0) snprintf(word, sizeof word, "%d.50,\"\"\"\n", i);
      else if (kind == 1) snprintf(word, sizeof word, "{\"n\":%d.50, \"text\":\"\\n\\\"", i);
      else snprintf(word, sizeof word, "%s{\"n\":%d.50,\n\"text\":\"\\n\\\"", i > 0 ? ", " : "", i);
      fl_buffer_append_text(&text, word);
      for (int fill = 0; fill < (i == 1000 ? 300000 : i % 97); fill++)
        fl_buffer_append_text(&text, fill % 5 ? "y" : "\xc3\xb6");
      fl_buffer_append_text(&text, kind == 0 ? "\"\n" : kind == 1 ? "\"}\n" : "\"}");
    }
    if (kind == 2) fl_buffer_append_text(&text, "]\n");
    write_file(path, text.data);
    check_cuts(path, 2000);
    fl_buffer_free(&text);
    unlink(path);
  }
}

/* A line that ends on the edge of what is read at a time, or beside it. */
static void test_line_ends_on_edges(void **state) {
  const char *path = path_of("edge.jsonl");
  const size_t edge = 128 * 1024;
  (void)state;
  for (size_t length = edge - 3; length <= edge + 3; length++) {
    fl_source_error error = {.code = FL_SOURCE_OK};
    fl_source *source;
    fl_buffer text, all;
    fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&all, FL_BUFFER_UNLIMITED);
    fl_buffer_append_text(&text, "{\"a\":\"");
    while (text.length < length - 2) fl_buffer_append_byte(&text, 'x');
    fl_buffer_append_text(&text, "\"}\n{}\n");
    write_file(path, text.data);
    source = open_good(path);
    assert_int_equal(drain(source, 10, 1, &all, &error), FL_SOURCE_END);
    assert_int_equal(all.length, length + 4);
    fl_source_close(source);
    fl_buffer_free(&text);
    fl_buffer_free(&all);
    unlink(path);
  }
}

static void test_batch_limits(void **state) {
  const char *path = path_of("limit.csv");
  fl_source *source;
  fl_source_batch batch;
  fl_source_error error;
  (void)state;
  write_file(path, "a\n1\n2\n3\n\"x\ny\"\n4\n");
  source = open_good(path);
  fl_source_batch_init(&batch);
  /* [{"a":"1"},{"a":"2"}] has 21 bytes */
  assert_int_equal(fl_source_read(source, 10, 21, &batch, &error), FL_SOURCE_OK);
  assert_string_equal(batch.text.data, "[{\"a\":\"1\"},{\"a\":\"2\"}]");
  assert_int_equal(fl_source_read(source, 10, 20, &batch, &error), FL_SOURCE_OK);
  assert_string_equal(batch.text.data, "[{\"a\":\"3\"}]");
  assert_int_equal(fl_source_batch_spans(&batch)[0].line, 4);
  assert_int_equal(fl_source_read(source, 2, 1000, &batch, &error), FL_SOURCE_OK);
  assert_string_equal(batch.text.data, "[{\"a\":\"x\\ny\"},{\"a\":\"4\"}]");
  assert_int_equal(fl_source_batch_spans(&batch)[0].line, 5);
  assert_int_equal(fl_source_batch_spans(&batch)[1].line, 7);
  assert_int_equal(fl_source_read(source, 2, 1000, &batch, &error), FL_SOURCE_END);
  fl_source_batch_free(&batch);
  fl_source_close(source);
  unlink(path);
}

/* --- real data --- */

static void check_types(const char *path, const char *const (*types)[2], size_t count) {
  fl_source *source = open_good(path);
  const fl_columns *columns = fl_source_columns(source);
  assert_int_equal(columns->count, count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(columns->list[i].name.length, strlen(types[i][0]));
    assert_memory_equal(columns->list[i].name.data, types[i][0], strlen(types[i][0]));
    check_text(types[i][0], fl_column_type_name(columns->list[i].type), types[i][1]);
  }
  fl_source_close(source);
}

static void test_birdstrikes(void **state) {
  static const char *const types[][2] = {{"Airport Name", "text"},
                                         {"Aircraft Make Model", "text"},
                                         {"Effect Amount of damage", "text"},
                                         {"Flight Date", "text"},
                                         {"Aircraft Airline Operator", "text"},
                                         {"Origin State", "text"},
                                         {"Phase of flight", "text"},
                                         {"Wildlife Size", "text"},
                                         {"Wildlife Species", "text"},
                                         {"Time of day", "text"},
                                         {"Cost Other", "number"},
                                         {"Cost Repair", "number"},
                                         {"Cost Total $", "number"},
                                         {"Speed IAS in knots", "number"}};
  (void)state;
  check_types("examples/data/birdstrikes.csv", types, COUNT_OF(types));
  check_cuts("examples/data/birdstrikes.csv", 10000);
}

static void test_seattle_weather(void **state) {
  static const char *const types[][2] = {{"date", "text"},       {"precipitation", "number"},
                                         {"temp_max", "number"}, {"temp_min", "number"},
                                         {"wind", "number"},     {"weather", "text"}};
  (void)state;
  check_types("examples/data/seattle-weather.csv", types, COUNT_OF(types));
  check_cuts("examples/data/seattle-weather.csv", 1461);
}

static void test_formats_of_names(void **state) {
  static const struct {
    const char *path;
    fl_source_format format;
  } cases[] = {{"a.csv", FL_SOURCE_CSV},       {"dir.json/a.TSV", FL_SOURCE_TSV},
               {"a.b.jsonl", FL_SOURCE_JSONL}, {"a.ndjson", FL_SOURCE_JSONL},
               {"a.json", FL_SOURCE_JSON},     {"csv", FL_SOURCE_NO_FORMAT},
               {"a.csv.gz", FL_SOURCE_CSV},    {"a.gz", FL_SOURCE_NO_FORMAT},
               {"a.", FL_SOURCE_NO_FORMAT},    {"", FL_SOURCE_NO_FORMAT}};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    check_number(cases[i].path, fl_source_format_of(cases[i].path), cases[i].format);
}

static int make_directory(void **state) {
  (void)state;
  return mkdtemp(directory) == NULL;
}

/* Fails if a test has left a file behind. */
static int remove_directory(void **state) {
  (void)state;
  return rmdir(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_contents),
      cmocka_unit_test(test_nul_bytes),
      cmocka_unit_test(test_given_types),
      cmocka_unit_test(test_files_that_cannot_be_read),
      cmocka_unit_test(test_descriptors_are_given_back),
      cmocka_unit_test(test_descriptor_is_closed_on_exec),
      cmocka_unit_test(test_changes),
      cmocka_unit_test(test_change_between_the_passes),
      cmocka_unit_test(test_parts),
      cmocka_unit_test(test_surveys),
      cmocka_unit_test(test_a_part_that_changes),
      cmocka_unit_test(test_cuts),
      cmocka_unit_test(test_line_ends_on_edges),
      cmocka_unit_test(test_batch_limits),
      cmocka_unit_test(test_birdstrikes),
      cmocka_unit_test(test_seattle_weather),
      cmocka_unit_test(test_formats_of_names),
  };
  return cmocka_run_group_tests_name("source", tests, make_directory, remove_directory);
}
