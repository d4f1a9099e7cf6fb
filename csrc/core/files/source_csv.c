/*
 * source_csv.c: CSV and TSV files as sources: rows through the reader of csv.h, typed by
 * columns.h.
 *
 * The CSV reader is fed a chunk at a time and hands over all rows of it. Rows that do not fit into
 * the batch wait for the next one. It is a failure if the first row shows that the file is in
 * another dialect, unless the caller named the delimiter.
 */
#include "files/source_csv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct table {
  fl_source_input *input;
  char usual; /* the delimiter of the format */
  fl_csv_dialect dialect;
  bool separator_line; /* the part's first line is `sep=;` */
  fl_csv_reader *reader;
  fl_columns columns;
  bool header_seen; /* by this pass */
  bool begun;       /* the columns are known */
  fl_expect *expect;
  size_t *required, *unique; /* the indices of the cells of `expect.required` and `expect.unique` */
  char remarks[2][FL_COLUMNS_MESSAGE + 150];
  size_t remark_count;
} table;

/* --- a file in another dialect --- */

static const char delimiters[] = ",;\t|";

/* The name of a byte in messages. */
static const char *name_of(char byte) {
  static const char *const names[] = {",", ";", "\\t", "|"};
  const char *found = memchr(delimiters, byte, sizeof delimiters - 1);
  return found != NULL ? names[found - delimiters] : "?";
}

/* The usual delimiter that a line holds most often outside of quotes, if it is not `own`; else NUL.
 */
static char guess_delimiter(const char *line, size_t length, char quote, char own) {
  size_t counts[sizeof delimiters] = {0}, best = 0;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    const char *found = memchr(delimiters, line[i], sizeof delimiters - 1);
    if (line[i] == quote) quoted = !quoted;
    else if (!quoted && found != NULL) counts[found - delimiters]++;
  }
  for (size_t i = 1; i < sizeof delimiters - 1; i++)
    if (counts[i] > counts[best]) best = i;
  return counts[best] > 0 && delimiters[best] != own ? delimiters[best] : '\0';
}

static bool is_named(const table *self) {
  return self->input->options->dialect.delimiter != '\0' || self->separator_line;
}

/* Fails if the first row is one cell that holds another usual delimiter: the row was not divided.
 */
static bool check_division(table *self, const fl_csv_cell *cells, size_t count, int64_t line) {
  char other, words[FL_SHOWN + 200];
  if (count > 1 || cells[0].quoted || is_named(self)) return true;
  other = guess_delimiter(cells[0].text.data, cells[0].text.length, '\0', self->dialect.delimiter);
  if (other == '\0') return true;
  snprintf(words, sizeof words,
           "the first row is one column, \"%s\": delimiter = \"%s\" divides it (delimiter = \"%s\" "
           "takes it as it is)",
           fl_show(cells[0].text).text, name_of(other), name_of(self->dialect.delimiter));
  return fl_source_input_fail_content(self->input, line, words);
}

/* Fails for a quote inside a cell before the header was read. If the file seems to use another
 * delimiter, the message names it. */
static void fail_quote(table *self, int64_t line, const char *words) {
  const fl_buffer *window = &self->input->window;
  const char *begin = window->data, *end = window->data + window->length, *stop;
  char other = '\0', more[300];
  for (int64_t i = self->input->line; i < line && begin != NULL; i++) {
    begin = memchr(begin, '\n', (size_t)(end - begin));
    if (begin != NULL) begin++;
  }
  if (begin != NULL && !self->header_seen && !is_named(self)) {
    stop = memchr(begin, '\n', (size_t)(end - begin));
    other =
        guess_delimiter(begin, (size_t)((stop != NULL ? stop : end) - begin),
                        self->dialect.quote ? self->dialect.quote : '"', self->dialect.delimiter);
  }
  snprintf(more, sizeof more, other != '\0' ? "%s: delimiter = \"%s\" may divide the row" : "%s",
           words, name_of(other));
  fl_source_input_fail_content(self->input, line, more);
}

/* Handles a first line `sep=;`, which spreadsheets write and obey. False if it contradicts the
 * options. */
