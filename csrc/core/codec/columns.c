/*
 * columns.c: types of CSV columns and records as JSON text. fl_columns_write is the inner loop of
 * an upload: it checks for room once a cell and allocates nothing itself.
 *
 * Relies on the CSV reader for UTF-8 and for cells without NUL.
 */
#include "codec/columns.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json_write.h"

/* A decimal with this many digits is the same after a round trip through a double. */
#define MOST_DIGITS 15
/* A number with an exponent, or with more digits than this, may be too large for a double. */
#define SAFE_DIGITS 300

static const char *const type_names[] = {"auto", "text", "number", "boolean"};

#define TYPE_COUNT (sizeof type_names / sizeof *type_names)
#define BIT(type) (1u << (type))
#define OTHER_NUMBER BIT(TYPE_COUNT) /* a number with the other decimal separator */

const char *fl_column_type_name(fl_column_type type) { return type_names[type]; }

bool fl_column_type_named(const char *name, fl_column_type *type) {
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (strcmp(name, type_names[i]) == 0) {
      *type = (fl_column_type)i;
      return true;
    }
  return false;
}

/* --- the form of a cell --- */

typedef struct number_form {
  bool valid; /* a number by JSON's grammar */
  bool exponent;
  const char *fraction; /* behind the decimal separator; NULL: there is none */
  size_t digits;        /* without leading zeros */
} number_form;

static number_form number_form_of(fl_slice text, char decimal) {
  static const number_form none = {false, false, NULL, 0};
  number_form form = {true, false, NULL, 0};
  const char *at = text.data, *end = text.data + text.length, *begin;
  if (at < end && *at == '-') at++;
  begin = at;
  for (; at < end && *at >= '0' && *at <= '9'; at++)
    if (form.digits > 0 || *at != '0') form.digits++;
  if (at == begin || (*begin == '0' && at - begin > 1)) return none;
  if (at < end && *at == decimal) {
    form.fraction = begin = ++at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
      if (form.digits > 0 || *at != '0') form.digits++;
    if (at == begin) return none;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    form.exponent = true;
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    begin = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    if (at == begin) return none;
  }
  return at == end ? form : none;
}

/* Replaces the decimal separator by the "." of JSON. */
static void put_point(char *number, size_t length, char decimal) {
  char *found = decimal == '.' ? NULL : memchr(number, decimal, length);
  if (found != NULL) *found = '.';
}

/* Whether the number is within the range of doubles. The grammar of JSON has no such bound, but
 * most readers of JSON have. */
static bool in_range(fl_slice text, char decimal) {
  char small[64];
  char *copy = text.length < sizeof small ? small : malloc(text.length + 1);
  fl_json_tape tape;
  fl_json_error error;
  bool good;
  if (copy == NULL) return false;
  memcpy(copy, text.data, text.length);
  copy[text.length] = '\0';
  put_point(copy, text.length, decimal);
  fl_json_tape_init(&tape);
  good = fl_json_scan(copy, text.length, &tape, &error) == FL_JSON_OK;
  fl_json_tape_free(&tape);
  if (copy != small) free(copy);
  return good;
}

/* Whether a column of texts that have this form is found to be one of numbers. */
static bool is_plain(number_form form) {
  return form.valid && !form.exponent && form.digits <= MOST_DIGITS;
}

static bool is_number(fl_slice text, bool strict, char decimal) {
  number_form form = number_form_of(text, decimal);
  if (!form.valid) return false;
  if (!strict) return is_plain(form);
  return (!form.exponent && form.digits <= SAFE_DIGITS) || in_range(text, decimal);
}

static bool is_boolean(fl_slice text) {
  return (text.length == 4 && memcmp(text.data, "true", 4) == 0) ||
         (text.length == 5 && memcmp(text.data, "false", 5) == 0);
}

/* Whether a cell is valid in a column of numbers or booleans. */
static bool fits(const fl_columns *columns, const fl_column *column, fl_slice text) {
  return column->type == FL_COLUMN_NUMBER ? is_number(text, column->strict, columns->decimal)
                                          : is_boolean(text);
}

static inline bool is_null(const fl_columns *columns, const fl_csv_cell *cell) {
  if (cell->quoted) return false;
  return cell->text.length == 0 ||
         (columns->nulls.count > 0 &&
          fl_names_find(columns->nulls, cell->text) < columns->nulls.count);
}

