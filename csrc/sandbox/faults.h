/*
 * faults.h: the kinds of faults, and the choice of the fault for a call.
 *
 * SANDBOX_FAULTS is the one list of kinds. The exchange (exchange_work.c, exchange_reply.c) acts by
 * the row of a fault, and the Lua side takes the names and the options from the list. Pure: the
 * caller holds the sandbox's lock, and each fault seeds its own random generator, so that the same
 * faults behave alike in every run. docs/sandbox.md describes each kind.
 */
#ifndef SANDBOX_FAULTS_H
#define SANDBOX_FAULTS_H

#include "field.h"
#include "routes.h"

/* The effect on the request. */
typedef enum {
  WORK_WHOLE,         /* carried out */
  WORK_REUSED,        /* carried out; only calls on a reused connection count for `nth` */
  WORK_NONE,          /* not carried out */
  WORK_UNREAD,        /* its body is not read either */
  WORK_LATE,          /* carried out `seconds` later */
  WORK_PART,          /* only its first `records` are kept */
  WORK_LAGGING,       /* a read without the newest `commits` */
  WORK_AFTER_FOREIGN, /* carried out after another consumer has spent of the rate limit */
  WORK_FAILING_RUN,   /* a run is started and fails; other operations are carried out */
  WORK_LOST_RUN, /* a run is acknowledged but never carried out; other operations are carried out */
} sandbox_work_mode;

/* The effect on the reply. */
typedef enum {
  SEND_WHOLE,
  SEND_LATE,         /* the reply, `seconds` later */
  SEND_NOTHING,      /* the connection is closed */
  SEND_NOTHING_LATE, /* the same, `seconds` later */
  SEND_RESET,        /* a TCP reset */
  SEND_STATUS,       /* the envelope of an error */
  SEND_HTML,         /* a proxy's page */
  SEND_REDIRECT,
  SEND_GARBAGE,      /* bytes that are no JSON */
  SEND_BAD_GZIP,     /* a valid beginning, then garbage */
  SEND_CUT,          /* half the body, then the end of the connection */
  SEND_STALLED,      /* a pause before or within the body */
  SEND_SLOWLY,       /* a pause between all pieces of the body */
  SEND_OVERLONG,     /* fewer bytes than the Content-Length */
  SEND_HUGE,         /* an endless text in a valid envelope */
  SEND_GZIP_MEMBERS, /* two members of gzip, and `bytes` of garbage */
  SEND_BOM,          /* a byte order mark before the JSON */
  SEND_HEADER,       /* the reply with `line` in its head */
  SEND_TRAILER,      /* the reply in chunks, with `line` behind them */
} sandbox_send_mode;

