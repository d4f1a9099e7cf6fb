/*
 * source_json.c: JSON and JSON lines files as sources. Values are taken out of the window one at a
 * time, so that at most one record waits for the next batch.
 */
#include "files/source_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json_write.h"
#include "files/survey.h"

/* How far a JSON text is read. */
typedef enum document_stage {
  AT_VALUE,       /* before a value */
  AT_FIRST_VALUE, /* in an array, before its first value or its end */
  AT_FIRST_KEY,   /* in an object, before its first key or its end */
  AT_KEY,         /* in an object, after a comma */
  AFTER_VALUE,    /* in an array or an object */
  AT_END          /* after the whole text */
} document_stage;

typedef enum level_kind { IN_OBJECT, IN_ARRAY, IN_RECORDS } level_kind;

/* An array or an object that is not closed yet. */
typedef struct level {
  level_kind kind;
  bool quiet; /* it can hold neither the records nor an array worth naming, so no pointer is kept */
  size_t path;   /* bytes of the pointer to it */
  int64_t index; /* of the value that comes next, in an array */
} level;

typedef struct document {
  fl_source_input *input;
  fl_json_tape tape; /* of the value taken last */
  bool learnt;
  fl_survey *survey; /* of the pass that learns */
  /* JSON: everything around the records is read one value at a time, however large it is. */
  document_stage stage;
  level levels[FL_JSON_DEPTH];
  size_t depth;
  fl_buffer path;   /* the JSON pointer to the current value; to a member once its key is read */
  fl_buffer arrays; /* pointers to the arrays found so far, for the message */
  size_t array_count;
  bool records_seen;
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

/*
 * Scans the next `length` bytes of the window into the tape and skips them. NULL after a failure,
 * else the text of the tape, which is valid until the next chunk is read. Strings are unescaped in
 * place, so text that is sent unchanged has to be copied before.
 */
static const char *take_value(document *self, size_t length) {
  char *text = self->input->window.data + self->input->at;
  char after = text[length];
  int64_t lines = fl_source_input_count_lines(text, length);
  fl_json_error error;
  fl_json_code code;
  char words[220];
  text[length] = '\0';
  code = fl_json_scan(text, length, &self->tape, &error);
  text[length] = after;
  if (code == FL_JSON_OK) {
    self->input->at += length;
    self->input->line += lines;
    return text;
  }
  snprintf(words, sizeof words, "%s (byte %zu of the value that begins on this line)%s",
           fl_json_describe(code), error.position + 1,
           code == FL_JSON_BAD_UTF8 ? fl_source_input_encoding_hint(self->input) : "");
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

/* Gives the record that the tape holds, or learns from it. */
static bool give_tape(document *self, const char *text, int64_t line) {
  fl_source_input *input = self->input;
  const fl_mapping *mapping = &input->options->columns.mapping;
  char words[FL_COLUMNS_MESSAGE];
  fl_result result;
  if (input->learning) return fl_survey_record(self->survey, &self->tape, text, line);
  if (!fl_source_input_begin_record(input)) return false;
  result = fl_mapping_is_empty(mapping)
               ? fl_json_write_node(input->target, &self->tape, text, 0)
               : fl_mapping_write(mapping, &self->tape, text, input->target, words, sizeof words);
  if (result == FL_OK) return fl_source_input_end_record(input, line);
  fl_source_input_drop_record(input);
  return fl_source_input_fail_result(input, result, line, words);
}

/* Gives the line without white space around it, unchanged if there is no mapping. */
static bool give_line(document *self, size_t length) {
  fl_source_input *input = self->input;
  const char *text = input->window.data + input->at;
  int64_t line = input->line;
  while (length > 0 && is_space((unsigned char)text[length - 1])) length--;
  if (length == 0) return true;
  if (input->learning || !fl_mapping_is_empty(&input->options->columns.mapping)) {
    text = take_value(self, length);
    return text != NULL && check_object(self, line) && give_tape(self, text, line);
  }
  if (!fl_source_input_begin_record(input)) return false;
  if (fl_buffer_append(input->target, text, length) != FL_OK)
    return fl_source_input_fail_memory(input);
  if (take_value(self, length) == NULL || !check_object(self, line)) {
    fl_source_input_drop_record(input);
    return false;
  }
  return fl_source_input_end_record(input, line);
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

/* Bytes of the next value, which may be invalid (the scanner checks it). 0 if there is none. */
static size_t measure_value(fl_source_input *input) {
  size_t length = 0, depth = 0;
  bool in_string = false;
  do {
    const char *bytes = input->window.data + input->at;
    const size_t held = input->window.length - input->at;
    for (; length < held; length++) {
      const char byte = bytes[length];
      if (in_string) {
        if (byte == '\\') length++; /* may lead past the bytes in the window */
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
  if (text != NULL && check_object(self, line) && give_tape(self, text, line))
    self->stage = AFTER_VALUE;
}

/* --- JSON: finding the records --- */

/* The pointer to the records. Without the option `at`, they are the text itself or its member
 * "records". */
static fl_slice target_of(const document *self) {
  const char *at = self->input->options->at;
  return fl_slice_of(at != NULL ? at : self->depth == 0 ? "" : "/records");
}

static bool is_target(const document *self) {
  return fl_slice_equal(target_of(self), (fl_slice){self->path.data, self->path.length});
}

/* Whether the records may be inside the value at the path. */
static bool leads_to_target(const document *self) {
  fl_slice target = target_of(self);
  size_t length = self->path.length;
  return target.length > length && target.data[length] == '/' &&
         (length == 0 || memcmp(target.data, self->path.data, length) == 0);
}

/* Appends a step to the path, escaped by the rules of RFC 6901. */
static void add_step(document *self, fl_slice step) {
  fl_result result = fl_buffer_append_byte(&self->path, '/');
  for (size_t i = 0; i < step.length && result == FL_OK; i++) {
    char byte = step.data[i];
    if (byte == '~' || byte == '/')
      result = fl_buffer_append(&self->path, byte == '~' ? "~0" : "~1", 2);
    else result = fl_buffer_append_byte(&self->path, byte);
  }
  if (result != FL_OK) fl_source_input_fail_memory(self->input);
}

/* Fails with a message that names the option `at`, or the default if the option was not given. */
static void fail_target(document *self, const char *words) {
  const char *at = self->input->options->at;
  char text[FL_SHOWN + 100];
  if (at != NULL)
    snprintf(text, sizeof text, "at = \"%s\" %s", fl_show(fl_slice_of(at)).text, words);
  else snprintf(text, sizeof text, "the member \"records\" %s", words);
  fl_source_input_fail_content(self->input, self->input->line, text);
}

#define MOST_ARRAYS 10

static void note_array(document *self) {
  char shown[FL_SHOWN + 20];
  if (self->array_count++ >= MOST_ARRAYS) return;
  snprintf(shown, sizeof shown, "%sat = \"%s\"", self->array_count > 1 ? ", " : "",
           fl_show((fl_slice){self->path.data, self->path.length}).text);
  if (fl_buffer_append_text(&self->arrays, shown) != FL_OK)
    fl_source_input_fail_memory(self->input);
}

static void open_level(document *self, level_kind kind) {
  const level *outer = self->depth > 0 ? &self->levels[self->depth - 1] : NULL;
  bool quiet = outer != NULL && (outer->quiet || outer->kind == IN_ARRAY) && !leads_to_target(self);
  if (self->depth == FL_JSON_DEPTH) {
    fl_source_input_fail_content(self->input, self->input->line, fl_json_describe(FL_JSON_DEEP));
    return;
  }
  if (kind == IN_ARRAY && !quiet) note_array(self);
  self->input->at++;
  self->levels[self->depth++] = (level){kind, quiet, self->path.length, 0};
  self->stage = kind == IN_OBJECT ? AT_FIRST_KEY : AT_FIRST_VALUE;
}

/* Fails at the end of a text without the records. The message names the arrays that were found. */
static void fail_nowhere(document *self) {
  const char *at = self->input->options->at;
  char words[FL_SOURCE_MESSAGE];
  int length = at == NULL ? snprintf(words, sizeof words, "the object has no member \"records\"")
                          : snprintf(words, sizeof words, "at = \"%s\" points at nothing",
                                     fl_show(fl_slice_of(at)).text);
  if (self->array_count > 0)
    snprintf(words + length, sizeof words - (size_t)length, "; there are arrays: %s%s",
             self->arrays.data, self->array_count > MOST_ARRAYS ? ", ..." : "");
  else if (at == NULL)
    snprintf(words + length, sizeof words - (size_t)length,
             " and no array: give format = \"jsonl\" if each line is a record, or put the records "
             "in an array");
  fl_source_input_fail_content(self->input, self->input->line, words);
}

/* Called after a value: sets the path back to that of the level. */
static void end_value(document *self) {
  self->stage = self->depth > 0 ? AFTER_VALUE : AT_END;
  if (self->depth > 0) self->path.length = self->levels[self->depth - 1].path;
  else if (!self->records_seen) fail_nowhere(self);
}

static void close_level(document *self) {
  self->input->at++;
  self->depth--;
  end_value(self);
}

/* Enters the array or the object that begins here, or skips another value. */
static void pull_value(document *self, int byte) {
  level *outer = self->depth > 0 ? &self->levels[self->depth - 1] : NULL;
  bool here;
  if (outer != NULL && outer->kind == IN_ARRAY && !outer->quiet) {
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)outer->index++);
    add_step(self, fl_slice_of(digits));
  }
  here = (outer == NULL || !outer->quiet) && is_target(self);
  if (here && self->records_seen) {
    fail_target(self, "is there twice");
  } else if (here && byte == '[') {
    self->records_seen = true;
    open_level(self, IN_RECORDS);
  } else if (here && (outer != NULL || self->input->options->at != NULL)) {
    fail_target(self, "is not an array");
  } else if (byte == '[' || byte == '{') {
    open_level(self, byte == '[' ? IN_ARRAY : IN_OBJECT);
  } else if (here) {
    fl_source_input_fail_content(self->input, self->input->line,
                                 "neither an array of records nor an object with \"records\"");
  } else if (next_value(self) != NULL) {
    end_value(self);
  }
}

static void pull_key(document *self) {
  const char *text = next_value(self);
  int byte;
  if (text == NULL) return;
  if (!self->levels[self->depth - 1].quiet)
    add_step(self,
             (fl_slice){text + self->tape.nodes[0].offset, self->tape.nodes[0].value.size.length});
  byte = next_byte(self->input);
  if (byte != ':') {
    fail_byte(self, byte);
    return;
  }
  self->input->at++;
  self->stage = AT_VALUE;
}

/* One step through the text: to the next record at most. */
static void pull_json(void *state) {
  document *self = state;
  int byte = next_byte(self->input);
  document_stage stage = self->stage;
  level_kind kind = self->depth > 0 ? self->levels[self->depth - 1].kind : IN_OBJECT;
  if (self->input->failure.code != FL_SOURCE_OK) return;
  if (stage == AT_END) {
    if (byte >= 0)
      fl_source_input_fail_content(self->input, self->input->line,
                                   fl_json_describe(FL_JSON_TRAILING));
    else self->input->ended = true;
  } else if (byte == (kind == IN_OBJECT ? '}' : ']') &&
             (stage == AT_FIRST_KEY || stage == AT_FIRST_VALUE || stage == AFTER_VALUE)) {
    close_level(self);
  } else if (stage == AFTER_VALUE && byte == ',') {
    self->input->at++;
    self->stage = kind == IN_OBJECT ? AT_KEY : AT_VALUE;
    if (kind == IN_RECORDS) pull_record(self);
  } else if (byte == '"' && (stage == AT_FIRST_KEY || stage == AT_KEY)) {
    pull_key(self);
  } else if (kind == IN_RECORDS && stage == AT_FIRST_VALUE && byte >= 0) {
    pull_record(self);
  } else if (stage == AT_VALUE || stage == AT_FIRST_VALUE) {
    if (byte < 0 && self->depth > 0) fail_byte(self, byte);
    else pull_value(self, byte);
  } else {
    fail_byte(self, byte);
  }
}

/* --- passes --- */

static bool begin(void *state) {
  document *self = state;
  fl_source_input *input = self->input;
  if (input->part == 0 && !self->learnt) {
    input->learning = fl_survey_is_needed(input->options);
    if (input->learning) self->survey = fl_survey_open(input);
    if (input->learning && self->survey == NULL) fl_source_input_fail_memory(input);
    self->learnt = true;
  }
  self->stage = AT_VALUE;
  self->depth = self->path.length = self->arrays.length = self->array_count = 0;
  self->records_seen = false;
  if (input->failure.code == FL_SOURCE_OK) skip_mark(self->input);
  return input->failure.code == FL_SOURCE_OK;
}

static void conclude(void *state) {
  document *self = state;
  fl_survey_conclude(self->survey);
}

static bool get_member(const void *state, size_t place, fl_source_member *out) {
  const document *self = state;
  return self->survey != NULL && fl_survey_member(self->survey, place, out);
}

static void close_document(void *state) {
  document *self = state;
  if (self == NULL) return;
  fl_json_tape_free(&self->tape);
  fl_survey_close(self->survey);
  fl_buffer_free(&self->path);
  fl_buffer_free(&self->arrays);
  free(self);
}

static void *open_document(fl_source_input *input) {
  document *self = calloc(1, sizeof *self);
  if (self == NULL) {
    fl_source_input_fail_memory(input);
    return NULL;
  }
  self->input = input;
  fl_json_tape_init(&self->tape);
  fl_buffer_init(&self->path, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&self->arrays, FL_BUFFER_UNLIMITED);
  return self;
}

const fl_source_reader fl_source_json = {
    .open = open_document,
    .begin = begin,
    .pull = pull_json,
    .conclude = conclude,
    .close = close_document,
    .member = get_member,
};
const fl_source_reader fl_source_json_lines = {
    .open = open_document,
    .begin = begin,
    .pull = pull_line,
    .conclude = conclude,
    .close = close_document,
    .member = get_member,
};