bool fl_columns_is_null(const fl_columns *columns, const fl_csv_cell *cell) {
  return is_null(columns, cell);
}

/* Skips `least` to `most` digits. NULL if there are fewer. */
static const char *skip_digits(const char *at, const char *end, int least, int most) {
  int count = 0;
  for (; at < end && count < most && *at >= '0' && *at <= '9'; at++) count++;
  return count < least ? NULL : at;
}

/* Whether a text begins as a date does: 2024-01-31, 31.1.2024 or 1/31/2024. */
static bool is_date(fl_slice text) {
  static const int digits[2][3][2] = {{{4, 4}, {1, 2}, {1, 2}}, {{1, 2}, {1, 2}, {4, 4}}};
  for (int form = 0; form < 2; form++) {
    const char *at = text.data, *end = text.data + text.length;
    char separator = '\0';
    for (int part = 0; part < 3 && at != NULL; part++) {
      if (part > 0) {
        if (at == end || memchr("-/.", *at, 3) == NULL || (part == 2 && *at != separator)) break;
        separator = *at++;
      }
      at = skip_digits(at, end, digits[form][part][0], digits[form][part][1]);
      if (part == 2 && at != NULL) return at == end || *at == 'T' || *at == ' ';
    }
  }
  return false;
}

static fl_result refuse_count(const fl_columns *columns, size_t count, char *message) {
  snprintf(message, FL_COLUMNS_MESSAGE, "the row has %zu %s for %zu %s", count,
           count == 1 ? "cell" : "cells", columns->count,
           columns->count == 1 ? "column" : "columns");
  return FL_INVALID;
}

static char other_decimal(const fl_columns *columns) { return columns->decimal == ',' ? '.' : ','; }

static fl_result refuse_cell(const fl_columns *columns, const fl_column *column, fl_slice text,
                             char *message) {
  const char other = other_decimal(columns);
  int length = snprintf(message, FL_COLUMNS_MESSAGE, "column \"%s\": \"%s\" is not %s",
                        fl_show(column->name).text, fl_show(text).text,
                        column->type == FL_COLUMN_NUMBER ? "a number" : "true or false");
  if (column->type == FL_COLUMN_NUMBER && is_number(text, true, other) && length > 0 &&
      length < FL_COLUMNS_MESSAGE)
    snprintf(message + length, FL_COLUMNS_MESSAGE - (size_t)length,
             ": decimal = \"%c\" reads it as one", other);
  return FL_INVALID;
}

/* --- the header --- */

/* The column of this name: its name in the records if `sent` is set, else its name in the header.
 */
static fl_column *find(const fl_columns *columns, fl_slice name, bool sent) {
  size_t place = fl_name_index_find(sent ? &columns->by_sent : &columns->by_name, name);
  return place == FL_NO_PLACE ? NULL : &columns->list[place];
}

static fl_result refuse_name(fl_slice name, const char *words, char *message) {
  snprintf(message, FL_COLUMNS_MESSAGE, "column \"%s\" %s", fl_show(name).text, words);
  return FL_INVALID;
}

/* An option names a column that the file does not have. The message lists the columns of the file.
 */
static fl_result refuse_unknown(const fl_columns *columns, const char *words, fl_slice name,
                                bool sent, char *message) {
  fl_names names = {NULL, columns->count};
  fl_slice *list = malloc(columns->count * sizeof *list);
  if (list == NULL) return FL_NO_MEMORY;
  for (size_t i = 0; i < columns->count; i++)
    list[i] = sent ? columns->list[i].sent : columns->list[i].name;
  names.list = list;
  snprintf(message, FL_COLUMNS_MESSAGE,
           "column \"%s\" %s, but the file does not have it: there are ", fl_show(name).text,
           words);
  fl_names_show(names, message, FL_COLUMNS_MESSAGE);
  free(list);
  return FL_INVALID;
}

/* Copies the names of the header. */
static fl_result copy_names(fl_columns *columns, const fl_csv_cell *cells, size_t count) {
  size_t total = 0, at = 0;
  for (size_t i = 0; i < count; i++) total += cells[i].text.length;
  if (fl_buffer_reserve(&columns->names, total) != FL_OK) return FL_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    fl_slice text = cells[i].text;
    if (fl_buffer_append(&columns->names, text.data, text.length) != FL_OK) return FL_NO_MEMORY;
    columns->list[i].name = (fl_slice){columns->names.data + at, text.length};
    at += text.length;
  }
  return FL_OK;
}

