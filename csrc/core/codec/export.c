/*
 * export.c: rows of a page -> CSV, JSON lines, a JSON array, or cells.
 *
 * A pass over the members of a row finds the node of each column, a pass over the columns writes
 * the cells. Room for a whole row is reserved at once, from the size of its JSON, so cells are
 * written without a check. Rows repeat their keys: a key is first compared with the one at the same
 * place of the row before. Strings and numbers are moved a word at a time.
 */
#include "codec/export.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/codec.h"
#include "codec/csv.h"
#include "codec/json_write.h"

#define NO_COLUMN UINT32_MAX
#define IN_WORDS(number) #number
#define AS_WORDS(number) IN_WORDS(number)
#define MOST_IN_WORDS AS_WORDS(FL_COLUMNS_MOST)
/* Room beyond the cells of a row: for the line end, and because whole words are written, up to
 * eight bytes too far. */
#define SLACK 64

/* The page being read. */
typedef struct reader {
  const fl_json_node *nodes;
  const fl_json_tape *tape;
  const char *text, *end;
} reader;

void fl_export_init(fl_export *self, fl_export_format format) {
  memset(self, 0, sizeof *self);
  self->format = format;
  self->delimiter = ',';
  fl_buffer_init(&self->nested, FL_BUFFER_UNLIMITED);
}

void fl_export_free(fl_export *self) {
  for (size_t i = 0; i < self->count; i++) fl_buffer_free(&self->columns[i].text);
  fl_name_index_free(&self->names);
  free(self->columns);
  free(self->cells);
  fl_buffer_free(&self->nested);
  fl_export_init(self, self->format);
}

/* --- columns --- */

/* Whether every row must be an object whose members have columns. */
static bool has_columns(const fl_export *self) {
  return self->format == FL_EXPORT_CSV || self->format == FL_EXPORT_CELLS;
}

/* Removes the bytes that were appended after the buffer had this length. */
static void cut(fl_buffer *out, size_t length) {
  out->length = length;
  if (out->data != NULL) out->data[length] = '\0';
}

fl_slice fl_export_column_name(const fl_export *self, size_t index) {
  return (fl_slice){self->columns[index].text.data, self->columns[index].name_length};
}

/* The column of this name, which is most often the one at `guess`. */
static uint32_t find_column(const fl_export *self, const char *name, size_t length, size_t guess) {
  size_t place;
  if (guess < self->count && self->columns[guess].name_length == length &&
      fl_same_bytes(self->columns[guess].text.data, name, length))
    return (uint32_t)guess;
  place = fl_name_index_find(&self->names, (fl_slice){name, length});
  return place == FL_NO_PLACE ? NO_COLUMN : (uint32_t)place;
}

fl_result fl_export_add_column(fl_export *self, fl_slice name) {
  fl_export_column *column;
  fl_result result;
  size_t unused;
  if (find_column(self, name.data, name.length, 0) != NO_COLUMN) return FL_INVALID;
  if (has_columns(self) && (name.length == 0 || memchr(name.data, '\0', name.length) != NULL))
    return FL_INVALID;
  if (self->count == FL_COLUMNS_MOST) return FL_TOO_LARGE;
  if ((self->count & (self->count - 1)) == 0) { /* a power of two: full */
    size_t capacity = self->count ? self->count * 2 : 1;
    fl_export_column *columns = realloc(self->columns, capacity * sizeof *columns);
    uint32_t *cells;
    if (columns == NULL) return FL_NO_MEMORY;
    self->columns = columns;
    cells = realloc(self->cells, capacity * sizeof *cells);
    if (cells == NULL) return FL_NO_MEMORY;
    self->cells = cells;
  }
  column = &self->columns[self->count];
  column->name_length = name.length;
  column->met = false;
  fl_buffer_init(&column->text, FL_BUFFER_UNLIMITED);
  result = fl_buffer_append(&column->text, name.data, name.length);
  if (result == FL_OK)
    result = fl_json_write_string(&column->text, name.data, name.length, &unused);
  if (result == FL_OK) result = fl_buffer_append_byte(&column->text, ':');
  if (result == FL_OK)
    result = fl_name_index_add(&self->names, (fl_slice){column->text.data, name.length});
  if (result == FL_OK) self->count++, self->unmet++;
  else fl_buffer_free(&column->text);
  return result;
}

