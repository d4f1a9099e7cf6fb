/*
 * import.h: the imports and their rows.
 *
 * A row is kept as the JSON text that it came in, digit for digit, under import id and position, so
 * that a page is one range of the table's key. Under the sandbox's lock. A function that fails
 * leaves its reason in sandbox_database_error.
 */
#ifndef SANDBOX_IMPORT_H
#define SANDBOX_IMPORT_H

#include "database.h"
#include "json_writer.h"
#include "options.h"

/* An import as lists and replies show it. */
typedef struct sandbox_import {
  int64_t id; /* the database's own; 0 = no such import */
  int64_t records;
} sandbox_import;

/* By the id that callers know it by. */
sandbox_import sandbox_import_find(sandbox_database *database, fl_slice id);
/* The newest of that name. */
sandbox_import sandbox_import_named(sandbox_database *database, fl_slice name);

/* Its name, to free() after use; NULL if it has none. */
char *sandbox_import_name(sandbox_database *database, const sandbox_import *import);

/* A new, empty import. */
bool sandbox_import_create(sandbox_database *database, sandbox_ids ids, sandbox_import *import);
/* Sets what is given: a `data` of NULL leaves it as it is. */
bool sandbox_import_describe(sandbox_database *database, const sandbox_import *import,
                             fl_slice name, fl_slice description);
bool sandbox_import_clear(sandbox_database *database, sandbox_import *import);

/* Rows are added one by one between `add_begin` and `add_end`, which counts them and remembers
 * where this batch began. */
bool sandbox_import_add_begin(sandbox_database *database, const sandbox_import *import);
bool sandbox_import_add_row(sandbox_database *database, sandbox_import *import, fl_slice json);
bool sandbox_import_add_end(sandbox_database *database, const sandbox_import *import);
/* A column that rows of the import have; columns keep the order in which they were first seen. */
bool sandbox_import_add_column(sandbox_database *database, const sandbox_import *import,
                               fl_slice name);

/* Members `id`, `name`, `description`, `records`, `createdAt`, `updatedAt`. */
bool sandbox_import_put(sandbox_database *database, const sandbox_import *import,
                        const sandbox_options *options, sandbox_json_writer *out);
/* The array of all, oldest first; the newest `hidden` are left out. */
bool sandbox_import_put_all(sandbox_database *database, const sandbox_options *options,
                            int64_t hidden, sandbox_json_writer *out);
/* How many rows there were before the newest `commits` batches. */
int64_t sandbox_import_records_before(sandbox_database *database, const sandbox_import *import,
                                      int64_t commits);

/* How many records of an import are in batches that came at this wall time or before. */
int64_t sandbox_import_records_at(sandbox_database *database, const sandbox_import *import,
                                  fl_time wall);
/*
 * Rows from position `start` to before `end`, separated by commas; `backward`: the last one first.
 * `added_member`: each row gets its position from 0 under this name; NULL = none.
 */
bool sandbox_import_put_rows(sandbox_database *database, const sandbox_import *import,
                             int64_t start, int64_t end, bool backward, const char *added_member,
                             sandbox_json_writer *out);

/* Calls the function with each import that has a name, newest first;
 * stops where it answers false. */
bool sandbox_import_each(sandbox_database *database,
                         bool (*function)(void *context, const char *name, int64_t id),
                         void *context);
/* The SELECT that shows an import's rows as a table with a column for each member, to
 * sqlite3_free. Columns whose bit is not set in `used` are NULL; the last bit stands for all from
 * the 64th on. */
char *sandbox_import_select(sandbox_database *database, int64_t id, uint64_t used);

#endif
