/*
 * query.h: SQL over imports, read-only, and the table and the chart that come of it.
 *
 * A query sees every import as a table under the import's name, with a column for each member its
 * rows have; nothing else of the database, no file, no pragma. SQLite's authorizer and limits hold
 * it there. Runs on the database's connection, under the sandbox's lock.
 */
#ifndef SANDBOX_QUERY_H
#define SANDBOX_QUERY_H

#include "database.h"
#include "codec/json_scan.h"

/* The cells, row by row, as JSON text; `ends[i]` is where cell i ends. */
typedef struct sandbox_table {
  char **columns;
  size_t column_count, row_count;
  sandbox_json_writer cells;
  size_t *ends;
  size_t end_room;
} sandbox_table;

/* Values for the query's named parameters (:name, @name, $name): the members of an object. */
typedef struct sandbox_parameters {
  const fl_json_tape *tape; /* NULL = none */
  const char *text;
  uint32_t node;
} sandbox_parameters;

#define SANDBOX_REASON 256

/* Runs one SELECT. False: `reason` says why; the table is empty and needs no freeing then. */
bool sandbox_query(sandbox_database *database, const sandbox_options *options, const char *sql,
                   const sandbox_parameters *parameters, sandbox_table *table,
                   char reason[SANDBOX_REASON]);
void sandbox_table_free(sandbox_table *table);

/* One row as a JSON object. */
void sandbox_table_put_row(const sandbox_table *table, size_t row, sandbox_json_writer *out);

/*
 * {"type": …, "labels": […], "series": [{"name": …, "values": […]}, …]}. `labels` of NULL is the
 * first column, no series are all columns but the labels. False: `reason` names the column that is
 * not there.
 */
bool sandbox_table_put_chart(const sandbox_table *table, const char *type, const char *labels,
                             char *const *series, size_t series_count, sandbox_json_writer *out,
                             char reason[SANDBOX_REASON]);

#endif
