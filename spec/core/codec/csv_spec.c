/*
 * csv_spec.c: records out of CSV text, however it is cut into pieces, and cells into it.
 */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "codec/csv.h"

/* Records in one line each: 1:[a][b]"c"; an empty cell is [] or "". */
typedef struct listener {
  fl_buffer shown;
  int stop_after;
} listener;

static bool hear(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  listener *ear = context;
  char number[32];
  size_t index;
  snprintf(number, sizeof number, "%lld:", (long long)line);
  fl_buffer_append_text(&ear->shown, number);
  for (index = 0; index < count; index++) {
    fl_buffer_append_byte(&ear->shown, cells[index].quoted ? '"' : '[');
    fl_buffer_append(&ear->shown, cells[index].text.data, cells[index].text.length);
    fl_buffer_append_byte(&ear->shown, cells[index].quoted ? '"' : ']');
  }
  fl_buffer_append_byte(&ear->shown, '|');
  return --ear->stop_after != 0;
}

/* Feeds a text in pieces of `piece` bytes, each in memory of exactly its size. */
static fl_csv_code read_dialect(listener *ear, fl_slice source, const fl_csv_dialect *dialect,
                                size_t ceiling, size_t piece, int64_t *line) {
  fl_csv_reader *reader = fl_csv_open(dialect, ceiling, hear, ear);
  fl_csv_code code = FL_CSV_OK;
  size_t done, length;
  assert_non_null(reader);
  for (done = 0; done < source.length && code == FL_CSV_OK; done += length) {
    char *bytes;
    length = source.length - done < piece ? source.length - done : piece;
    bytes = malloc(length);
    assert_non_null(bytes);
    memcpy(bytes, source.data + done, length);
    code = fl_csv_feed(reader, bytes, length);
    free(bytes);
  }
  if (code == FL_CSV_OK) code = fl_csv_finish(reader);
  *line = fl_csv_line(reader);
  if (code != FL_CSV_OK) {
    /* What has failed takes no more. */
    assert_int_equal(fl_csv_feed(reader, "x\n", 2), code);
    assert_int_equal(fl_csv_finish(reader), code);
    assert_int_equal(fl_csv_line(reader), *line);
  }
  fl_csv_close(reader);
  return code;
}

static fl_csv_code read_pieces(listener *ear, fl_slice source, char delimiter, size_t ceiling,
                               size_t piece, int64_t *line) {
  return read_dialect(ear, source, &(fl_csv_dialect){.delimiter = delimiter}, ceiling, piece, line);
}

typedef struct example {
  fl_slice source;
  const char *shown;
  fl_csv_code code;
  int64_t line; /* of the error */
  char delimiter;
} example;
#define READ(source, shown) \
  { {source, sizeof(source) - 1}, shown, FL_CSV_OK, 0, ',' }
#define READ_BY(delimiter, source, shown) \
  { {source, sizeof(source) - 1}, shown, FL_CSV_OK, 0, delimiter }
