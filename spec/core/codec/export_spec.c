/*
 * export_spec.c: rows of a tape as CSV and JSON lines, and what our own reader makes of the CSV.
 */
#include "check.h"

#include <stdlib.h>

#include "codec/csv.h"
#include "codec/export.h"
#include "codec/json_write.h"

/* Scans an array of rows, which is written over, in memory of exactly its size. */
typedef struct page {
  fl_json_tape tape;
  char *text;
  size_t length;
} page;

static page page_of(const char *label, const char *source) {
  page it;
  fl_json_error error;
  it.length = strlen(source);
  it.text = malloc(it.length + 1);
  assert_non_null(it.text);
  memcpy(it.text, source, it.length + 1);
  fl_json_tape_init(&it.tape);
  check_number(label, fl_json_scan(it.text, it.length, &it.tape, &error), FL_JSON_OK);
  return it;
}

static void page_free(page *it) {
  fl_json_tape_free(&it->tape);
  free(it->text);
}

/* Names of columns, with a comma after each; NULL: none are chosen. */
static void choose(fl_export *self, const char *columns) {
  for (const char *end; columns != NULL && (end = strchr(columns, ',')) != NULL; columns = end + 1)
    assert_int_equal(fl_export_add_column(self, (fl_slice){columns, (size_t)(end - columns)}),
                     FL_OK);
  self->chosen = self->count > 0;
}

static fl_export_code add(const char *label, fl_export *self, const char *rows, fl_buffer *out,
                          int64_t *done) {
  page it = page_of(label, rows);
  fl_export_code code = fl_export_rows(self, &it.tape, it.text, it.length, 1,
                                       it.tape.nodes[0].value.size.length, NULL, out, done);
  page_free(&it);
  return code;
}

typedef struct export_case {
  const char *label, *columns, *first, *second; /* pages; second NULL: there is one */
  const char *text;
  fl_export_code code;
  const char *message;
} export_case;

static void check_cases(fl_export_format format, const export_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const export_case *each = &cases[i];
    fl_export self;
    fl_buffer out;
    fl_export_code code;
    int64_t done;
    fl_export_init(&self, format);
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    choose(&self, each->columns);
    code = add(each->label, &self, each->first, &out, &done);
    if (code == FL_EXPORT_OK && each->second != NULL)
      code = add(each->label, &self, each->second, &out, &done);
    check_number(each->label, code, each->code);
    check_text(each->label, out.data, each->text);
    if (code != FL_EXPORT_OK) check_text(each->label, self.message, each->message);
    fl_buffer_free(&out);
    fl_export_free(&self);
  }
}

#define END "\r\n"