bool fl_export_is_formula(fl_slice text) {
  return text.length > 0 && text.data[0] != '\0' && strchr("=+-@\t\r", text.data[0]) != NULL;
}

static fl_result write_name(fl_export *self, fl_slice name, bool quote, fl_buffer *out) {
  fl_result result;
  if (!self->escape || !fl_export_is_formula(name))
    return fl_csv_write_cell(out, name, self->delimiter, quote);
  self->nested.length = 0;
  result = fl_buffer_append_byte(&self->nested, '\'');
  if (result == FL_OK) result = fl_buffer_append(&self->nested, name.data, name.length);
  if (result != FL_OK) return result;
  return fl_csv_write_cell(out, (fl_slice){self->nested.data, self->nested.length}, self->delimiter,
                           quote);
}

fl_result fl_export_begin(fl_export *self, fl_buffer *out) {
  size_t before = out->length;
  fl_result result = FL_OK;
  bool csv = self->format == FL_EXPORT_CSV;
  if (self->begun || (has_columns(self) && self->count == 0)) return FL_OK;
  if (csv && self->mark) result = fl_buffer_append(out, "\xEF\xBB\xBF", 3);
  for (size_t i = 0; csv && i < self->count && result == FL_OK; i++) {
    fl_slice name = fl_export_column_name(self, i);
    /* Without quotes a reader could take the first bytes for a byte order mark. */
    bool mark = i == 0 && name.data[0] == '\xEF';
    if (i > 0) result = fl_buffer_append_byte(out, self->delimiter);
    if (result == FL_OK) result = write_name(self, name, mark, out);
  }
  if (result == FL_OK && csv) result = fl_buffer_append(out, "\r\n", 2);
  if (result == FL_OK) self->begun = true;
  else cut(out, before);
  return result;
}

/* --- cells --- */

#define HARMLESS FL_EACH_BYTE('a')

/* Not 0 if the word holds a byte that needs quotes, or another control character. */
static inline uint64_t needs_quotes(uint64_t word, char delimiter) {
  return (fl_mask_equal(word, '"') | fl_mask_equal(word, (unsigned char)delimiter) |
          fl_mask_control(word)) &
         ~word;
}

static char *put_quoted(char *out, const char *bytes, size_t length) {
  const char *end = bytes + length;
  *out++ = '"';
  while (bytes < end) {
    const char *quote = memchr(bytes, '"', (size_t)(end - bytes));
    size_t run = (size_t)((quote ? quote + 1 : end) - bytes);
    memcpy(out, bytes, run);
    out += run;
    bytes += run;
    if (quote) *out++ = '"';
  }
  *out++ = '"';
  return out;
}

/* Copies a string, and meanwhile looks for bytes that need quotes. If there are any, writes the
 * string again in quotes. NULL if the string holds a NUL. */
static inline char *put_string(char *out, const char *bytes, size_t length, const char *text_end,
                               char delimiter) {
  uint64_t found = 0;
  size_t done = 0;
  for (; length - done >= 8; done += 8) {
    found |= needs_quotes(fl_load_word(bytes + done), delimiter);
    memcpy(out + done, bytes + done, 8);
  }
  if (length > done && text_end - (bytes + done) >= 8) {
    uint64_t rest = ~UINT64_C(0) << 8 * (length - done);
    found |= needs_quotes((fl_load_word(bytes + done) & ~rest) | (HARMLESS & rest), delimiter);
    memcpy(out + done, bytes + done, 8);
  } else {
    for (; done < length; done++) {
      found |= (uint64_t)(bytes[done] == '"' || bytes[done] == delimiter ||
                          (unsigned char)bytes[done] < 0x20);
      out[done] = bytes[done];
    }
  }
  if (found == 0 && length > 0 && bytes[0] != ' ' && bytes[length - 1] != ' ') return out + length;
  if (memchr(bytes, '\0', length) != NULL) return NULL;
  return put_quoted(out, bytes, length);
}

/* The same with an apostrophe before the text, inside of the quotes if there are any. The text
 * begins like a formula, so a quote at the beginning of the output was added here. */
static char *put_escaped(char *out, const char *bytes, size_t length, const char *text_end,
                         char delimiter) {
  char *end = put_string(out + 1, bytes, length, text_end, delimiter);
  out[0] = '\'';
  if (out[1] == '"') memcpy(out, "\"'", 2);
  return end;
}

