/*
 * table.h: the result of a query, cell by cell as JSON text, written as rows or as a chart.
 */
#ifndef SANDBOX_TABLE_H
#define SANDBOX_TABLE_H

#include "json_writer.h"

/* The cells, row by row, as JSON text. `ends[i]` is the end of cell i. */
typedef struct sandbox_table {
  char **columns;
  size_t column_count, row_count, cell_count;
  sandbox_json_writer cells;
  size_t *ends;
  size_t end_room;
} sandbox_table;

#define SANDBOX_REASON 256

void sandbox_table_init(sandbox_table *table);
void sandbox_table_free(sandbox_table *table);

/* Ends a cell, whose text the caller has appended to `cells`. False without memory, or if writing
 * the text failed. */
bool sandbox_table_end_cell(sandbox_table *table);

/* Writes one row as a JSON object. */
void sandbox_table_put_row(const sandbox_table *table, size_t row, sandbox_json_writer *out);

/*
 * {"type": …, "labels": […], "series": [{"name": …, "values": […]}, …]}. If `labels` is NULL, the
 * first column has the labels. Without `series`, all other columns are series. False if a column is
 * missing, with its name in `reason`.
 */
bool sandbox_table_put_chart(const sandbox_table *table, const char *type, const char *labels,
                             char *const *series, size_t series_count, sandbox_json_writer *out,
                             char reason[SANDBOX_REASON]);

#endif
