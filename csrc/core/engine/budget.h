/*
 * budget.h: where the rate budget lives: in memory, one a service (base URL and subscription).
 *
 * A machine around rate_limit.h: it holds the belief behind a lock, so that any thread may look
 * while the engine works with it. All clients of a process that speak to the same service share
 * one, and the retry quota with it. The registry belongs to the engine: after a fork both start
 * afresh.
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

/* The budget of a service, made at first sight with the limit to assume (0: none). NULL without
 * memory. Lives as long as the registry. */
fl_budget *fl_budget_of(fl_budget_registry *registry, const char *base_url,
                        const char *subscription, int64_t assumed_limit);

/* See the functions of the same names in rate_limit.h. `waiting` is kept by the two calls after. */
fl_time fl_budget_take(fl_budget *budget, fl_time now, bool interactive);
void fl_budget_give_back(fl_budget *budget);
void fl_budget_learn(fl_budget *budget, fl_time now, const fl_response_head *head);
void fl_budget_throttled(fl_budget *budget, fl_time now, fl_time until);

/* A call has come that waits for this budget, or waits no more. */
void fl_budget_waits(fl_budget *budget, int change);

/* The retry quota that goes with the budget; the engine's thread only. */
fl_retry_quota *fl_budget_retry_quota(fl_budget *budget);

typedef struct fl_budget_view {
  fl_rate_limit belief;
  int64_t waiting;
  double pace; /* requests a second; negative: at once */
} fl_budget_view;

/* What is believed about a service now; false if nothing was ever asked of it. Any thread. */
bool fl_budget_look(fl_budget_registry *registry, const char *base_url, const char *subscription,
                    fl_time now, fl_budget_view *view);

#endif
