/*
 * columns_spec.c: how columns are typed and rows become JSON, as tables of cells.
 */
#include "check.h"

#include <string.h>

#include "codec/columns.h"

#define MOST 4

/* Cells as text; NULL ends them, "" is empty without quotes, QUOTED is empty with quotes. */
static const char QUOTED[] = "(quoted)";

static size_t cells_of(const char *const *texts, fl_csv_cell *cells) {
  size_t count = 0;
  for (; texts[count] != NULL; count++) {
    bool quoted = texts[count] == QUOTED;
    cells[count] = (fl_csv_cell){fl_slice_of(quoted ? "" : texts[count]), quoted};
  }
  return count;
}

static void make(const char *label, fl_columns *columns, fl_column_type otherwise,
                 const fl_column_choice *choices, size_t choice_count) {
  static const char *const names[] = {"a", NULL};
  char message[FL_COLUMNS_MESSAGE];
  fl_csv_cell cells[MOST];
  size_t count = cells_of(names, cells);
  check_number(
      label,
      fl_columns_init(columns, cells, count,
                      &(fl_columns_options){
                          .otherwise = otherwise, .choices = choices, .choice_count = choice_count},
                      message),
      FL_OK);
}

static const char *write_cell(const char *label, const fl_columns *columns, const char *text) {
  static fl_buffer out;
  static char message[FL_COLUMNS_MESSAGE];
  const char *const texts[] = {text, NULL};
  fl_csv_cell cells[MOST];
  size_t count = cells_of(texts, cells);
  fl_result result;
  fl_buffer_free(&out);
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  result = fl_columns_write(columns, cells, count, &out, message);
  if (result == FL_INVALID) {
    fl_buffer_free(&out);
    return message;
  }
  check_number(label, result, FL_OK);
  snprintf(message, sizeof message, "%s", out.data);
  fl_buffer_free(&out);
  return message;
}

/* --- what type a column gets --- */

static const struct {
  const char *name;
  const char *cells[6];
  const char *type;
} learned[] = {
    {"integers", {"1", "-20", "0"}, "number"},
    {"decimals", {"1.50", "-0.1", "0.0"}, "number"},
    {"a leading zero", {"00501", "1"}, "text"},
    {"a negative leading zero", {"-01"}, "text"},
    {"a plus", {"+1"}, "text"},
    {"a minus alone", {"-"}, "text"},
    {"no digit before the point", {".5"}, "text"},
    {"no digit after the point", {"5."}, "text"},
    {"two points", {"1.2.3"}, "text"},
    {"a decimal comma", {"1,5"}, "text"},
    {"an exponent", {"1e5"}, "text"},
    {"space before", {" 1"}, "text"},
    {"space after", {"1 "}, "text"},
    {"hexadecimal", {"0x10"}, "text"},
    {"NaN", {"NaN"}, "text"},
    {"15 digits", {"123456789012345"}, "number"},
    {"16 digits", {"1234567890123456"}, "text"},
    {"15 digits and leading zeros", {"0.000123456789012345"}, "number"},
    {"16 digits over a point", {"12345678.90123456"}, "text"},
    {"trailing zeros count", {"1000000000000000"}, "text"},
    {"negative, 15 digits", {"-123456789012345"}, "number"},
    {"numbers with gaps", {"1", "", "2"}, "number"},
    {"numbers and an empty one in quotes", {"1", QUOTED}, "number"},
    {"one word among numbers", {"1", "2", "n/a"}, "text"},
    {"booleans", {"true", "false", ""}, "boolean"},
    {"a capital", {"True", "false"}, "text"},
    {"booleans and numbers", {"true", "1"}, "text"},
    {"a boolean with a tail", {"truex"}, "text"},
    {"words", {"x"}, "text"},
    {"nothing but gaps", {"", "", QUOTED}, "text"},
    {"no rows", {NULL}, "text"},
};

static void test_learned(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(learned); i++) {
    const char *label = learned[i].name;
    char message[FL_COLUMNS_MESSAGE];
    fl_columns columns;
    make(label, &columns, FL_COLUMN_UNDECIDED, NULL, 0);
    check(label, fl_columns_are_undecided(&columns));
    for (size_t row = 0; learned[i].cells[row] != NULL; row++) {
      const char *const texts[] = {learned[i].cells[row], NULL};
      fl_csv_cell cells[MOST];
      size_t count = cells_of(texts, cells);
      check_number(label, fl_columns_learn(&columns, cells, count, message), FL_OK);
    }
    fl_columns_decide(&columns);
    check(label, !fl_columns_are_undecided(&columns));
    check_text(label, fl_column_type_name(columns.list[0].type), learned[i].type);
    fl_columns_free(&columns);
  }
}

