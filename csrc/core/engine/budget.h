/*
 * budget.h: the rate budgets of the process, one for each service (base URL and subscription).
 *
 * A budget is an fl_rate_limit (policy/rate_limit.h) behind a lock, so that any thread may read it
 * while the engine changes it. All clients of the same service share one budget and one retry
 * quota. The registry belongs to the engine: after a fork the child starts with an empty one.
 */
#ifndef FL_BUDGET_H
#define FL_BUDGET_H

#include <pthread.h>

#include "policy/rate_limit.h"
#include "policy/retry.h"

typedef struct fl_budget fl_budget;

typedef struct fl_budget_registry {
  pthread_mutex_t lock;
  fl_budget *first;
} fl_budget_registry;

void fl_budget_registry_init(fl_budget_registry *registry);
void fl_budget_registry_free(fl_budget_registry *registry);

/* The budget of a service. The first request for a service creates its budget, with the limit to
 * assume (0: none). NULL without memory. The registry frees it. */
fl_budget *fl_budget_of(fl_budget_registry *registry, const char *base_url,
                        const char *subscription, int64_t assumed_limit);

/* The functions of these names in rate_limit.h, under the lock. */
fl_time fl_budget_take(fl_budget *budget, fl_time now, bool interactive);
void fl_budget_give_back(fl_budget *budget);
void fl_budget_learn(fl_budget *budget, fl_time now, const fl_response_head *head);
void fl_budget_throttled(fl_budget *budget, fl_time now, fl_time until);

/* Counts the calls that wait for this budget: one more (1) or one less (-1). */
void fl_budget_count_waiting(fl_budget *budget, int change);

/* The retry quota of the service; the engine's thread only. */
fl_retry_quota *fl_budget_retry_quota(fl_budget *budget);

typedef struct fl_budget_view {
  fl_rate_limit belief;
  int64_t waiting;
  double pace; /* requests a second; negative: calls start at once */
} fl_budget_view;

/* The present state of a service's budget; false if it has no budget yet. Any thread. */
bool fl_budget_look(fl_budget_registry *registry, const char *base_url, const char *subscription,
                    fl_time now, fl_budget_view *view);

#endif