static fl_result name_columns(fl_columns *columns, size_t count, const fl_columns_options *options,
                              char *message) {
  fl_result result;
  for (size_t i = 0; i < count; i++) {
    fl_column *column = &columns->list[i];
    if (column->name.length == 0) {
      snprintf(message, FL_COLUMNS_MESSAGE, "column %zu has no name", i + 1);
      return FL_INVALID;
    }
    column->sent = fl_mapping_rename(&options->mapping, column->name);
    result = fl_name_index_add(&columns->by_name, column->name);
    if (result == FL_INVALID) return refuse_name(column->name, "is there twice", message);
    if (result == FL_OK) result = fl_name_index_add(&columns->by_sent, column->sent);
    if (result == FL_INVALID)
      return refuse_name(column->sent, "is there twice: rename gives its name to another", message);
    if (result != FL_OK) return result;
    column->type = options->otherwise;
    column->strict = options->otherwise != FL_COLUMN_UNDECIDED;
    column->possible = BIT(FL_COLUMN_NUMBER) | BIT(FL_COLUMN_BOOLEAN) | OTHER_NUMBER;
    column->dates = is_date(column->name);
    columns->count++;
  }
  for (size_t i = 0; i < options->mapping.rename_count; i++)
    if (find(columns, options->mapping.renames[i].from, false) == NULL)
      return refuse_unknown(columns, "is renamed", options->mapping.renames[i].from, false,
                            message);
  return FL_OK;
}

static fl_result choose_types(fl_columns *columns, const fl_columns_options *options,
                              char *message) {
  for (size_t i = 0; i < options->choice_count; i++) {
    fl_column *column = find(columns, options->choices[i].name, false);
    if (column == NULL)
      return refuse_unknown(columns, "is given a type", options->choices[i].name, false, message);
    column->type = options->choices[i].type;
    column->strict = column->type != FL_COLUMN_UNDECIDED;
  }
  return FL_OK;
}

/* Adds a member. Only the length of its key is set: the text of the keys may move until all are
 * written. */
static fl_result add_member(fl_columns *columns, fl_slice name, const fl_column *column,
                            const fl_constant *constant) {
  fl_column_member *member = &columns->members[columns->member_count];
  size_t before = columns->keys.length, bad;
  fl_result result =
      fl_buffer_append_byte(&columns->keys, columns->member_count++ == 0 ? '{' : ',');
  if (result == FL_OK) result = fl_json_write_string(&columns->keys, name.data, name.length, &bad);
  if (result == FL_OK) result = fl_buffer_append_byte(&columns->keys, ':');
  member->key.length = columns->keys.length - before;
  member->column = constant == NULL ? column : NULL;
  member->cell = column != NULL ? (size_t)(column - columns->list) : 0;
  if (constant != NULL) member->constant = constant->json;
  return result;
}

static fl_result make_members(fl_columns *columns, const fl_mapping *mapping, char *message) {
  size_t chosen = mapping->columns.count > 0 ? mapping->columns.count : columns->count;
  fl_result result = FL_OK;
  columns->members = calloc(chosen + mapping->set_count, sizeof *columns->members);
  if (columns->members == NULL) return FL_NO_MEMORY;
  for (size_t i = 0; i < chosen && result == FL_OK; i++) {
    const fl_column *column = &columns->list[i];
    fl_slice name = mapping->columns.count > 0 ? mapping->columns.list[i] : column->sent;
    const fl_constant *constant = fl_mapping_constant(mapping, name);
    if (mapping->columns.count > 0) column = find(columns, name, true);
    if (column == NULL && constant == NULL)
      return refuse_unknown(columns, "is chosen", name, true, message);
    result = add_member(columns, name, column, constant);
  }
  for (size_t i = 0; i < mapping->set_count && result == FL_OK; i++) {
    const fl_constant *constant = &mapping->set[i];
    bool is_there = mapping->columns.count > 0
                        ? fl_names_find(mapping->columns, constant->name) < mapping->columns.count
                        : find(columns, constant->name, true) != NULL;
    if (!is_there) result = add_member(columns, constant->name, NULL, constant);
  }
  if (result != FL_OK) return result;
  for (size_t i = 0, at = 0; i < columns->member_count; i++) {
    columns->members[i].key.data = columns->keys.data + at;
    at += columns->members[i].key.length;
  }
  return FL_OK;
}