/* Bytes of a number's literal. */
static inline size_t number_length(const char *literal, const char *text_end) {
  if (text_end - literal >= 8) {
    uint64_t word = fl_load_word(literal);
    /* bytes below 0x21 are white space here */
    uint64_t mask = fl_mask_equal(word, ',') | fl_mask_equal(word, '}') | fl_mask_equal(word, ']') |
                    ((word - FL_EACH_BYTE(0x21)) & FL_EACH_BYTE(0x80));
    if (mask) return fl_first_byte(mask);
  }
  return fl_json_number_length(literal);
}

static inline char *put_number(char *out, const char *literal, const char *text_end) {
  size_t length = number_length(literal, text_end);
  if (length <= 8 && text_end - literal >= 8) memcpy(out, literal, 8);
  else memcpy(out, literal, length);
  return out + length;
}

/* --- CSV --- */

#define NO_NAME ((fl_slice){NULL, 0})

/* The name, if there is one, follows the words in quotes. */
static fl_export_code fail(fl_export *self, fl_export_code code, const char *words, fl_slice name) {
  if (name.data == NULL) snprintf(self->message, sizeof self->message, "%s", words);
  else
    snprintf(self->message, sizeof self->message, "%s\"%.*s\"", words, (int)name.length, name.data);
  return code;
}

/* Adds a column for each member of these rows that has none yet. Rows that are no objects are
 * refused later. */
static fl_export_code learn(fl_export *self, const reader *page, uint32_t row, int64_t count) {
  for (; count > 0; count--, row = fl_json_next(page->tape, row)) {
    size_t place = 0;
    uint32_t end;
    if (page->nodes[row].type != FL_JSON_OBJECT) continue;
    end = page->nodes[row].value.size.end;
    for (uint32_t at = row + 1; at < end; at = fl_json_next(page->tape, at + 1), place++) {
      fl_slice name = {page->text + page->nodes[at].offset, page->nodes[at].value.size.length};
      fl_result result = FL_OK;
      if (name.length == 0)
        return fail(
            self, FL_EXPORT_NO_NAME,
            self->format == FL_EXPORT_CSV
                ? "or one after it has a member without a name, which readers of CSV refuse "
                  "(JSON lines have a place for it)"
                : "or one after it has a member without a name, which no column can be "
                  "named by (JSON lines have a place for it)",
            NO_NAME);
      if (find_column(self, name.data, name.length, place) == NO_COLUMN)
        result = fl_export_add_column(self, name);
      if (result == FL_INVALID)
        return fail(self, FL_EXPORT_NUL,
                    self->format == FL_EXPORT_CSV
                        ? "or one after it has a NUL character in the name of a member, which has "
                          "no place in CSV"
                        : "or one after it has a NUL character in the name of a member, which has "
                          "no place in the name of a column",
                    NO_NAME);
      if (result == FL_TOO_LARGE)
        return fail(self, FL_EXPORT_TOO_WIDE,
                    "or one after it has a member for which there is no column: a file has at "
                    "most " MOST_IN_WORDS " columns (`columns` chooses some; JSON lines hold all)",
                    NO_NAME);
      if (result != FL_OK) return FL_EXPORT_NO_MEMORY;
    }
  }
  return FL_EXPORT_OK;
}

/* Writes the names of a row's members, each once and in quotes, as far as they fit: all members, or
 * only the members without a column. */
static void name_members(const fl_export *self, const reader *page, uint32_t row, bool all,
                         char *out, size_t size) {
  uint32_t end = page->nodes[row].value.size.end, named[FL_EXPORT_MESSAGE];
  size_t used = 0, count = 0, before;
  *out = '\0';
  for (uint32_t at = row + 1; at < end; at = fl_json_next(page->tape, at + 1)) {
    const char *name = page->text + page->nodes[at].offset;
    uint32_t length = page->nodes[at].value.size.length;
    if (!all && find_column(self, name, length, 0) != NO_COLUMN) continue;
    for (before = 0; before < count; before++)
      if (page->nodes[named[before]].value.size.length == length &&
          fl_same_bytes(page->text + page->nodes[named[before]].offset, name, length))
        break;
    if (before < count) continue;
    if (used + length + 10 > size) {
      snprintf(out + used, size - used, ", …");
      break;
    }
    used += (size_t)snprintf(out + used, size - used, "%s\"%.*s\"", used ? ", " : "", (int)length,
                             name);
    named[count++] = at; /* each takes two quotes of the message at least, so there is room */
  }
}

