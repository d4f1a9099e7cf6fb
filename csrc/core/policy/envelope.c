/* envelope.c: reads the JSON of a reply: the envelope, its messages, its rows. */
#include "policy/envelope.h"

#include <stdio.h>

/* --- text of limited size, cut between characters, with a NUL --- */

typedef struct sink {
  char *out;
  size_t size, length;
  bool full;
} sink;

static sink sink_of(char *out, size_t size) {
  if (size > 0) out[0] = '\0';
  return (sink){out, size, 0, size == 0};
}

static bool continues(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

/* Control characters become spaces: the text goes into one line of an error or a log. */
static void put(sink *to, const char *bytes, size_t length) {
  size_t space;
  if (to->full) return;
  space = to->size - 1 - to->length;
  if (length > space) {
    to->full = true;
    length = space;
    while (length > 0 && continues(bytes[length])) length--;
  }
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    to->out[to->length++] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
  }
  to->out[to->length] = '\0';
}

static void put_text(sink *to, const char *text) { put(to, text, strlen(text)); }

static void put_string(sink *to, const char *text, const fl_json_node *node) {
  put(to, text + node->offset, node->value.size.length);
}

/* --- the envelope --- */

fl_envelope fl_envelope_of(const fl_json_tape *tape, const char *text) {
  fl_envelope envelope = {false, 0, 0};
  if (tape->count == 0) return envelope;
  envelope.data = fl_json_member(tape, text, 0, FL_LITERAL("data"));
  envelope.messages = fl_json_member(tape, text, 0, FL_LITERAL("messages"));
  envelope.found = envelope.data != 0;
  return envelope;
}

bool fl_envelope_has_id(const fl_json_tape *tape, const char *text, const fl_envelope *envelope) {
  uint32_t id = envelope->data ? fl_json_member(tape, text, envelope->data, FL_LITERAL("id")) : 0;
  if (id == 0) return false;
  switch (tape->nodes[id].type) {
    case FL_JSON_INTEGER:
    case FL_JSON_BIG:
    case FL_JSON_FLOAT: return true;
    case FL_JSON_STRING: return tape->nodes[id].value.size.length > 0;
    default: return false;
  }
}

/* Appends one message, if it has a readable text. */
static void put_message(sink *to, const fl_json_tape *tape, const char *text, uint32_t index) {
  static const char *const members[] = {"message", "text"};
  const fl_json_node *node = &tape->nodes[index];
  for (size_t i = 0; node->type == FL_JSON_OBJECT && i < 2; i++) {
    uint32_t member = fl_json_member(tape, text, index, fl_slice_of(members[i]));
    if (member != 0 && tape->nodes[member].type == FL_JSON_STRING) node = &tape->nodes[member];
  }
  if (node->type != FL_JSON_STRING || node->value.size.length == 0) return;
  if (to->length > 0) put_text(to, "; ");
  put_string(to, text, node);
}

size_t fl_envelope_text(const fl_json_tape *tape, const char *text, uint32_t messages, char *out,
                        size_t size) {
  sink to = sink_of(out, size);
  if (messages == 0) return 0;
  if (tape->nodes[messages].type != FL_JSON_ARRAY) {
    put_message(&to, tape, text, messages);
  } else {
    uint32_t index = messages + 1;
    for (uint32_t left = tape->nodes[messages].value.size.length; left > 0 && !to.full; left--) {
      put_message(&to, tape, text, index);
      index = fl_json_next(tape, index);
    }
  }
  return to.length;
}

/* --- rows --- */

fl_rows_code fl_envelope_rows(const fl_json_tape *tape, const char *text, uint32_t data,
                              uint32_t *rows) {
  uint32_t arrays = 0, found, index;
  *rows = 0;
  if (data == 0) return FL_ROWS_STRANGE;
  if (tape->nodes[data].type == FL_JSON_NULL) return FL_ROWS_NULL;
  if (tape->nodes[data].type == FL_JSON_ARRAY) {
    *rows = data;
    return FL_ROWS_OK;
  }
  found = fl_json_member(tape, text, data, FL_LITERAL("records"));
  if (found == 0 || tape->nodes[found].type != FL_JSON_ARRAY) return FL_ROWS_STRANGE;
  index = data + 1;
  for (uint32_t left = tape->nodes[data].value.size.length; left > 0; left--) {
    arrays += tape->nodes[index + 1].type == FL_JSON_ARRAY;
    index = fl_json_next(tape, index + 1);
  }
  if (arrays != 1) return FL_ROWS_STRANGE;
  *rows = found;
  return FL_ROWS_OK;
}

size_t fl_envelope_describe(const fl_json_tape *tape, const char *text, uint32_t data, char *out,
                            size_t size) {
  static const char *const words[] = {
      [FL_JSON_NULL] = "null",        [FL_JSON_FALSE] = "false",    [FL_JSON_TRUE] = "true",
      [FL_JSON_INTEGER] = "a number", [FL_JSON_BIG] = "a number",   [FL_JSON_FLOAT] = "a number",
      [FL_JSON_STRING] = "a string",  [FL_JSON_ARRAY] = "an array", [FL_JSON_OBJECT] = "an object",
  };
  enum { NAMED = 8 };
  sink to = sink_of(out, size);
  const fl_json_node *node = &tape->nodes[data];
  uint32_t members, index = data + 1;
  if (data == 0) {
    put_text(&to, "nothing");
    return to.length;
  }
  put_text(&to, words[node->type]);
  if (node->type != FL_JSON_OBJECT) return to.length;
  members = node->value.size.length;
  put_text(&to, members == 0   ? " without members"
                : members == 1 ? " with the member "
                               : " with the members ");
  for (uint32_t i = 0; i < members && i < NAMED; i++) {
    if (i > 0) put_text(&to, ", ");
    put_string(&to, text, &tape->nodes[index]);
    if (tape->nodes[index + 1].type == FL_JSON_ARRAY) put_text(&to, " (an array)");
    index = fl_json_next(tape, index + 1);
  }
  if (members > NAMED) {
    char more[32];
    snprintf(more, sizeof more, " and %lu more", (unsigned long)(members - NAMED));
    put_text(&to, more);
  }
  return to.length;
}