#define FAIL(source, shown, code, line) \
  { {source, sizeof(source) - 1}, shown, FL_CSV_##code, line, ',' }

#define CEILING 64

static const example examples[] = {
    READ("", ""),
    READ("a", "1:[a]|"),
    READ("a,b\n1,2\n", "1:[a][b]|2:[1][2]|"),
    READ("a,b\r\n1,2\r\n", "1:[a][b]|2:[1][2]|"),
    READ("a,b\r1,2\r", "1:[a][b]|2:[1][2]|"),
    READ("a,b\n1,2", "1:[a][b]|2:[1][2]|"),
    READ("a\r\nb\nc\rd\n\re", "1:[a]|2:[b]|3:[c]|4:[d]|6:[e]|"),
    READ("\n\na\n\n\r\n\r\rb\n\n", "3:[a]|8:[b]|"),
    READ("\n", ""),
    READ(",", "1:[][]|"),
    READ(",,\n", "1:[][][]|"),
    READ("a,,\"\",b\n", "1:[a][]\"\"[b]|"),
    READ("\"\"\n", "1:\"\"|"),
    READ("\"\"", "1:\"\"|"),
    READ("a,\"\"", "1:[a]\"\"|"),
    READ("a,", "1:[a][]|"),
    READ("\"a\",\"b,c\",d\n", "1:\"a\"\"b,c\"[d]|"),
    READ("\"say \"\"hi\"\"\",\"\"\"\",x\n", "1:\"say \"hi\"\"\"\"\"[x]|"),
    READ("\"\"\"a\"\"\"\"b\",\"c\"\n", "1:\"\"a\"\"b\"\"c\"|"),
    READ("\"a\nb\",c\nd,e\n", "1:\"a\nb\"[c]|3:[d][e]|"),
    READ("\"a\r\nb\rc\n\nd\"\nx\n", "1:\"a\r\nb\rc\n\nd\"|6:[x]|"),
    READ("x\n\"\r\"\r\n\"\r\n\"\ny", "1:[x]|2:\"\r\"|4:\"\r\n\"|6:[y]|"),
    READ(" a , b c ,  ,\t\n", "1:[ a ][ b c ][  ][\t]|"),
    READ("\" a \",\"  \"\n", "1:\" a \"\"  \"|"),
    READ("\x01,\x1F,\x7F\n", "1:[\x01][\x1F][\x7F]|"),
    READ("it's,5'10\n", "1:[it's][5'10]|"),
    READ("J\xC3\xB6rg,\"\xE2\x82\xAC\",\xF0\x9F\x98\x80\n",
         "1:[J\xC3\xB6rg]\"\xE2\x82\xAC\"[\xF0\x9F\x98\x80]|"),
    READ("\xEF\xBB\xBF"
         "a,b\n",
         "1:[a][b]|"),
    READ("\xEF\xBB\xBF\"a\",b\n", "1:\"a\"[b]|"),
    READ("\xEF\xBB\xBF", ""),
    READ("\xEF\xBB\xBF\r\na", "2:[a]|"),
    READ("a\n\xEF\xBB\xBF"
         "b",
         "1:[a]|2:[\xEF\xBB\xBF"
         "b]|"),
    READ("\xEF\xBB\xBF\xEF\xBB\xBF"
         "b",
         "1:[\xEF\xBB\xBF"
         "b]|"),
    READ("\xEF\xBC\x81,b", "1:[\xEF\xBC\x81][b]|"),
    READ_BY('\t', "a,b\t\"c\td\"\t\n", "1:[a,b]\"c\td\"[]|"),
    READ_BY(';', "1,5;\"a;b\"\"\";\n", "1:[1,5]\"a;b\"\"[]|"),
    READ_BY(' ', "a  \"b\"\n", "1:[a][]\"b\"|"),
    READ("0123456789012345678901234567890123456789012345678901234567890123\nx\n",
         "1:[0123456789012345678901234567890123456789012345678901234567890123]|2:[x]|"),
    /* quotes */
    FAIL("a\n\"b", "1:[a]|", OPEN_QUOTE, 2),
    FAIL("a\nb,c,\"d\ne\nf,g\n", "1:[a]|", OPEN_QUOTE, 2),
    FAIL("a,\"b\n\",\"c\n\n", "", OPEN_QUOTE, 2),
    FAIL("\"", "", OPEN_QUOTE, 1),
    FAIL("\"\"\"", "", OPEN_QUOTE, 1),
    FAIL("\"a\nb\"\"", "", OPEN_QUOTE, 1),
    FAIL("a\nb\"c\n", "1:[a]|", BAD_QUOTE, 2),
    FAIL("a\nb\"", "1:[a]|", BAD_QUOTE, 2),
    FAIL("a, \"b\"\n", "", BAD_QUOTE, 1),
    FAIL("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\"\n", "", BAD_QUOTE, 1),
    FAIL("a\n\"b\"c\n", "1:[a]|", BAD_QUOTE, 2),
    FAIL("a\n\"b\" ,c\n", "1:[a]|", BAD_QUOTE, 2),
    FAIL("\"a\n\nb\"c,d\n", "", BAD_QUOTE, 3),
    FAIL("\"a\r\nb\"c\"\nd", "", BAD_QUOTE, 2),
    FAIL("\"a\"b,\"c\nd", "", BAD_QUOTE, 1),
    FAIL("\"a\"b", "", BAD_QUOTE, 1),
    FAIL("\xEF\xBB\"a\"\n", "", BAD_QUOTE, 1),
    /* bytes */
    FAIL("a\n\xFF\nb", "1:[a]|", BAD_UTF8, 2),
    FAIL("a\n\"b\n\xC3\",c\n", "1:[a]|", BAD_UTF8, 3),
    FAIL("a\nb\xC3", "1:[a]|", BAD_UTF8, 2),
    FAIL("\xEF\xBB", "", BAD_UTF8, 1),
    FAIL("\xEF", "", BAD_UTF8, 1),
    FAIL("\xEF\xBB\n", "", BAD_UTF8, 1),
    FAIL("M\xFCller\n", "", BAD_UTF8, 1),
    FAIL("\"\r\n\r\n\xED\xA0\x80\"\n", "", BAD_UTF8, 3),
    FAIL("a\nb,\0c\n", "1:[a]|", NUL, 2),
    FAIL("a\n\"b\n\0\"\n", "1:[a]|", NUL, 3),
    FAIL("\0", "", NUL, 1),
    FAIL("a\0\n\0b\0", "", NUL, 1),
    /* the ceiling */
    FAIL("a\n01234567890123456789012345678901234567890123456789012345678901234\nx\n", "1:[a]|",
         TOO_LONG, 2),
    FAIL("a\n01234567890123456789012345678901234567890123456789012345678901234", "1:[a]|", TOO_LONG,
         2),
    FAIL("a\n\"\n\n\n90123456789012345678901234567890123456789012345678901234567890123456\0",
         "1:[a]|", TOO_LONG, 2),
    FAIL("a\n\"01234567890123456789012345678901234567890123456789012345678901,2\"\nx\n", "1:[a]|",
         TOO_LONG, 2),
};

static void test_reads_the_same_in_pieces_of_any_size(void **state) {
  size_t index, piece;
  (void)state;
  for (index = 0; index < sizeof examples / sizeof *examples; index++) {
    const example *row = &examples[index];
    for (piece = row->source.length + 1; piece > 0; piece--) {
      listener ear;
      int64_t line;
      fl_csv_code code;
      ear.stop_after = 0;
      fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
      fl_buffer_append_text(&ear.shown, "");
      code = read_pieces(&ear, row->source, row->delimiter, CEILING, piece, &line);
      if (code != row->code || (code != FL_CSV_OK && line != row->line))
        fail_msg("%s by %zu: %s in line %lld", row->source.data, piece, fl_csv_describe(code),
                 (long long)line);
      if (strcmp(ear.shown.data, row->shown) != 0)
        fail_msg("%s by %zu became %s", row->source.data, piece, ear.shown.data);
      fl_buffer_free(&ear.shown);
    }
  }
}

#define DIALECT(source, shown, code, line, ...)                               \
  {                                                                           \
    {source, sizeof(source) - 1}, shown, FL_CSV_##code, line, { __VA_ARGS__ } \
  }
#define HASH .comment = {"#", 1}
#define DASHES .comment = {"--", 2}

static const struct {
  fl_slice source;
  const char *shown;
  fl_csv_code code;
  int64_t line;
  fl_csv_dialect dialect;
} dialects[] = {
    DIALECT("a;b,c\n", "1:[a][b,c]|", OK, 0, .delimiter = ';'),
    DIALECT("'a''b,',\"c\n", "1:\"a'b,\"[\"c]|", OK, 0, .quote = '\''),
    DIALECT("\"a,b\"\n'\n", "1:[\"a][b\"]|2:[']|", OK, 0, .unquoted = true),
    DIALECT("\"a", "1:[\"a]|", OK, 0, .unquoted = true),
    DIALECT("x\"\ny\r\nz\rn\n", "4:[n]|", OK, 0, .skip = 3),
    DIALECT("x\n", "", OK, 0, .skip = 3),
    DIALECT("\xEF\xBB\xBFx\nn\n", "2:[n]|", OK, 0, .skip = 1),
    DIALECT("x\n\"\n", "", OPEN_QUOTE, 2, .skip = 1),
    DIALECT("#\"x\n1\n# y\r\n2,#3\n\"a\n#b\"\n#", "2:[1]|4:[2][#3]|5:\"a\n#b\"|", OK, 0, HASH),
    DIALECT("\n#\n\n1\n", "4:[1]|", OK, 0, HASH),
    DIALECT("--x\n-1\n-\n-\"\n", "2:[-1]|3:[-]|", BAD_QUOTE, 4, DASHES),
    DIALECT("--\n-", "2:[-]|", OK, 0, DASHES),
    DIALECT("x\n#y\nn\n", "3:[n]|", OK, 0, .skip = 1, HASH),
    DIALECT(" a ,b\tc,\t d\n", "1:[a][b\tc][d]|", OK, 0, .trim = true),
    DIALECT(" \" a \" ,\t\"b\"\"c\"\t, d\n \n", "1:\" a \"\"b\"c\"[d]|", OK, 0, .trim = true),
    DIALECT("  ,\"\" ,\n", "1:[]\"\"[]|", OK, 0, .trim = true),
    DIALECT(" a\t \tb \n", "1:[a][][b]|", OK, 0, .delimiter = '\t', .trim = true),
    DIALECT("\"a\"x \"\n", "", BAD_QUOTE, 1, .trim = true),
    DIALECT(" \"a\" \"b\"\n", "", BAD_QUOTE, 1, .trim = true),
};

static void test_dialects_read_the_same_in_pieces_of_any_size(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(dialects); i++)
    for (size_t piece = 1; piece <= dialects[i].source.length + 1; piece++) {
      listener ear;
      int64_t line;
      fl_csv_code code;
      ear.stop_after = 0;
      fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
      fl_buffer_append_text(&ear.shown, "");
      code = read_dialect(&ear, dialects[i].source, &dialects[i].dialect, CEILING, piece, &line);
      check_text(dialects[i].source.data, ear.shown.data, dialects[i].shown);
      check_number(dialects[i].source.data, code, dialects[i].code);
      if (code != FL_CSV_OK) check_number(dialects[i].source.data, line, dialects[i].line);
      fl_buffer_free(&ear.shown);
    }
}