/* The row has members without a column: the message names them. */
static fl_export_code fail_new(fl_export *self, const reader *page, uint32_t row) {
  size_t used = (size_t)snprintf(self->message, sizeof self->message, "has new columns: ");
  name_members(self, page, row, false, self->message + used, sizeof self->message - used);
  return FL_EXPORT_NEW_COLUMN;
}

/* Marks the columns that the row has, which is in self->cells. */
static void meet_columns(fl_export *self, const reader *page, uint32_t row) {
  for (size_t i = 0; i < self->count; i++) {
    if (self->cells[i] == 0 || self->columns[i].met) continue;
    self->columns[i].met = true;
    self->unmet--;
  }
  if (self->unmet > 0 && self->members[0] == '\0')
    name_members(self, page, row, true, self->members, sizeof self->members);
}

/* Fills self->cells with the nodes of the row's values. False: the row has members without a
 * column. */
static inline bool find_cells(fl_export *self, const reader *page, uint32_t row) {
  const fl_json_node *nodes = page->nodes;
  uint32_t end = nodes[row].value.size.end, place = 0;
  bool all = true;
  memset(self->cells, 0, self->count * sizeof *self->cells);
  for (uint32_t at = row + 1; at < end; at = fl_json_next(page->tape, at + 1), place++) {
    const char *name = page->text + nodes[at].offset;
    uint32_t length = nodes[at].value.size.length, column;
    uint32_t known = place < FL_EXPORT_PLACES ? self->places[place].key : 0;
    if (known != 0 && nodes[known].value.size.length == length &&
        fl_same_bytes(page->text + nodes[known].offset, name, length)) {
      column = self->places[place].column;
    } else {
      column = find_column(self, name, length, place);
      if (place < FL_EXPORT_PLACES) {
        self->places[place].key = at;
        self->places[place].column = column;
      }
    }
    if (column != NO_COLUMN) self->cells[column] = at + 1;
    else all = false;
  }
  if (self->unmet > 0) meet_columns(self, page, row);
  return all;
}

/* The most bytes that a row takes. A string in quotes is no longer than it was in JSON, where its
 * quotes were escaped; the text of an array or an object may double. */
static size_t room_for(const fl_export *self, const reader *page, uint32_t row) {
  uint32_t next = fl_json_next(page->tape, row);
  const char *begin = page->text + page->nodes[row].offset;
  const char *end = next < page->tape->count ? page->text + page->nodes[next].offset : page->end;
  return 2 * (size_t)(end - begin) + self->count + SLACK;
}

/* NULL if the string holds a NUL. */
static inline char *put_text(const fl_export *self, char *out, const char *bytes, size_t length,
                             const char *end) {
  if (self->escape && fl_export_is_formula((fl_slice){bytes, length}))
    return put_escaped(out, bytes, length, end, self->delimiter);
  return put_string(out, bytes, length, end, self->delimiter);
}

static fl_export_code csv_row(fl_export *self, const reader *page, uint32_t row, fl_buffer *out) {
  const char delimiter = self->delimiter;
  char *begin, *to;
  if (!find_cells(self, page, row) && !self->chosen) return fail_new(self, page, row);
  if (fl_buffer_reserve(out, room_for(self, page, row)) != FL_OK) return FL_EXPORT_NO_MEMORY;
  begin = to = out->data + out->length;
  for (size_t i = 0; i < self->count; i++) {
    const fl_json_node *node = &page->nodes[self->cells[i]];
    const char *bytes = page->text + node->offset;
    if (i > 0) *to++ = delimiter;
    if (self->cells[i] == 0) continue;
    switch ((fl_json_type)node->type) {
      case FL_JSON_NULL: break;
      case FL_JSON_FALSE:
        memcpy(to, "false", 5);
        to += 5;
        break;
      case FL_JSON_TRUE:
        memcpy(to, "true", 4);
        to += 4;
        break;
      case FL_JSON_STRING:
        to = put_text(self, to, bytes, node->value.size.length, page->end);
        if (to != NULL) break;
        return fail(self, FL_EXPORT_NUL,
                    "holds a NUL character, which has no place in CSV, in the column ",
                    fl_export_column_name(self, i));
      case FL_JSON_INTEGER:
      case FL_JSON_BIG:
      case FL_JSON_FLOAT: to = put_number(to, bytes, page->end); break;
      default:
        self->nested.length = 0;
        if (fl_json_write_node(&self->nested, page->tape, page->text, self->cells[i]) != FL_OK)
          return FL_EXPORT_NO_MEMORY;
        to = put_quoted(to, self->nested.data, self->nested.length);
    }
  }
  if (to == begin)
    return fail(self, FL_EXPORT_BLANK,
                "has no value in the only column, so its line in CSV would be blank (JSON lines "
                "can hold it)",
                NO_NAME);
  *to++ = '\r';
  *to++ = '\n';
  *to = '\0';
  out->length += (size_t)(to - begin);
  return FL_EXPORT_OK;
}