static void csv_is_written(void **state) {
  static const export_case cases[] = {
      {"values of each type", NULL, "[{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":false,\"e\":null}]",
       NULL, "a,b,c,d,e" END "1,x,true,false," END, FL_EXPORT_OK, NULL},
      {"numbers digit for digit", NULL,
       "[{\"a\":1.50,\"b\":-0,\"c\":1E+07,\"d\":123456789012345678901234567890,\"e\":0."
       "10000000000000000001 ,\"f\":12 }]",
       NULL,
       "a,b,c,d,e,f" END
       "1.50,-0,1E+07,123456789012345678901234567890,0.10000000000000000001,12" END,
       FL_EXPORT_OK, NULL},
      {"an empty string is no null", NULL, "[{\"a\":\"\",\"b\":null}]", NULL, "a,b" END "\"\"," END,
       FL_EXPORT_OK, NULL},
      {"what needs quotes", NULL,
       "[{\"a\":\"x,y\",\"b\":\"say \\\"hi\\\"\",\"c\":\"two\\nlines\",\"d\":\"\\r\",\"e\":\" "
       "a\",\"f\":\"a \",\"g\":\"a b\"}]",
       NULL,
       "a,b,c,d,e,f,g" END "\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\",\"\r\",\" a\",\"a \",a b" END,
       FL_EXPORT_OK, NULL},
      {"what needs quotes, past the first word", NULL,
       "[{\"a\":\"0123456789,\",\"b\":\"01234567\\\"89\",\"c\":\"0123456789012345\\n\",\"d\":"
       "\"0123456789012345\"}]",
       NULL,
       "a,b,c,d" END
       "\"0123456789,\",\"01234567\"\"89\",\"0123456789012345\n\",0123456789012345" END,
       FL_EXPORT_OK, NULL},
      {"a neighbour's comma is none of a string's", NULL,
       "[{\"a\":\"x\",\"b\":\"y\"},{\"a\":\"1234567\",\"b\":\"\\\\\"}]", NULL,
       "a,b" END "x,y" END "1234567,\\" END, FL_EXPORT_OK, NULL},
      {"beyond ASCII", NULL,
       "[{\"\xC3\xA9\":\"\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\",\"b\":\"\\u00e9\"}]", NULL,
       "\xC3\xA9,b" END "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC,\xC3\xA9" END, FL_EXPORT_OK, NULL},
      {"nested values as JSON", NULL, "[{\"a\":[1, 2.0],\"b\":{\"x\" : \"y\\n\"},\"c\":[]}]", NULL,
       "a,b,c" END "\"[1,2.0]\",\"{\"\"x\"\":\"\"y\\n\"\"}\",\"[]\"" END, FL_EXPORT_OK, NULL},
      {"columns of all rows of the first page, by appearance", NULL,
       "[{\"b\":1},{\"a\":2,\"b\":3},{\"c\":4},{}]", NULL,
       "b,a,c" END "1,," END "3,2," END ",,4" END ",," END, FL_EXPORT_OK, NULL},
      {"members in another order", NULL, "[{\"a\":1,\"b\":2,\"c\":3},{\"c\":6,\"a\":4,\"b\":5}]",
       "[{\"b\":8,\"c\":9}]", "a,b,c" END "1,2,3" END "4,5,6" END ",8,9" END, FL_EXPORT_OK, NULL},
      {"the last of repeated keys", NULL,
       "[{\"a\":1,\"b\":2,\"a\":3},{\"a\":4,\"a\":null,\"b\":5}]", NULL,
       "a,b" END "3,2" END ",5" END, FL_EXPORT_OK, NULL},
      {"chosen columns, in their order", "c,a,x,", "[{\"a\":1,\"b\":2,\"c\":3}]",
       "[{\"d\":0,\"c\":6,\"a\":5}]", "c,a,x" END "3,1," END "6,5," END, FL_EXPORT_OK, NULL},
      {"names that need quotes", NULL, "[{\"a,b\":1,\"\\\"\":2}]", NULL,
       "\"a,b\",\"\"\"\"" END "1,2" END, FL_EXPORT_OK, NULL},
      {"a member without a name on a later page", NULL, "[{\"a\":1}]", "[{\"\":3}]",
       "a" END "1" END, FL_EXPORT_NEW_COLUMN, "has new columns: \"\""},
      {"a name that begins like a byte order mark", NULL,
       "[{\"\xEF\xBB\xBF"
       "a\":1}]",
       NULL,
       "\"\xEF\xBB\xBF"
       "a\"" END "1" END,
       FL_EXPORT_OK, NULL},
      {"new columns, each named once", NULL, "[{\"a\":1}]",
       "[{\"a\":2},{\"b\":1,\"a\":3,\"c\":2,\"b\":3}]", "a" END "1" END "2" END,
       FL_EXPORT_NEW_COLUMN, "has new columns: \"b\", \"c\""},
      {"a new column that is null", NULL, "[{\"a\":1}]", "[{\"a\":2,\"b\":null}]", "a" END "1" END,
       FL_EXPORT_NEW_COLUMN, "has new columns: \"b\""},
      {"a row that is no object", NULL, "[{\"a\":1},[2],{\"b\":3}]", NULL, "a,b" END "1," END,
       FL_EXPORT_NO_OBJECT, "is no object and has no columns"},
      {"null in the only column", NULL, "[{\"a\":\"\"},{\"a\":null}]", NULL, "a" END "\"\"" END,
       FL_EXPORT_BLANK,
       "has no value in the only column, so its line in CSV would be blank (JSON lines can hold "
       "it)"},
      {"nothing in the only column chosen", "x,", "[{\"a\":1}]", NULL, "x" END, FL_EXPORT_BLANK,
       "has no value in the only column, so its line in CSV would be blank (JSON lines can hold "
       "it)"},
      {"a NUL", NULL, "[{\"a\":1,\"b\":\"0123456789\"},{\"a\":2,\"b\":\"0123456\\u0000\"}]", NULL,
       "a,b" END "1,0123456789" END, FL_EXPORT_NUL,
       "holds a NUL character, which has no place in CSV, in the column \"b\""},
  };
  (void)state;
  check_cases(FL_EXPORT_CSV, cases, COUNT_OF(cases));
}

