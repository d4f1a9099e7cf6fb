/*
 * import.h: the imports and their rows.
 *
 * A row is kept as the JSON text that was sent, digit for digit, under import id and position, so
 * that a page is one range of the table's key. Under the sandbox's lock. After a failure,
 * sandbox_database_error gives the reason.
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

/* Finds an import by the id that the service shows. */
sandbox_import sandbox_import_find(sandbox_database *database, fl_slice id);
/* Finds the newest import of that name. */
sandbox_import sandbox_import_named(sandbox_database *database, fl_slice name);

/* The name of an import, to free() after use; NULL if it has none. */
char *sandbox_import_name(sandbox_database *database, const sandbox_import *import);

/* Creates an empty import. */
bool sandbox_import_create(sandbox_database *database, sandbox_ids ids, sandbox_import *import);
/*
 * Gives an import the id, and the times, if their data is not NULL, that it has at another service.
 * Later imports get other ids.
 */
bool sandbox_import_adopt(sandbox_database *database, fl_slice id, fl_slice new_id,
                          fl_slice created, fl_slice updated);
/* Sets name and description. A slice whose data is NULL leaves its value unchanged. */
bool sandbox_import_describe(sandbox_database *database, const sandbox_import *import,
                             fl_slice name, fl_slice description);
bool sandbox_import_clear(sandbox_database *database, sandbox_import *import);

/* Rows are added one by one between `add_begin` and `add_end`. `add_end` counts them and stores the
 * start of this batch. */
bool sandbox_import_add_begin(sandbox_database *database, const sandbox_import *import);
bool sandbox_import_add_row(sandbox_database *database, sandbox_import *import, fl_slice json);
bool sandbox_import_add_end(sandbox_database *database, const sandbox_import *import);
/* The time of an import's last change, to free() after use; NULL if it has none. */
char *sandbox_import_updated(sandbox_database *database, const sandbox_import *import);
/* Sets the time of the last change after a run that has replaced the import: later than `before`,
 * or equal to it if `hidden`. */
bool sandbox_import_stamp(sandbox_database *database, const sandbox_import *import,
                          const char *before, bool hidden);
/* Adds a column that rows of the import have. Columns keep the order of their first appearance. */
bool sandbox_import_add_column(sandbox_database *database, const sandbox_import *import,
                               fl_slice name);

/* Writes the members `id`, `name`, `description`, `records`, `createdAt`, `updatedAt`. */
bool sandbox_import_put(sandbox_database *database, const sandbox_import *import,
                        const sandbox_options *options, sandbox_json_writer *out);
/* Writes the array of all imports, oldest first, without the newest `hidden`. */
bool sandbox_import_put_all(sandbox_database *database, const sandbox_options *options,
                            int64_t hidden, sandbox_json_writer *out);
/* The number of rows before the newest `commits` batches. */
int64_t sandbox_import_records_before(sandbox_database *database, const sandbox_import *import,
                                      int64_t commits);

/* The number of records in batches received at this wall time or before. */
int64_t sandbox_import_records_at(sandbox_database *database, const sandbox_import *import,
                                  fl_time wall);
/*
 * Rows from position `start` to before `end`, separated by commas; `backward`: the last one first.
 * `added_member`: each row gets its position from 0 under this name; NULL = none.
 */
bool sandbox_import_put_rows(sandbox_database *database, const sandbox_import *import,
                             int64_t start, int64_t end, bool backward, const char *added_member,
                             sandbox_json_writer *out);

/* Calls the function with each import that has a name, newest first. Stops when it returns false.
 */
bool sandbox_import_each(sandbox_database *database,
                         bool (*function)(void *context, const char *name, int64_t id),
                         void *context);
/* The SELECT that shows an import's rows as a table with a column for each member, to sqlite3_free.
 * Columns whose bit is not set in `used` are NULL. The last bit stands for all columns from the
 * 64th on. */
char *sandbox_import_select(sandbox_database *database, int64_t id, uint64_t used);

#endif
