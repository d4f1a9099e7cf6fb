/*
 * export_table.h: rows as a table of a new SQLite database.
 *
 * The database is an empty file that the caller has made and locked. All rows are written in one
 * transaction without a journal: a file that is not finished is of no use, and the caller removes
 * it. Each value is stored with its own type, and the columns get the types of their values at the
 * end, so that no value is converted:
 *
 *   integers within 64 bits INTEGER; other numbers REAL; both in one column REAL, or NUMERIC where
 *   a double does not hold one of the integers; true and false 1 and 0, BOOLEAN; strings, arrays
 *   and objects (as JSON) and integers beyond 64 bits (their digits) TEXT; a mixture, or nothing
 *   but null, no type.
 *
 * The thread that opened it; in a child of the process that opened it nothing is touched.
 */
#ifndef FL_EXPORT_TABLE_H
#define FL_EXPORT_TABLE_H

#include "codec/export.h"

typedef struct fl_export_table fl_export_table;

/* Opens the database. NULL without memory. A failure shows with the first row. */
fl_export_table *fl_export_table_open(const char *path, const char *table);
void fl_export_table_close(fl_export_table *self);

/* The function of an export of cells, whose context is an fl_export_table. */
fl_export_code fl_export_table_take(void *context, fl_export *export, const fl_json_tape *tape,
                                    const char *text);

/* Gives the columns their types and commits. A failure's words are in export->message. */
fl_export_code fl_export_table_finish(fl_export_table *self, fl_export *export);

#endif
