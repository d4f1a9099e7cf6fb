/*
 * budget.h: the rate budgets of the process, one for each service (base URL and subscription).
 *
 * A budget is an fl_rate_limit (policy/rate_limit.h) behind a lock, so that any thread may read it
 * while the engine changes it. All clients of the same service share one budget and one retry
 * quota. A budget may have a place (engine/lease_place.h), by which processes share the limit: then
 * a lease (policy/lease.h) decides when calls start. The registry belongs to the engine: after a
 * fork the child starts with an empty one.
 */
#ifndef FL_BUDGET_H
#define FL_BUDGET_H

#include <pthread.h>

#include "engine/lease_place.h"
#include "policy/lease.h"
#include "policy/rate_limit.h"
#include "policy/retry.h"

typedef struct fl_budget fl_budget;

typedef struct fl_budget_registry {
  pthread_mutex_t lock;
  fl_budget *first;
  int shared;                  /* budgets with a place */
  void (*post)(fl_item *item); /* hands an answer of a place to the engine */
} fl_budget_registry;

void fl_budget_registry_init(fl_budget_registry *registry, void (*post)(fl_item *item));
void fl_budget_registry_free(fl_budget_registry *registry);

/* The budget of a service. The first request for a service creates its budget, with the limit to
 * assume (0: none). NULL without memory. The registry frees it. */
fl_budget *fl_budget_of(fl_budget_registry *registry, const char *base_url,
                        const char *subscription, int64_t assumed_limit);

/* Gives a budget a place, which it retains. `member`: a random number that names the process at the
 * place. Does nothing if it has a place already. */
void fl_budget_share(fl_budget *budget, fl_lease_place *place, uint64_t member);

/* The functions of these names in rate_limit.h or, with a place, in lease.h; under the lock. */
fl_time fl_budget_take(fl_budget *budget, fl_time now, bool interactive);
void fl_budget_give_back(fl_budget *budget);
void fl_budget_learn(fl_budget *budget, fl_time now, const fl_response_head *head);
void fl_budget_throttled(fl_budget *budget, fl_time now, fl_time until);

/* Counts the calls that wait for this budget: one more (1) or one less (-1). */
void fl_budget_count_waiting(fl_budget *budget, int change, bool interactive);

/* When the call of a class (interactive or not) that has waited least can start at the earliest:
 * the end of the window if the calls before it use it up, else 0. 0 as well for a budget that
 * processes share, of which each knows only its part. */
fl_time fl_budget_full_until(fl_budget *budget, fl_time now, bool interactive);

/* The time at which a place has to be asked; FL_NEVER if none has. */
fl_time fl_budget_registry_next_ask(fl_budget_registry *registry, fl_time now);

/* Asks the places of the budgets for which it is time. Call it outside of turns: it may start a
 * thread. One thread at a time. */
void fl_budget_registry_ask(fl_budget_registry *registry, fl_time now);

/* Gives all leases back, and waits for it. */
void fl_budget_registry_leave(fl_budget_registry *registry, fl_time now);

/* Takes an answer, whose calls may then ask the budget again. Returns its budget; NULL if nothing
 * has asked for it. The caller frees the answer. */
fl_budget *fl_budget_registry_answer(fl_budget_registry *registry, const fl_lease_answer *answer,
                                     fl_time now);

/* The retry quota of the service; the engine's thread only. */
fl_retry_quota *fl_budget_retry_quota(fl_budget *budget);

typedef struct fl_budget_view {
  fl_rate_limit belief;
  int64_t waiting;
  double pace;       /* requests a second; negative: calls start at once */
  const char *place; /* the name of the place that decides; NULL: none */
  int64_t remaining; /* requests left in the window; FL_UNKNOWN */
  int64_t foreign;   /* requests of other consumers since the beginning */
} fl_budget_view;

/* The present state of a service's budget; false if it has no budget yet. Any thread. */
bool fl_budget_look(fl_budget_registry *registry, const char *base_url, const char *subscription,
                    fl_time now, fl_budget_view *view);

#endif