static const struct {
  const char *name, *cells[5];
  bool found;
} decimals[] = {
    {"decimal commas", {"1,50", "2", "-0,5"}, true},
    {"three digits, and another cell with two", {"1,125", "1,50"}, true},
    {"three digits only", {"1,234", "5,678"}, false},
    {"a text among them", {"1,50", "x"}, false},
    {"a point after a comma", {"1,50", "1.50"}, false},
    {"a point before a comma", {"1.50", "1,50"}, false},
    {"an exponent", {"1,5e3"}, false},
    {"more digits than a number has", {"1,5", "1234567890123456"}, false},
    {"whole numbers", {"1", "2"}, false},
};

static void test_other_decimal(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(decimals); i++) {
    char message[FL_COLUMNS_MESSAGE];
    fl_columns columns;
    make(decimals[i].name, &columns, FL_COLUMN_UNDECIDED, NULL, 0);
    for (size_t row = 0; decimals[i].cells[row] != NULL; row++) {
      const char *const texts[] = {decimals[i].cells[row], NULL};
      fl_csv_cell cells[MOST];
      size_t count = cells_of(texts, cells);
      check_number(decimals[i].name, fl_columns_learn(&columns, cells, count, message), FL_OK);
    }
    fl_columns_decide(&columns);
    check_number(decimals[i].name, fl_columns_other_decimal(&columns, message),
                 decimals[i].found ? ',' : '\0');
    fl_columns_free(&columns);
  }
}

/* --- what a cell becomes under a type that was given --- */

static const struct {
  const char *name;
  fl_column_type type;
  const char *cell;
  const char *text; /* the row, or the message */
} strict[] = {
    {"number", FL_COLUMN_NUMBER, "1.50", "{\"a\":1.50}"},
    {"number, exponent", FL_COLUMN_NUMBER, "-1.5E+10", "{\"a\":-1.5E+10}"},
    {"number, exponent cut", FL_COLUMN_NUMBER, "1e", "column \"a\": \"1e\" is not a number"},
    {"number, exponent with a tail", FL_COLUMN_NUMBER, "1e5x",
     "column \"a\": \"1e5x\" is not a number"},
    {"number, long", FL_COLUMN_NUMBER, "12345678901234567890.5", "{\"a\":12345678901234567890.5}"},
    {"number, beyond a double", FL_COLUMN_NUMBER, "1e400",
     "column \"a\": \"1e400\" is not a number"},
    {"number, null", FL_COLUMN_NUMBER, "", "{\"a\":null}"},
    {"number, empty in quotes", FL_COLUMN_NUMBER, QUOTED, "column \"a\": \"\" is not a number"},
    {"number, leading zero", FL_COLUMN_NUMBER, "007", "column \"a\": \"007\" is not a number"},
    {"boolean", FL_COLUMN_BOOLEAN, "false", "{\"a\":false}"},
    {"boolean, null", FL_COLUMN_BOOLEAN, "", "{\"a\":null}"},
    {"boolean, a number", FL_COLUMN_BOOLEAN, "1", "column \"a\": \"1\" is not true or false"},
    {"text, a number", FL_COLUMN_TEXT, "1", "{\"a\":\"1\"}"},
    {"text, null", FL_COLUMN_TEXT, "", "{\"a\":null}"},
    {"text, empty in quotes", FL_COLUMN_TEXT, QUOTED, "{\"a\":\"\"}"},
    {"text, escapes", FL_COLUMN_TEXT, "a\"b\\c\nd", "{\"a\":\"a\\\"b\\\\c\\nd\"}"},
    {"text, beyond ASCII", FL_COLUMN_TEXT, "Malm\xc3\xb6", "{\"a\":\"Malm\xc3\xb6\"}"},
    {"a long cell in a message is cut at a character", FL_COLUMN_BOOLEAN,
     "12345678901234567890123456789012345678901234567890123456789\xc3\xb6 and more",
     "column \"a\": \"12345678901234567890123456789012345678901234567890123456789...\" is not true "
     "or false"},
    {"a message stays on one line", FL_COLUMN_BOOLEAN, "x\ny",
     "column \"a\": \"x y\" is not true or false"},
};

static void test_strict(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(strict); i++) {
    fl_column_choice choice = {FL_LITERAL("a"), strict[i].type};
    fl_columns columns;
    make(strict[i].name, &columns, FL_COLUMN_UNDECIDED, &choice, 1);
    check(strict[i].name, !fl_columns_are_undecided(&columns));
    check_text(strict[i].name, write_cell(strict[i].name, &columns, strict[i].cell),
               strict[i].text);
    fl_columns_free(&columns);
  }
}

