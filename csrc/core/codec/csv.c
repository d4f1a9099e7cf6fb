/*
 * csv.c: finds and checks the records; libcsv divides those with quotes into cells.
 *
 * libcsv counts no lines and does not tell which cells were quoted, so the bytes are searched for
 * quotes and line ends first, eight at a time. A record within one piece is parsed in place; only a
 * record cut by the end of a piece is copied. So every record is contiguous, and a cell without
 * doubled quotes is a slice of it.
 */
#include "codec/csv.h"

#include "codec/codec.h"
#include "codec/json_write.h"

#include <csv.h>
#include <stdlib.h>

static const char BYTE_ORDER_MARK[3] = {'\xEF', '\xBB', '\xBF'};

struct fl_csv_reader {
  struct csv_parser parser;
  fl_csv_record function;
  void *context;
  char delimiter;
  char quote; /* NUL: no byte quotes */
  bool trim;
  fl_slice comment;
  size_t skip;       /* lines that are still to be skipped */
  fl_csv_code code;  /* of the first failure */
  unsigned mark;     /* bytes of the byte order mark that were read; 3 also if there is none */
  fl_buffer pending; /* a record's beginning, from pieces before this one */
  size_t record_ceiling;
  /* Lines that belong to no record. */
  enum { AT_LINE_START, IN_PASSED_LINE, IN_RECORD } place;
  size_t matched; /* at the start of a line: its bytes that match the comment so far */
  /* The search for the end of the record. */
  char previous;        /* the byte before, 0 where a record begins */
  bool quoted;          /* inside quotes */
  bool has_quotes;      /* the record has had one */
  bool ended_by_return; /* a line feed that comes next belongs to the line end before it */
  int64_t line;         /* of the byte fed next; of the error after one */
  int64_t record_line;
  int64_t quote_line; /* where the quote opened */
  /* The record being divided into cells. */
  const char *cursor; /* where its next cell begins */
  fl_csv_cell *cells;
  size_t count, capacity;
  fl_buffer unquoted; /* text of cells with doubled quotes */
  bool out_of_memory;
};

static int is_never_space(unsigned char byte) {
  (void)byte;
  return 0;
}

static int is_blank(unsigned char byte) { return byte == ' ' || byte == '\t'; }

/* White space that a cell may have around it. */
static inline bool is_padding(const fl_csv_reader *reader, char byte) {
  return (byte == ' ' || byte == '\t') && byte != reader->delimiter;
}

/* Sets `place` for the next line, which may belong to no record. */
static void begin_line(fl_csv_reader *reader) {
  reader->place = reader->skip > 0 || reader->comment.length > 0 ? AT_LINE_START : IN_RECORD;
  reader->matched = 0;
}

fl_csv_reader *fl_csv_open(const fl_csv_dialect *dialect, size_t record_ceiling,
                           fl_csv_record function, void *context) {
  fl_csv_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return NULL;
  if (csv_init(&reader->parser, CSV_STRICT) != 0) {
    free(reader);
    return NULL;
  }
  reader->delimiter = dialect->delimiter ? dialect->delimiter : ',';
  reader->quote = dialect->unquoted ? '\0' : dialect->quote ? dialect->quote : '"';
  reader->trim = dialect->trim;
  reader->comment = dialect->comment;
  reader->skip = dialect->skip;
  begin_line(reader);
  csv_set_delim(&reader->parser, (unsigned char)reader->delimiter);
  csv_set_quote(&reader->parser, (unsigned char)reader->quote);
  csv_set_space_func(&reader->parser, reader->trim ? is_blank : is_never_space);
  /* libcsv's buffer grows by this much at a time. */
  csv_set_blk_size(&reader->parser, 65536);
  reader->function = function;
  reader->context = context;
  reader->record_ceiling = record_ceiling;
  reader->line = reader->record_line = 1;
  fl_buffer_init(&reader->pending, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&reader->unquoted, FL_BUFFER_UNLIMITED);
  return reader;
}

void fl_csv_close(fl_csv_reader *reader) {
  if (reader == NULL) return;
  csv_free(&reader->parser);
  fl_buffer_free(&reader->pending);
  fl_buffer_free(&reader->unquoted);
  free(reader->cells);
  free(reader);
}

int64_t fl_csv_line(const fl_csv_reader *reader) { return reader->line; }

static fl_csv_code fail(fl_csv_reader *reader, fl_csv_code code, int64_t line) {
  reader->code = code;
  reader->line = line;
  return code;
}

/* The line of a byte of the record. */
static int64_t line_at(const fl_csv_reader *reader, const char *record, size_t offset) {
  int64_t line = reader->record_line;
  size_t index;
  for (index = 0; index < offset; index++)
    line += record[index] == '\n' || (record[index] == '\r' && record[index + 1] != '\n');
  return line;
}