static bool obey_separator_line(table *self) {
  const char *text = self->input->window.data;
  char given = self->input->options->dialect.delimiter, words[160], found;
  size_t mark = fl_json_mark_length(text, self->input->window.length);
  self->separator_line = false;
  if (self->input->window.length - mark < 5) return true;
  text += mark;
  if (*text == '"') text++;
  if (strncmp(text, "sep=", 4) != 0) return true;
  found = text[4];
  text += 5;
  if (*text == '"') text++;
  if (strchr(" \"\r\n", found) != NULL || (unsigned char)found >= 0x80 || isalnum(found) ||
      (*text != '\0' && *text != '\r' && *text != '\n'))
    return true;
  if (given != '\0' && given != found) {
    snprintf(
        words, sizeof words,
        "the first line says that the delimiter is \"%.*s\", but delimiter = \"%.*s\" is given",
        found == '\t' ? 2 : 1, found == '\t' ? "\\t" : &found, given == '\t' ? 2 : 1,
        given == '\t' ? "\\t" : &given);
    return fl_source_input_fail_content(self->input, 1, words);
  }
  self->separator_line = true;
  self->dialect.delimiter = found;
  if (self->dialect.skip == 0) self->dialect.skip = 1;
  return true;
}

/* --- columns --- */

/* The indices of the cells that an expectation names. */
static size_t *find_cells(table *self, fl_names names) {
  size_t *cells = calloc(names.count + 1, sizeof *cells);
  for (size_t i = 0; cells != NULL && i < names.count; i++)
    for (size_t cell = 0; cell < self->columns.count; cell++)
      if (fl_slice_equal(self->columns.list[cell].sent, names.list[i])) cells[i] = cell;
  return cells;
}

static fl_result check_expected_columns(table *self, char *message) {
  const fl_source_options *options = self->input->options;
  const fl_expectation *wanted = &options->expect;
  fl_names all = {NULL, self->columns.count};
  fl_slice *list = malloc(self->columns.count * sizeof *list);
  fl_result result;
  if (list == NULL) return FL_NO_MEMORY;
  for (size_t i = 0; i < self->columns.count; i++) list[i] = self->columns.list[i].sent;
  all.list = list;
  result = fl_expect_columns(
      wanted, options->columns.mapping.columns.count > 0 ? options->columns.mapping.columns : all,
      all, message, FL_COLUMNS_MESSAGE);
  free(list);
  if (result != FL_OK) return result;
  self->expect = fl_expect_open(wanted);
  self->required = find_cells(self, wanted->required);
  self->unique = find_cells(self, wanted->unique);
  return self->expect == NULL || self->required == NULL || self->unique == NULL ? FL_NO_MEMORY
                                                                                : FL_OK;
}

static bool take_names(table *self, const fl_csv_cell *cells, size_t count, int64_t line) {
  fl_source_input *input = self->input;
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  self->header_seen = true;
  if (self->begun) {
    result = fl_columns_compare(&self->columns, cells, count, message);
    return result == FL_OK || fl_source_input_fail_result(input, result, line, message);
  }
  result = fl_columns_init(&self->columns, cells, count, &input->options->columns, message);
  if (result == FL_OK && !fl_expectation_is_empty(&input->options->expect))
    result = check_expected_columns(self, message);
  if (result != FL_OK) return fl_source_input_fail_result(input, result, line, message);
  self->begun = true;
  input->learning = self->expect != NULL || input->part_count > 1 || input->options->survey ||
                    fl_columns_are_undecided(&self->columns);
  return true;
}

/* Columns of a file without a header: column1, column2, ... */
static bool make_names(table *self, size_t count, int64_t line) {
  enum { ROOM = 32 };
  fl_csv_cell *cells = calloc(count, sizeof *cells + ROOM);
  char *texts;
  bool good;
  if (cells == NULL) return fl_source_input_fail_memory(self->input);
  texts = (char *)(cells + count);
  for (size_t i = 0; i < count; i++) {
    cells[i].text.data = texts + i * ROOM;
    cells[i].text.length = (size_t)snprintf(texts + i * ROOM, ROOM, "column%zu", i + 1);
  }
  good = take_names(self, cells, count, line);
  free(cells);
  return good;
}

static bool take_given_names(table *self) {
  const fl_names names = self->input->options->names;
  fl_csv_cell *cells = calloc(names.count, sizeof *cells);
  bool good;
  if (cells == NULL) return fl_source_input_fail_memory(self->input);
  for (size_t i = 0; i < names.count; i++) cells[i].text = names.list[i];
  good = take_names(self, cells, names.count, 0);
  free(cells);
  return good;
}

