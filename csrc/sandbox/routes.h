/*
 * routes.h: the nine endpoints: method and path -> operation, and the operations themselves, from
 * a whole request to a whole reply in the envelope.
 *
 * Knows nothing of HTTP's transport. The caller holds the sandbox's lock.
 */
#ifndef SANDBOX_ROUTES_H
#define SANDBOX_ROUTES_H

#include "database.h"
#include "codec/json_scan.h"

typedef struct sandbox_route {
  sandbox_operation operation; /* OPERATION_NONE: `status` says why */
  int status;                  /* 404 no such path, 405 another method */
  fl_slice id;                 /* the path's id, still percent-encoded */
} sandbox_route;

sandbox_route sandbox_route_find(const char *method, const char *path);

/* Percent-decodes into `out` and ends it with a NUL; the length, or -1 if an escape is broken. */
int64_t sandbox_unescape(char *out, fl_slice text);

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
  bool backward;          /* pages come in the reverse order */
  bool late;              /* a run whose reply went out before */
} sandbox_call;

#define SANDBOX_MESSAGE 512

typedef struct sandbox_reply {
  int status;
  sandbox_json_writer body; /* the whole envelope once sandbox_answer is done */
  char message[SANDBOX_MESSAGE];
  bool keep;      /* commit although the status is not 200 */
  bool committed; /* something was changed for good */
  bool run_later; /* the call is to be answered once more, `late`, after `run_seconds` */
} sandbox_reply;

void sandbox_reply_init(sandbox_reply *reply);

/* Does what is asked, in one transaction, and writes the envelope. */
void sandbox_answer(sandbox_call *call, sandbox_reply *reply);

/* Makes the reply the envelope of an error, whatever it was. */
void sandbox_reply_error(const sandbox_options *options, sandbox_reply *reply, int status,
                         const char *message);

#endif
