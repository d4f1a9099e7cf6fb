/*
 * lease_store.h: shares of rate limits in two tables, `services` and `members`, which docs/state.md
 * describes: the place (engine/lease_place.h) for the processes of one machine, or of many.
 *
 * For one machine the tables are in a file beside the state file. It is an SQLite database of its
 * own, since its commits need not wait for the disk: what a crash of the machine loses is of use
 * for a minute only. Its clock is the wall clock of the machine. Readable by its owner alone
 * (0600), as the state file. For many machines they are in PostgreSQL, whose clock is that of the
 * server.
 */
#ifndef FL_LEASE_STORE_H
#define FL_LEASE_STORE_H

#include "engine/lease_place.h"
#include "files/database.h"

#define FL_LEASE_FILE_ENDING "-budget"

/* The place beside the state file at `state`; `shared` as for fl_store_new. Opens nothing yet. NULL
 * without memory. One reference is the caller's. */
fl_lease_place *fl_lease_file_new(const char *state, bool shared);

/* The place in a database that has the tables, by the name that users see. Takes over the reference
 * of the database. NULL without memory; the database is then released. */
fl_lease_place *fl_lease_database_new(fl_database *database, const char *name);

/* The schema of the file. */
extern const fl_store_schema fl_lease_file_schema;

#endif
