/*
 * export.c: fuzzes exports. Rows that are exported are read back as the same: from CSV cell by
 * cell, from JSON lines row by row.
 */
#include "fuzz.h"

#include "codec/csv.h"
#include "codec/export.h"
#include "codec/json_write.h"
#include "codec/mapping.h"

typedef struct page {
  char *text;
  size_t length;
  fl_json_tape tape;
} page;

/* The expected cells, as the reader of CSV meets them. */
typedef struct reading {
  const fl_export *export;
  const page *rows;
  uint32_t row;
  int64_t records;
} reading;

static uint32_t find_member(const page *it, uint32_t row, fl_slice name) {
  return fl_json_member(&it->tape, it->text, row, name);
}

static void check_cell(const page *it, uint32_t at, const fl_csv_cell *cell) {
  const fl_json_node *node = &it->tape.nodes[at];
  fl_buffer out;
  if (at == 0 || node->type == FL_JSON_NULL) {
    HOLDS(cell->text.length == 0 && !cell->quoted);
    return;
  }
  if (node->type == FL_JSON_STRING) {
    HOLDS(cell->text.length == node->value.size.length);
    HOLDS(cell->text.length == 0 ||
          memcmp(cell->text.data, it->text + node->offset, cell->text.length) == 0);
    HOLDS(cell->text.length > 0 || cell->quoted);
    return;
  }
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  HOLDS(fl_json_write_node(&out, &it->tape, it->text, at) == FL_OK);
  HOLDS(out.length == cell->text.length && memcmp(out.data, cell->text.data, out.length) == 0);
  fl_buffer_free(&out);
}

static bool take_record(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  reading *self = context;
  (void)line;
  HOLDS(count == self->export->count);
  for (size_t i = 0; i < count; i++) {
    fl_slice name = fl_export_column_name(self->export, i);
    if (self->records == 0) HOLDS(fl_slice_equal(cells[i].text, name));
    else check_cell(self->rows, find_member(self->rows, self->row, name), &cells[i]);
  }
  if (self->records > 0) self->row = fl_json_next(&self->rows->tape, self->row);
  self->records++;
  return true;
}

static void read_csv(const fl_export *export, const page *it, int64_t done, const fl_buffer *out) {
  reading self = {export, it, 1, 0};
  fl_csv_dialect dialect = {.delimiter = export->delimiter};
  fl_csv_reader *reader = fl_csv_open(&dialect, (size_t)1 << 30, take_record, &self);
  HOLDS(reader != NULL);
  if (out->length > 0) HOLDS(fl_csv_feed(reader, out->data, out->length) == FL_CSV_OK);
  HOLDS(fl_csv_finish(reader) == FL_CSV_OK);
  HOLDS(self.records == (export->count > 0 ? done + 1 : 0));
  fl_csv_close(reader);
}

static void read_lines(const page *it, int64_t done, const fl_buffer *out) {
  const char *at = out->data;
  uint32_t row = 1;
  for (int64_t i = 0; i < done; i++, row = fl_json_next(&it->tape, row)) {
    fl_buffer wanted;
    const char *end = memchr(at, '\n', (size_t)(fl_buffer_end(out) - at));
    HOLDS(end != NULL);
    fl_buffer_init(&wanted, FL_BUFFER_UNLIMITED);
    HOLDS(fl_json_write_node(&wanted, &it->tape, it->text, row) == FL_OK);
    HOLDS(wanted.length == (size_t)(end - at) && memcmp(wanted.data, at, wanted.length) == 0);
    fl_buffer_free(&wanted);
    at = end + 1;
  }
  HOLDS(at == fl_buffer_end(out));
}

/* Counts the records of the text, which is fed in pieces. */
static void count_records(fl_export_format format, const fl_buffer *out, int64_t wanted,
                          size_t piece) {
  fl_export_count count = {.format = format};
  for (size_t at = 0; at < out->length; at += piece) {
    size_t left = out->length - at;
    fl_export_count_feed(&count, out->data + at, left < piece ? left : piece);
  }
  HOLDS(count.records == wanted && count.length == (int64_t)out->length);
  HOLDS(count.end == (int64_t)out->length);
}

static void export_page(const page *it, unsigned flags) {
  fl_export self;
  fl_buffer out;
  int64_t done = 0;
  fl_export_code code;
  fl_export_init(&self, flags & 1 ? FL_EXPORT_JSON_LINES : FL_EXPORT_CSV);
  if ((flags & 1) == 0) {
    self.delimiter = flags & 2 ? ';' : ',';
    self.mark = (flags & 4) != 0;
  }
  fl_buffer_init(&out, FL_BUFFER_UNLIMITED);
  code = fl_export_rows(&self, &it->tape, it->text, it->length, 1,
                        it->tape.nodes[0].value.size.length, NULL, &out, &done);
  HOLDS(code != FL_EXPORT_NO_MEMORY && code != FL_EXPORT_REFUSED && code != FL_EXPORT_IO);
  HOLDS(code == FL_EXPORT_OK || self.message[0] != '\0');
  HOLDS(code != FL_EXPORT_OK || done == it->tape.nodes[0].value.size.length);
  if (out.length > 0) {
    bool csv = self.format == FL_EXPORT_CSV;
    if (csv) read_csv(&self, it, done, &out);
    else read_lines(it, done, &out);
    count_records(self.format, &out, done + csv, 1 + flags / 8);
  }
  fl_buffer_free(&out);
  fl_export_free(&self);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fl_json_error error;
  page it;
  if (length == 0) return 0;
  it.length = length - 1;
  it.text = fuzz_copy(bytes + 1, it.length);
  fl_json_tape_init(&it.tape);
  if (fl_json_scan(it.text, it.length, &it.tape, &error) == FL_JSON_OK &&
      it.tape.nodes[0].type == FL_JSON_ARRAY)
    export_page(&it, bytes[0]);
  fl_json_tape_free(&it.tape);
  free(it.text);
  return 0;
}