static void test_stops_when_told(void **state) {
  listener ear;
  int64_t line;
  (void)state;
  ear.stop_after = 2;
  fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
  assert_int_equal(read_pieces(&ear, fl_slice_of("a\nb\nc\nd\n"), ',', CEILING, 100, &line),
                   FL_CSV_STOPPED);
  assert_string_equal(ear.shown.data, "1:[a]|2:[b]|");
  assert_int_equal(line, 2);
  fl_buffer_free(&ear.shown);
}

static void test_line_of_the_byte_fed_next(void **state) {
  listener ear;
  fl_csv_reader *reader;
  (void)state;
  ear.stop_after = 0;
  fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
  reader = fl_csv_open(&(fl_csv_dialect){0}, CEILING, hear, &ear);
  assert_non_null(reader);
  assert_int_equal(fl_csv_line(reader), 1);
  assert_int_equal(fl_csv_feed(reader, "a\nb", 3), FL_CSV_OK);
  assert_int_equal(fl_csv_line(reader), 2);
  assert_int_equal(fl_csv_feed(reader, NULL, 0), FL_CSV_OK);
  assert_int_equal(fl_csv_feed(reader, ",\"\n\n", 4), FL_CSV_OK);
  assert_int_equal(fl_csv_line(reader), 4);
  fl_csv_close(reader);
  fl_csv_close(NULL);
  fl_buffer_free(&ear.shown);
}

