/*
 * columns.c: fuzzes the columns of CSV files. Records from which the types were learned can be
 * written, as JSON objects whose values have the type of their column.
 */
#include "fuzz.h"

#include "codec/columns.h"
#include "codec/json_scan.h"
#include "validator.h"

typedef struct file {
  fl_columns_options options;
  fl_columns columns;
  fl_result made; /* of the header */
  fl_result fits; /* FL_INVALID: a record did not fit */
  bool has_header, writes;
} file;

static void check_value(const fl_column_member *member, const fl_json_node *value) {
  bool quotes = value->type == FL_JSON_STRING && value->value.size.length == 0;
  if (member->column == NULL) return;
  if (quotes && !member->column->strict)
    return; /* a cell of two quotes is no evidence for a type */
  switch (member->column->type) {
    case FL_COLUMN_TEXT: HOLDS(value->type == FL_JSON_STRING || value->type == FL_JSON_NULL); break;
    case FL_COLUMN_NUMBER:
      HOLDS(value->type == FL_JSON_NULL ||
            (value->type >= FL_JSON_INTEGER && value->type <= FL_JSON_FLOAT));
      break;
    case FL_COLUMN_BOOLEAN: HOLDS(value->type <= FL_JSON_TRUE); break;
    case FL_COLUMN_UNDECIDED: HOLDS(!"a decided column has a type");
  }
}

static void check_record(const fl_columns *columns, const fl_buffer *record) {
  char *text = fuzz_copy(record->data, record->length);
  fl_json_tape tape;
  fl_json_error error;
  HOLDS(validator_is_json(text, record->length));
  fl_json_tape_init(&tape);
  HOLDS(fl_json_scan(text, record->length, &tape, &error) == FL_JSON_OK);
  HOLDS(tape.nodes[0].type == FL_JSON_OBJECT);
  HOLDS(tape.nodes[0].value.size.length == columns->member_count);
  for (uint32_t i = 0, at = 1; i < columns->member_count; i++) {
    check_value(&columns->members[i], &tape.nodes[at + 1]);
    at = fl_json_next(&tape, at + 1);
  }
  fl_json_tape_free(&tape);
  free(text);
}

static bool take_record(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  file *self = context;
  char message[FL_COLUMNS_MESSAGE] = "";
  (void)line;
  if (!self->has_header) {
    self->has_header = true;
    if (self->writes) return true;
    self->made = fl_columns_init(&self->columns, cells, count, &self->options, message);
    HOLDS(self->made == FL_OK || message[0] != '\0');
    return self->made == FL_OK;
  }
  if (!self->writes) {
    self->fits = fl_columns_learn(&self->columns, cells, count, message);
    HOLDS(self->fits == FL_OK || message[0] != '\0');
    return self->fits == FL_OK;
  }
  {
    fl_buffer out;
    fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
    HOLDS(fl_columns_write(&self->columns, cells, count, &out, message) == FL_OK);
    check_record(&self->columns, &out);
    fl_buffer_free(&out);
  }
  return true;
}

static fl_csv_code read_text(file *self, const fl_csv_dialect *dialect, fl_slice text) {
  fl_csv_reader *reader = fl_csv_open(dialect, 1 << 20, take_record, self);
  fl_csv_code code;
  HOLDS(reader != NULL);
  self->has_header = false;
  code = fl_csv_feed(reader, text.data, text.length);
  if (code == FL_CSV_OK) code = fl_csv_finish(reader);
  fl_csv_close(reader);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static const fl_slice nulls[] = {{"NA", 2}, {"-", 1}}, chosen[] = {{"b", 1}, {"a", 1}};
  static const fl_rename renames[] = {{{"a", 1}, {"c", 1}}};
  static const fl_constant set[] = {{{"k", 1}, {"[1]", 3}}};
  static const fl_column_choice choices[] = {{{"a", 1}, FL_COLUMN_NUMBER},
                                             {{"b", 1}, FL_COLUMN_BOOLEAN}};
  fuzz_input input = {bytes, length};
  unsigned flags = fuzz_byte(&input);
  fl_csv_dialect dialect = {.delimiter = flags & 1 ? ';' : 0};
  file self = {.options = {.otherwise = (fl_column_type)(flags / 2 % 4),
                           .decimal = flags & 1 ? ',' : '.',
                           .nulls = {nulls, flags & 8 ? 2 : 0},
                           .choices = choices,
                           .choice_count = flags & 16 ? 2 : 0,
                           .mapping = {renames,
                                       flags & 32 ? 1 : 0,
                                       {chosen, flags & 64 ? 2 : 0},
                                       set,
                                       flags & 128 ? 1 : 0}},
               .made = FL_INVALID};
  fl_slice text = {(const char *)input.bytes, input.left};
  char message[FL_COLUMNS_MESSAGE];
  fl_csv_code code = read_text(&self, &dialect, text);
  if (self.made != FL_OK) return 0;
  if (code == FL_CSV_OK) {
    fl_columns_decide(&self.columns);
    HOLDS(!fl_columns_are_undecided(&self.columns));
    fl_columns_look_like_data(&self.columns, message);
    self.writes = true;
    HOLDS(read_text(&self, &dialect, text) == FL_CSV_OK);
  }
  fl_columns_free(&self.columns);
  return 0;
}