/* Room for one cell more. */
static bool grow_cells(fl_csv_reader *reader) {
  size_t capacity = reader->capacity ? reader->capacity * 2 : 32;
  fl_csv_cell *cells = realloc(reader->cells, capacity * sizeof *cells);
  if (cells == NULL) return false;
  reader->cells = cells;
  reader->capacity = capacity;
  return true;
}

static const char *skip_padding(const fl_csv_reader *reader, const char *cursor) {
  while (is_padding(reader, *cursor)) cursor++;
  return cursor;
}

/* Called by libcsv for each cell. Since the CSV is strict, the raw bytes of the cell begin at
 * `cursor`. A line end stops every search in them. */
static void take_cell(void *bytes, size_t length, void *context) {
  fl_csv_reader *reader = context;
  const char *text = bytes, *quote = text, *end = text + length;
  fl_csv_cell *cell;
  size_t doubled = 0;
  if (reader->count == reader->capacity && !grow_cells(reader)) {
    reader->out_of_memory = true;
    return;
  }
  cell = &reader->cells[reader->count++];
  if (reader->trim) reader->cursor = skip_padding(reader, reader->cursor);
  cell->quoted = *reader->cursor == reader->quote;
  cell->text.data = reader->cursor + cell->quoted;
  cell->text.length = length;
  if (cell->quoted)
    for (; quote < end && (quote = memchr(quote, reader->quote, (size_t)(end - quote))) != NULL;
         quote++)
      doubled++;
  if (doubled > 0) {
    /* Room for the whole record was reserved before, so the buffer does not move. */
    cell->text.data = reader->unquoted.data + reader->unquoted.length;
    if (fl_buffer_append(&reader->unquoted, text, length) != FL_OK) reader->out_of_memory = true;
  }
  reader->cursor += length + doubled + 2 * (size_t)cell->quoted;
  if (reader->trim) reader->cursor = skip_padding(reader, reader->cursor);
  reader->cursor++;
}

/* The first delimiter at or after `cursor`, or `end`. */
static const char *next_delimiter(const char *cursor, const char *end, char delimiter) {
  for (; end - cursor >= 8; cursor += 8) {
    uint64_t word = fl_load_word(cursor);
    /* A byte beyond ASCII looks like the delimiter to the mask. */
    uint64_t mask = fl_mask_equal(word, (unsigned char)delimiter) & ~word;
    if (mask) return cursor + fl_first_byte(mask);
  }
  while (cursor < end && *cursor != delimiter) cursor++;
  return cursor;
}

/* Divides a record without quotes, and without its line end, at the delimiters. Most records have
 * no quotes, and libcsv would read them byte by byte. False without memory. */
static bool split(fl_csv_reader *reader, const char *record, size_t length) {
  const char *end = record + length;
  for (;;) {
    const char *next = next_delimiter(record, end, reader->delimiter);
    if (reader->count == reader->capacity && !grow_cells(reader)) return false;
    reader->cells[reader->count++] = (fl_csv_cell){{record, (size_t)(next - record)}, false};
    if (next == end) return true;
    record = next + 1;
  }
}

/* Removes white space around cells without quotes. A line of white space only is a blank line. */
static void trim_cells(fl_csv_reader *reader) {
  for (size_t i = 0; i < reader->count; i++) {
    fl_slice *text = &reader->cells[i].text;
    for (; text->length > 0 && is_padding(reader, *text->data); text->data++) text->length--;
    while (text->length > 0 && is_padding(reader, text->data[text->length - 1])) text->length--;
  }
  if (reader->count == 1 && reader->cells[0].text.length == 0) reader->count = 0;
}

/* Fills the cells from a record. It includes the first byte of its line end; only the last record
 * of a text may have none. */
static fl_csv_code take_apart(fl_csv_reader *reader, const char *record, size_t length) {
  size_t bad = fl_utf8_check(record, length), parsed;
  if (bad < length) return fail(reader, FL_CSV_BAD_UTF8, line_at(reader, record, bad));
  reader->cursor = record;
  reader->count = 0;
  reader->unquoted.length = 0;
  if (!reader->has_quotes && length > 0 &&
      (record[length - 1] == '\n' || record[length - 1] == '\r')) {
    if (length > 1 && !split(reader, record, length - 1))
      return fail(reader, FL_CSV_MEMORY, reader->record_line);
    if (reader->trim) trim_cells(reader);
    return FL_CSV_OK;
  }
  if (fl_buffer_reserve(&reader->unquoted, length) != FL_OK)
    return fail(reader, FL_CSV_MEMORY, reader->record_line);
  parsed = csv_parse(&reader->parser, record, length, take_cell, NULL, reader);
  if (parsed < length && csv_error(&reader->parser) == CSV_EPARSE)
    return fail(reader, FL_CSV_BAD_QUOTE, line_at(reader, record, parsed));
  if (parsed < length || reader->out_of_memory)
    return fail(reader, FL_CSV_MEMORY, reader->record_line);
  return FL_CSV_OK;
}

