/*
 * csv.c: fuzzes the CSV reader. A text that is fed whole gives the same records as in pieces; the
 * records of the usual dialect, written again, give the same cells.
 */
#include "fuzz.h"

#include "codec/csv.h"

/* Appends a record: its line, and for each cell its length, whether it was quoted, and its text. */
static bool note_record(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  fl_buffer *notes = context;
  HOLDS(fl_buffer_append(notes, &line, sizeof line) == FL_OK);
  for (size_t i = 0; i < count; i++) {
    const size_t length = cells[i].text.length;
    const char quoted = cells[i].quoted ? 'q' : 'p';
    HOLDS(fl_buffer_append(notes, &length, sizeof length) == FL_OK);
    HOLDS(fl_buffer_append_byte(notes, quoted) == FL_OK);
    HOLDS(fl_buffer_append(notes, cells[i].text.data, length) == FL_OK);
  }
  return true;
}

/* Reads a text in pieces of these sizes, one after the other. */
static fl_csv_code read_in_pieces(const fl_csv_dialect *dialect, fl_slice text,
                                  const uint8_t sizes[4], fl_csv_record function, void *context,
                                  int64_t *line) {
  fl_csv_reader *reader = fl_csv_open(dialect, 4096, function, context);
  fl_csv_code code = FL_CSV_OK;
  HOLDS(reader != NULL);
  for (size_t at = 0, i = 0; at < text.length && code == FL_CSV_OK; i++) {
    size_t size = sizes[i % 4] == 0 ? text.length : sizes[i % 4];
    char *piece;
    if (size > text.length - at) size = text.length - at;
    piece = fuzz_copy(text.data + at, size);
    code = fl_csv_feed(reader, piece, size);
    free(piece);
    at += size;
  }
  if (code == FL_CSV_OK) code = fl_csv_finish(reader);
  *line = fl_csv_line(reader);
  HOLDS(fl_csv_describe(code) != NULL);
  fl_csv_close(reader);
  return code;
}

/* --- written again --- */

typedef struct written {
  fl_buffer text, cells; /* the cells without lines */
} written;

static void note_cells(fl_buffer *notes, const fl_csv_cell *cells, size_t count) {
  HOLDS(fl_buffer_append(notes, &count, sizeof count) == FL_OK);
  for (size_t i = 0; i < count; i++) {
    const char filled = cells[i].quoted || cells[i].text.length > 0 ? 'f' : 'n';
    HOLDS(fl_buffer_append(notes, &cells[i].text.length, sizeof(size_t)) == FL_OK);
    HOLDS(fl_buffer_append_byte(notes, filled) == FL_OK);
    HOLDS(fl_buffer_append(notes, cells[i].text.data, cells[i].text.length) == FL_OK);
  }
}

static bool write_again(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  written *self = context;
  (void)line;
  for (size_t i = 0; i < count; i++) {
    bool quote = cells[i].quoted && cells[i].text.length == 0;
    if (i > 0) HOLDS(fl_buffer_append_byte(&self->text, ',') == FL_OK);
    HOLDS(fl_csv_write_cell(&self->text, cells[i].text, ',', quote) == FL_OK);
  }
  HOLDS(fl_buffer_append_text(&self->text, "\r\n") == FL_OK);
  note_cells(&self->cells, cells, count);
  return true;
}

static bool note_again(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  (void)line;
  note_cells(context, cells, count);
  return true;
}

static void check_written(fl_slice text) {
  static const uint8_t whole[4] = {0};
  fl_csv_dialect usual = {0};
  written self;
  fl_buffer again;
  int64_t line;
  fl_buffer_init(&self.text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&self.cells, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&again, FL_BUFFER_UNLIMITED);
  if (read_in_pieces(&usual, text, whole, write_again, &self, &line) == FL_CSV_OK) {
    fl_slice out = {self.text.data, self.text.length};
    /* A byte order mark inside of the text comes to its beginning where the lines before are blank.
     */
    bool marked = out.length >= 3 && memcmp(out.data, "\xef\xbb\xbf", 3) == 0;
    if (!marked && out.length < 4096) {
      HOLDS(read_in_pieces(&usual, out, whole, note_again, &again, &line) == FL_CSV_OK);
      HOLDS(again.length == self.cells.length);
      HOLDS(again.length == 0 || memcmp(again.data, self.cells.data, again.length) == 0);
    }
  }
  fl_buffer_free(&self.text);
  fl_buffer_free(&self.cells);
  fl_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static const char delimiters[] = {0, ';', '\t', '|'}, quotes[] = {0, '\''};
  static const uint8_t whole[4] = {0};
  fuzz_input input = {bytes, length};
  unsigned flags = fuzz_byte(&input);
  uint8_t sizes[4];
  fl_csv_dialect dialect = {.delimiter = delimiters[flags % 4],
                            .quote = quotes[flags / 4 % 2],
                            .unquoted = (flags & 8) != 0,
                            .trim = (flags & 16) != 0,
                            .comment = {(flags & 32) != 0 ? "#" : NULL, (flags & 32) != 0},
                            .skip = flags / 64};
  fl_buffer once, again;
  fl_csv_code code;
  int64_t line, line_again;
  fl_slice text;
  for (int i = 0; i < 4; i++) sizes[i] = (uint8_t)(fuzz_byte(&input) % 32);
  text = (fl_slice){(const char *)input.bytes, input.left};
  fl_buffer_init(&once, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&again, FL_BUFFER_UNLIMITED);
  code = read_in_pieces(&dialect, text, whole, note_record, &once, &line);
  HOLDS(read_in_pieces(&dialect, text, sizes, note_record, &again, &line_again) == code);
  HOLDS(line == line_again);
  HOLDS(once.length == again.length);
  HOLDS(once.length == 0 || memcmp(once.data, again.data, once.length) == 0);
  fl_buffer_free(&once);
  fl_buffer_free(&again);
  check_written(text);
  return 0;
}
