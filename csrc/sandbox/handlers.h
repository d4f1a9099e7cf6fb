/*
 * handlers.h: carries out the operations: from a complete request to a complete reply in the
 * envelope.
 *
 * Independent of the HTTP transport. The caller holds the sandbox's lock. handlers.c has the
 * transaction and the envelope. handlers_imports.c and handlers_runs.c have one handler for each
 * operation of routes.h. A handler appends its `data` to reply->body, or refuses.
 */
#ifndef SANDBOX_HANDLERS_H
#define SANDBOX_HANDLERS_H

#include "import.h"
#include "reply.h"
#include "routes.h"

/* Counters of side effects since the start, which replies do not show. */
typedef struct sandbox_tally {
  int64_t events;                  /* imports that were committed with sendEvents true */
  int64_t runs;                    /* runs of automations, by Execute or by an event */
  int64_t starts[OPERATION_COUNT]; /* requests that started a run, and were carried out */
} sandbox_tally;

/* The record_limit of a write that keeps all records. */
#define RECORDS_ALL (-1)
#define RECORDS_HALF (-2)

/* The end of a run that a request starts. */
typedef enum { RUN_SUCCEEDS, RUN_FAILS, RUN_IS_LOST } sandbox_run_end;

/* A complete request that was admitted. */
typedef struct sandbox_call {
  sandbox_database *database;
  const sandbox_options *options;
  sandbox_tally *tally;
  sandbox_operation operation;
  fl_slice id;    /* decoded */
  fl_slice query; /* still encoded, without the question mark */
  fl_slice body;
  int64_t hidden_commits; /* the number of newest commits that a read does not see */
  int64_t record_limit;   /* the most records that a write keeps */
  int64_t page;           /* the number of pages of rows requested before */
  bool late;              /* a run whose reply was sent before */
  sandbox_run_end run_end;
  const char *run_message; /* of a run that fails */
} sandbox_call;

/* Carries out the call in one transaction, and writes the envelope. */
void sandbox_handlers_answer(sandbox_call *call, sandbox_reply *reply);

#define SANDBOX_DECLARE(operation, name, method, path, writes, handler) \
  void sandbox_handlers_##handler(sandbox_call *call, sandbox_reply *reply);
SANDBOX_OPERATIONS(SANDBOX_DECLARE)
#undef SANDBOX_DECLARE

/* Records the failure of a run whose reply was sent before. In handlers_runs.c. */
void sandbox_handlers_runs_note_failure(sandbox_call *call);

/* Runs the automations that are triggered by an import of this name. In handlers_runs.c. */
void sandbox_handlers_runs_trigger(sandbox_call *call, const sandbox_import *import);

#endif
