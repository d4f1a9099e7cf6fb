/*
 * source.c: files as batches of records.
 *
 * A batch is built in the caller's buffer. Two kinds of reader feed it. CSV text is pushed through
 * the reader of csv_text.h a chunk at a time, so that records come which the batch has no room for
 * any more: they wait in `ahead`. JSON is pulled a value at a time out of a window over the file,
 * so that only the one record that was too large for the batch waits there.
 */
#include "files/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json_text.h"

#define CHUNK ((size_t)128 * 1024)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

#if defined(__APPLE__)
#define MODIFIED(status) ((status).st_mtimespec)
#else
#define MODIFIED(status) ((status).st_mtim)
#endif

/* Where a reader of a JSON file stands. */
typedef enum json_stage {
  AT_BEGIN,        /* before the array or the object */
  AT_FIRST_KEY,    /* in the object, before its first key or its end */
  AT_KEY,          /* in the object, after a comma */
  AFTER_MEMBER,    /* in the object */
  AT_FIRST_RECORD, /* in the array, before its first record or its end */
  AFTER_RECORD,    /* in the array */
  AT_END           /* after the whole value */
} json_stage;

struct fl_source {
  char *path;
  int descriptor;
  fl_source_format format;
  struct stat identity; /* of the file as it was opened */
  int64_t bytes_read;
  int64_t line;   /* JSON: of the next byte in the window, from 1 */
  bool exhausted; /* the file's end was read */
  bool ended;     /* every record is in a batch or ahead */
  fl_source_error failure;

  fl_source_batch *batch; /* being filled; NULL: records go ahead */
  size_t max_records, max_bytes;
  fl_source_batch ahead; /* its text is records without anything between them */
  size_t ahead_taken;
  fl_buffer *target; /* of the record being written */
  size_t begin;      /* where in the target it begins */

  /* CSV and TSV */
  fl_source_options options; /* its choices are the opener's: of use only while opening */
  fl_csv_reader *reader;
  fl_columns columns;
  bool header_seen, learning;

  /* JSON lines and JSON; for CSV only the chunk just read */
  fl_buffer window;
  size_t at; /* of the next byte in the window */
  fl_json_tape tape;
  json_stage stage;
  bool in_object, records_seen;
};

/* --- formats --- */

static const struct {
  const char *ending;
  fl_source_format format;
} endings[] = {{"csv", FL_SOURCE_CSV},
               {"tsv", FL_SOURCE_TSV},
               {"jsonl", FL_SOURCE_JSONL},
               {"ndjson", FL_SOURCE_JSONL},
               {"json", FL_SOURCE_JSON}};

fl_source_format fl_source_format_named(const char *ending) {
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(ending, endings[i].ending) == 0) return endings[i].format;
  return FL_SOURCE_NO_FORMAT;
}

fl_source_format fl_source_format_of(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot == NULL ? FL_SOURCE_NO_FORMAT : fl_source_format_named(dot + 1);
}

/* --- failures: the first one stays --- */

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static bool
fail(fl_source *self, fl_source_code code, int64_t line, const char *format, ...) {
  va_list arguments;
  if (self->failure.code != FL_SOURCE_OK) return false;
  self->failure.code = code;
  self->failure.line = line;
  va_start(arguments, format);
  vsnprintf(self->failure.message, sizeof self->failure.message, format, arguments);
  va_end(arguments);
  return false;
}

static bool fail_memory(fl_source *self) {
  return fail(self, FL_SOURCE_NO_MEMORY, 0, "not enough memory");
}

static bool fail_system(fl_source *self, const char *what) {
  return fail(self, FL_SOURCE_SYSTEM, 0, "cannot %s the file: %s", what, strerror(errno));
}

/*
 * Whether the file is another than it was. A name that leads nowhere any more is no change: what
 * was opened is still whole.
 */
