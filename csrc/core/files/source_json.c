/*
 * source_json.c: JSON and JSON lines files as sources. Values are taken out of the window one at a
 * time, so that at most one record waits for the next batch.
 */
#include "files/source_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json_write.h"

/* How far a JSON file is read. */
typedef enum document_stage {
  AT_BEGIN,        /* before the array or the object */
  AT_FIRST_KEY,    /* in the object, before its first key or its end */
  AT_KEY,          /* in the object, after a comma */
  AFTER_MEMBER,    /* in the object */
  AT_FIRST_RECORD, /* in the array, before its first record or its end */
  AFTER_RECORD,    /* in the array */
  AT_END           /* after the whole value */
} document_stage;

typedef struct document {
  fl_source_input *input;
  fl_json_tape tape; /* of the value taken last */
  /* JSON */
  document_stage stage;
  bool in_object, records_seen;
} document;

/* --- the window --- */

static bool is_space(int byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The byte `offset` bytes ahead; -1 past the end of the file or after a failure. */
static int look(fl_source_input *input, size_t offset) {
  while (input->at + offset >= input->window.length)
    if (!fl_source_input_read(input)) return -1;
  return (unsigned char)input->window.data[input->at + offset];
}

static void skip_mark(fl_source_input *input) {
  look(input, 2);
  input->at = fl_json_mark_length(input->window.data, input->window.length);
}

static int64_t count_lines(const char *text, size_t length) {
  int64_t count = 0;
  const char *end = text + length;
  while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
    count++;
    text++;
  }
  return count;
}

/*
 * Scans the next `length` bytes of the window into the tape and steps over them; NULL after a
 * failure, else the text of the tape, which is valid until the next chunk is read. Strings are
 * unescaped in place: text that is sent as it was written is copied before.
 */
static const char *take_value(document *self, size_t length) {
  char *text = self->input->window.data + self->input->at;
  char after = text[length];
  int64_t lines = count_lines(text, length);
  fl_json_error error;
  fl_json_code code;
  char words[120];
  text[length] = '\0';
  code = fl_json_scan(text, length, &self->tape, &error);
  text[length] = after;
  if (code == FL_JSON_OK) {
    self->input->at += length;
    self->input->line += lines;
    return text;
  }
  snprintf(words, sizeof words, "%s (byte %zu of what begins on this line)", fl_json_describe(code),
           error.position + 1);
  if (code == FL_JSON_MEMORY) fl_source_input_fail_memory(self->input);
  else fl_source_input_fail_content(self->input, self->input->line, words);
  return NULL;
}

static bool check_object(document *self, int64_t line) {
  static const char *const names[] = {"null",     "false",    "true",     "a number", "a number",
                                      "a number", "a string", "an array", "an object"};
  uint32_t type = self->tape.nodes[0].type;
  char words[80];
  if (type == FL_JSON_OBJECT) return true;
  snprintf(words, sizeof words, "the record is not an object but %s", names[type]);
  return fl_source_input_fail_content(self->input, line, words);
}

/* --- JSON lines --- */

/* Bytes of the next line, without its line break. */
static size_t measure_line(fl_source_input *input) {
  size_t searched = 0;
  do {
    const char *begin = input->window.data + input->at;
    size_t held = input->window.length - input->at;
    const char *found = held > searched ? memchr(begin + searched, '\n', held - searched) : NULL;
    if (found != NULL) return (size_t)(found - begin);
    searched = held;
  } while (fl_source_input_read(input));
  return input->window.length - input->at;
}

/* Gives the line as it is written, without white space around it. */
static bool give_line(document *self, size_t length) {
  const char *text = self->input->window.data + self->input->at;
  while (length > 0 && is_space((unsigned char)text[length - 1])) length--;
  if (length == 0) return true;
  if (!fl_source_input_begin_record(self->input)) return false;
  if (fl_buffer_append(self->input->target, text, length) != FL_OK)
    return fl_source_input_fail_memory(self->input);
  if (take_value(self, length) == NULL || !check_object(self, self->input->line)) {
    fl_source_input_drop_record(self->input);
    return false;
  }
  return fl_source_input_end_record(self->input, self->input->line);
}

static void pull_line(void *state) {
  document *self = state;
  size_t length = measure_line(self->input), after;
  if (self->input->failure.code != FL_SOURCE_OK) return;
  after = self->input->at + length;
  while (self->input->at < after &&
         is_space((unsigned char)self->input->window.data[self->input->at]))
    self->input->at++;
  if (!give_line(self, after - self->input->at)) return;
  self->input->at = after;
  if (after < self->input->window.length) self->input->at++; /* the line break */
  else self->input->ended = true;
  self->input->line++;
}

/* --- JSON --- */

/* The next byte that is no white space, or -1. */
static int next_byte(fl_source_input *input) {
  int byte;
  while (is_space(byte = look(input, 0))) {
    if (byte == '\n') input->line++;
    input->at++;
  }
  return byte;
}

