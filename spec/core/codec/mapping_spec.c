/*
 * mapping_spec.c: records of JSON with other names, chosen members and constants, as a table.
 */
#include "check.h"

#include <string.h>

#include "codec/mapping.h"

/* As FL_LITERAL, where a constant is needed. */
#define TEXT(text) \
  { (text), sizeof(text) - 1 }

static const fl_rename renames[] = {{TEXT("a"), TEXT("z")}};
static const fl_slice chosen[] = {TEXT("c"), TEXT("z"), TEXT("gone")};
static const fl_constant set[] = {{TEXT("c"), TEXT("[1]")}, {TEXT("s"), TEXT("\"x\"")}};

#define NOTHING .renames = NULL
#define RENAME .renames = renames, .rename_count = COUNT_OF(renames)
#define CHOOSE .columns = {chosen, COUNT_OF(chosen)}
#define SET .set = set, .set_count = COUNT_OF(set)

static const struct {
  const char *name;
  fl_mapping mapping;
  const char *record, *mapped; /* or the message */
} cases[] = {
    {"nothing", {NOTHING}, "{\"a\" : 1.50, \"b\":{\"a\":[ ]}}", "{\"a\":1.50,\"b\":{\"a\":[]}}"},
    {"an empty record", {NOTHING}, "{}", "{}"},
    {"another name", {RENAME}, "{\"b\":1,\"a\":2}", "{\"b\":1,\"z\":2}"},
    {"another name, of members alone", {RENAME}, "{\"b\":{\"a\":2}}", "{\"b\":{\"a\":2}}"},
    {"a name that another has",
     {RENAME},
     "{\"a\":1,\"z\":2}",
     "rename: the record has both \"a\" and \"z\", which is \"z\" now"},
    {"a name that is written with an escape", {RENAME}, "{\"\\u0061\":1}", "{\"z\":1}"},
    {"a choice with an order", {CHOOSE}, "{\"z\":1,\"b\":2,\"c\":3}", "{\"c\":3,\"z\":1}"},
    {"a choice of nothing that is there", {CHOOSE}, "{\"b\":2}", "{}"},
    {"a choice takes the last of two", {CHOOSE}, "{\"c\":1,\"c\":2}", "{\"c\":2}"},
    {"constants", {SET}, "{\"a\":1}", "{\"a\":1,\"c\":[1],\"s\":\"x\"}"},
    {"a constant in its place", {SET}, "{\"c\":1,\"a\":2}", "{\"c\":[1],\"a\":2,\"s\":\"x\"}"},
    {"constants alone", {SET}, "{}", "{\"c\":[1],\"s\":\"x\"}"},
    {"all of it", {RENAME, CHOOSE, SET}, "{\"a\":1,\"b\":2}", "{\"c\":[1],\"z\":1,\"s\":\"x\"}"},
};

static void test_records(void **state) {
  fl_json_tape tape;
  (void)state;
  fl_json_tape_init(&tape);
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    char text[200], message[200];
    fl_json_error error;
    fl_buffer out;
    fl_result result;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    snprintf(text, sizeof text, "%s", cases[i].record);
    check_number(cases[i].name, fl_json_scan(text, strlen(text), &tape, &error), FL_JSON_OK);
    result = fl_mapping_write(&cases[i].mapping, &tape, text, &out, message, sizeof message);
    check_text(cases[i].name, result == FL_OK ? out.data : message, cases[i].mapped);
    fl_buffer_free(&out);
  }
  fl_json_tape_free(&tape);
}

static void test_names_in_messages(void **state) {
  const fl_slice list[] = {FL_LITERAL("a"), FL_LITERAL("b\nc"), FL_LITERAL("d")};
  const fl_names names = {list, COUNT_OF(list)};
  char message[40] = "there are ";
  (void)state;
  fl_names_show(names, message, sizeof message);
  assert_string_equal(message, "there are \"a\", \"b c\", \"d\"");
  strcpy(message, "there are ");
  fl_names_show(names, message, 24);
  assert_string_equal(message, "there are \"a\", …");
  /* Long names are cut between characters. */
  assert_string_equal(fl_show(fl_slice_of("0123456789012345678901234567890123456789012345678901234"
                                          "5678ü0"))
                          .text,
                      "01234567890123456789012345678901234567890123456789012345678...");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_records),
                                     cmocka_unit_test(test_names_in_messages)};
  return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