static fl_result fill(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                      const fl_columns_options *options, char *message) {
  fl_result result;
  if (count > FL_COLUMNS_MOST) {
    snprintf(message, FL_COLUMNS_MESSAGE, "the header has %zu columns, but a file has at most %d",
             count, FL_COLUMNS_MOST);
    return FL_INVALID;
  }
  columns->list = calloc(count, sizeof *columns->list);
  if (columns->list == NULL) return FL_NO_MEMORY;
  result = copy_names(columns, cells, count);
  if (result == FL_OK) result = name_columns(columns, count, options, message);
  if (result == FL_OK) result = choose_types(columns, options, message);
  return result == FL_OK ? make_members(columns, &options->mapping, message) : result;
}

fl_result fl_columns_init(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                          const fl_columns_options *options, char message[FL_COLUMNS_MESSAGE]) {
  fl_result result;
  memset(columns, 0, sizeof *columns);
  columns->decimal = options->decimal ? options->decimal : '.';
  columns->nulls = options->nulls;
  fl_buffer_init(&columns->names, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&columns->keys, FL_BUFFER_UNLIMITED);
  result = fill(columns, cells, count, options, message);
  if (result != FL_OK) fl_columns_free(columns);
  return result;
}

void fl_columns_free(fl_columns *columns) {
  fl_name_index_free(&columns->by_name);
  fl_name_index_free(&columns->by_sent);
  free(columns->list);
  free(columns->members);
  columns->list = NULL;
  columns->members = NULL;
  columns->count = columns->member_count = 0;
  fl_buffer_free(&columns->names);
  fl_buffer_free(&columns->keys);
}

fl_result fl_columns_compare(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                             char message[FL_COLUMNS_MESSAGE]) {
  for (size_t i = 0; i < count || i < columns->count; i++) {
    if (i >= count)
      return refuse_name(columns->list[i].name, "of the first file is not in this one", message);
    if (i >= columns->count) return refuse_name(cells[i].text, "is not in the first file", message);
    if (fl_slice_equal(columns->list[i].name, cells[i].text)) continue;
    snprintf(
        message, FL_COLUMNS_MESSAGE,
        "column %zu is \"%s\", but \"%s\" in the first file: all files of a list have the same "
        "columns",
        i + 1, fl_show(cells[i].text).text, fl_show(columns->list[i].name).text);
    return FL_INVALID;
  }
  return FL_OK;
}

/* --- types --- */

bool fl_columns_are_undecided(const fl_columns *columns) {
  for (size_t i = 0; i < columns->count; i++)
    if (columns->list[i].type == FL_COLUMN_UNDECIDED) return true;
  return false;
}

/* Learns from a cell whether the column's texts are numbers with the other decimal separator. Three
 * digits behind it may be thousands, and are no evidence. */
static void learn_other_decimal(fl_column *column, fl_slice text, char other) {
  number_form form = number_form_of(text, other);
  if (!is_plain(form)) column->possible &= (unsigned char)~OTHER_NUMBER;
  else if (form.fraction != NULL && text.data + text.length - form.fraction != 3)
    column->other_decimal = true;
}

static void learn_cell(const fl_columns *columns, fl_column *column, fl_slice text) {
  column->filled = true;
  if (column->dates && !is_date(text)) column->dates = false;
  if (column->possible & BIT(FL_COLUMN_NUMBER)) {
    number_form form = number_form_of(text, columns->decimal);
    if (!is_plain(form)) column->possible &= (unsigned char)~BIT(FL_COLUMN_NUMBER);
    else if (form.fraction != NULL) column->possible &= (unsigned char)~OTHER_NUMBER;
  }
  if ((column->possible & (BIT(FL_COLUMN_NUMBER) | OTHER_NUMBER)) == OTHER_NUMBER)
    learn_other_decimal(column, text, other_decimal(columns));
  if ((column->possible & BIT(FL_COLUMN_BOOLEAN)) && !is_boolean(text))
    column->possible &= (unsigned char)~BIT(FL_COLUMN_BOOLEAN);
}