static void test_long_records_and_many_cells(void **state) {
  enum { CELLS = 5000 };
  fl_buffer source, expected;
  int index;
  size_t piece;
  (void)state;
  fl_buffer_init(&source, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&expected, FL_BUFFER_UNLIMITED);
  fl_buffer_append_text(&expected, "1:");
  for (index = 0; index < CELLS; index++) {
    char cell[64];
    snprintf(cell, sizeof cell, index % 3 ? "%s%d" : "%s\"%d \"\"q\"\"\"", index ? "," : "", index);
    fl_buffer_append_text(&source, cell);
    snprintf(cell, sizeof cell, index % 3 ? "[%d]" : "\"%d \"q\"\"", index);
    fl_buffer_append_text(&expected, cell);
  }
  fl_buffer_append_text(&source, "\n");
  fl_buffer_append_text(&expected, "|");
  for (piece = 1; piece <= source.length; piece = piece * 7 + 1) {
    listener ear;
    int64_t line;
    ear.stop_after = 0;
    fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
    assert_int_equal(
        read_pieces(&ear, (fl_slice){source.data, source.length}, ',', SIZE_MAX, piece, &line),
        FL_CSV_OK);
    assert_string_equal(ear.shown.data, expected.data);
    fl_buffer_free(&ear.shown);
  }
  fl_buffer_free(&source);
  fl_buffer_free(&expected);
}

