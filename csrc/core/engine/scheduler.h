/*
 * scheduler.h: starts, retries and ends calls. Decides when each attempt starts, by the client's
 * concurrency, the rate budget and the call's deadline. policy/retry.h decides what follows an
 * attempt.
 *
 * The scheduler owns every call from fl_scheduler_take until the call has ended: it then posts the
 * call to its mailbox, or gives it back to its pager. It reads no clock: `now` is the time of the
 * turn, set by the loop. One thread at a time uses it.
 */
#ifndef FL_SCHEDULER_H
#define FL_SCHEDULER_H

#include "engine/budget.h"
#include "engine/call.h"
#include "engine/network.h"
#include "policy/random.h"

#define FL_SCHEDULER_BUCKETS 1024

typedef struct fl_scheduler {
  uint64_t serial; /* of the engine; no other engine of this process or its parents has it */
  fl_network *network;
  fl_budget_registry *budgets;
  fl_time now;
  fl_random random;
  fl_call *index[FL_SCHEDULER_BUCKETS]; /* every call it owns, by ticket */
  size_t count;
  fl_timer_heap timers;
  fl_client *blocked; /* clients with calls that wait for the rate budget */
  bool closing;       /* nothing starts any more */
  bool pages_ended;   /* a call has gone back to its pager; the loop resets it */
} fl_scheduler;

/* Takes a new call. The call may end before this function returns. */
void fl_scheduler_take(fl_scheduler *scheduler, fl_call *call);

/* NULL: there is no call of this ticket, or it has ended. */
fl_call *fl_scheduler_find(const fl_scheduler *scheduler, uint64_t ticket);

/* Ends a call now, with `kind` and a message of these words. Does nothing for a call that is being
 * stopped already. */
void fl_scheduler_stop(fl_scheduler *scheduler, fl_call *call, fl_kind kind, const char *words);

/* Ends with kind closed every call of a client (NULL: any) and a mailbox (NULL: any). `silent`: the
 * outcomes are freed, not posted. */
void fl_scheduler_stop_all(fl_scheduler *scheduler, const fl_client *client,
                           const fl_mailbox *mailbox, bool silent);

/* Handles what is due: attempts after a backoff, deadlines, calls that waited for the budget. */
void fl_scheduler_start_due(fl_scheduler *scheduler);

/* Takes the answer of a place about a shared rate limit. The calls that wait for it are looked at
 * in fl_scheduler_start_due. The caller frees the answer. */
void fl_scheduler_take_lease(fl_scheduler *scheduler, const fl_lease_answer *answer);

/* Sends and receives, and decides what follows each attempt that has ended. */
void fl_scheduler_take_ended(fl_scheduler *scheduler);

/* The next time at which fl_scheduler_start_due has work, or FL_NEVER. */
fl_time fl_scheduler_next_due(const fl_scheduler *scheduler);

/* Frees the memory. Call it after the last fl_scheduler_stop_all. */
void fl_scheduler_free(fl_scheduler *scheduler);

#ifdef FL_CHECK
/* Checks the invariants that hold between turns, and aborts the process if one is broken. The most
 * important one: every waiting call is sure to be looked at again. */
void fl_scheduler_check(const fl_scheduler *scheduler);
#endif

#endif