/* --- rows --- */

static fl_result check_row(table *self, const fl_csv_cell *cells, int64_t line) {
  const fl_expectation *wanted = &self->input->options->expect;
  fl_place place = fl_place_of(self->input->part, line);
  fl_result result = FL_OK;
  fl_expect_count(self->expect);
  for (size_t i = 0; i < wanted->required.count; i++)
    if (fl_columns_is_null(&self->columns, &cells[self->required[i]]))
      fl_expect_missing(self->expect, i, place);
  for (size_t i = 0; i < wanted->unique.count && result == FL_OK; i++)
    if (!fl_columns_is_null(&self->columns, &cells[self->unique[i]]))
      result = fl_expect_value(self->expect, i, cells[self->unique[i]].text, place);
  return result;
}

/* Fails for a row. If it has another number of cells than the header, and both hold another usual
 * delimiter, the message names that: decimal commas divide the rows of a file with semicolons. */
static bool fail_row(table *self, const fl_csv_cell *cells, size_t count, int64_t line,
                     fl_result result, const char *message) {
  const fl_slice first = self->columns.list[0].name;
  char other = '\0', words[FL_COLUMNS_MESSAGE + 100];
  if (result == FL_INVALID && count != self->columns.count && count > 0 && !is_named(self))
    other = guess_delimiter(first.data, first.length, '\0', self->dialect.delimiter);
  if (other == '\0' || cells[0].quoted ||
      memchr(cells[0].text.data, other, cells[0].text.length) == NULL)
    return fl_source_input_fail_result(self->input, result, line, message);
  snprintf(words, sizeof words, "%s: delimiter = \"%s\" may divide the rows", message,
           name_of(other));
  return fl_source_input_fail_result(self->input, result, line, words);
}

static bool learn_row(table *self, const fl_csv_cell *cells, size_t count, int64_t line) {
  char message[FL_COLUMNS_MESSAGE];
  fl_result result = fl_columns_learn(&self->columns, cells, count, message);
  self->input->counted++;
  if (result == FL_OK && self->expect != NULL) {
    result = check_row(self, cells, line);
    if (result == FL_SYSTEM) return fl_source_input_fail_temporary(self->input);
  }
  return result == FL_OK || fail_row(self, cells, count, line, result, message);
}

static bool take_row(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  table *self = context;
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  if (!self->header_seen) {
    if (!check_division(self, cells, count, line)) return false;
    if (self->input->options->header == FL_HEADER_FIRST_ROW)
      return take_names(self, cells, count, line);
    if (!make_names(self, count, line)) return false;
  }
  if (self->input->learning) return learn_row(self, cells, count, line);
  if (!fl_source_input_begin_record(self->input)) return false;
  result = fl_columns_write(&self->columns, cells, count, self->input->target, message);
  if (result == FL_OK) return fl_source_input_end_record(self->input, line);
  fl_source_input_drop_record(self->input);
  return fail_row(self, cells, count, line, result, message);
}

/* Feeds the next chunk to the reader, or ends its text after the last one. */
static void pull(void *state) {
  table *self = state;
  fl_source_input *input = self->input;
  fl_csv_code code;
  int64_t line;
  input->line = fl_csv_line(self->reader);
  if (input->window.length > 0 || fl_source_input_read(input))
    code = fl_csv_feed(self->reader, input->window.data, input->window.length);
  else if (input->failure.code == FL_SOURCE_OK) code = fl_csv_finish(self->reader);
  else return;
  line = fl_csv_line(self->reader);
  if (code == FL_CSV_MEMORY) {
    fl_source_input_fail_memory(input);
  } else if (code == FL_CSV_BAD_QUOTE) {
    fail_quote(self, line, fl_csv_describe(code));
  } else if (code != FL_CSV_OK && code != FL_CSV_STOPPED) {
    char words[200];
    snprintf(words, sizeof words, "%s%s", fl_csv_describe(code),
             code == FL_CSV_BAD_UTF8 ? fl_source_input_encoding_hint(input) : "");
    fl_source_input_fail_content(input, line, words);
  }
  input->ended = input->exhausted && input->window.length == 0;
  input->window.length = 0;
}

