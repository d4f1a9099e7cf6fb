/* envelope_spec.c: the envelope, its messages, and its rows. */
#include "policy/envelope.h"

#include "check.h"

typedef struct scanned {
  char text[2048];
  fl_json_tape tape;
  fl_envelope envelope;
} scanned;

static void scan(scanned *reply, const char *json) {
  fl_json_error error;
  snprintf(reply->text, sizeof reply->text, "%s", json);
  fl_json_tape_init(&reply->tape);
  check_number(json, fl_json_scan(reply->text, strlen(reply->text), &reply->tape, &error),
               FL_JSON_OK);
  reply->envelope = fl_envelope_of(&reply->tape, reply->text);
}

static void finds_the_envelope(void **state) {
  static const struct {
    const char *json;
    bool found, messages, id;
  } cases[] = {
      {"{\"data\":{\"id\":7},\"messages\":[]}", true, true, true},
      {"{\"messages\":[],\"data\":{\"id\":\"a\"}}", true, true, true},
      {"{\"data\":{\"id\":1.5}}", true, false, true},
      {"{\"data\":{\"id\":123456789012345678901234567890}}", true, false, true},
      {"{\"data\":{\"id\":0}}", true, false, true},
      {"{\"data\":{\"id\":\"\"}}", true, false, false},
      {"{\"data\":{\"id\":null}}", true, false, false},
      {"{\"data\":{\"id\":true}}", true, false, false},
      {"{\"data\":{\"id\":[1]}}", true, false, false},
      {"{\"data\":{\"id\":{}}}", true, false, false},
      {"{\"data\":{\"ID\":7}}", true, false, false},
      {"{\"data\":{\"id\":7,\"id\":null}}", true, false, false},
      {"{\"data\":{\"x\":{\"id\":7}}}", true, false, false},
      {"{\"data\":[{\"id\":7}]}", true, false, false},
      {"{\"data\":7}", true, false, false},
      {"{\"data\":null,\"messages\":null}", true, true, false},
      {"{\"data\":1,\"data\":{\"id\":2}}", true, false, true},
      {"{\"id\":7,\"messages\":[]}", false, true, false},
      {"{\"x\":{\"data\":1}}", false, false, false},
      {"{\"Data\":1}", false, false, false},
      {"{}", false, false, false},
      {"[{\"data\":1}]", false, false, false},
      {"\"data\"", false, false, false},
      {"null", false, false, false},
  };
  fl_json_tape empty;
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    scanned reply;
    scan(&reply, cases[i].json);
    check_number(cases[i].json, reply.envelope.found, cases[i].found);
    check_number(cases[i].json, reply.envelope.data != 0, cases[i].found);
    check_number(cases[i].json, reply.envelope.messages != 0, cases[i].messages);
    check_number(cases[i].json, fl_envelope_has_id(&reply.tape, reply.text, &reply.envelope),
                 cases[i].id);
    fl_json_tape_free(&reply.tape);
  }
  fl_json_tape_init(&empty);
  assert_false(fl_envelope_of(&empty, "").found);
}