/* --- random text: by bytes as whole, and what was written is what is read --- */

static uint64_t seed = 88172645463325252u;
static uint64_t random_bits(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static void test_random_bytes_read_the_same_by_one_as_whole(void **state) {
  static const char alphabet[] = "aab,,\"\"\"\n\n\r\0 \t;\xC3\xA9\xEF\xBB\xBF";
  int round, failures = 0;
  (void)state;
  for (round = 0; round < 40000; round++) {
    char bytes[40];
    /* The rarer the odd bytes are, the further a text gets. */
    size_t length = random_bits() % sizeof bytes, index,
           letters = round % 2 ? 11 : sizeof alphabet - 1;
    listener whole, single;
    int64_t whole_line, single_line;
    fl_csv_code code;
    for (index = 0; index < length; index++) bytes[index] = alphabet[random_bits() % letters];
    whole.stop_after = single.stop_after = 0;
    fl_buffer_init(&whole.shown, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&single.shown, FL_BUFFER_UNLIMITED);
    fl_buffer_append_text(&whole.shown, "");
    fl_buffer_append_text(&single.shown, "");
    code = read_pieces(&whole, (fl_slice){bytes, length}, ',', 20, sizeof bytes, &whole_line);
    assert_int_equal(read_pieces(&single, (fl_slice){bytes, length}, ',', 20, 1, &single_line),
                     code);
    assert_int_equal(single_line, whole_line);
    assert_string_equal(single.shown.data, whole.shown.data);
    failures += code != FL_CSV_OK;
    fl_buffer_free(&whole.shown);
    fl_buffer_free(&single.shown);
  }
  assert_in_range(failures, 1000, 39000);
}

static const struct {
  const char *text;
  char delimiter;
  bool quote;
  const char *written;
} cells[] = {
    {"", ',', false, ""},
    {"", ',', true, "\"\""},
    {"a b", ',', false, "a b"},
    {"a b", ',', true, "\"a b\""},
    {" a", ',', false, "\" a\""},
    {"a ", ',', false, "\"a \""},
    {"a,b", ',', false, "\"a,b\""},
    {"a,b", ';', false, "a,b"},
    {"a;b", ';', false, "\"a;b\""},
    {"a\tb", '\t', false, "\"a\tb\""},
    {"a\"b", ',', false, "\"a\"\"b\""},
    {"\"", ',', false, "\"\"\"\""},
    {"\"\"a\"", ',', true, "\"\"\"\"\"a\"\"\""},
    {"a\nb", ',', false, "\"a\nb\""},
    {"a\rb", ',', false, "\"a\rb\""},
    {"\xC3\xA9", ',', false, "\xC3\xA9"},
    {"it's #1", ',', false, "it's #1"},
};

static void test_writes_cells(void **state) {
  size_t index;
  (void)state;
  for (index = 0; index < sizeof cells / sizeof *cells; index++) {
    size_t length = strlen(cells[index].written), ceiling;
    fl_slice text = fl_slice_of(cells[index].text);
    for (ceiling = 0; ceiling <= length; ceiling++) {
      fl_buffer out;
      fl_buffer_init(&out, ceiling);
      assert_int_equal(fl_csv_write_cell(&out, text, cells[index].delimiter, cells[index].quote),
                       ceiling < length ? FL_TOO_LARGE : FL_OK);
      if (ceiling < length) assert_int_equal(out.length, 0);
      else assert_string_equal(out.data, cells[index].written);
      fl_buffer_free(&out);
    }
  }
  {
    fl_buffer out;
    fl_buffer_init(&out, 10);
    assert_int_equal(fl_csv_write_cell(&out, (fl_slice){NULL, 0}, ',', true), FL_OK);
    assert_int_equal(fl_csv_write_cell(&out, (fl_slice){NULL, 0}, ',', false), FL_OK);
    assert_string_equal(out.data, "\"\"");
    fl_buffer_free(&out);
  }
}

static void test_what_is_written_is_read(void **state) {
  static const char alphabet[] = "ab,\"\n\r ;\t'";
  int round;
  (void)state;
  for (round = 0; round < 20000; round++) {
    fl_buffer source;
    listener expected, ear;
    fl_csv_cell row[4];
    char texts[4][8];
    size_t index;
    int64_t line;
    fl_buffer_init(&source, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&expected.shown, FL_BUFFER_UNLIMITED);
    fl_buffer_init(&ear.shown, FL_BUFFER_UNLIMITED);
    expected.stop_after = ear.stop_after = 0;
    for (index = 0; index < 4; index++) {
      size_t length = random_bits() % 8, place;
      bool quote = random_bits() % 3 == 0;
      size_t before;
      for (place = 0; place < length; place++)
        texts[index][place] = alphabet[random_bits() % (sizeof alphabet - 1)];
      row[index].text = (fl_slice){texts[index], length};
      if (index > 0) fl_buffer_append_text(&source, ",");
      before = source.length;
      assert_int_equal(fl_csv_write_cell(&source, row[index].text, ',', quote), FL_OK);
      row[index].quoted = source.length > before && source.data[before] == '"';
    }
    fl_buffer_append_text(&source, "\r\n");
    hear(&expected, row, 4, 1);
    assert_int_equal(read_pieces(&ear, (fl_slice){source.data, source.length}, ',', SIZE_MAX,
                                 1 + round % 50, &line),
                     FL_CSV_OK);
    assert_int_equal(ear.shown.length, expected.shown.length);
    assert_memory_equal(ear.shown.data, expected.shown.data, expected.shown.length);
    fl_buffer_free(&source);
    fl_buffer_free(&expected.shown);
    fl_buffer_free(&ear.shown);
  }
}

static void test_every_code_has_words(void **state) {
  int code;
  (void)state;
  for (code = FL_CSV_OK; code <= FL_CSV_MEMORY; code++)
    assert_true(strlen(fl_csv_describe((fl_csv_code)code)) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_the_same_in_pieces_of_any_size),
      cmocka_unit_test(test_dialects_read_the_same_in_pieces_of_any_size),
      cmocka_unit_test(test_stops_when_told),
      cmocka_unit_test(test_line_of_the_byte_fed_next),
      cmocka_unit_test(test_long_records_and_many_cells),
      cmocka_unit_test(test_random_bytes_read_the_same_by_one_as_whole),
      cmocka_unit_test(test_writes_cells),
      cmocka_unit_test(test_what_is_written_is_read),
      cmocka_unit_test(test_every_code_has_words),
  };
  return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