/* A column whose type is to be found out is no stricter where the caller says so. */
static void test_learned_number_keeps_its_digits(void **state) {
  const fl_column_choice automatic = {FL_LITERAL("a"), FL_COLUMN_UNDECIDED};
  static const char *const rows[][2] = {{"1.50", "{\"a\":1.50}"},
                                        {QUOTED, "{\"a\":\"\"}"},
                                        {"", "{\"a\":null}"},
                                        {"-0", "{\"a\":-0}"},
                                        {"x", "column \"a\": \"x\" is not a number"}};
  const char *const first[] = {"1.50", NULL};
  char message[FL_COLUMNS_MESSAGE];
  fl_columns columns;
  fl_csv_cell cells[MOST];
  size_t count = cells_of(first, cells);
  (void)state;
  for (size_t choices = 0; choices < 2; choices++) {
    make("digits", &columns, FL_COLUMN_UNDECIDED, &automatic, choices);
    check_number("digits", fl_columns_learn(&columns, cells, count, message), FL_OK);
    fl_columns_decide(&columns);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
      check_text(rows[i][0], write_cell("digits", &columns, rows[i][0]), rows[i][1]);
    fl_columns_free(&columns);
  }
}

/* A given type is held against the cells while others are learned: before anything is sent. */
static void test_given_types_are_checked_while_learning(void **state) {
  const char *const names[] = {"n", "free", NULL}, *const row[] = {"x", "1", NULL};
  fl_column_choice choice = {FL_LITERAL("n"), FL_COLUMN_NUMBER};
  char message[FL_COLUMNS_MESSAGE];
  fl_columns columns;
  fl_csv_cell cells[MOST];
  size_t count = cells_of(names, cells);
  (void)state;
  assert_int_equal(
      fl_columns_init(&columns, cells, count,
                      &(fl_columns_options){.choices = &choice, .choice_count = 1}, message),
      FL_OK);
  assert_true(fl_columns_are_undecided(&columns));
  count = cells_of(row, cells);
  assert_int_equal(fl_columns_learn(&columns, cells, count, message), FL_INVALID);
  assert_string_equal(message, "column \"n\": \"x\" is not a number");
  fl_columns_free(&columns);
}

/* --- headers and rows --- */

static const struct {
  const char *name;
  const char *names[MOST];
  const char *cells[MOST];
  const char *text;
} shapes[] = {
    {"one", {"a"}, {"1"}, "{\"a\":\"1\"}"},
    {"names are escaped",
     {"a \"b\"", "c\\d"},
     {"1", "2"},
     "{\"a \\\"b\\\"\":\"1\",\"c\\\\d\":\"2\"}"},
    {"order of the header",
     {"z", "a", "m"},
     {"1", "", "3"},
     "{\"z\":\"1\",\"a\":null,\"m\":\"3\"}"},
    {"a name without letters", {"a", ""}, {"1"}, "column 2 has no name"},
    {"a name twice", {"a", "b", "a"}, {"1"}, "column \"a\" is there twice"},
    {"case tells names apart", {"a", "A"}, {"1", "2"}, "{\"a\":\"1\",\"A\":\"2\"}"},
    {"too many cells", {"a"}, {"1", "2"}, "the row has 2 cells for 1 column"},
    {"too few cells", {"a", "b"}, {"1"}, "the row has 1 cell for 2 columns"},
};

static void test_shapes(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(shapes); i++) {
    char message[FL_COLUMNS_MESSAGE] = "";
    fl_columns columns;
    fl_csv_cell cells[MOST];
    size_t count = cells_of(shapes[i].names, cells);
    fl_buffer out;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    if (fl_columns_init(&columns, cells, count, &(fl_columns_options){.otherwise = FL_COLUMN_TEXT},
                        message) == FL_OK) {
      count = cells_of(shapes[i].cells, cells);
      if (fl_columns_write(&columns, cells, count, &out, message) == FL_OK)
        snprintf(message, sizeof message, "%s", out.data);
      fl_columns_free(&columns);
    }
    check_text(shapes[i].name, message, shapes[i].text);
    fl_buffer_free(&out);
  }
}

static void test_a_choice_names_a_column(void **state) {
  const char *const names[] = {"a", NULL};
  fl_column_choice choice = {FL_LITERAL("b"), FL_COLUMN_TEXT};
  char message[FL_COLUMNS_MESSAGE];
  fl_columns columns;
  fl_csv_cell cells[MOST];
  size_t count = cells_of(names, cells);
  (void)state;
  assert_int_equal(
      fl_columns_init(
          &columns, cells, count,
          &(fl_columns_options){.otherwise = FL_COLUMN_TEXT, .choices = &choice, .choice_count = 1},
          message),
      FL_INVALID);
  assert_string_equal(
      message, "column \"b\" is given a type, but the file does not have it: there are \"a\"");
}