static void makes_messages_readable(void **state) {
  static const struct {
    const char *messages, *wanted;
  } cases[] = {
      {"[]", ""},
      {"[\"one\"]", "one"},
      {"[\"one\",\"two\"]", "one; two"},
      {"[{\"message\":\"one\",\"code\":5},{\"text\":\"two\"}]", "one; two"},
      {"[{\"text\":\"no\",\"message\":\"yes\"}]", "yes"},
      {"[{\"message\":5,\"text\":\"words\"}]", "words"},
      {"[{\"code\":5},null,7,true,[\"deep\"],\"\",\"last\"]", "last"},
      {"[\"\",\"\",{\"message\":\"\"}]", ""},
      {"\"alone\"", "alone"},
      {"{\"message\":\"alone\"}", "alone"},
      {"null", ""},
      {"7", ""},
      {"[\"two\\nlines\\u001b[2J\\u0000end\\u007f\"]", "two lines [2J end "},
      {"[[[\"skipped\"],\"skipped\"],\"\\u00e4\"]", "\xc3\xa4"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    scanned reply;
    char json[256], out[64];
    snprintf(json, sizeof json, "{\"messages\":%s,\"data\":1}", cases[i].messages);
    scan(&reply, json);
    check_number(
        cases[i].messages,
        fl_envelope_text(&reply.tape, reply.text, reply.envelope.messages, out, sizeof out),
        strlen(cases[i].wanted));
    check_text(cases[i].messages, out, cases[i].wanted);
    fl_json_tape_free(&reply.tape);
  }
}

static void cuts_messages_at_a_character(void **state) {
  /* 2 + 3 + 4 bytes, then "; " and an ASCII letter. */
  static const struct {
    size_t room;
    const char *wanted;
  } cases[] = {
      {1, ""},
      {2, ""},
      {3, "\xc3\xa4"},
      {4, "\xc3\xa4"},
      {5, "\xc3\xa4"},
      {6, "\xc3\xa4\xe2\x82\xac"},
      {9, "\xc3\xa4\xe2\x82\xac"},
      {10, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
      {12, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80; "},
      {13, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80; x"},
  };
  scanned reply;
  (void)state;
  scan(&reply, "{\"messages\":[\"\\u00e4\\u20ac\\ud83d\\ude00\",\"x\",\"more\"],\"data\":1}");
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    char out[16], label[16];
    memset(out, '#', sizeof out);
    snprintf(label, sizeof label, "room %d", (int)cases[i].room);
    check_number(
        label,
        fl_envelope_text(&reply.tape, reply.text, reply.envelope.messages, out, cases[i].room),
        strlen(cases[i].wanted));
    check_text(label, out, cases[i].wanted);
    check_number(label, out[cases[i].room], '#');
  }
  assert_int_equal(fl_envelope_text(&reply.tape, reply.text, reply.envelope.messages, NULL, 0), 0);
  char out[4] = "old";
  assert_int_equal(fl_envelope_text(&reply.tape, reply.text, 0, out, sizeof out), 0);
  assert_string_equal(out, "");
  fl_json_tape_free(&reply.tape);
}

static void finds_rows_or_tells_what_came(void **state) {
  static const struct {
    const char *data;
    fl_rows_code code;
    int rows; /* length of the array found */
    const char *description;
  } cases[] = {
      {"[]", FL_ROWS_OK, 0, "an array"},
      {"[{\"a\":1},{\"a\":2}]", FL_ROWS_OK, 2, "an array"},
      {"{\"records\":[1,2,3]}", FL_ROWS_OK, 3, "an object with the member records (an array)"},
      {"{\"total\":9,\"meta\":{\"x\":[1]},\"records\":[],\"next\":null}", FL_ROWS_OK, 0, NULL},
      {"null", FL_ROWS_NULL, 0, "null"},
      {"{\"records\":[],\"columns\":[\"a\"]}", FL_ROWS_STRANGE, 0,
       "an object with the members records (an array), columns (an array)"},
      {"{\"records\":{\"records\":[]}}", FL_ROWS_STRANGE, 0, "an object with the member records"},
      {"{\"records\":null}", FL_ROWS_STRANGE, 0, "an object with the member records"},
      {"{\"rows\":[]}", FL_ROWS_STRANGE, 0, "an object with the member rows (an array)"},
      {"{\"id\":1,\"na\\nme\":\"x\"}", FL_ROWS_STRANGE, 0, "an object with the members id, na me"},
      {"{}", FL_ROWS_STRANGE, 0, "an object without members"},
      {"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}",
       FL_ROWS_STRANGE, 0, "an object with the members a, b, c, d, e, f, g, h and 2 more"},
      {"\"text\"", FL_ROWS_STRANGE, 0, "a string"},
      {"5", FL_ROWS_STRANGE, 0, "a number"},
      {"5.5", FL_ROWS_STRANGE, 0, "a number"},
      {"99999999999999999999", FL_ROWS_STRANGE, 0, "a number"},
      {"true", FL_ROWS_STRANGE, 0, "true"},
      {"false", FL_ROWS_STRANGE, 0, "false"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    scanned reply;
    char json[256], out[128];
    uint32_t rows = 99;
    snprintf(json, sizeof json, "{\"messages\":[],\"data\":%s}", cases[i].data);
    scan(&reply, json);
    check_number(cases[i].data,
                 fl_envelope_rows(&reply.tape, reply.text, reply.envelope.data, &rows),
                 cases[i].code);
    if (cases[i].code == FL_ROWS_OK) {
      check_number(cases[i].data, reply.tape.nodes[rows].type, FL_JSON_ARRAY);
      check_number(cases[i].data, reply.tape.nodes[rows].value.size.length, cases[i].rows);
    }
    if (cases[i].description) {
      check_number(
          cases[i].data,
          fl_envelope_describe(&reply.tape, reply.text, reply.envelope.data, out, sizeof out),
          strlen(cases[i].description));
      check_text(cases[i].data, out, cases[i].description);
    }
    /* No room is too small. */
    for (size_t room = 0; room < 24; room++)
      assert_in_range(fl_envelope_describe(&reply.tape, reply.text, reply.envelope.data, out, room),
                      0, room ? room - 1 : 0);
    fl_json_tape_free(&reply.tape);
  }
  scanned reply;
  uint32_t rows;
  char out[16];
  scan(&reply, "[]");
  assert_int_equal(fl_envelope_rows(&reply.tape, reply.text, 0, &rows), FL_ROWS_STRANGE);
  fl_envelope_describe(&reply.tape, reply.text, 0, out, sizeof out);
  assert_string_equal(out, "nothing");
  fl_json_tape_free(&reply.tape);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_envelope),
      cmocka_unit_test(makes_messages_readable),
      cmocka_unit_test(cuts_messages_at_a_character),
      cmocka_unit_test(finds_rows_or_tells_what_came),
  };
  return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