static void rows_without_members_are_no_csv(void **state) {
  fl_export self;
  fl_buffer out;
  int64_t done;
  (void)state;
  fl_export_init(&self, FL_EXPORT_CSV);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  assert_int_equal(add("no members", &self, "[{},{}]", &out, &done), FL_EXPORT_BLANK);
  assert_int_equal(done, 0);
  assert_int_equal(out.length, 0);
  assert_int_equal(add("a NUL in a name", &self, "[{\"a\\u0000\":1}]", &out, &done), FL_EXPORT_NUL);
  assert_int_equal(out.length, 0);
  assert_int_equal(
      add("no name, which the reader refuses", &self, "[{\"b\":1},{\"\":3}]", &out, &done),
      FL_EXPORT_NO_NAME);
  assert_non_null(strstr(self.message, "a member without a name"));
  assert_int_equal(out.length, 0);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("")), FL_INVALID);
  fl_export_free(&self);
}

static void lines_are_written(void **state) {
  static const export_case cases[] = {
      {"as they came", NULL,
       "[{\"a\":1.50,\"b\":\"x\",\"c\":true,\"d\":false,\"e\":null},{\"a\":2}]", NULL,
       "{\"a\":1.50,\"b\":\"x\",\"c\":true,\"d\":false,\"e\":null}\n{\"a\":2}\n", FL_EXPORT_OK,
       NULL},
      {"digit for digit", NULL,
       "[{\"a\":123456789012345678901234567890},{\"a\":1E+07},{\"a\":-0.0}]", NULL,
       "{\"a\":123456789012345678901234567890}\n{\"a\":1E+07}\n{\"a\":-0.0}\n", FL_EXPORT_OK, NULL},
      {"without white space", NULL,
       "[{ \"a\":1,\"b\":2},{\"a\" :1},{\"a\": 1},{\"a\":1\n,\"b\":2},{\"a\":1\n},{\"a\":\"x\"\n} "
       ",{}]",
       NULL,
       "{\"a\":1,\"b\":2}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1,\"b\":2}\n{\"a\":1}\n{\"a\":\"x\"}\n{}\n",
       FL_EXPORT_OK, NULL},
      {"escapes", NULL,
       "[{\"a\":\"\\n\",\"b\\\"\":\"\\\"\"},{\"a\":\"\\u00e9\"},{\"\\u0061\":1},{\"a\":2}]", NULL,
       "{\"a\":\"\\n\",\"b\\\"\":\"\\\"\"}\n{\"a\":\"\xC3\xA9\"}\n{\"a\":1}\n{\"a\":2}\n",
       FL_EXPORT_OK, NULL},
      /* Once its escapes are undone, what is left behind it looks like an end. */
      {"an escaped string whose rest looks like an end", NULL,
       "[{\"a\":\"\\n\\\"}\"},{\"a\":\"\\n\\\",\",\"b\":1},{\"c\":1}]", NULL,
       "{\"a\":\"\\n\\\"}\"}\n{\"a\":\"\\n\\\",\",\"b\":1}\n{\"c\":1}\n", FL_EXPORT_OK, NULL},
      {"nested", NULL, "[{\"a\":[1,{\"b\":[ ]}],\"c\":2},{\"a\":{}},{}]", NULL,
       "{\"a\":[1,{\"b\":[]}],\"c\":2}\n{\"a\":{}}\n{}\n", FL_EXPORT_OK, NULL},
      {"rows that are no objects", NULL, "[1,\"x\",null,[2],{\"a\":1},3]", NULL,
       "1\n\"x\"\nnull\n[2]\n{\"a\":1}\n3\n", FL_EXPORT_OK, NULL},
      {"members that come later", NULL, "[{\"a\":1}]", "[{\"b\":2}]", "{\"a\":1}\n{\"b\":2}\n",
       FL_EXPORT_OK, NULL},
      {"chosen members, in their order", "c,a,x,", "[{\"a\":1,\"b\":2,\"c\":\"\\n\"},{\"b\":1}]",
       "[{\"a\":1,\"a\":[2]}]", "{\"c\":\"\\n\",\"a\":1}\n{}\n{\"a\":[2]}\n", FL_EXPORT_OK, NULL},
      {"no members to choose from", "a,", "[{\"a\":1},2]", NULL, "{\"a\":1}\n", FL_EXPORT_NO_OBJECT,
       "is no object and has no columns"},
  };
  (void)state;
  check_cases(FL_EXPORT_JSON_LINES, cases, COUNT_OF(cases));
}

