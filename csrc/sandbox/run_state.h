/*
 * run_state.h: the state of the last run of each preparation and report. Under the sandbox's lock.
 *
 * The state is recorded when a run starts after its reply, and when it ends. The switch `run_shows`
 * chooses the members of the state in lists.
 */
#ifndef SANDBOX_RUN_STATE_H
#define SANDBOX_RUN_STATE_H

#include "database.h"
#include "json_writer.h"
#include "options.h"

bool sandbox_run_state_start(sandbox_database *database, sandbox_defined kind, const char *id);
/* `message` is NULL for a run that has succeeded. */
bool sandbox_run_state_end(sandbox_database *database, sandbox_defined kind, const char *id,
                           const char *status, const char *message);

/*
 * Members of a list's entry, each with a comma before it: `status` and `lastRunAt`, and `error` of
 * a run that failed; or `updatedAt` alone. `never` is the status of a definition that has not run.
 */
void sandbox_run_state_put_status(sandbox_database *database, sandbox_defined kind, const char *id,
                                  const char *never, sandbox_json_writer *out);
void sandbox_run_state_put_updated(sandbox_database *database, sandbox_defined kind, const char *id,
                                   sandbox_json_writer *out);

#endif
