/* faults.c: which call goes wrong, and how. */
#include "faults.h"

#include <stdlib.h>

const char *const sandbox_fault_names[FAULT_KINDS] = {
    [FAULT_COMMIT_THEN_DROP] = "commit_then_drop",
    [FAULT_COMMIT_THEN_500] = "commit_then_500",
    [FAULT_COMMIT_LATE] = "commit_late",
    [FAULT_PARTIAL_COMMIT] = "partial_commit",
    [FAULT_KEEPALIVE_KILL] = "keepalive_kill",
    [FAULT_READ_LAG] = "read_lag",
    [FAULT_REFUSE] = "refuse",
    [FAULT_RESET] = "reset",
    [FAULT_EMPTY] = "empty",
    [FAULT_GARBAGE] = "garbage",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_STALL] = "stall",
    [FAULT_LATENCY] = "latency",
    [FAULT_HANG] = "hang",
    [FAULT_SLOW_BODY] = "slow_body",
    [FAULT_THROTTLE] = "throttle",
    [FAULT_STATUS] = "status",
    [FAULT_HTML] = "html",
    [FAULT_WRONG_LENGTH] = "wrong_length",
    [FAULT_BAD_GZIP] = "bad_gzip",
    [FAULT_HUGE] = "huge",
    [FAULT_REDIRECT] = "redirect",
    [FAULT_FOREIGN_USE] = "foreign_use",
};

sandbox_fault_kind sandbox_faults_kind(const char *name) {
  for (int index = 0; index < FAULT_KINDS; index++)
    if (strcmp(name, sandbox_fault_names[index]) == 0) return (sandbox_fault_kind)index;
  return FAULT_NONE;
}

bool sandbox_faults_add(sandbox_faults *faults, const sandbox_fault *fault) {
  sandbox_fault *list = realloc(faults->list, (faults->count + 1) * sizeof *list);
  if (list == NULL) return false;
  list[faults->count++] = *fault;
  faults->list = list;
  return true;
}

void sandbox_faults_clear(sandbox_faults *faults) {
  free(faults->list);
  faults->list = NULL;
  faults->count = 0;
}

/* SplitMix64: small, seeded by any number, and the same on every machine. */
static double draw(uint64_t *seed) {
  uint64_t mixed = (*seed += 0x9e3779b97f4a7c15u);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return (double)((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
}

static bool fires(sandbox_fault *fault) {
  if (++fault->calls < fault->nth) return false;
  if (fault->probability >= 1) return fault->calls - fault->nth < fault->times;
  return draw(&fault->seed) < fault->probability && fault->hits < fault->times;
}

bool sandbox_faults_pick(sandbox_faults *faults, sandbox_operation operation, bool reused,
                         sandbox_fault *fired) {
  bool found = false;
  for (size_t index = 0; index < faults->count; index++) {
    sandbox_fault *fault = &faults->list[index];
    if (fault->operation != OPERATION_NONE && fault->operation != operation) continue;
    if (fault->kind == FAULT_KEEPALIVE_KILL && !reused) continue;
    if (!fires(fault) || found) continue;
    fault->hits++;
    *fired = *fault;
    found = true;
  }
  return found;
}