static fl_export_code cells_row(fl_export *self, const reader *page, uint32_t row) {
  if (!find_cells(self, page, row) && !self->chosen) return fail_new(self, page, row);
  return self->take(self->take_context, self, page->tape, page->text);
}

/* --- JSON lines, and the elements of a JSON array --- */

/*
 * The length of a row whose text can be copied: flat, without white space or escapes. Then each
 * node begins where the one before and its punctuation end (a string with escapes is shorter on the
 * tape than in the text). 0: the row cannot be copied, or it is the last of its page, and no node
 * follows to tell its end.
 */
static size_t verbatim_length(const reader *page, uint32_t row) {
  const fl_json_node *nodes = page->nodes;
  uint32_t next = fl_json_next(page->tape, row), at = row + 1;
  const char *begin = page->text + nodes[row].offset, *expected = begin + 1;
  if (nodes[row].type != FL_JSON_OBJECT || next >= page->tape->count) return 0;
  for (; at < next; at += 2) {
    const fl_json_node *value = &nodes[at + 1];
    if (at > row + 1) expected++; /* the comma */
    if (page->text + nodes[at].offset != expected + 1) return 0;
    expected += nodes[at].value.size.length + 3;
    switch ((fl_json_type)value->type) {
      case FL_JSON_NULL:
      case FL_JSON_TRUE:
        if (page->text + value->offset != expected) return 0;
        expected += 4;
        break;
      case FL_JSON_FALSE:
        if (page->text + value->offset != expected) return 0;
        expected += 5;
        break;
      case FL_JSON_INTEGER:
      case FL_JSON_BIG:
      case FL_JSON_FLOAT:
        if (page->text + value->offset != expected) return 0;
        expected += number_length(expected, page->end);
        break;
      case FL_JSON_STRING:
        if (page->text + value->offset != expected + 1) return 0;
        expected += value->value.size.length + 2;
        break;
      default: return 0;
    }
  }
  /* The closing bracket, a comma, and the opening bracket of the next row. */
  if (nodes[next].type != FL_JSON_OBJECT || page->text + nodes[next].offset != expected + 2)
    return 0;
  return (size_t)(expected + 1 - begin);
}

static fl_result selected_row(fl_export *self, const reader *page, uint32_t row, fl_buffer *out) {
  fl_result result = fl_buffer_append_byte(out, '{');
  bool first = true;
  find_cells(self, page, row);
  for (size_t i = 0; i < self->count && result == FL_OK; i++) {
    const fl_export_column *column = &self->columns[i];
    if (self->cells[i] == 0) continue;
    if (!first) result = fl_buffer_append_byte(out, ',');
    first = false;
    if (result == FL_OK)
      result = fl_buffer_append(out, column->text.data + column->name_length,
                                column->text.length - column->name_length);
    if (result == FL_OK) result = fl_json_write_node(out, page->tape, page->text, self->cells[i]);
  }
  return result == FL_OK ? fl_buffer_append_byte(out, '}') : result;
}

