/* budget.c: a list of budgets behind one lock; it is short, since it has one entry a service. */
#include "engine/budget.h"

#include <stdlib.h>

struct fl_budget {
  fl_budget *next;
  fl_budget_registry *registry;
  fl_rate_limit belief;
  fl_retry_quota quota;
  int64_t waiting, urgent; /* calls that wait; the interactive ones of these */
  fl_lease_place *place;   /* NULL: the belief alone decides */
  fl_lease lease;
  uint64_t member;
  uint64_t asked;     /* the ticket of the question under way */
  char *subscription; /* in the same allocation, behind base_url */
  char base_url[];
};

void fl_budget_registry_init(fl_budget_registry *registry, void (*post)(fl_item *item)) {
  pthread_mutex_init(&registry->lock, NULL);
  registry->first = NULL;
  registry->shared = 0;
  registry->post = post;
}

void fl_budget_registry_free(fl_budget_registry *registry) {
  fl_budget *budget = registry->first;
  while (budget != NULL) {
    fl_budget *next = budget->next;
    if (budget->place != NULL) budget->place->release(budget->place);
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

void fl_budget_share(fl_budget *budget, fl_lease_place *place, uint64_t member) {
  pthread_mutex_lock(&budget->registry->lock);
  if (budget->place == NULL) {
    budget->place = place->retain(place);
    budget->member = member;
    budget->registry->shared++;
  }
  pthread_mutex_unlock(&budget->registry->lock);
}

fl_time fl_budget_take(fl_budget *budget, fl_time now, bool interactive) {
  fl_time at;
  pthread_mutex_lock(&budget->registry->lock);
  if (budget->place != NULL)
    at = fl_lease_take(&budget->lease, &budget->belief, now, budget->waiting, interactive);
  else at = fl_rate_limit_take(&budget->belief, now, budget->waiting, interactive);
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

fl_time fl_budget_full_until(fl_budget *budget, fl_time now, bool interactive) {
  fl_time until = 0;
  pthread_mutex_lock(&budget->registry->lock);
  if (budget->place == NULL) {
    int64_t waiting = interactive ? budget->urgent : budget->waiting - budget->urgent;
    until = fl_rate_limit_full_until(&budget->belief, now, waiting);
  }
  pthread_mutex_unlock(&budget->registry->lock);
  return until;
}

void fl_budget_count_waiting(fl_budget *budget, int change, bool interactive) {
  pthread_mutex_lock(&budget->registry->lock);
  budget->waiting += change;
  if (interactive) budget->urgent += change;
  pthread_mutex_unlock(&budget->registry->lock);
}

fl_retry_quota *fl_budget_retry_quota(fl_budget *budget) { return &budget->quota; }

/* --- places --- */

static fl_time due_of(const fl_budget *budget, fl_time now) {
  if (budget->place == NULL) return FL_NEVER;
  return fl_lease_due(&budget->lease, &budget->belief, now, budget->waiting, budget->urgent);
}

fl_time fl_budget_registry_next_ask(fl_budget_registry *registry, fl_time now) {
  fl_time next = FL_NEVER;
  pthread_mutex_lock(&registry->lock);
  for (const fl_budget *each = registry->shared > 0 ? registry->first : NULL; each != NULL;
       each = each->next) {
    fl_time due = due_of(each, now);
    if (due < next) next = due;
  }
  pthread_mutex_unlock(&registry->lock);
  return next;
}

/* Under the lock. */
static fl_lease_question question_of(fl_budget *budget, fl_time now, bool leaving) {
  fl_lease_question question = {.base_url = budget->base_url,
                                .subscription = budget->subscription,
                                .member = budget->member,
                                .ticket = fl_item_next_ticket(),
                                .waiting = leaving ? 0 : budget->waiting,
                                .spent = budget->belief.spent_total,
                                .last = leaving,
                                .post = leaving ? fl_item_free : budget->registry->post};
  question.report = fl_lease_ask(&budget->lease, &budget->belief, now, question.waiting,
                                 leaving ? 0 : budget->urgent, leaving);
  budget->asked = question.ticket;
  return question;
}

/* The place is asked without the lock, since a place that answers at once posts to the engine. The
 * members of a budget that a question names do not change. */
static void ask(fl_budget *budget, fl_time now, bool leaving) {
  fl_lease_question question = question_of(budget, now, leaving);
  bool asked;
  pthread_mutex_unlock(&budget->registry->lock);
  asked = budget->place->ask(budget->place, &question, leaving);
  pthread_mutex_lock(&budget->registry->lock);
  if (!asked) fl_lease_learn(&budget->lease, &budget->belief, now, NULL);
}

void fl_budget_registry_ask(fl_budget_registry *registry, fl_time now) {
  pthread_mutex_lock(&registry->lock);
  for (fl_budget *each = registry->shared > 0 ? registry->first : NULL; each != NULL;
       each = each->next)
    if (due_of(each, now) <= now) ask(each, now, false);
  pthread_mutex_unlock(&registry->lock);
}

void fl_budget_registry_leave(fl_budget_registry *registry, fl_time now) {
  pthread_mutex_lock(&registry->lock);
  for (fl_budget *each = registry->first; each != NULL; each = each->next)
    if (each->place != NULL && each->lease.known && !each->lease.lost) ask(each, now, true);
  pthread_mutex_unlock(&registry->lock);
}

fl_budget *fl_budget_registry_answer(fl_budget_registry *registry, const fl_lease_answer *answer,
                                     fl_time now) {
  fl_budget *budget;
  pthread_mutex_lock(&registry->lock);
  budget = registry->first;
  while (budget != NULL && budget->asked != answer->item.ticket) budget = budget->next;
  if (budget != NULL) {
    budget->asked = 0;
    fl_lease_learn(&budget->lease, &budget->belief, now, answer->lost ? NULL : &answer->grant);
  }
  pthread_mutex_unlock(&registry->lock);
  return budget;
}

/* The state of the belief moves to the next window only when a call asks for it. */
static int64_t remaining_of(const fl_rate_limit *belief, fl_time now) {
  if (belief->limit == FL_UNKNOWN) return FL_UNKNOWN;
  return belief->reset_at != FL_UNKNOWN && belief->reset_at <= now
             ? belief->limit - belief->in_flight
             : belief->left;
}

static void look(const fl_budget *budget, fl_time now, fl_budget_view *view) {
  const fl_lease *lease = &budget->lease;
  view->belief = budget->belief;
  view->waiting = budget->waiting;
  if (budget->place != NULL && lease->known && !lease->lost) {
    view->place = budget->place->name;
    view->pace = fl_lease_pace(lease, &budget->belief, now, budget->waiting);
    view->remaining = budget->belief.limit == FL_UNKNOWN
                          ? FL_UNKNOWN
                          : fl_lease_remaining(lease, &budget->belief, now);
    view->foreign = lease->foreign_total;
  } else {
    view->place = NULL;
    view->pace = fl_rate_limit_pace(&budget->belief, now);
    view->remaining = remaining_of(&budget->belief, now);
    view->foreign = budget->belief.foreign_total;
  }
}

bool fl_budget_look(fl_budget_registry *registry, const char *base_url, const char *subscription,
                    fl_time now, fl_budget_view *view) {
  fl_budget *budget;
  pthread_mutex_lock(&registry->lock);
  budget = find(registry, base_url, subscription);
  if (budget != NULL) look(budget, now, view);
  pthread_mutex_unlock(&registry->lock);
  return budget != NULL;
}