/* --- passes --- */

static void note_remarks(table *self) {
  const size_t size = sizeof *self->remarks;
  char names[FL_COLUMNS_MESSAGE], decimal;
  self->remark_count = 0;
  if (self->input->options->header == FL_HEADER_FIRST_ROW &&
      fl_columns_look_like_data(&self->columns, names))
    snprintf(self->remarks[self->remark_count++], size,
             "the first row looks like data (%s): header = false reads it as a record", names);
  decimal = fl_columns_other_decimal(&self->columns, names);
  if (decimal != '\0')
    snprintf(self->remarks[self->remark_count++], size,
             "columns of numbers with a decimal %s are sent as text (%s): decimal = \"%c\" sends "
             "numbers",
             decimal == ',' ? "comma" : "point", names, decimal);
}

/* Begins a pass over a part and reads up to its header. */
static bool begin(void *state) {
  table *self = state;
  fl_source_input *input = self->input;
  self->dialect = input->options->dialect;
  if (self->dialect.delimiter == '\0') self->dialect.delimiter = self->usual;
  if (!obey_separator_line(self)) return false;
  fl_csv_close(self->reader);
  self->reader = fl_csv_open(&self->dialect, FL_SOURCE_RECORD_CEILING, take_row, self);
  if (self->reader == NULL) return fl_source_input_fail_memory(input);
  self->header_seen = false;
  if (input->options->header == FL_HEADER_GIVEN && !take_given_names(self)) return false;
  while (fl_source_input_is_live(input) && !self->header_seen) pull(self);
  if (input->failure.code == FL_SOURCE_OK && !self->header_seen)
    return fl_source_input_fail_content(
        input, 0,
        input->options->header == FL_HEADER_NONE
            ? "the file has no rows"
            : "the file has no header: its first row should name the columns");
  if (!self->begun || !self->header_seen) return false;
  if (!input->learning && self->remark_count == 0) note_remarks(self);
  return true;
}

/* Decides undecided types, and checks the expectations. */
static void conclude(void *state) {
  table *self = state;
  fl_columns_decide(&self->columns);
  note_remarks(self);
  if (self->expect != NULL) fl_source_input_conclude(self->input, self->expect);
  fl_expect_close(self->expect);
  self->expect = NULL;
}

static void close_table(void *state) {
  table *self = state;
  if (self == NULL) return;
  fl_csv_close(self->reader);
  fl_columns_free(&self->columns);
  fl_expect_close(self->expect);
  free(self->required);
  free(self->unique);
  free(self);
}

static void *open_table(fl_source_input *input, char delimiter) {
  table *self = calloc(1, sizeof *self);
  if (self == NULL) {
    fl_source_input_fail_memory(input);
    return NULL;
  }
  self->input = input;
  self->usual = delimiter;
  return self;
}

static void *open_csv(fl_source_input *input) { return open_table(input, ','); }
static void *open_tsv(fl_source_input *input) { return open_table(input, '\t'); }

static const fl_columns *columns_of(const void *state) { return &((const table *)state)->columns; }
static const char *remark_of(const void *state, size_t place) {
  const table *self = state;
  return place < self->remark_count ? self->remarks[place] : NULL;
}

/* The column at a place, constants not counted. */
static bool get_member(const void *state, size_t place, fl_source_member *out) {
  const fl_columns *columns = columns_of(state);
  for (size_t i = 0; i < columns->member_count; i++) {
    const fl_column *column = columns->members[i].column;
    if (column == NULL || place-- > 0) continue;
    *out = (fl_source_member){column->sent, fl_column_type_name(column->type)};
    return true;
  }
  return false;
}

static void describe(const void *state, fl_source_dialect *dialect) {
  const table *self = state;
  dialect->delimiter = self->dialect.delimiter;
  dialect->quote = self->dialect.unquoted ? '\0' : self->dialect.quote ? self->dialect.quote : '"';
  dialect->separator_line = self->separator_line;
}

const fl_source_reader fl_source_csv = {open_csv,   begin,    pull,      conclude,  close_table,
                                        columns_of, describe, remark_of, get_member};
const fl_source_reader fl_source_tsv = {open_tsv,   begin,    pull,      conclude,  close_table,
                                        columns_of, describe, remark_of, get_member};
