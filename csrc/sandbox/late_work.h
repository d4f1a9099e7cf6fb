/*
 * late_work.h: a request that is carried out some time after it came: a late commit, or a run that
 * takes its time behind the reply.
 *
 * The timer fires it, on its own thread, and takes the sandbox's lock. Where the sandbox stops
 * before, nothing is carried out.
 */
#ifndef SANDBOX_LATE_WORK_H
#define SANDBOX_LATE_WORK_H

#include "shared.h"

typedef struct sandbox_late_work {
  int64_t number; /* of the request in the log */
  sandbox_operation operation;
  fl_slice id, body;
  const char *path, *request_id; /* request_id NULL: there was none */
} sandbox_late_work;

/* Copies what is given. Without memory nothing is carried out. */
void sandbox_late_work_add(sandbox *owner, const sandbox_late_work *given, double seconds);

#endif