static bool is_changed(const fl_source *self) {
  const struct stat *was = &self->identity;
  struct stat now, named;
  if (fstat(self->descriptor, &now) != 0) return true;
  if (now.st_size != was->st_size || MODIFIED(now).tv_sec != MODIFIED(*was).tv_sec ||
      MODIFIED(now).tv_nsec != MODIFIED(*was).tv_nsec)
    return true;
  return stat(self->path, &named) == 0 &&
         (named.st_ino != was->st_ino || named.st_dev != was->st_dev);
}

static bool check_unchanged(fl_source *self) {
  if (!is_changed(self)) return true;
  return fail(self, FL_SOURCE_CHANGED, 0, "the file changed while it was read");
}

/* What is wrong with the text; a file that is being written to is told first. */
static bool fail_content(fl_source *self, int64_t line, const char *words) {
  return check_unchanged(self) && fail(self, FL_SOURCE_CONTENT, line, "%s", words);
}

static bool fail_result(fl_source *self, fl_result result, int64_t line, const char *words) {
  return result == FL_INVALID ? fail_content(self, line, words) : fail_memory(self);
}

/* --- records into the batch, or ahead of it --- */

void fl_source_batch_init(fl_source_batch *batch) {
  fl_buffer_init(&batch->text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&batch->spans, FL_BUFFER_UNLIMITED);
}

void fl_source_batch_free(fl_source_batch *batch) {
  fl_buffer_free(&batch->text);
  fl_buffer_free(&batch->spans);
}

size_t fl_source_batch_count(const fl_source_batch *batch) {
  return batch->spans.length / sizeof(fl_source_span);
}

const fl_source_span *fl_source_batch_spans(const fl_source_batch *batch) {
  return (const fl_source_span *)(const void *)batch->spans.data;
}

static bool add_span(fl_source_batch *batch, size_t start, int64_t line) {
  fl_source_span span = {start, batch->text.length - start, line};
  return fl_buffer_append(&batch->spans, &span, sizeof span) == FL_OK;
}

/* Opens a record: what is appended to self->target from here on is its text. */
static bool begin_record(fl_source *self) {
  fl_source_batch *batch = self->batch != NULL ? self->batch : &self->ahead;
  self->target = &batch->text;
  if (self->batch != NULL && batch->spans.length > 0 &&
      fl_buffer_append_byte(self->target, ',') != FL_OK)
    return fail_memory(self);
  self->begin = self->target->length;
  return true;
}

/* Takes back what begin_record and those who wrote since have appended. */
static void drop_record(fl_source *self) {
  bool comma = self->batch != NULL && self->batch->spans.length > 0;
  self->target->length = self->begin - (comma ? 1 : 0);
}

static bool end_record(fl_source *self, int64_t line) {
  fl_source_batch *batch = self->batch;
  if (batch != NULL && batch->spans.length > 0 && self->target->length + 1 > self->max_bytes) {
    size_t length = self->target->length - self->begin;
    const char *text = self->target->data + self->begin;
    if (fl_buffer_append(&self->ahead.text, text, length) != FL_OK) return fail_memory(self);
    drop_record(self);
    self->batch = NULL;
    return add_span(&self->ahead, self->ahead.text.length - length, line) || fail_memory(self);
  }
  if (!add_span(batch != NULL ? batch : &self->ahead, self->begin, line)) return fail_memory(self);
  if (batch != NULL && fl_source_batch_count(batch) >= self->max_records) self->batch = NULL;
  return true;
}

/* Moves records that wait into the batch, as far as it has room. */
static bool take_ahead(fl_source *self) {
  size_t count = fl_source_batch_count(&self->ahead);
  while (self->ahead_taken < count && self->batch != NULL) {
    const fl_source_span *span = &fl_source_batch_spans(&self->ahead)[self->ahead_taken];
    fl_source_batch *batch = self->batch;
    if (batch->spans.length > 0 && batch->text.length + span->length + 2 > self->max_bytes) {
      self->batch = NULL;
      return true;
    }
    if (!begin_record(self)) return false;
    if (fl_buffer_append(self->target, self->ahead.text.data + span->start, span->length) != FL_OK)
      return fail_memory(self);
    if (!end_record(self, span->line)) return false;
    self->ahead_taken++;
  }
  if (self->ahead_taken == count)
    self->ahead_taken = self->ahead.text.length = self->ahead.spans.length = 0;
  return true;
}

