/*
 * database.h: the database of a sandbox, in SQLite: imports (import.h), their rows, and the results
 * of reports (result.h).
 *
 * One connection, used under the sandbox's lock. A function that can fail returns false or a code;
 * sandbox_database_error then gives the reason.
 */
#ifndef SANDBOX_DATABASE_H
#define SANDBOX_DATABASE_H

#include "base/base.h"

struct sqlite3;

typedef struct sandbox_database sandbox_database;

/* `path` is a file's, or ":memory:". NULL: *error is a text to free. */
sandbox_database *sandbox_database_open(const char *path, char **error);
void sandbox_database_close(sandbox_database *database);
const char *sandbox_database_error(const sandbox_database *database);
struct sqlite3 *sandbox_database_handle(sandbox_database *database);

bool sandbox_database_begin(sandbox_database *database);
bool sandbox_database_commit(sandbox_database *database);
void sandbox_database_rollback(sandbox_database *database);

/* The whole database as the bytes of a SQLite file, to free() after use; NULL on failure. */
unsigned char *sandbox_database_save(sandbox_database *database, size_t *length);
/* Replaces the whole content by a saved one. */
bool sandbox_database_restore(sandbox_database *database, const unsigned char *bytes,
                              size_t length);
bool sandbox_database_reset(sandbox_database *database);

typedef struct sandbox_counts {
  int64_t imports, rows, results;
} sandbox_counts;
bool sandbox_database_count(sandbox_database *database, sandbox_counts *counts);

#endif