/* What a tape held before lies behind the last row, and is no row that follows it. */
static void the_last_row_has_no_next(void **state) {
  char before[] = "[{\"a\":\"xyz\"},{\"b\":1}]", text[] = "[{\"a\":\"\\n\\\"}\"}]";
  fl_json_tape tape;
  fl_json_error error;
  fl_export self;
  fl_buffer out;
  int64_t done;
  (void)state;
  fl_json_tape_init(&tape);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  fl_export_init(&self, FL_EXPORT_JSON_LINES);
  assert_int_equal(fl_json_scan(before, sizeof before - 1, &tape, &error), FL_JSON_OK);
  assert_int_equal(fl_json_scan(text, sizeof text - 1, &tape, &error), FL_JSON_OK);
  assert_int_equal(fl_export_rows(&self, &tape, text, sizeof text - 1, 1, 1, NULL, &out, &done),
                   FL_EXPORT_OK);
  assert_string_equal(out.data, "{\"a\":\"\\n\\\"}\"}\n");
  fl_buffer_free(&out);
  fl_json_tape_free(&tape);
}

/* Whatever a string holds, the reader finds it again: each byte that may stand in one, at each
 * place. */
typedef struct expectation {
  const char *text;
  size_t length;
  int records;
} expectation;

static bool compare(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  expectation *wanted = context;
  (void)line;
  assert_int_equal(count, 2);
  if (wanted->records++ == 0) return true;
  assert_int_equal(cells[0].text.length, wanted->length);
  assert_memory_equal(cells[0].text.data, wanted->text, wanted->length);
  return true;
}

static void strings_are_read_back(void **state) {
  (void)state;
  for (size_t length = 1; length <= 18; length++) {
    for (size_t at = 0; at < length; at++) {
      for (int byte = 1; byte < 0x80; byte++) {
        char string[20];
        expectation wanted = {string, length, 0};
        fl_csv_reader *reader = fl_csv_open(&(fl_csv_dialect){0}, 1000, compare, &wanted);
        fl_buffer json, out;
        fl_export self;
        size_t bad;
        int64_t done;
        memset(string, 'x', sizeof string);
        string[at] = (char)byte;
        fl_buffer_init(&json, FL_BUFFER_UNLIMITED);
        fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
        fl_buffer_append_text(&json, "[{\"a\":");
        fl_json_write_string(&json, string, length, &bad);
        fl_buffer_append_text(&json, ",\"b\":1}]");
        fl_export_init(&self, FL_EXPORT_CSV);
        assert_int_equal(add("a string", &self, json.data, &out, &done), FL_EXPORT_OK);
        assert_int_equal(fl_csv_feed(reader, out.data, out.length), FL_CSV_OK);
        assert_int_equal(fl_csv_finish(reader), FL_CSV_OK);
        assert_int_equal(wanted.records, 2);
        fl_csv_close(reader);
        fl_export_free(&self);
        fl_buffer_free(&json);
        fl_buffer_free(&out);
      }
    }
  }
}

/* More members than places are remembered for, in two orders. */
static void wide_rows(void **state) {
  enum { WIDTH = FL_EXPORT_PLACES + 50 };
  fl_buffer rows, out, wanted;
  fl_export self;
  int64_t done;
  char member[40];
  (void)state;
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&wanted, FL_BUFFER_UNLIMITED);
  for (int row = 0; row < 3; row++) {
    fl_buffer_append_text(&rows, row == 0 ? "[{" : ",{");
    for (int i = 0; i < WIDTH; i++) {
      int column = row == 1 ? WIDTH - 1 - i : i;
      snprintf(member, sizeof member, "%s\"c%d\":%d", i ? "," : "", column, column + row);
      fl_buffer_append_text(&rows, member);
    }
    fl_buffer_append_text(&rows, "}");
  }
  fl_buffer_append_text(&rows, "]");
  for (int line = -1; line < 3; line++) {
    for (int i = 0; i < WIDTH; i++) {
      snprintf(member, sizeof member, "%s%s%d", i ? "," : "", line < 0 ? "c" : "",
               line < 0 ? i : i + line);
      fl_buffer_append_text(&wanted, member);
    }
    fl_buffer_append_text(&wanted, END);
  }
  fl_export_init(&self, FL_EXPORT_CSV);
  assert_int_equal(add("wide", &self, rows.data, &out, &done), FL_EXPORT_OK);
  assert_string_equal(out.data, wanted.data);
  fl_export_free(&self);
  fl_buffer_free(&rows);
  fl_buffer_free(&out);
  fl_buffer_free(&wanted);
}

