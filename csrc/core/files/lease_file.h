/*
 * lease_file.h: shares of rate limits in a file beside the state file, for the processes of one
 * machine (engine/lease_place.h).
 *
 * It is an SQLite database of its own, since its commits need not wait for the disk: what a crash
 * of the machine loses is of use for a minute only. Its clock is the wall clock of the machine.
 * Readable by its owner alone (0600), as the state file.
 */
#ifndef FL_LEASE_FILE_H
#define FL_LEASE_FILE_H

#include "engine/lease_place.h"
#include "files/store.h"

#define FL_LEASE_FILE_ENDING "-budget"

/* The place beside the state file at `state`; `shared` as for fl_store_new. Opens nothing yet. NULL
 * without memory. One reference is the caller's. */
fl_lease_place *fl_lease_file_new(const char *state, bool shared);

/* The schema of the file. It has two tables, `services` and `members`; docs/state.md describes
 * them. */
extern const fl_store_schema fl_lease_file_schema;

#endif
