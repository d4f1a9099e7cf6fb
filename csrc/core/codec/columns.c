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

#define MOST_DIGITS 15 /* a decimal of so many digits goes through a double unchanged */
#define SHOWN 60       /* bytes of a name or a cell in a message */
/* A number with an exponent, or with more digits than this, may be too large for a double. */
#define SAFE_DIGITS 300

static const char *const type_names[] = {"auto", "text", "number", "boolean"};

#define TYPE_COUNT (sizeof type_names / sizeof *type_names)
#define BIT(type) (1u << (type))

const char *fl_column_type_name(fl_column_type type) { return type_names[type]; }

bool fl_column_type_named(const char *name, fl_column_type *type) {
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (strcmp(name, type_names[i]) == 0) {
      *type = (fl_column_type)i;
      return true;
    }
  return false;
}

/* --- messages --- */

typedef struct shown {
  char text[SHOWN + 4];
} shown;

/* The beginning of a text for a message: on one line, cut at a character's edge. */
static shown show(fl_slice text) {
  shown out;
  size_t length = text.length;
  if (length > SHOWN) {
    length = SHOWN;
    while (length > 0 && ((unsigned char)text.data[length] & 0xc0) == 0x80) length--;
  }
  for (size_t i = 0; i < length; i++)
    out.text[i] = (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i];
  memcpy(out.text + length, length < text.length ? "..." : "", length < text.length ? 4 : 1);
  return out;
}

/* --- what a cell is --- */

typedef struct number_form {
  bool valid; /* a number by JSON's grammar */
  bool exponent;
  size_t digits; /* without leading zeros */
} number_form;