/* --- what options make of a table --- */

static const fl_slice null_texts[] = {{"NA", 2}, {"-", 1}};
static const fl_rename renames[] = {{{"a", 1}, {"z", 1}}};
static const fl_slice chosen[] = {{"b", 1}, {"z", 1}};
static const fl_constant constants[] = {{{"b", 1}, {"7", 1}}, {{"s", 1}, {"\"x\"", 3}}};

static const struct {
  const char *name;
  fl_columns_options options;
  const char *rows[3][MOST + 1]; /* of the columns a and b */
  const char *records;           /* or the message */
} tables[] = {
    {"decimal commas",
     {.decimal = ','},
     {{"1,50", "-2,"}, {"1", "0,5"}},
     "{\"a\":1.50,\"b\":\"-2,\"}{\"a\":1,\"b\":\"0,5\"}"},
    {"a decimal comma and an exponent",
     {.decimal = ',', .otherwise = FL_COLUMN_NUMBER},
     {{"1,5e3", "2"}},
     "{\"a\":1.5e3,\"b\":2}"},
    {"a point in a file of commas",
     {.decimal = ',', .otherwise = FL_COLUMN_NUMBER},
     {{"1.5", "2"}},
     "column \"a\": \"1.5\" is not a number: decimal = \".\" reads it as one"},
    {"out of range",
     {.decimal = ',', .otherwise = FL_COLUMN_NUMBER},
     {{"1,5e999", "2"}},
     "column \"a\": \"1,5e999\" is not a number"},
    {"texts for null",
     {.nulls = {null_texts, 2}},
     {{"NA", "1"}, {"2", "-"}},
     "{\"a\":null,\"b\":1}{\"a\":2,\"b\":null}"},
    {"texts for null alone",
     {.nulls = {null_texts, 2}},
     {{"NA", "NAN"}},
     "{\"a\":null,\"b\":\"NAN\"}"},
    {"other names",
     {.mapping = {.renames = renames, .rename_count = 1}},
     {{"1", "2"}},
     "{\"z\":1,\"b\":2}"},
    {"a choice",
     {.mapping = {.renames = renames, .rename_count = 1, .columns = {chosen, 2}}},
     {{"1", "2"}},
     "{\"b\":2,\"z\":1}"},
    {"a choice of what is not there",
     {.mapping = {.columns = {chosen, 2}}},
     {{"1", "2"}},
     "column \"z\" is chosen, but the file does not have it: there are \"a\", \"b\""},
    {"constants",
     {.mapping = {.set = constants, .set_count = 2}},
     {{"1", "2"}},
     "{\"a\":1,\"b\":7,\"s\":\"x\"}"},
    {"all",
     {.mapping = {.renames = renames,
                  .rename_count = 1,
                  .columns = {chosen, 2},
                  .set = constants,
                  .set_count = 2}},
     {{"1", "x"}},
     "{\"b\":7,\"z\":1,\"s\":\"x\"}"},
};

static void test_options(void **state) {
  static const char *const names[] = {"a", "b", NULL};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(tables); i++) {
    char message[FL_COLUMNS_MESSAGE] = "";
    fl_csv_cell cells[MOST];
    fl_columns columns;
    fl_buffer out;
    fl_result result =
        fl_columns_init(&columns, cells, cells_of(names, cells), &tables[i].options, message);
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    for (int pass = 0; pass < 2 && result == FL_OK; pass++) {
      for (size_t row = 0; row < 3 && tables[i].rows[row][0] != NULL && result == FL_OK; row++) {
        size_t count = cells_of(tables[i].rows[row], cells);
        result = pass == 0 ? fl_columns_learn(&columns, cells, count, message)
                           : fl_columns_write(&columns, cells, count, &out, message);
      }
      if (result == FL_OK) fl_columns_decide(&columns);
    }
    check_text(tables[i].name, result == FL_OK ? out.data : message, tables[i].records);
    if (columns.list != NULL) fl_columns_free(&columns);
    fl_buffer_free(&out);
  }
}

static void test_types_have_names(void **state) {
  static const char *const names[] = {"auto", "text", "number", "boolean"};
  fl_column_type type;
  (void)state;
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    check(names[i], fl_column_type_named(names[i], &type));
    check_text(names[i], fl_column_type_name(type), names[i]);
  }
  assert_false(fl_column_type_named("integer", &type));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_learned),
      cmocka_unit_test(test_other_decimal),
      cmocka_unit_test(test_strict),
      cmocka_unit_test(test_learned_number_keeps_its_digits),
      cmocka_unit_test(test_given_types_are_checked_while_learning),
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_a_choice_names_a_column),
      cmocka_unit_test(test_options),
      cmocka_unit_test(test_types_have_names),
  };
  return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
