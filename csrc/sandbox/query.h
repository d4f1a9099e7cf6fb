/*
 * query.h: SQL over imports, read-only.
 *
 * A query sees every import as a table under the import's name, with a column for each member that
 * its rows have. It cannot read anything else of the database, nor files or pragmas, and may call
 * only the functions of a list. Under the sandbox's lock.
 */
#ifndef SANDBOX_QUERY_H
#define SANDBOX_QUERY_H

#include "database.h"
#include "codec/json_scan.h"
#include "options.h"
#include "table.h"

/* Values for the query's named parameters (:name, @name, $name): the members of an object. */
typedef struct sandbox_parameters {
  const fl_json_tape *tape; /* NULL = none */
  const char *text;
  uint32_t node;
} sandbox_parameters;

/* Runs one SELECT. False with a `reason`; the table is then empty and need not be freed. */
bool sandbox_query(sandbox_database *database, const sandbox_options *options, const char *sql,
                   const sandbox_parameters *parameters, sandbox_table *table,
                   char reason[SANDBOX_REASON]);
#endif