static fl_export_code line_row(fl_export *self, const reader *page, uint32_t row, fl_buffer *out) {
  bool array = self->format == FL_EXPORT_JSON;
  fl_result result = array ? fl_buffer_append(out, self->any ? ",\n" : "[\n", 2) : FL_OK;
  if (result != FL_OK) return FL_EXPORT_NO_MEMORY;
  if (self->count > 0) {
    result = selected_row(self, page, row, out);
  } else {
    size_t length = verbatim_length(page, row);
    result = length > 0 ? fl_buffer_append(out, page->text + page->nodes[row].offset, length)
                        : fl_json_write_node(out, page->tape, page->text, row);
  }
  if (result == FL_OK && !array) result = fl_buffer_append_byte(out, '\n');
  if (result == FL_OK) self->any = true;
  return result == FL_OK ? FL_EXPORT_OK : FL_EXPORT_NO_MEMORY;
}

fl_result fl_export_end(const fl_export *self, fl_buffer *out) {
  if (self->format != FL_EXPORT_JSON) return FL_OK;
  return fl_buffer_append(out, self->any ? "\n]\n" : "[]\n", 3);
}

/* --- pages --- */

fl_export_code fl_export_rows(fl_export *self, const fl_json_tape *tape, const char *text,
                              size_t length, uint32_t row, int64_t count, const char *kept,
                              fl_buffer *out, int64_t *done) {
  reader page = {tape->nodes, tape, text, text + length};
  bool table = has_columns(self), needs_object = table || self->count > 0;
  *done = 0;
  memset(self->places, 0, sizeof self->places);
  if (table && self->count == 0) {
    fl_export_code code = learn(self, &page, row, count);
    if (code != FL_EXPORT_OK) return code;
  }
  if (fl_export_begin(self, out) != FL_OK) return FL_EXPORT_NO_MEMORY;
  for (; *done < count; ++*done, row = fl_json_next(tape, row)) {
    size_t before = out->length;
    fl_export_code code;
    if (kept != NULL && !kept[*done]) continue;
    if (needs_object && page.nodes[row].type != FL_JSON_OBJECT)
      return fail(self, FL_EXPORT_NO_OBJECT, "is no object and has no columns", NO_NAME);
    if (table && self->count == 0)
      return fail(self, FL_EXPORT_BLANK, "has no members, and there are no columns", NO_NAME);
    code = self->format == FL_EXPORT_CSV     ? csv_row(self, &page, row, out)
           : self->format == FL_EXPORT_CELLS ? cells_row(self, &page, row)
                                             : line_row(self, &page, row, out);
    if (code != FL_EXPORT_OK) {
      cut(out, before);
      return code;
    }
  }
  return FL_EXPORT_OK;
}

/* --- counting --- */

/* Counts a line of a JSON array. The first line is the opening bracket. Each other line is a
 * record, followed by a comma except for the last, or the closing bracket. */
static void count_element(fl_export_count *count, int64_t line_end, char last) {
  if (!count->opened) {
    count->opened = true;
  } else if (count->line != ']') {
    count->records++;
    count->end = last == ',' ? line_end - 1 : line_end;
  }
  count->line = '\0';
}

static void count_elements(fl_export_count *count, const char *bytes, size_t length) {
  const char *cursor = bytes, *end = bytes + length, *line;
  while (cursor < end) {
    if (count->line == '\0') count->line = *cursor;
    line = memchr(cursor, '\n', (size_t)(end - cursor));
    if (line == NULL) break;
    count_element(count, count->length + (line - bytes), line > bytes ? line[-1] : count->before);
    cursor = line + 1;
  }
  if (length > 0) count->before = end[-1];
  count->length += (int64_t)length;
}

void fl_export_count_feed(fl_export_count *count, const char *bytes, size_t length) {
  const char *cursor = bytes, *end = bytes + length;
  if (count->format == FL_EXPORT_JSON) {
    count_elements(count, bytes, length);
    return;
  }
  while (cursor < end) {
    const char *line = memchr(cursor, '\n', (size_t)(end - cursor)), *stop = line ? line : end;
    if (count->format == FL_EXPORT_CSV) /* Each quote opens or closes; a doubled one does both. */
      for (const char *quote = cursor; (quote = memchr(quote, '"', (size_t)(stop - quote))) != NULL;
           quote++)
        count->quoted = !count->quoted;
    if (line == NULL) break;
    cursor = line + 1;
    if (count->quoted) continue;
    count->end = count->length + (cursor - bytes);
    if (count->records++ == 0) count->first_end = count->end;
  }
  count->length += (int64_t)length;
}