/* A row: name, request, reply, status (0 = the reply's own) and the options that it reads. */
/* clang-format off */
#define SANDBOX_FAULTS(FAULT) \
  FAULT("commit_then_drop", WORK_WHOLE, SEND_NOTHING, 0, NO_OPTIONS) \
  FAULT("commit_then_500", WORK_WHOLE, SEND_STATUS, 500, STATUS(200, 599), MESSAGE) \
  FAULT("commit_late", WORK_LATE, SEND_NOTHING, 0, SECONDS(1)) \
  FAULT("partial_commit", WORK_PART, SEND_STATUS, 500, RECORDS, DROP, STATUS(200, 599), MESSAGE) \
  FAULT("keepalive_kill", WORK_REUSED, SEND_NOTHING, 0, NO_OPTIONS) \
  FAULT("read_lag", WORK_LAGGING, SEND_WHOLE, 0, COMMITS(1)) \
  FAULT("refuse", WORK_UNREAD, SEND_NOTHING, 0, NO_OPTIONS) \
  FAULT("reset", WORK_NONE, SEND_RESET, 0, NO_OPTIONS) \
  FAULT("empty", WORK_NONE, SEND_NOTHING, 0, NO_OPTIONS) \
  FAULT("garbage", WORK_WHOLE, SEND_GARBAGE, 0, NO_OPTIONS) \
  FAULT("truncate", WORK_WHOLE, SEND_CUT, 0, NO_OPTIONS) \
  FAULT("stall", WORK_WHOLE, SEND_STALLED, 0, SECONDS(1), AFTER) \
  FAULT("latency", WORK_WHOLE, SEND_LATE, 0, SECONDS(1)) \
  FAULT("hang", WORK_NONE, SEND_NOTHING_LATE, 0, SECONDS(1), LATE) \
  FAULT("slow_body", WORK_WHOLE, SEND_SLOWLY, 0, SECONDS(0.05), BYTES(64, 1, 0x1p31)) \
  FAULT("throttle", WORK_NONE, SEND_STATUS, 429, RETRY_AFTER, REMAINING, MESSAGE) \
  FAULT("status", WORK_NONE, SEND_STATUS, 0, STATUS(200, 599), RETRY_AFTER, REMAINING, MESSAGE) \
  FAULT("html", WORK_NONE, SEND_HTML, 502, STATUS(200, 599), RETRY_AFTER) \
  FAULT("wrong_length", WORK_WHOLE, SEND_OVERLONG, 0, BYTES(16, 1, 0x1p31)) \
  FAULT("bad_gzip", WORK_WHOLE, SEND_BAD_GZIP, 0, NO_OPTIONS) \
  FAULT("huge", WORK_WHOLE, SEND_HUGE, 0, BYTES(0x1p30, 64, 0x1p50), CHUNKED) \
  FAULT("gzip_members", WORK_WHOLE, SEND_GZIP_MEMBERS, 0, BYTES(0, 0, 0x1p20)) \
  FAULT("bom", WORK_WHOLE, SEND_BOM, 0, NO_OPTIONS) \
  FAULT("header", WORK_WHOLE, SEND_HEADER, 0, LINE) \
  FAULT("trailer", WORK_WHOLE, SEND_TRAILER, 0, LINE) \
  FAULT("redirect", WORK_NONE, SEND_REDIRECT, 302, STATUS(300, 399), LOCATION) \
  FAULT("foreign_use", WORK_AFTER_FOREIGN, SEND_WHOLE, 0, REQUESTS) \
  FAULT("fail_run", WORK_FAILING_RUN, SEND_WHOLE, 0, MESSAGE) \
  FAULT("lose_run", WORK_LOST_RUN, SEND_WHOLE, 0, NO_OPTIONS)
/* clang-format on */

#define FAULT_OPTIONS 4 /* at most */

typedef struct sandbox_fault_kind {
  const char *name;
  sandbox_work_mode work;
  sandbox_send_mode send;
  int status;
  sandbox_field options[FAULT_OPTIONS + 1];
} sandbox_fault_kind;

extern const sandbox_fault_kind sandbox_faults_kinds[]; /* ends with a name of NULL */
extern const sandbox_field sandbox_faults_fields[];     /* the options of every kind */
/* NULL if there is no kind of this name. */
const sandbox_fault_kind *sandbox_faults_kind(const char *name);

typedef struct sandbox_fault {
  const sandbox_fault_kind *kind;
  sandbox_operation operation; /* OPERATION_NONE = every one */
  int64_t nth, times;          /* times -1 (not given): 1, or no end if probability is below 1 */
  double probability;          /* of a call that nth and times let through; 1 = each */
  int64_t seed;
  uint64_t chance;     /* the state of the generator */
  int64_t calls, hits; /* counted here */

  /* The options of the kinds; -1 or "" if neither the caller nor the kind gives a value. */
  int64_t status, bytes, records, commits, requests, remaining;
  double seconds;
  bool drop, chunked, late;
  unsigned after; /* FAULT_AFTER_HALF | FAULT_AFTER_HEAD */
  char retry_after[FIELD_TEXT_ROOM], location[FIELD_TEXT_ROOM], message[FIELD_TEXT_ROOM];
  char line[FIELD_TEXT_ROOM]; /* "Name: value" */
} sandbox_fault;

enum { FAULT_AFTER_HALF, FAULT_AFTER_HEAD };

typedef struct sandbox_faults {
  sandbox_fault *list;
  size_t count;
} sandbox_faults;

/* A fault of this kind with the fallback of every option. */
void sandbox_faults_init(sandbox_fault *fault, const sandbox_fault_kind *kind);

bool sandbox_faults_add(sandbox_faults *faults, const sandbox_fault *fault);
void sandbox_faults_clear(sandbox_faults *faults);

/*
 * A call of `operation` has arrived. `reused`: it is not the first on its connection. Every fault
 * of the operation counts the call. If a fault fires, returns true and copies the first one to
 * *fired.
 */
bool sandbox_faults_pick(sandbox_faults *faults, sandbox_operation operation, bool reused,
                         sandbox_fault *fired);

#endif