/* Names of each length that differ in one byte are different columns. */
static void names_are_told_apart(void **state) {
  (void)state;
  for (size_t length = 1; length <= 20; length++) {
    char name[20];
    fl_export self;
    fl_export_init(&self, FL_EXPORT_CSV);
    memset(name, 'x', sizeof name);
    assert_int_equal(fl_export_add_column(&self, (fl_slice){name, length}), FL_OK);
    for (size_t at = 0; at < length; at++) {
      name[at] = 'y';
      assert_int_equal(fl_export_add_column(&self, (fl_slice){name, length}), FL_OK);
      assert_int_equal(fl_export_add_column(&self, (fl_slice){name, length}), FL_INVALID);
      name[at] = 'x';
    }
    fl_export_free(&self);
  }
}

static void columns_are_there_once(void **state) {
  fl_export self;
  fl_buffer out;
  (void)state;
  fl_export_init(&self, FL_EXPORT_CSV);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("a")), FL_OK);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("ab")), FL_OK);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("a")), FL_INVALID);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("\xFF")), FL_INVALID);
  assert_int_equal(fl_export_add_column(&self, FL_LITERAL("c\0d")), FL_INVALID);
  assert_int_equal(fl_export_begin(&self, &out), FL_OK);
  assert_int_equal(fl_export_begin(&self, &out), FL_OK);
  assert_string_equal(out.data, "a,ab" END);
  fl_buffer_free(&out);
  fl_export_free(&self);
}

static void whole_records_are_counted(void **state) {
  static const struct {
    const char *label;
    fl_export_format format;
    const char *text;
    int64_t records, first_end, end;
  } cases[] = {
      {"nothing", FL_EXPORT_CSV, "", 0, 0, 0},
      {"a torn header", FL_EXPORT_CSV, "a,b\r", 0, 0, 0},
      {"whole", FL_EXPORT_CSV, "a,b\r\n1,2\r\n", 2, 5, 10},
      {"a torn record", FL_EXPORT_CSV, "a,b\r\n1,2\r\n3,", 2, 5, 10},
      {"torn inside quotes, after a line end", FL_EXPORT_CSV, "a\r\n1\r\n\"x\r\ny", 2, 3, 6},
      {"line ends inside quotes", FL_EXPORT_CSV, "a\r\n\"x\r\ny\"\r\n\"\"\"\n\"\r\n", 3, 3, 18},
      {"an empty string", FL_EXPORT_CSV, "a\r\n\"\"\r\n", 2, 3, 7},
      {"lines", FL_EXPORT_JSON_LINES, "{\"a\":\"\\\"\"}\n{}\n{\"a", 2, 11, 14},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    size_t length = strlen(cases[i].text);
    for (size_t piece = 1; piece <= length + 1; piece++) {
      fl_export_count count = {.format = cases[i].format};
      for (size_t done = 0; done < length; done += piece)
        fl_export_count_feed(&count, cases[i].text + done,
                             length - done < piece ? length - done : piece);
      check_number(cases[i].label, count.records, cases[i].records);
      check_number(cases[i].label, count.first_end, cases[i].first_end);
      check_number(cases[i].label, count.end, cases[i].end);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(csv_is_written),
      cmocka_unit_test(rows_without_members_are_no_csv),
      cmocka_unit_test(lines_are_written),
      cmocka_unit_test(the_last_row_has_no_next),
      cmocka_unit_test(strings_are_read_back),
      cmocka_unit_test(wide_rows),
      cmocka_unit_test(names_are_told_apart),
      cmocka_unit_test(columns_are_there_once),
      cmocka_unit_test(whole_records_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
