/*
 * late_work.h: carries out a request some time after it was received: a late commit, or a run that
 * takes longer than its reply.
 *
 * The timer's thread carries the request out under the sandbox's lock. If the sandbox stops before,
 * the request is not carried out.
 */
#ifndef SANDBOX_LATE_WORK_H
#define SANDBOX_LATE_WORK_H

#include "shared.h"

typedef struct sandbox_late_work {
  int64_t number; /* of the request in the log */
  sandbox_operation operation;
  fl_slice id, body;
  const char *path, *request_id; /* request_id NULL: there was none */
  sandbox_run_end run_end;
  const char *run_message; /* of a run that fails */
} sandbox_late_work;

/* Copies `given`. Without memory the request is not carried out. */
void sandbox_late_work_add(sandbox *owner, const sandbox_late_work *given, double seconds);

#endif