/* Bytes of the next value, which may be invalid: the scanner tells. 0: there is none. */
static size_t measure_value(fl_source_input *input) {
  size_t length = 0, depth = 0;
  bool in_string = false;
  do {
    const char *bytes = input->window.data + input->at;
    const size_t held = input->window.length - input->at;
    for (; length < held; length++) {
      const char byte = bytes[length];
      if (in_string) {
        if (byte == '\\') length++; /* may lead past the bytes at hand */
        else if (byte == '"') in_string = false;
        if (!in_string && depth == 0) return length + 1;
      } else if (byte == '"') {
        in_string = true;
      } else if (byte == '{' || byte == '[') {
        depth++;
      } else if (byte == '}' || byte == ']') {
        if (depth == 0) return length;
        if (--depth == 0) return length + 1;
      } else if (depth == 0 && (is_space(byte) || byte == ',' || byte == ':')) {
        return length;
      }
    }
  } while (fl_source_input_read(input));
  return input->window.length - input->at;
}

/* `byte` (-1: the end of the file) is not allowed here. */
static void fail_byte(document *self, int byte) {
  fl_source_input_fail_content(self->input, self->input->line,
                               fl_json_describe(byte < 0 ? FL_JSON_ENDED : FL_JSON_UNEXPECTED));
}

/* Takes the next value, whatever it is. */
static const char *next_value(document *self) {
  int byte = next_byte(self->input);
  size_t length = measure_value(self->input);
  if (self->input->failure.code != FL_SOURCE_OK) return NULL;
  if (length > 0) return take_value(self, length);
  fail_byte(self, byte);
  return NULL;
}

static void pull_record(document *self) {
  int64_t line;
  const char *text;
  next_byte(self->input);
  line = self->input->line;
  text = next_value(self);
  if (text == NULL || !check_object(self, line) || !fl_source_input_begin_record(self->input))
    return;
  if (fl_json_write_node(self->input->target, &self->tape, text, 0) != FL_OK)
    fl_source_input_fail_memory(self->input);
  else if (fl_source_input_end_record(self->input, line)) self->stage = AFTER_RECORD;
}

/* Takes a member of the object around the records: the records themselves, or a member to skip. */
static void pull_member(document *self) {
  static const char name[] = "records";
  const char *text = next_value(self);
  const fl_json_node *key = self->tape.nodes;
  int byte;
  bool is_records;
  if (text == NULL) return;
  is_records = key->value.size.length == sizeof name - 1 &&
               memcmp(text + key->offset, name, sizeof name - 1) == 0;
  byte = next_byte(self->input);
  if (byte != ':') {
    fail_byte(self, byte);
    return;
  }
  self->input->at++;
  self->stage = AFTER_MEMBER;
  if (!is_records) {
    next_value(self);
  } else if (self->records_seen) {
    fl_source_input_fail_content(self->input, self->input->line,
                                 "the member \"records\" is there twice");
  } else if (next_byte(self->input) != '[') {
    fl_source_input_fail_content(self->input, self->input->line,
                                 "the member \"records\" is not an array");
  } else {
    self->input->at++;
    self->records_seen = true;
    self->stage = AT_FIRST_RECORD;
  }
}

/* One step through the file: to the next record at most. */
static void pull_json(void *state) {
  document *self = state;
  int byte = next_byte(self->input);
  document_stage stage = self->stage;
  if (self->input->failure.code != FL_SOURCE_OK) return;
  if (stage == AT_END) {
    if (byte >= 0)
      fl_source_input_fail_content(self->input, self->input->line,
                                   fl_json_describe(FL_JSON_TRAILING));
    else self->input->ended = true;
  } else if (stage == AT_BEGIN && (byte == '[' || byte == '{')) {
    self->input->at++;
    self->in_object = byte == '{';
    self->stage = self->in_object ? AT_FIRST_KEY : AT_FIRST_RECORD;
  } else if (stage == AT_BEGIN) {
    fl_source_input_fail_content(self->input, self->input->line,
                                 "neither an array of records nor an object with \"records\"");
  } else if (byte == ']' && (stage == AT_FIRST_RECORD || stage == AFTER_RECORD)) {
    self->input->at++;
    self->stage = self->in_object ? AFTER_MEMBER : AT_END;
  } else if (byte == '}' && (stage == AT_FIRST_KEY || stage == AFTER_MEMBER)) {
    self->input->at++;
    self->stage = AT_END;
    if (!self->records_seen)
      fl_source_input_fail_content(self->input, self->input->line,
                                   "the object has no member \"records\"");
  } else if (byte == ',' && stage == AFTER_MEMBER) {
    self->input->at++;
    self->stage = AT_KEY;
  } else if (byte == '"' && (stage == AT_FIRST_KEY || stage == AT_KEY)) {
    pull_member(self);
  } else if (byte == ',' && stage == AFTER_RECORD) {
    self->input->at++;
    pull_record(self);
  } else if (byte >= 0 && stage == AT_FIRST_RECORD) {
    pull_record(self);
  } else {
    fail_byte(self, byte);
  }
}

static void close_document(void *state) {
  document *self = state;
  if (self == NULL) return;
  fl_json_tape_free(&self->tape);
  free(self);
}

static void *open_document(fl_source_input *input, const fl_source_options *options) {
  document *self = calloc(1, sizeof *self);
  (void)options;
  if (self == NULL) {
    fl_source_input_fail_memory(input);
    return NULL;
  }
  self->input = input;
  fl_json_tape_init(&self->tape);
  skip_mark(self->input);
  if (input->failure.code == FL_SOURCE_OK) return self;
  close_document(self);
  return NULL;
}

const fl_source_reader fl_source_json = {open_document, pull_json, close_document, NULL};
const fl_source_reader fl_source_json_lines = {open_document, pull_line, close_document, NULL};
