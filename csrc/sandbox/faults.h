/*
 * faults.h: which call goes wrong, and how.
 *
 * Pure: the caller holds the sandbox's lock, and probability comes from a generator seeded by the
 * fault itself, so that a script of faults does the same in every run. What a kind does to a reply
 * is the server's matter; docs/sandbox.md describes each.
 */
#ifndef SANDBOX_FAULTS_H
#define SANDBOX_FAULTS_H

#include "routes.h"

typedef enum sandbox_fault_kind {
  FAULT_NONE = -1,
  FAULT_COMMIT_THEN_DROP,
  FAULT_COMMIT_THEN_500,
  FAULT_COMMIT_LATE,
  FAULT_PARTIAL_COMMIT,
  FAULT_KEEPALIVE_KILL,
  FAULT_READ_LAG,
  FAULT_REFUSE,
  FAULT_RESET,
  FAULT_EMPTY,
  FAULT_GARBAGE,
  FAULT_TRUNCATE,
  FAULT_STALL,
  FAULT_LATENCY,
  FAULT_HANG,
  FAULT_SLOW_BODY,
  FAULT_THROTTLE,
  FAULT_STATUS,
  FAULT_HTML,
  FAULT_WRONG_LENGTH,
  FAULT_BAD_GZIP,
  FAULT_HUGE,
  FAULT_REDIRECT,
  FAULT_FOREIGN_USE,
  FAULT_KINDS
} sandbox_fault_kind;

extern const char *const sandbox_fault_names[FAULT_KINDS];
sandbox_fault_kind sandbox_faults_kind(const char *name);

#define FAULT_TEXT 256

typedef struct sandbox_fault {
  sandbox_operation operation; /* OPERATION_NONE = every one */
  sandbox_fault_kind kind;
  int64_t nth, times;
  double probability; /* of a call that nth and times let through; 1 = each */
  uint64_t seed;
  int64_t calls, hits; /* counted here */

  /* What the kinds read; -1 or "" where it was not given. */
  int64_t status, bytes, records, commits, requests, remaining;
  double seconds;
  bool drop, chunked, after_head, late;
  char retry_after[FAULT_TEXT], location[FAULT_TEXT], message[FAULT_TEXT];
} sandbox_fault;

typedef struct sandbox_faults {
  sandbox_fault *list;
  size_t count;
} sandbox_faults;

bool sandbox_faults_add(sandbox_faults *faults, const sandbox_fault *fault);
void sandbox_faults_clear(sandbox_faults *faults);

/*
 * One call of `operation` came; `reused`: not the first on its connection. Every fault of the
 * operation counts it (keepalive_kill only reused ones). True: the first fault set that fires is
 * copied to *fired.
 */
bool sandbox_faults_pick(sandbox_faults *faults, sandbox_operation operation, bool reused,
                         sandbox_fault *fired);

#endif
