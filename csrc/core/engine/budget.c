/* budget.c: a list of budgets behind one lock; it is short, since it has one entry a service. */
#include "engine/budget.h"

#include <stdlib.h>

struct fl_budget {
  fl_budget *next;
  fl_budget_registry *registry;
  fl_rate_limit belief;
  fl_retry_quota quota;
  int64_t waiting;
  char *subscription; /* in the same allocation, behind base_url */
  char base_url[];
};

void fl_budget_registry_init(fl_budget_registry *registry) {
  pthread_mutex_init(&registry->lock, NULL);
  registry->first = NULL;
}

void fl_budget_registry_free(fl_budget_registry *registry) {
  fl_budget *budget = registry->first;
  while (budget != NULL) {
    fl_budget *next = budget->next;
    free(budget);
    budget = next;
  }
  registry->first = NULL;
  pthread_mutex_destroy(&registry->lock);
}

static fl_budget *find(fl_budget_registry *registry, const char *base_url,
                       const char *subscription) {
  fl_budget *budget = registry->first;
  while (budget != NULL && (strcmp(budget->base_url, base_url) != 0 ||
                            strcmp(budget->subscription, subscription) != 0))
    budget = budget->next;
  return budget;
}

fl_budget *fl_budget_of(fl_budget_registry *registry, const char *base_url,
                        const char *subscription, int64_t assumed_limit) {
  fl_budget *budget;
  pthread_mutex_lock(&registry->lock);
  budget = find(registry, base_url, subscription);
  if (budget == NULL) {
    size_t url_size = strlen(base_url) + 1, subscription_size = strlen(subscription) + 1;
    budget = calloc(1, sizeof *budget + url_size + subscription_size);
    if (budget != NULL) {
      memcpy(budget->base_url, base_url, url_size);
      budget->subscription = budget->base_url + url_size;
      memcpy(budget->subscription, subscription, subscription_size);
      fl_rate_limit_init(&budget->belief, assumed_limit);
      budget->quota.tokens = FL_RETRY_QUOTA_FULL;
      budget->registry = registry;
      budget->next = registry->first;
      registry->first = budget;
    }
  }
  if (budget != NULL) fl_rate_limit_assume(&budget->belief, assumed_limit);
  pthread_mutex_unlock(&registry->lock);
  return budget;
}

fl_time fl_budget_take(fl_budget *budget, fl_time now, bool interactive) {
  fl_time at;
  pthread_mutex_lock(&budget->registry->lock);
  at = fl_rate_limit_take(&budget->belief, now, budget->waiting, interactive);
  pthread_mutex_unlock(&budget->registry->lock);
  return at;
}

void fl_budget_give_back(fl_budget *budget) {
  pthread_mutex_lock(&budget->registry->lock);
  fl_rate_limit_give_back(&budget->belief);
  pthread_mutex_unlock(&budget->registry->lock);
}

void fl_budget_learn(fl_budget *budget, fl_time now, const fl_response_head *head) {
  pthread_mutex_lock(&budget->registry->lock);
  fl_rate_limit_learn(&budget->belief, now, head);
  pthread_mutex_unlock(&budget->registry->lock);
}

void fl_budget_throttled(fl_budget *budget, fl_time now, fl_time until) {
  pthread_mutex_lock(&budget->registry->lock);
  fl_rate_limit_throttled(&budget->belief, now, until);
  pthread_mutex_unlock(&budget->registry->lock);
}

void fl_budget_count_waiting(fl_budget *budget, int change) {
  pthread_mutex_lock(&budget->registry->lock);
  budget->waiting += change;
  pthread_mutex_unlock(&budget->registry->lock);
}

fl_retry_quota *fl_budget_retry_quota(fl_budget *budget) { return &budget->quota; }

bool fl_budget_look(fl_budget_registry *registry, const char *base_url, const char *subscription,
                    fl_time now, fl_budget_view *view) {
  fl_budget *budget;
  pthread_mutex_lock(&registry->lock);
  budget = find(registry, base_url, subscription);
  if (budget != NULL) {
    view->belief = budget->belief;
    view->waiting = budget->waiting;
    view->pace = fl_rate_limit_pace(&budget->belief, now);
  }
  pthread_mutex_unlock(&registry->lock);
  return budget != NULL;
}