/* --- the file --- */

/* Reads a chunk behind what is in the window. False: nothing came. */
static bool read_chunk(fl_source *self) {
  fl_buffer *window = &self->window;
  fl_result result;
  ssize_t count;
  if (self->exhausted) return false;
  if (self->at > 0) {
    memmove(window->data, window->data + self->at, window->length - self->at);
    window->length -= self->at;
    self->at = 0;
  }
  result = fl_buffer_reserve(window, CHUNK);
  if (result == FL_TOO_LARGE) return fail_content(self, self->line, "a record of more than 64 MiB");
  if (result != FL_OK) return fail_memory(self);
  do count = read(self->descriptor, window->data + window->length, CHUNK);
  while (count < 0 && errno == EINTR);
  if (count < 0) return fail_system(self, "read");
  self->bytes_read += count;
  if (self->bytes_read > (int64_t)self->identity.st_size && !check_unchanged(self)) return false;
  window->length += (size_t)count;
  window->data[window->length] = '\0';
  self->exhausted = count == 0;
  return count > 0;
}

/* --- CSV --- */

static bool is_table(fl_source_format format) {
  return format == FL_SOURCE_CSV || format == FL_SOURCE_TSV;
}

static bool take_header(fl_source *self, const fl_csv_cell *cells, size_t count, int64_t line) {
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  self->header_seen = true;
  if (self->columns.count > 0) return true; /* the second pass */
  result = fl_columns_init(&self->columns, cells, count, self->options.otherwise,
                           self->options.choices, self->options.choice_count, message);
  if (result != FL_OK) return fail_result(self, result, line, message);
  self->learning = fl_columns_are_undecided(&self->columns);
  return true;
}

static bool take_row(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  fl_source *self = context;
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  if (!self->header_seen) return take_header(self, cells, count, line);
  if (self->learning) {
    result = fl_columns_learn(&self->columns, cells, count, message);
    return result == FL_OK || fail_result(self, result, line, message);
  }
  if (!begin_record(self)) return false;
  result = fl_columns_write(&self->columns, cells, count, self->target, message);
  if (result == FL_OK) return end_record(self, line);
  drop_record(self);
  return fail_result(self, result, line, message);
}

/* Feeds the next chunk to the reader, or tells it that there is none. */
static void pull_rows(fl_source *self) {
  fl_csv_code code;
  self->window.length = 0;
  if (read_chunk(self)) code = fl_csv_feed(self->reader, self->window.data, self->window.length);
  else if (self->failure.code == FL_SOURCE_OK) code = fl_csv_finish(self->reader);
  else return;
  self->ended = self->exhausted;
  if (code == FL_CSV_MEMORY) fail_memory(self);
  else if (code != FL_CSV_OK && code != FL_CSV_STOPPED)
    fail_content(self, fl_csv_line(self->reader), fl_csv_describe(code));
}

static bool is_live(const fl_source *self) {
  return !self->ended && self->failure.code == FL_SOURCE_OK;
}

/* Begins a pass over the file and reads up to its header. */
static bool begin_pass(fl_source *self) {
  if (self->reader != NULL) fl_csv_close(self->reader);
  self->reader = fl_csv_open(self->format == FL_SOURCE_TSV ? '\t' : ',', FL_SOURCE_RECORD_CEILING,
                             take_row, self);
  if (self->reader == NULL) return fail_memory(self);
  if (lseek(self->descriptor, 0, SEEK_SET) != 0) return fail_system(self, "read");
  self->bytes_read = 0;
  self->header_seen = self->exhausted = self->ended = false;
  while (is_live(self) && !self->header_seen) pull_rows(self);
  if (self->failure.code == FL_SOURCE_OK && !self->header_seen)
    return fail_content(self, 0, "the file has no header: its first row should name the columns");
  return self->columns.count > 0;
}

