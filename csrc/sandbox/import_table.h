/*
 * import_table.h: imports as tables of another SQLite connection, one on which the SQL of strangers
 * runs: it has these tables and nothing else, so that no name leads to the database itself.
 */
#ifndef SANDBOX_IMPORT_TABLE_H
#define SANDBOX_IMPORT_TABLE_H

#include "database.h"

/* Lets the connection have imports of this database as tables. The database outlives it. */
bool sandbox_import_table_register(struct sqlite3 *connection, sandbox_database *database);
/* Makes the import a table of this name. The first of a name stays. */
bool sandbox_import_table_create(struct sqlite3 *connection, const char *name, int64_t id);

#endif
