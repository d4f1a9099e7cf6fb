/*
 * import_table.h: imports as tables of another SQLite connection, on which untrusted SQL runs. That
 * connection has only these tables, so the SQL cannot reach the database itself.
 */
#ifndef SANDBOX_IMPORT_TABLE_H
#define SANDBOX_IMPORT_TABLE_H

#include "database.h"

/* Prepares the connection for tables of imports of this database. The database has to outlive the
 * connection. */
bool sandbox_import_table_register(struct sqlite3 *connection, sandbox_database *database);
/* Makes the import a table of this name. If the name is taken, the earlier table stays. */
bool sandbox_import_table_create(struct sqlite3 *connection, const char *name, int64_t id);

#endif
