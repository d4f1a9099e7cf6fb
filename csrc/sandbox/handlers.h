/*
 * handlers.h: the operations themselves, from a whole request to a whole reply in the envelope.
 *
 * Knows nothing of HTTP's transport. The caller holds the sandbox's lock. handlers.c has the
 * transaction and the envelope; handlers_imports.c and handlers_runs.c have one handler for each
 * operation of routes.h. A handler appends its `data` to reply->body, or refuses.
 */
#ifndef SANDBOX_HANDLERS_H
#define SANDBOX_HANDLERS_H

#include "import.h"
#include "reply.h"
#include "routes.h"

/* What happened behind the replies since the start. */
typedef struct sandbox_tally {
  int64_t events; /* imports that were committed with sendEvents true */
  int64_t runs;   /* runs of automations, by Execute or by an event */
} sandbox_tally;

/* How many of a write's records are kept, where it is no number. */
#define RECORDS_ALL (-1)
#define RECORDS_HALF (-2)

/* A request, whole and let in. */
typedef struct sandbox_call {
  sandbox_database *database;
  const sandbox_options *options;
  sandbox_tally *tally;
  sandbox_operation operation;
  fl_slice id;    /* decoded */
  fl_slice query; /* as it came, without the question mark */
  fl_slice body;
  int64_t hidden_commits; /* the newest commits that a read does not see */
  int64_t record_limit;   /* a write keeps only so many records */
  int64_t page;           /* how many pages of rows were asked for before */
  bool late;              /* a run whose reply went out before */
} sandbox_call;

/* Does what is asked, in one transaction, and writes the envelope. */
void sandbox_handlers_answer(sandbox_call *call, sandbox_reply *reply);

#define SANDBOX_DECLARE(operation, name, method, path, writes, handler) \
  void sandbox_handlers_##handler(sandbox_call *call, sandbox_reply *reply);
SANDBOX_OPERATIONS(SANDBOX_DECLARE)
#undef SANDBOX_DECLARE

/* Runs the automations that wait for data in an import of this one's name. In handlers_runs.c. */
void sandbox_handlers_runs_trigger(sandbox_call *call, const sandbox_import *import);

#endif
