/*
 * result.h: the stored results of reports. Under the sandbox's lock.
 */
#ifndef SANDBOX_RESULT_H
#define SANDBOX_RESULT_H

#include "database.h"
#include "json_writer.h"

/* The stored result of a report: its rows' number and its chart as JSON text. */
bool sandbox_result_store(sandbox_database *database, const char *report, int64_t rows,
                          fl_slice chart);
/* False if there is none; `chart` may be NULL. Members `rows` and `generatedAt` go to `out`, each
 * with a comma before it. */
bool sandbox_result_put(sandbox_database *database, fl_slice report, sandbox_json_writer *members,
                        sandbox_json_writer *chart);

#endif
