/* faults.c: the kinds of faults, and the choice of the fault for a call. */
#include "faults.h"

#include <math.h>
#include <stdlib.h>

/* clang-format off */
#define OPTION(type, name, ...) {#name, FIELD_##type, offsetof(sandbox_fault, name), __VA_ARGS__}
#define NO_OPTIONS {NULL, FIELD_INTEGER, 0, 0, 0, 0, NULL, NULL}
#define WHOLE(name, fallback, least, most) OPTION(INTEGER, name, fallback, least, most, NULL, NULL)
#define FLAG(name) OPTION(BOOLEAN, name, 0, 0, 0, NULL, NULL)
#define WORDS(type, name) OPTION(type, name, NAN, 0, 0, NULL, NULL)
#define COUNT(name, fallback) WHOLE(name, fallback, 0, 0x1p31)

#define STATUS(least, most) WHOLE(status, NAN, least, most)
#define BYTES(fallback, least, most) WHOLE(bytes, fallback, least, most)
#define RECORDS COUNT(records, NAN)
#define COMMITS(fallback) COUNT(commits, fallback)
#define REQUESTS COUNT(requests, NAN)
#define REMAINING COUNT(remaining, NAN)
#define SECONDS(fallback) OPTION(NUMBER, seconds, fallback, 0, 86400, NULL, NULL)
#define AFTER OPTION(CHOICE, after, NAN, 0, 0, NULL, after_choices)
#define DROP FLAG(drop)
#define CHUNKED FLAG(chunked)
#define LATE FLAG(late)
#define RETRY_AFTER WORDS(RETRY_AFTER, retry_after)
#define LOCATION WORDS(SHORT_TEXT, location)
#define LINE OPTION(SHORT_TEXT, line, NAN, 0, 0, "X-RateLimit-Remaining: 0", NULL)
#define MESSAGE WORDS(SHORT_TEXT, message)
/* clang-format on */

static const char *const after_choices[] = {"half", "head", NULL};

#define KIND(name, work, send, status, ...) {name, work, send, status, {__VA_ARGS__}},
#define NO_KIND                                     \
  {                                                 \
    NULL, WORK_WHOLE, SEND_WHOLE, 0, { NO_OPTIONS } \
  }
const sandbox_fault_kind sandbox_faults_kinds[] = {SANDBOX_FAULTS(KIND) NO_KIND};

const sandbox_field sandbox_faults_fields[] = {
    WHOLE(nth, 1, 1, INFINITY),
    WHOLE(times, NAN, 1, INFINITY),
    OPTION(NUMBER, probability, 1, 0, 1, NULL, NULL),
    WHOLE(seed, 1, 0, 0x1p53),
    NO_OPTIONS,
};

const sandbox_fault_kind *sandbox_faults_kind(const char *name) {
  for (const sandbox_fault_kind *kind = sandbox_faults_kinds; kind->name; kind++)
    if (strcmp(name, kind->name) == 0) return kind;
  return NULL;
}

void sandbox_faults_init(sandbox_fault *fault, const sandbox_fault_kind *kind) {
  *fault = (sandbox_fault){.kind = kind,
                           .operation = OPERATION_NONE,
                           .times = -1,
                           .status = kind->status,
                           .records = -1,
                           .requests = -1,
                           .remaining = -1};
}

bool sandbox_faults_add(sandbox_faults *faults, const sandbox_fault *fault) {
  sandbox_fault *list = realloc(faults->list, (faults->count + 1) * sizeof *list);
  if (list == NULL) return false;
  faults->list = list;
  list[faults->count] = *fault;
  list[faults->count].chance = (uint64_t)fault->seed;
  if (fault->times < 0) list[faults->count].times = fault->probability < 1 ? INT64_MAX : 1;
  faults->count++;
  return true;
}

void sandbox_faults_clear(sandbox_faults *faults) {
  free(faults->list);
  faults->list = NULL;
  faults->count = 0;
}

/* SplitMix64: small, seeded by any number, and the same on every machine. */
static double draw(uint64_t *state) {
  uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return (double)((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
}

static bool fires(sandbox_fault *fault) {
  if (++fault->calls < fault->nth) return false;
  if (fault->probability >= 1) return fault->calls - fault->nth < fault->times;
  return draw(&fault->chance) < fault->probability && fault->hits < fault->times;
}

bool sandbox_faults_pick(sandbox_faults *faults, sandbox_operation operation, bool reused,
                         sandbox_fault *fired) {
  bool found = false;
  for (size_t index = 0; index < faults->count; index++) {
    sandbox_fault *fault = &faults->list[index];
    if (fault->operation != OPERATION_NONE && fault->operation != operation) continue;
    if (fault->kind->work == WORK_REUSED && !reused) continue;
    if (!fires(fault) || found) continue;
    fault->hits++;
    *fired = *fault;
    found = true;
  }
  return found;
}