static number_form number_form_of(fl_slice text) {
  static const number_form none = {false, false, 0};
  number_form form = {true, false, 0};
  const char *at = text.data, *end = text.data + text.length, *begin;
  if (at < end && *at == '-') at++;
  begin = at;
  for (; at < end && *at >= '0' && *at <= '9'; at++)
    if (form.digits > 0 || *at != '0') form.digits++;
  if (at == begin || (*begin == '0' && at - begin > 1)) return none;
  if (at < end && *at == '.') {
    begin = ++at;
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

/* Whether the number is within the range of doubles: the grammar of JSON has no bound, its readers
 * have. */
static bool in_range(fl_slice text) {
  char small[64];
  char *copy = text.length < sizeof small ? small : malloc(text.length + 1);
  fl_json_tape tape;
  fl_json_error error;
  bool good;
  if (copy == NULL) return false;
  memcpy(copy, text.data, text.length);
  copy[text.length] = '\0';
  fl_json_tape_init(&tape);
  good = fl_json_scan(copy, text.length, &tape, &error) == FL_JSON_OK;
  fl_json_tape_free(&tape);
  if (copy != small) free(copy);
  return good;
}

static bool is_number(fl_slice text, bool strict) {
  number_form form = number_form_of(text);
  if (!form.valid) return false;
  if (!strict) return !form.exponent && form.digits <= MOST_DIGITS;
  return (!form.exponent && form.digits <= SAFE_DIGITS) || in_range(text);
}

static bool is_boolean(fl_slice text) {
  return (text.length == 4 && memcmp(text.data, "true", 4) == 0) ||
         (text.length == 5 && memcmp(text.data, "false", 5) == 0);
}

/* Whether a cell has a form in a column of numbers or booleans. */
static bool fits(const fl_column *column, fl_slice text) {
  return column->type == FL_COLUMN_NUMBER ? is_number(text, column->strict) : is_boolean(text);
}

static bool is_null(const fl_csv_cell *cell) { return cell->text.length == 0 && !cell->quoted; }

static fl_result refuse_count(const fl_columns *columns, size_t count, char *message) {
  snprintf(message, FL_COLUMNS_MESSAGE, "the row has %zu %s, the header %zu", count,
           count == 1 ? "cell" : "cells", columns->count);
  return FL_INVALID;
}

static fl_result refuse_cell(const fl_column *column, fl_slice text, char *message) {
  snprintf(message, FL_COLUMNS_MESSAGE, "column \"%s\": \"%s\" is not %s", show(column->name).text,
           show(text).text, column->type == FL_COLUMN_NUMBER ? "a number" : "true or false");
  return FL_INVALID;
}

/* --- the header --- */

static fl_column *find(const fl_columns *columns, fl_slice name) {
  for (size_t i = 0; i < columns->count; i++)
    if (columns->list[i].name.length == name.length &&
        memcmp(columns->list[i].name.data, name.data, name.length) == 0)
      return &columns->list[i];
  return NULL;
}

static fl_result refuse_name(fl_slice name, const char *words, char *message) {
  snprintf(message, FL_COLUMNS_MESSAGE, "column \"%s\" %s", show(name).text, words);
  return FL_INVALID;
}

/* A choice names none of the columns: the message names them, as far as they fit. */
static fl_result refuse_choice(const fl_columns *columns, fl_slice name, char *message) {
  const size_t size = FL_COLUMNS_MESSAGE;
  size_t used;
  refuse_name(name, "is given a type, but the file does not have it: there are", message);
  used = strlen(message);
  for (size_t i = 0; i < columns->count; i++) {
    shown each = show(columns->list[i].name);
    if (used + strlen(each.text) + 10 > size) {
      snprintf(message + used, size - used, ", …");
      break;
    }
    used +=
        (size_t)snprintf(message + used, size - used, "%s\"%s\"", i > 0 ? ", " : " ", each.text);
  }
  return FL_INVALID;
}

/* Appends the texts of all columns; their slices are set afterwards, when the buffer moves no more.
 */
static fl_result write_names(fl_columns *columns, const fl_csv_cell *cells, size_t count) {
  fl_buffer *text = &columns->text;
  fl_result result = FL_OK;
  size_t bad;
  for (size_t i = 0; i < count && result == FL_OK; i++) {
    fl_column *column = &columns->list[i];
    column->name.length = cells[i].text.length;
    result = fl_buffer_append(text, cells[i].text.data, cells[i].text.length);
    column->key.length = text->length;
    if (result == FL_OK) result = fl_buffer_append_byte(text, i == 0 ? '{' : ',');
    if (result == FL_OK)
      result = fl_json_write_string(text, cells[i].text.data, cells[i].text.length, &bad);
    if (result == FL_OK) result = fl_buffer_append_byte(text, ':');
    column->key.length = text->length - column->key.length;
  }
  if (result != FL_OK) return result;
  for (size_t i = 0, at = 0; i < count; i++) {
    fl_column *column = &columns->list[i];
    column->name.data = text->data + at;
    at += column->name.length;
    column->key.data = text->data + at;
    at += column->key.length;
  }
  return FL_OK;
}

static fl_result fill(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                      fl_column_type otherwise, const fl_column_choice *choices,
                      size_t choice_count, char *message) {
  fl_result result;
  columns->list = calloc(count, sizeof *columns->list);
  if (columns->list == NULL) return FL_NO_MEMORY;
  result = write_names(columns, cells, count);
  if (result != FL_OK) return result;
  for (size_t i = 0; i < count; i++) {
    fl_column *column = &columns->list[i];
    if (column->name.length == 0) {
      snprintf(message, FL_COLUMNS_MESSAGE, "column %zu has no name", i + 1);
      return FL_INVALID;
    }
    if (find(columns, column->name) != NULL)
      return refuse_name(column->name, "is there twice", message);
    column->type = otherwise;
    column->strict = otherwise != FL_COLUMN_UNDECIDED;
    column->possible = BIT(FL_COLUMN_NUMBER) | BIT(FL_COLUMN_BOOLEAN);
    columns->count++;
  }
  for (size_t i = 0; i < choice_count; i++) {
    fl_column *column = find(columns, choices[i].name);
    if (column == NULL) return refuse_choice(columns, choices[i].name, message);
    column->type = choices[i].type;
    column->strict = column->type != FL_COLUMN_UNDECIDED;
  }
  return FL_OK;
}

fl_result fl_columns_init(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                          fl_column_type otherwise, const fl_column_choice *choices,
                          size_t choice_count, char message[FL_COLUMNS_MESSAGE]) {
  fl_result result;
  memset(columns, 0, sizeof *columns);
  fl_buffer_init(&columns->text, FL_BUFFER_UNLIMITED);
  result = fill(columns, cells, count, otherwise, choices, choice_count, message);
  if (result != FL_OK) fl_columns_free(columns);
  return result;
}

void fl_columns_free(fl_columns *columns) {
  free(columns->list);
  columns->list = NULL;
  columns->count = 0;
  fl_buffer_free(&columns->text);
}

/* --- types --- */

bool fl_columns_are_undecided(const fl_columns *columns) {
  for (size_t i = 0; i < columns->count; i++)
    if (columns->list[i].type == FL_COLUMN_UNDECIDED) return true;
  return false;
}

fl_result fl_columns_learn(fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           char message[FL_COLUMNS_MESSAGE]) {
  if (count != columns->count) return refuse_count(columns, count, message);
  for (size_t i = 0; i < count; i++) {
    fl_column *column = &columns->list[i];
    fl_slice text = cells[i].text;
    if (column->type != FL_COLUMN_UNDECIDED) {
      if (column->type != FL_COLUMN_TEXT && !is_null(&cells[i]) && !fits(column, text))
        return refuse_cell(column, text, message);
      continue;
    }
    if (text.length == 0) continue;
    column->filled = true;
    if ((column->possible & BIT(FL_COLUMN_NUMBER)) && !is_number(text, false))
      column->possible &= (unsigned char)~BIT(FL_COLUMN_NUMBER);
    if ((column->possible & BIT(FL_COLUMN_BOOLEAN)) && !is_boolean(text))
      column->possible &= (unsigned char)~BIT(FL_COLUMN_BOOLEAN);
  }
  return FL_OK;
}

void fl_columns_decide(fl_columns *columns) {
  for (size_t i = 0; i < columns->count; i++) {
    fl_column *column = &columns->list[i];
    if (column->type != FL_COLUMN_UNDECIDED) continue;
    if (!column->filled) column->type = FL_COLUMN_TEXT;
    else if (column->possible & BIT(FL_COLUMN_NUMBER)) column->type = FL_COLUMN_NUMBER;
    else if (column->possible & BIT(FL_COLUMN_BOOLEAN)) column->type = FL_COLUMN_BOOLEAN;
    else column->type = FL_COLUMN_TEXT;
  }
}

/* --- records --- */

static void put(fl_buffer *out, const char *bytes, size_t length) {
  memcpy(out->data + out->length, bytes, length);
  out->length += length;
}

/* Bytes beside a key and a cell that is no string: "null". */
#define BESIDE 4

fl_result fl_columns_write(const fl_columns *columns, const fl_csv_cell *cells, size_t count,
                           fl_buffer *out, char message[FL_COLUMNS_MESSAGE]) {
  if (count != columns->count) return refuse_count(columns, count, message);
  for (size_t i = 0; i < count; i++) {
    const fl_column *column = &columns->list[i];
    fl_slice text = cells[i].text;
    fl_result result = fl_buffer_reserve(out, column->key.length + text.length + BESIDE);
    if (result != FL_OK) return result;
    put(out, column->key.data, column->key.length);
    if (is_null(&cells[i])) {
      put(out, "null", 4);
    } else if (column->type != FL_COLUMN_TEXT && (text.length > 0 || column->strict)) {
      if (!fits(column, text)) return refuse_cell(column, text, message);
      put(out, text.data, text.length);
    } else {
      size_t bad;
      result = fl_json_write_string(out, text.data, text.length, &bad);
      if (result != FL_OK) return result;
    }
  }
  return fl_buffer_append_byte(out, '}');
}