fl_result fl_columns_learn(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           char message[FL_COLUMNS_MESSAGE]) {
  if (count != columns->count) return refuse_count(columns, count, message);
  for (size_t i = 0; i < count; i++) {
    fl_column *column = &columns->list[i];
    fl_slice text = cells[i].text;
    if (column->type != FL_COLUMN_UNDECIDED) {
      if (column->type != FL_COLUMN_TEXT && !is_null(columns, &cells[i]) &&
          !fits(columns, column, text))
        return refuse_cell(columns, column, text, message);
      continue;
    }
    if (text.length == 0 || is_null(columns, &cells[i])) continue;
    learn_cell(columns, column, text);
  }
  return FL_OK;
}

void fl_columns_decide(fl_columns *columns) {
  for (size_t i = 0; i < columns->count; i++) {
    fl_column *column = &columns->list[i];
    if (column->type != FL_COLUMN_UNDECIDED) continue;
    column->type = FL_COLUMN_TEXT;
    if (!column->filled) continue;
    if (column->possible & BIT(FL_COLUMN_NUMBER)) column->type = FL_COLUMN_NUMBER;
    else if (column->possible & BIT(FL_COLUMN_BOOLEAN)) column->type = FL_COLUMN_BOOLEAN;
  }
}

bool fl_columns_look_like_data(const fl_columns *columns, char message[FL_COLUMNS_MESSAGE]) {
  fl_slice *list = malloc(columns->count * sizeof *list);
  fl_names names = {list, 0};
  bool contradicted = list == NULL;
  for (size_t i = 0; i < columns->count && !contradicted; i++) {
    const fl_column *column = &columns->list[i];
    bool number = column->type == FL_COLUMN_NUMBER;
    bool suspect =
        number ? is_number(column->name, true, columns->decimal) : column->dates && column->filled;
    if (suspect) list[names.count++] = column->name;
    contradicted = number && !suspect;
  }
  contradicted = contradicted || names.count == 0;
  message[0] = '\0';
  if (!contradicted) fl_names_show(names, message, FL_COLUMNS_MESSAGE);
  free(list);
  return !contradicted;
}

char fl_columns_other_decimal(const fl_columns *columns, char message[FL_COLUMNS_MESSAGE]) {
  fl_slice *list = malloc(columns->count * sizeof *list);
  fl_names names = {list, 0};
  message[0] = '\0';
  if (list == NULL) return '\0';
  for (size_t i = 0; i < columns->count; i++) {
    const fl_column *column = &columns->list[i];
    if (column->type == FL_COLUMN_TEXT && column->other_decimal &&
        (column->possible & OTHER_NUMBER))
      list[names.count++] = column->name;
  }
  if (names.count > 0) fl_names_show(names, message, FL_COLUMNS_MESSAGE);
  free(list);
  return names.count > 0 ? other_decimal(columns) : '\0';
}

/* --- records --- */

static void put(fl_buffer *out, const char *bytes, size_t length) {
  memcpy(out->data + out->length, bytes, length);
  out->length += length;
}

/* The most bytes of a value that is written without its cell's text: those of "null". */
#define BESIDE 4

fl_result fl_columns_write(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           fl_buffer *out, char message[FL_COLUMNS_MESSAGE]) {
  if (count != columns->count) return refuse_count(columns, count, message);
  for (size_t i = 0; i < columns->member_count; i++) {
    const fl_column_member *member = &columns->members[i];
    const fl_column *column = member->column;
    const fl_csv_cell *cell = &cells[member->cell];
    fl_slice text = column != NULL ? cell->text : member->constant;
    fl_result result = fl_buffer_reserve(out, member->key.length + text.length + BESIDE);
    if (result != FL_OK) return result;
    put(out, member->key.data, member->key.length);
    if (column == NULL) {
      put(out, text.data, text.length);
    } else if (is_null(columns, cell)) {
      put(out, "null", 4);
    } else if (column->type != FL_COLUMN_TEXT && (text.length > 0 || column->strict)) {
      if (!fits(columns, column, text)) return refuse_cell(columns, column, text, message);
      put(out, text.data, text.length);
      if (columns->decimal != '.')
        put_point(out->data + out->length - text.length, text.length, columns->decimal);
    } else {
      size_t bad;
      result = fl_json_write_string(out, text.data, text.length, &bad);
      if (result != FL_OK) return result;
    }
  }
  return fl_buffer_append_byte(out, '}');
}
