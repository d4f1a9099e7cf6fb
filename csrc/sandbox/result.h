/*
 * result.h: the stored results of reports. Under the sandbox's lock.
 */
#ifndef SANDBOX_RESULT_H
#define SANDBOX_RESULT_H

#include "database.h"
#include "json_writer.h"

/* Stores the result of a report: its number of rows, and its chart as JSON text. */
bool sandbox_result_store(sandbox_database *database, const char *report, int64_t rows,
                          fl_slice chart);
/* Writes the members `rows` and `generatedAt` to `out`, each with a comma before it. False if there
 * is no result. `chart` may be NULL. */
bool sandbox_result_put(sandbox_database *database, fl_slice report, sandbox_json_writer *members,
                        sandbox_json_writer *chart);

/* Gives a stored result a new time, as a run that has stored it again. */
bool sandbox_result_replay(sandbox_database *database, const char *report);

#endif