static fl_csv_code hand_over(fl_csv_reader *reader, const char *record, size_t length) {
  fl_csv_code code = take_apart(reader, record, length);
  if (code != FL_CSV_OK || reader->count == 0) return code;
  if (reader->function(reader->context, reader->cells, reader->count, reader->record_line))
    return code;
  return fail(reader, FL_CSV_STOPPED, reader->record_line);
}

/* Ends the record whose last byte is before `end`. Its bytes from `begin` on are in this piece,
 * earlier ones are pending. */
static fl_csv_code end_record(fl_csv_reader *reader, const char *begin, const char *end) {
  fl_csv_code code;
  size_t length = (size_t)(end - begin);
  if (reader->pending.length == 0) {
    code = hand_over(reader, begin, length);
  } else {
    if (fl_buffer_append(&reader->pending, begin, length) != FL_OK)
      return fail(reader, FL_CSV_MEMORY, reader->record_line);
    code = hand_over(reader, reader->pending.data, reader->pending.length);
    reader->pending.length = 0;
  }
  if (code == FL_CSV_OK) reader->record_line = ++reader->line;
  reader->previous = 0;
  reader->has_quotes = false;
  begin_line(reader);
  return code;
}

/* The first quote or control character at or after `cursor`, or `end`. */
static const char *next_mark(const char *cursor, const char *end, char quote) {
  for (; end - cursor >= 8; cursor += 8) {
    uint64_t word = fl_load_word(cursor);
    /* A byte beyond ASCII looks like a control character to the mask, once 0x20 is taken off it. */
    uint64_t mask = (fl_mask_equal(word, (unsigned char)quote) | fl_mask_control(word)) & ~word;
    if (mask) return cursor + fl_first_byte(mask);
  }
  while (cursor < end && (unsigned char)*cursor >= 0x20 && *cursor != quote) cursor++;
  return cursor;
}

/* Skips the part of a skipped line or a comment that is in this piece. *cursor and *begin move
 * behind it. True if the bytes that follow belong to a record. */
static bool pass_by(fl_csv_reader *reader, const char **begin, const char **cursor,
                    const char *end) {
  const char *at = *cursor;
  if (reader->place == AT_LINE_START && reader->skip == 0) {
    const fl_slice comment = reader->comment;
    for (; at < end && reader->matched < comment.length && *at == comment.data[reader->matched];
         at++)
      reader->matched++;
    *cursor = at;
    if (reader->matched > 0) reader->previous = comment.data[reader->matched - 1];
    if (reader->matched < comment.length && at == end) return false;
    if (reader->matched < comment.length || comment.length == 0) {
      reader->place = IN_RECORD;
      return true;
    }
    reader->pending.length = 0;
  }
  reader->place = IN_PASSED_LINE;
  while (at < end && *at != '\n' && *at != '\r') at++;
  *begin = *cursor = at;
  if (at == end) return false;
  *begin = *cursor = at + 1;
  reader->ended_by_return = *at == '\r';
  reader->record_line = ++reader->line;
  reader->previous = 0;
  if (reader->skip > 0) reader->skip--;
  begin_line(reader);
  return false;
}

/* Takes the quote at `mark`. Outside quotes, a quote may begin a cell, or double the one before it.
 */
static bool take_quote(fl_csv_reader *reader) {
  char previous = reader->previous;
  reader->has_quotes = true;
  if (!reader->quoted && previous != 0 && previous != reader->quote &&
      previous != reader->delimiter) {
    fail(reader, FL_CSV_BAD_QUOTE, reader->line);
    return false;
  }
  if (!reader->quoted && previous != reader->quote) reader->quote_line = reader->line;
  reader->quoted = !reader->quoted;
  return true;
}

/* The byte before `mark`; where cells are trimmed, before the white space there. */
static void keep_previous(fl_csv_reader *reader, const char *cursor, const char *mark) {
  if (reader->trim)
    while (mark > cursor && is_padding(reader, mark[-1])) mark--;
  if (mark > cursor) reader->previous = mark[-1];
}

