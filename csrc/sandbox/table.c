/* table.c: the result of a query, written as rows or as a chart. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

void sandbox_table_init(sandbox_table *table) {
  memset(table, 0, sizeof *table);
  sandbox_json_writer_init(&table->cells);
}

bool sandbox_table_end_cell(sandbox_table *table) {
  if (table->cell_count == table->end_room) {
    size_t room = table->end_room ? table->end_room * 2 : 64;
    size_t *ends = realloc(table->ends, room * sizeof *ends);
    if (ends == NULL) return false;
    table->ends = ends;
    table->end_room = room;
  }
  table->ends[table->cell_count++] = table->cells.buffer.length;
  table->row_count = table->cell_count / table->column_count;
  return !table->cells.failed;
}

void sandbox_table_free(sandbox_table *table) {
  for (size_t column = 0; table->columns && column < table->column_count; column++)
    free(table->columns[column]);
  free(table->columns);
  free(table->ends);
  sandbox_json_writer_free(&table->cells);
  memset(table, 0, sizeof *table);
}

static void put_cell_text(const sandbox_table *table, size_t row, size_t column,
                          sandbox_json_writer *out) {
  size_t cell = row * table->column_count + column;
  size_t begin = cell > 0 ? table->ends[cell - 1] : 0;
  sandbox_json_put_bytes(out, table->cells.buffer.data + begin, table->ends[cell] - begin);
}

void sandbox_table_put_row(const sandbox_table *table, size_t row, sandbox_json_writer *out) {
  for (size_t column = 0; column < table->column_count; column++) {
    sandbox_json_put(out, column == 0 ? "{" : ",");
    sandbox_json_put_string(out, table->columns[column]);
    sandbox_json_put(out, ":");
    put_cell_text(table, row, column, out);
  }
  sandbox_json_put(out, "}");
}

static void put_column(const sandbox_table *table, size_t column, sandbox_json_writer *out) {
  sandbox_json_put(out, "[");
  for (size_t row = 0; row < table->row_count; row++) {
    if (row > 0) sandbox_json_put(out, ",");
    put_cell_text(table, row, column, out);
  }
  sandbox_json_put(out, "]");
}

static bool find_column(const sandbox_table *table, const char *name, size_t *column,
                        char *reason) {
  for (*column = 0; *column < table->column_count; ++*column)
    if (strcmp(table->columns[*column], name) == 0) return true;
  snprintf(reason, SANDBOX_REASON, "the query has no column \"%.100s\"", name);
  return false;
}

bool sandbox_table_put_chart(const sandbox_table *table, const char *type, const char *labels,
                             char *const *series, size_t series_count, sandbox_json_writer *out,
                             char reason[SANDBOX_REASON]) {
  size_t label_column = 0, count = series_count ? series_count : table->column_count, column;
  const char *separator = "";
  if (labels && !find_column(table, labels, &label_column, reason)) return false;
  sandbox_json_put(out, "{\"type\":");
  sandbox_json_put_string(out, type);
  sandbox_json_put(out, ",\"labels\":");
  put_column(table, label_column, out);
  sandbox_json_put(out, ",\"series\":[");
  for (size_t index = 0; index < count; index++) {
    column = index;
    if (series_count ? !find_column(table, series[index], &column, reason)
                     : index == label_column) {
      if (series_count) return false;
      continue;
    }
    sandbox_json_put(out, separator);
    sandbox_json_put(out, "{\"name\":");
    sandbox_json_put_string(out, table->columns[column]);
    sandbox_json_put(out, ",\"values\":");
    put_column(table, column, out);
    sandbox_json_put(out, "}");
    separator = ",";
  }
  sandbox_json_put(out, "]}");
  return true;
}
