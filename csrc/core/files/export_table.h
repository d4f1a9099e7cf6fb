/*
 * export_table.h: rows as a table of a new SQLite database.
 *
 * The database is an empty file that the caller has created and locked. All rows are written in one
 * transaction without a journal, since the caller removes a file that is not finished. Each value
 * is stored with its own type, and the columns get the types of their values at the end, so that no
 * value is converted:
 *
 *   INTEGER for integers within 64 bits. REAL for other numbers, and for both in one column, but
 *   NUMERIC if a double does not hold one of the integers. BOOLEAN for true and false, stored as 1
 *   and 0. TEXT for strings, arrays and objects (as JSON), and integers beyond 64 bits (as digits).
 *   No type for a mixture, and for a column of nulls only.
 *
 * Only the thread that opened a table may use it. In a forked child its functions do nothing.
 */
#ifndef FL_EXPORT_TABLE_H
#define FL_EXPORT_TABLE_H

#include "codec/export.h"

typedef struct fl_export_table fl_export_table;

/* Opens the database. NULL without memory. Other failures are reported with the first row. */
fl_export_table *fl_export_table_open(const char *path, const char *table);
void fl_export_table_close(fl_export_table *self);

/* The function of an export of cells, whose context is an fl_export_table. */
fl_export_code fl_export_table_take(void *context, fl_export *export, const fl_json_tape *tape,
                                    const char *text);

/* Gives the columns their types and commits. After a failure, export->message describes it. */
fl_export_code fl_export_table_finish(fl_export_table *self, fl_export *export);

#endif
