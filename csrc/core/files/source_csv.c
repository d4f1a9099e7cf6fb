/*
 * source_csv.c: CSV and TSV files as sources: rows through the reader of csv.h, typed by
 * columns.h.
 *
 * The CSV reader is fed a chunk at a time and hands over all rows of it. Rows that the batch has no
 * room for wait.
 */
#include "files/source_csv.h"

#include <stdlib.h>

typedef struct table {
  fl_source_input *input;
  const fl_source_options *options; /* valid only while the source is opened */
  char delimiter;
  fl_csv_reader *reader;
  fl_columns columns;
  bool header_seen; /* by this pass */
  bool learning;    /* this pass finds out types, and gives no records */
} table;

static bool take_header(table *self, const fl_csv_cell *cells, size_t count, int64_t line) {
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  self->header_seen = true;
  if (self->columns.count > 0) return true; /* the second pass */
  result = fl_columns_init(&self->columns, cells, count, self->options->otherwise,
                           self->options->choices, self->options->choice_count, message);
  if (result != FL_OK) return fl_source_input_fail_result(self->input, result, line, message);
  self->learning = fl_columns_are_undecided(&self->columns);
  return true;
}

static bool take_row(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  table *self = context;
  char message[FL_COLUMNS_MESSAGE];
  fl_result result;
  if (!self->header_seen) return take_header(self, cells, count, line);
  if (self->learning) {
    result = fl_columns_learn(&self->columns, cells, count, message);
    return result == FL_OK || fl_source_input_fail_result(self->input, result, line, message);
  }
  if (!fl_source_input_begin_record(self->input)) return false;
  result = fl_columns_write(&self->columns, cells, count, self->input->target, message);
  if (result == FL_OK) return fl_source_input_end_record(self->input, line);
  fl_source_input_drop_record(self->input);
  return fl_source_input_fail_result(self->input, result, line, message);
}

/* Feeds the next chunk to the reader, or tells it that there is none. */
static void pull(void *state) {
  table *self = state;
  fl_csv_code code;
  self->input->window.length = 0;
  if (fl_source_input_read(self->input))
    code = fl_csv_feed(self->reader, self->input->window.data, self->input->window.length);
  else if (self->input->failure.code == FL_SOURCE_OK) code = fl_csv_finish(self->reader);
  else return;
  self->input->ended = self->input->exhausted;
  if (code == FL_CSV_MEMORY) fl_source_input_fail_memory(self->input);
  else if (code != FL_CSV_OK && code != FL_CSV_STOPPED)
    fl_source_input_fail_content(self->input, fl_csv_line(self->reader), fl_csv_describe(code));
}

/* Begins a pass over the file and reads up to its header. */
static bool begin_pass(table *self) {
  if (self->reader != NULL) fl_csv_close(self->reader);
  self->reader = fl_csv_open(self->delimiter, FL_SOURCE_RECORD_CEILING, take_row, self);
  if (self->reader == NULL) return fl_source_input_fail_memory(self->input);
  if (!fl_source_input_rewind(self->input)) return false;
  self->header_seen = false;
  while (fl_source_input_is_live(self->input) && !self->header_seen) pull(self);
  if (self->input->failure.code == FL_SOURCE_OK && !self->header_seen)
    return fl_source_input_fail_content(
        self->input, 0, "the file has no header: its first row should name the columns");
  return self->columns.count > 0;
}

/* Learns the types where one is undecided, then begins the pass that gives records. */
static bool begin(table *self) {
  if (!begin_pass(self)) return false;
  if (!self->learning) return true;
  while (fl_source_input_is_live(self->input)) pull(self);
  if (self->input->failure.code != FL_SOURCE_OK || !fl_source_input_check_unchanged(self->input))
    return false;
  fl_columns_decide(&self->columns);
  self->learning = false;
  return begin_pass(self);
}

static void close_table(void *state) {
  table *self = state;
  if (self == NULL) return;
  if (self->reader != NULL) fl_csv_close(self->reader);
  fl_columns_free(&self->columns);
  free(self);
}

static void *open_table(fl_source_input *input, const fl_source_options *options, char delimiter) {
  table *self = calloc(1, sizeof *self);
  if (self == NULL) {
    fl_source_input_fail_memory(input);
    return NULL;
  }
  self->input = input;
  self->options = options;
  self->delimiter = delimiter;
  if (begin(self)) return self;
  close_table(self);
  return NULL;
}

static void *open_csv(fl_source_input *input, const fl_source_options *options) {
  return open_table(input, options, ',');
}

static void *open_tsv(fl_source_input *input, const fl_source_options *options) {
  return open_table(input, options, '\t');
}

static const fl_columns *columns_of(const void *state) { return &((const table *)state)->columns; }

const fl_source_reader fl_source_csv = {open_csv, pull, close_table, columns_of};
const fl_source_reader fl_source_tsv = {open_tsv, pull, close_table, columns_of};