static bool open_table(fl_source *self) {
  if (!begin_pass(self)) return false;
  if (!self->learning) return true;
  while (is_live(self)) pull_rows(self);
  if (self->failure.code != FL_SOURCE_OK || !check_unchanged(self)) return false;
  fl_columns_decide(&self->columns);
  self->learning = false;
  return begin_pass(self);
}

/* --- JSON: the window --- */

static bool is_space(int byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The byte `offset` bytes on, as far as the file goes; -1 past its end or after a failure. */
static int look(fl_source *self, size_t offset) {
  while (self->at + offset >= self->window.length)
    if (!read_chunk(self)) return -1;
  return (unsigned char)self->window.data[self->at + offset];
}

static void skip_mark(fl_source *self) {
  size_t length = sizeof BYTE_ORDER_MARK - 1;
  if (look(self, length - 1) >= 0 && memcmp(self->window.data, BYTE_ORDER_MARK, length) == 0)
    self->at += length;
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
 * failure, else the text that the tape is of. It stays until the next chunk is read. Strings are
 * unescaped in place: what has to go out as it was is copied before.
 */
static const char *take_value(fl_source *self, size_t length) {
  char *text = self->window.data + self->at;
  char after = text[length];
  int64_t lines = count_lines(text, length);
  fl_json_error error;
  fl_json_code code;
  char words[120];
  text[length] = '\0';
  code = fl_json_scan(text, length, &self->tape, &error);
  text[length] = after;
  if (code == FL_JSON_OK) {
    self->at += length;
    self->line += lines;
    return text;
  }
  snprintf(words, sizeof words, "%s (byte %zu of what begins on this line)", fl_json_describe(code),
           error.position + 1);
  if (code == FL_JSON_MEMORY) fail_memory(self);
  else fail_content(self, self->line, words);
  return NULL;
}

static bool check_object(fl_source *self, int64_t line) {
  static const char *const names[] = {"null",     "false",    "true",     "a number", "a number",
                                      "a number", "a string", "an array", "an object"};
  uint32_t type = self->tape.nodes[0].type;
  char words[80];
  if (type == FL_JSON_OBJECT) return true;
  snprintf(words, sizeof words, "the record is not an object but %s", names[type]);
  return fail_content(self, line, words);
}

/* --- JSON lines --- */

/* Bytes of the next line, without its line break. */
static size_t measure_line(fl_source *self) {
  size_t searched = 0;
  do {
    const char *begin = self->window.data + self->at;
    size_t held = self->window.length - self->at;
    const char *found = held > searched ? memchr(begin + searched, '\n', held - searched) : NULL;
    if (found != NULL) return (size_t)(found - begin);
    searched = held;
  } while (read_chunk(self));
  return self->window.length - self->at;
}

/* The text goes out as it is written, but for white space around it. */
static bool give_line(fl_source *self, size_t length) {
  const char *text = self->window.data + self->at;
  while (length > 0 && is_space((unsigned char)text[length - 1])) length--;
  if (length == 0) return true;
  if (!begin_record(self)) return false;
  if (fl_buffer_append(self->target, text, length) != FL_OK) return fail_memory(self);
  if (take_value(self, length) == NULL || !check_object(self, self->line)) {
    drop_record(self);
    return false;
  }
  return end_record(self, self->line);
}

static void pull_line(fl_source *self) {
  size_t length = measure_line(self), after;
  if (self->failure.code != FL_SOURCE_OK) return;
  after = self->at + length;
  while (self->at < after && is_space((unsigned char)self->window.data[self->at])) self->at++;
  if (!give_line(self, after - self->at)) return;
  self->at = after;
  if (after < self->window.length) self->at++; /* the line break */
  else self->ended = true;
  self->line++;
}

/* --- JSON --- */

/* The next byte that is no white space, or -1. */
static int next_byte(fl_source *self) {
  int byte;
  while (is_space(byte = look(self, 0))) {
    if (byte == '\n') self->line++;
    self->at++;
  }
  return byte;
}

/* Bytes of the value that comes next; whether it is valid only the scanner tells. 0: none comes. */
static size_t measure_value(fl_source *self) {
  size_t length = 0, depth = 0;
  bool in_string = false;
  int byte;
  while ((byte = look(self, length)) >= 0) {
    if (in_string) {
      if (byte == '\\') length++;
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
    length++;
  }
  return self->window.length - self->at;
}

/* `byte` (-1: the end) cannot stand here. */
static void fail_byte(fl_source *self, int byte) {
  fail_content(self, self->line, fl_json_describe(byte < 0 ? FL_JSON_ENDED : FL_JSON_UNEXPECTED));
}

/* Takes the next value, whatever it is. */
static const char *next_value(fl_source *self) {
  int byte = next_byte(self);
  size_t length = measure_value(self);
  if (self->failure.code != FL_SOURCE_OK) return NULL;
  if (length > 0) return take_value(self, length);
  fail_byte(self, byte);
  return NULL;
}

static void pull_record(fl_source *self) {
  int64_t line;
  const char *text;
  next_byte(self);
  line = self->line;
  text = next_value(self);
  if (text == NULL || !check_object(self, line) || !begin_record(self)) return;
  if (fl_json_write_node(self->target, &self->tape, text, 0) != FL_OK) fail_memory(self);
  else if (end_record(self, line)) self->stage = AFTER_RECORD;
}

/* A member of the object around the records: the records themselves, or one that is passed over. */
static void pull_member(fl_source *self) {
  static const char name[] = "records";
  const char *text = next_value(self);
  const fl_json_node *key = self->tape.nodes;
  int byte;
  bool is_records;
  if (text == NULL) return;
  is_records = key->value.size.length == sizeof name - 1 &&
               memcmp(text + key->offset, name, sizeof name - 1) == 0;
  byte = next_byte(self);
  if (byte != ':') {
    fail_byte(self, byte);
    return;
  }
  self->at++;
  self->stage = AFTER_MEMBER;
  if (!is_records) {
    next_value(self);
  } else if (self->records_seen) {
    fail_content(self, self->line, "the member \"records\" is there twice");
  } else if (next_byte(self) != '[') {
    fail_content(self, self->line, "the member \"records\" is not an array");
  } else {
    self->at++;
    self->records_seen = true;
    self->stage = AT_FIRST_RECORD;
  }
}

/* One step through the file: to the next record at most. */
static void pull_json(fl_source *self) {
  int byte = next_byte(self);
  json_stage stage = self->stage;
  if (self->failure.code != FL_SOURCE_OK) return;
  if (stage == AT_END) {
    if (byte >= 0) fail_content(self, self->line, fl_json_describe(FL_JSON_TRAILING));
    else self->ended = true;
  } else if (stage == AT_BEGIN && (byte == '[' || byte == '{')) {
    self->at++;
    self->in_object = byte == '{';
    self->stage = self->in_object ? AT_FIRST_KEY : AT_FIRST_RECORD;
  } else if (stage == AT_BEGIN) {
    fail_content(self, self->line, "neither an array of records nor an object with \"records\"");
  } else if (byte == ']' && (stage == AT_FIRST_RECORD || stage == AFTER_RECORD)) {
    self->at++;
    self->stage = self->in_object ? AFTER_MEMBER : AT_END;
  } else if (byte == '}' && (stage == AT_FIRST_KEY || stage == AFTER_MEMBER)) {
    self->at++;
    self->stage = AT_END;
    if (!self->records_seen) fail_content(self, self->line, "the object has no member \"records\"");
  } else if (byte == ',' && stage == AFTER_MEMBER) {
    self->at++;
    self->stage = AT_KEY;
  } else if (byte == '"' && (stage == AT_FIRST_KEY || stage == AT_KEY)) {
    pull_member(self);
  } else if (byte == ',' && stage == AFTER_RECORD) {
    self->at++;
    pull_record(self);
  } else if (byte >= 0 && stage == AT_FIRST_RECORD) {
    pull_record(self);
  } else {
    fail_byte(self, byte);
  }
}

/* --- the source --- */

static bool open_file(fl_source *self, const char *path) {
  struct stat *status = &self->identity;
  self->path = strdup(path);
  if (self->path == NULL) return fail_memory(self);
  /* Without O_NONBLOCK a pipe without a writer would hold us here. */
  self->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (self->descriptor < 0 || fstat(self->descriptor, status) != 0)
    return fail_system(self, "open");
  if (S_ISDIR(status->st_mode)) {
    errno = EISDIR;
    return fail_system(self, "read");
  }
  if (!S_ISREG(status->st_mode))
    return fail(self, FL_SOURCE_SYSTEM, 0, "not a regular file: it has to be read twice");
  if (status->st_size == 0) return fail_content(self, 0, "the file is empty");
  return true;
}

static bool open_source(fl_source *self, const char *path) {
  if (!open_file(self, path)) return false;
  if (is_table(self->format)) return open_table(self);
  skip_mark(self);
  return self->failure.code == FL_SOURCE_OK;
}

fl_source *fl_source_open(const char *path, const fl_source_options *options,
                          fl_source_error *error) {
  fl_source *self = calloc(1, sizeof *self);
  if (self == NULL) {
    *error = (fl_source_error){FL_SOURCE_NO_MEMORY, 0, "not enough memory"};
    return NULL;
  }
  self->descriptor = -1;
  self->format = options->format;
  self->options = *options;
  self->line = 1;
  fl_buffer_init(&self->window, FL_SOURCE_RECORD_CEILING + CHUNK);
  fl_source_batch_init(&self->ahead);
  fl_json_tape_init(&self->tape);
  if (open_source(self, path)) return self;
  *error = self->failure;
  fl_source_close(self);
  return NULL;
}

void fl_source_close(fl_source *self) {
  if (self == NULL) return;
  if (self->descriptor >= 0) close(self->descriptor);
  if (self->reader != NULL) fl_csv_close(self->reader);
  fl_columns_free(&self->columns);
  fl_source_batch_free(&self->ahead);
  fl_buffer_free(&self->window);
  fl_json_tape_free(&self->tape);
  free(self->path);
  free(self);
}

static void pull(fl_source *self) {
  if (is_table(self->format)) pull_rows(self);
  else if (self->format == FL_SOURCE_JSONL) pull_line(self);
  else pull_json(self);
}

fl_source_code fl_source_read(fl_source *self, size_t max_records, size_t max_bytes,
                              fl_source_batch *batch, fl_source_error *error) {
  batch->text.length = batch->spans.length = 0;
  self->batch = batch;
  self->max_records = max_records;
  self->max_bytes = max_bytes;
  if (fl_buffer_append_byte(&batch->text, '[') != FL_OK || !take_ahead(self)) fail_memory(self);
  while (self->batch != NULL && is_live(self)) pull(self);
  if (self->ended && self->failure.code == FL_SOURCE_OK) check_unchanged(self);
  self->batch = NULL;
  if (fl_buffer_append_byte(&batch->text, ']') != FL_OK) fail_memory(self);
  if (self->failure.code == FL_SOURCE_NO_MEMORY) batch->spans.length = 0;
  if (batch->spans.length > 0) return FL_SOURCE_OK;
  *error = self->failure;
  return error->code == FL_SOURCE_OK ? FL_SOURCE_END : error->code;
}

const fl_columns *fl_source_columns(const fl_source *self) { return &self->columns; }

const char *fl_source_path(const fl_source *self) { return self->path; }

void fl_source_progress(const fl_source *self, int64_t *read, int64_t *total) {
  *read = self->bytes_read;
  *total = self->identity.st_size;
}

fl_source_identity fl_source_identify(const fl_source *self) {
  const struct stat *status = &self->identity;
  return (fl_source_identity){
      (int64_t)status->st_size,
      (int64_t)MODIFIED(*status).tv_sec * 1000000000 + MODIFIED(*status).tv_nsec,
      (uint64_t)status->st_ino, (uint64_t)status->st_dev};
}