static fl_csv_code feed(fl_csv_reader *reader, const char *bytes, size_t length) {
  const char *begin = bytes, *cursor = bytes, *end = bytes + length;
  while (cursor < end) {
    const char *mark;
    if (reader->ended_by_return) {
      reader->ended_by_return = false;
      if (*cursor == '\n') {
        begin = ++cursor;
        continue;
      }
    }
    if (reader->place != IN_RECORD && !pass_by(reader, &begin, &cursor, end)) continue;
    mark = next_mark(cursor, end, reader->quote);
    keep_previous(reader, cursor, mark);
    if (reader->pending.length + (size_t)(mark - begin) > reader->record_ceiling)
      return fail(reader, FL_CSV_TOO_LONG, reader->record_line);
    if (mark == end) break;
    cursor = mark + 1;
    if (*mark == '\0') return fail(reader, FL_CSV_NUL, reader->line);
    if (*mark == reader->quote) {
      if (!take_quote(reader)) return reader->code;
    } else if (*mark == '\r' || *mark == '\n') {
      if (!reader->quoted) {
        if (end_record(reader, begin, cursor) != FL_CSV_OK) return reader->code;
        reader->ended_by_return = *mark == '\r';
        begin = cursor;
        continue;
      }
      if (*mark == '\r' || reader->previous != '\r') reader->line++;
    }
    if (!reader->trim || !is_padding(reader, *mark)) reader->previous = *mark;
  }
  if (fl_buffer_append(&reader->pending, begin, (size_t)(end - begin)) != FL_OK)
    return fail(reader, FL_CSV_MEMORY, reader->record_line);
  return FL_CSV_OK;
}

fl_csv_code fl_csv_feed(fl_csv_reader *reader, const char *bytes, size_t length) {
  if (reader->code != FL_CSV_OK) return reader->code;
  while (reader->mark < sizeof BYTE_ORDER_MARK && length > 0) {
    unsigned seen = reader->mark;
    if (*bytes == BYTE_ORDER_MARK[seen]) {
      reader->mark++;
      bytes++;
      length--;
      continue;
    }
    reader->mark = sizeof BYTE_ORDER_MARK;
    if (feed(reader, BYTE_ORDER_MARK, seen) != FL_CSV_OK) return reader->code;
  }
  return length > 0 ? feed(reader, bytes, length) : FL_CSV_OK;
}

fl_csv_code fl_csv_finish(fl_csv_reader *reader) {
  if (reader->code != FL_CSV_OK) return reader->code;
  if (reader->mark < sizeof BYTE_ORDER_MARK &&
      feed(reader, BYTE_ORDER_MARK, reader->mark) != FL_CSV_OK)
    return reader->code;
  if (reader->quoted) {
    /* An earlier quote may be the mistake: libcsv finds it. */
    int64_t line = reader->quote_line;
    fl_csv_code code = take_apart(reader, reader->pending.data, reader->pending.length);
    return code == FL_CSV_OK ? fail(reader, FL_CSV_OPEN_QUOTE, line) : code;
  }
  return reader->pending.length > 0 ? feed(reader, "\n", 1) : FL_CSV_OK;
}

const char *fl_csv_describe(fl_csv_code code) {
  static const char *const words[] = {
      [FL_CSV_OK] = "no error",
      [FL_CSV_STOPPED] = "stopped",
      [FL_CSV_OPEN_QUOTE] = "a quote that is never closed",
      [FL_CSV_BAD_QUOTE] = "a quote inside an unquoted cell, or text after a closing quote",
      [FL_CSV_BAD_UTF8] = "bytes that are not UTF-8",
      [FL_CSV_NUL] = "a NUL byte",
      [FL_CSV_TOO_LONG] = "a record that is too long",
      [FL_CSV_MEMORY] = "out of memory",
  };
  return words[code];
}

static bool needs_quotes(fl_slice text, char delimiter) {
  size_t index;
  if (text.length == 0) return false;
  if (text.data[0] == ' ' || text.data[text.length - 1] == ' ') return true;
  for (index = 0; index < text.length; index++) {
    char byte = text.data[index];
    if (byte == delimiter || byte == '"' || byte == '\n' || byte == '\r') return true;
  }
  return false;
}

fl_result fl_csv_write_cell(fl_buffer *out, fl_slice text, char delimiter, bool quote) {
  size_t before = out->length, done = 0;
  fl_result result;
  if (!quote && !needs_quotes(text, delimiter))
    return fl_buffer_append(out, text.data, text.length);
  result = fl_buffer_append_byte(out, '"');
  while (result == FL_OK && done < text.length) {
    const char *inner = memchr(text.data + done, '"', text.length - done);
    size_t stop = inner ? (size_t)(inner - text.data) + 1 : text.length;
    result = fl_buffer_append(out, text.data + done, stop - done);
    if (result == FL_OK && inner) result = fl_buffer_append_byte(out, '"');
    done = stop;
  }
  if (result == FL_OK) result = fl_buffer_append_byte(out, '"');
  if (result != FL_OK && out->data) {
    out->length = before;
    out->data[before] = '\0';
  }
  return result;
}
