/*
 * scheduler.c: starts, retries and ends calls.
 *
 * A call is READY in a lane of its client until it has a place (max_concurrency) and a request of
 * the rate budget; then RUNNING, with a transfer; then it has ended, or is DELAYED by a timer and
 * READY again. A client whose calls wait for the rate budget is in the list `blocked`. Calls that
 * wait for the same budget start in the order in which they were made, over all clients.
 */
#include "engine/scheduler.h"

#include <stdio.h>

#include "base/clock.h"
#include "engine/event.h"
#include "engine/lane.h"
#include "engine/pager.h"

/* --- the index of calls --- */

static fl_call **bucket_of(fl_scheduler *scheduler, uint64_t ticket) {
  return &scheduler->index[ticket % FL_SCHEDULER_BUCKETS];
}

static void index_call(fl_scheduler *scheduler, fl_call *call) {
  fl_call **bucket = bucket_of(scheduler, call->item.ticket);
  call->next_indexed = *bucket;
  *bucket = call;
  scheduler->count++;
}

static void unindex_call(fl_scheduler *scheduler, fl_call *call) {
  fl_call **link = bucket_of(scheduler, call->item.ticket);
  while (*link != NULL && *link != call) link = &(*link)->next_indexed;
  if (*link == NULL) return;
  *link = call->next_indexed;
  scheduler->count--;
}

fl_call *fl_scheduler_find(const fl_scheduler *scheduler, uint64_t ticket) {
  fl_call *call = scheduler->index[ticket % FL_SCHEDULER_BUCKETS];
  while (call != NULL && call->item.ticket != ticket) call = call->next_indexed;
  return call;
}

/* --- the end of a call --- */

/* Transfers ownership of the call, which is in no lane, heap or transfer any more. */
static void deliver(fl_scheduler *scheduler, fl_call *call) {
  unindex_call(scheduler, call);
  call->state = FL_CALL_DONE;
  call->elapsed = scheduler->now - call->submitted;
  if (call->kind != FL_KIND_NONE) atomic_fetch_add(&call->client->counters.errors[call->kind], 1);
  fl_buffer_free(&call->body);
  if (!call->silent) fl_event_emit(call, FL_EVENT_DONE, scheduler->now, 0, "");
  if (call->pager != NULL) {
    scheduler->pages_ended = true;
    fl_pager_answer(call->pager, call);
  } else if (call->silent) {
    fl_call_free(call);
  } else {
    fl_mailbox_post(call->mailbox, &call->item);
  }
}

static void fail_call(fl_scheduler *scheduler, fl_call *call, fl_kind kind, fl_fate fate) {
  call->kind = kind;
  call->fate = fate;
  deliver(scheduler, call);
}

/* The fate of a call that ends while none of its attempts is under way. */
static fl_fate fate_unsent(const fl_call *call) {
  if (!call->write) return FL_FATE_NONE;
  return call->retry.doubted ? FL_FATE_IN_DOUBT : FL_FATE_NOT_SENT;
}

static fl_time to_wall(const fl_scheduler *scheduler, fl_time at) {
  return fl_clock_wall() + (at - scheduler->now);
}

/* --- attempts --- */

/* Appends to the message why the call is not tried again. Adds nothing if the error itself shows
 * that. */
static void explain(fl_call *call, const fl_retry_decision *decision) {
  static const struct {
    const char *reason, *words;
  } words[] = {{"deadline", "the deadline leaves no time to try again"},
               {"quota", "not tried again: too many retries lately"},
               {"retry_after", "the wait that the server asks for is too long"}};
  size_t length = strlen(call->message);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(decision->reason, words[i].reason) == 0)
      snprintf(call->message + length, sizeof call->message - length, " (%s)", words[i].words);
}

/* A reply or a grant may have raised the budget, so every client of this budget asks it again at
 * once. */
static void ask_at_once(fl_scheduler *scheduler, const fl_budget *budget) {
  for (fl_client *each = scheduler->blocked; each != NULL; each = each->next_blocked)
    if (each->budget == budget) fl_lane_ask_at_once(each);
}

static void keep_retry(fl_call *call, const fl_outcome *outcome, const fl_retry_decision *decision,
                       fl_time delay) {
  if (call->retry_count == FL_CALL_RETRIES) return;
  call->retries[call->retry_count++] = (fl_call_retry){
      .status = outcome->status, .kind = outcome->kind, .reason = decision->reason, .delay = delay};
}

static void after_attempt(fl_scheduler *scheduler, fl_call *call, const fl_outcome *outcome) {
  fl_budget *budget = call->client->budget;
  fl_time now = scheduler->now;
  fl_retry_decision decision;

  call->client->running--;
  if (!outcome->sent && outcome->status == 0) fl_budget_give_back(budget);
  else fl_budget_learn(budget, now, &call->head);
  fl_lane_ask_at_once(call->client);
  ask_at_once(scheduler, budget);
  decision =
      fl_retry_decide(&call->client->settings.retry, &call->retry, fl_budget_retry_quota(budget),
                      outcome, now, fl_random_fraction(&scheduler->random));
  if (decision.throttled && decision.at != FL_UNKNOWN)
    fl_budget_throttled(budget, now, decision.at);
  call->fate = decision.fate;
  switch (decision.action) {
    case FL_RETRY_DONE:
      call->kind = FL_KIND_NONE;
      deliver(scheduler, call);
      return;
    case FL_RETRY_AGAIN:
      atomic_fetch_add(&call->client->counters.retries, 1);
      call->kind = outcome->kind;
      keep_retry(call, outcome, &decision, decision.at - now);
      fl_event_emit(call, FL_EVENT_RETRY, now, decision.at - now, decision.reason);
      call->kind = FL_KIND_NONE;
      call->state = FL_CALL_DELAYED;
      fl_timer_heap_set(&scheduler->timers, &call->timer, decision.at);
      return;
    case FL_RETRY_FAIL:
      explain(call, &decision);
      if (decision.at != FL_UNKNOWN) call->retry_at_wall = to_wall(scheduler, decision.at);
      fail_call(scheduler, call, decision.kind, decision.fate);
      return;
  }
}

static void start_attempt(fl_scheduler *scheduler, fl_call *call) {
  fl_outcome refused = {.ending = FL_ENDING_NOT_SENDABLE, .reset = FL_UNKNOWN};
  const char *words;
  fl_timer_heap_clear(&scheduler->timers, &call->timer);
  call->state = FL_CALL_RUNNING;
  call->retry.attempts++;
  call->client->running++;
  atomic_fetch_add(&call->client->counters.attempts, 1);
  fl_event_emit(call, FL_EVENT_START, scheduler->now, 0, "");
  if (fl_network_start(scheduler->network, call, scheduler->now, &refused.kind, &words)) return;
  fl_call_set_message(call, words);
  after_attempt(scheduler, call, &refused);
}

/* --- starting calls --- */

static void block_client(fl_scheduler *scheduler, fl_client *client) {
  if (client->blocked) return;
  client->blocked = true;
  client->next_blocked = scheduler->blocked;
  scheduler->blocked = fl_client_retain(client);
}

/* A call leaves its lane: adds the time for which the rate budget held it. */
static void count_wait(const fl_scheduler *scheduler, fl_call *call) {
  fl_time refused = fl_lane_of(call)->refused;
  if (refused != 0 && refused >= call->ready)
    call->waited_for_budget += scheduler->now - call->ready;
}

/* A call whose deadline comes before the rate budget lets it start fails now, and says when it
 * could have started. */
static bool fail_if_hopeless(fl_scheduler *scheduler, fl_call *call, fl_time at) {
  if (at < call->deadline) return false;
  count_wait(scheduler, call);
  fl_lane_leave(call);
  fl_timer_heap_clear(&scheduler->timers, &call->timer);
  call->retry_at_wall = to_wall(scheduler, at);
  fl_call_set_message(call, "the rate budget allows no call before the deadline");
  fail_call(scheduler, call, FL_KIND_RATE_LIMITED, fate_unsent(call));
  return true;
}

static void fail_hopeless(fl_scheduler *scheduler, fl_lane *lane) {
  fl_item *item = lane->with_deadline > 0 ? lane->calls.first : NULL;
  while (item != NULL) {
    fl_call *call = (fl_call *)(void *)item;
    item = item->next;
    fail_if_hopeless(scheduler, call, lane->ask_again);
  }
}

/* Whether calls of the client could start, if the budget lets them. */
static bool may_start(const fl_client *client) {
  return !client->closed && client->running < client->settings.max_concurrency;
}

/* Of the clients of a budget that wait, the one whose next call was made earliest; its call is
 * in *next. NULL if none may ask the budget now. */
static fl_client *earliest(const fl_scheduler *scheduler, const fl_budget *budget, fl_call **next) {
  fl_client *found = NULL;
  for (fl_client *each = scheduler->blocked; each != NULL; each = each->next_blocked) {
    fl_call *call = NULL;
    if (each->budget == budget && may_start(each)) call = fl_lane_first(each, scheduler->now);
    if (call == NULL || (found != NULL && call->item.ticket > (*next)->item.ticket)) continue;
    found = each;
    *next = call;
  }
  return found;
}

/* Asks the budget for a call. Starts it, or notes when its lane may ask again. */
static void ask_budget(fl_scheduler *scheduler, fl_call *call) {
  fl_lane *lane = fl_lane_of(call);
  fl_time at = fl_budget_take(call->client->budget, scheduler->now, call->interactive);
  if (at <= scheduler->now) {
    count_wait(scheduler, call);
    fl_lane_leave(call);
    start_attempt(scheduler, call);
    return;
  }
  lane->ask_again = at;
  lane->refused = scheduler->now;
  if (!call->waited) {
    call->waited = true;
    fl_event_emit(call, FL_EVENT_WAIT, scheduler->now, at - scheduler->now, "rate_limit");
  }
  fail_hopeless(scheduler, lane);
}

/* Takes the clients off the list of those that wait, whose calls are all started, or start when one
 * of their attempts ends. */
static void unblock_idle(fl_scheduler *scheduler) {
  fl_client **link = &scheduler->blocked;
  while (*link != NULL) {
    fl_client *client = *link;
    if (may_start(client) && fl_lane_ask_again(client) != FL_NEVER) {
      link = &client->next_blocked;
      continue;
    }
    *link = client->next_blocked;
    client->blocked = false;
    fl_client_release(client);
  }
}

/* Starts calls of all clients of a budget, in the order in which they were made, while
 * max_concurrency and the budget allow it. A client that the budget stops stays listed as blocked.
 * For one that max_concurrency stops, start_ready runs when one of its attempts ends. So no call
 * waits forever. */
static void start_of_budget(fl_scheduler *scheduler, const fl_budget *budget) {
  fl_call *call;
  while (!scheduler->closing && earliest(scheduler, budget, &call) != NULL)
    ask_budget(scheduler, call);
}

/* Starts calls of a client, after older ones of other clients with the same budget. */
static void start_ready(fl_scheduler *scheduler, fl_client *client) {
  if (client->closed || scheduler->closing) return;
  block_client(scheduler, client);
  start_of_budget(scheduler, client->budget);
  unblock_idle(scheduler);
}

static void put_ready(fl_scheduler *scheduler, fl_call *call, bool first) {
  call->ready = scheduler->now;
  fl_lane_put(call, first);
  fl_timer_heap_set(&scheduler->timers, &call->timer, call->deadline);
}

/* Makes a call wait for its start. */
static void make_ready(fl_scheduler *scheduler, fl_call *call, bool first) {
  fl_time ask_again = fl_lane_of(call)->ask_again, full_until = 0;
  put_ready(scheduler, call, first);
  /* A call that is tried again stands before the others. */
  if (!first && call->deadline != FL_NEVER)
    full_until = fl_budget_full_until(call->client->budget, scheduler->now, call->interactive);
  if (full_until > ask_again) ask_again = full_until;
  if (ask_again <= scheduler->now || !fail_if_hopeless(scheduler, call, ask_again))
    start_ready(scheduler, call->client);
}

/* Starts calls of all clients that wait. */
static void start_blocked(fl_scheduler *scheduler) {
  for (fl_client *each = scheduler->blocked; each != NULL; each = each->next_blocked)
    if (may_start(each) && fl_lane_first(each, scheduler->now) != NULL)
      start_of_budget(scheduler, each->budget);
  unblock_idle(scheduler);
}

/* --- stopping calls --- */

void fl_scheduler_stop(fl_scheduler *scheduler, fl_call *call, fl_kind kind, const char *words) {
  if (call->stop != FL_KIND_NONE) return;
  call->stop = kind;
  fl_timer_heap_clear(&scheduler->timers, &call->timer);
  fl_lane_leave(call);
  fl_call_set_message(call, words);
  if (call->state == FL_CALL_RUNNING) {
    fl_outcome outcome = {.ending = FL_ENDING_STOPPED, .kind = kind, .reset = FL_UNKNOWN};
    fl_client *client = fl_client_retain(call->client);
    outcome.sent = fl_network_stop(scheduler->network, call);
    after_attempt(scheduler, call, &outcome);
    start_ready(scheduler, client);
    fl_client_release(client);
  } else {
    fail_call(scheduler, call, kind, fate_unsent(call));
  }
}

/* Waiting calls are stopped first, so that none of them starts when a running call is stopped. */
void fl_scheduler_stop_all(fl_scheduler *scheduler, const fl_client *client,
                           const fl_mailbox *mailbox, bool silent) {
  for (int running = 0; running < 2; running++)
    for (size_t i = 0; i < FL_SCHEDULER_BUCKETS; i++) {
      fl_call *call = scheduler->index[i];
      while (call != NULL) {
        if (call->stop == FL_KIND_NONE && (client == NULL || call->client == client) &&
            (mailbox == NULL || call->mailbox == mailbox) &&
            (call->state == FL_CALL_RUNNING) == (running == 1)) {
          call->silent = silent;
          fl_scheduler_stop(scheduler, call, FL_KIND_CLOSED, "the client was closed");
          call = scheduler->index[i];
        } else {
          call = call->next_indexed;
        }
      }
    }
}

/* --- the interface --- */

static bool adopt_client(fl_scheduler *scheduler, fl_client *client) {
  if (client->engine == scheduler->serial) return true;
  /* The values of these members may be from an earlier engine, or from a parent process. */
  memset(client->lanes, 0, sizeof client->lanes);
  client->running = 0;
  client->blocked = false;
  client->budget = fl_budget_of(scheduler->budgets, client->settings.base_url,
                                client->settings.subscription_id, client->settings.rate_limit);
  if (client->budget == NULL) return false;
  if (client->settings.leases != NULL)
    fl_budget_share(client->budget, client->settings.leases, fl_random_next(&scheduler->random));
  client->engine = scheduler->serial;
  return true;
}

void fl_scheduler_take(fl_scheduler *scheduler, fl_call *call) {
  call->submitted = scheduler->now;
  index_call(scheduler, call);
  if (call->request_id[0] == '\0') fl_random_id(&scheduler->random, call->request_id);
  if (call->client->closed || scheduler->closing) {
    fl_call_set_message(call, "the client is closed");
    fail_call(scheduler, call, FL_KIND_CLOSED, fate_unsent(call));
    return;
  }
  /* Each call may have a timer, and setting it later must not fail. */
  if (!adopt_client(scheduler, call->client) ||
      !fl_timer_heap_reserve(&scheduler->timers, scheduler->count)) {
    fl_call_set_message(call, "no memory");
    fail_call(scheduler, call, FL_KIND_NETWORK, fate_unsent(call));
    return;
  }
  atomic_fetch_add(&call->client->counters.calls, 1);
  if (call->deadline <= scheduler->now) put_ready(scheduler, call, false); /* its timer is due */
  else make_ready(scheduler, call, false);
}

void fl_scheduler_start_due(fl_scheduler *scheduler) {
  fl_timer *timer;
  while ((timer = fl_timer_heap_first(&scheduler->timers)) != NULL &&
         timer->due <= scheduler->now) {
    fl_call *call = (fl_call *)(void *)((char *)timer - offsetof(fl_call, timer));
    fl_timer_heap_clear(&scheduler->timers, timer);
    if (call->state == FL_CALL_DELAYED) make_ready(scheduler, call, true);
    else
      fl_scheduler_stop(scheduler, call, FL_KIND_TIMEOUT,
                        "the deadline passed before the call could begin");
  }
  if (scheduler->blocked != NULL) start_blocked(scheduler);
}

void fl_scheduler_take_lease(fl_scheduler *scheduler, const fl_lease_answer *answer) {
  fl_budget *budget = fl_budget_registry_answer(scheduler->budgets, answer, scheduler->now);
  if (budget != NULL) ask_at_once(scheduler, budget);
}

void fl_scheduler_take_ended(fl_scheduler *scheduler) {
  fl_outcome outcome;
  fl_call *call;
  fl_network_perform(scheduler->network);
  while ((call = fl_network_take_ended(scheduler->network, &outcome)) != NULL) {
    fl_client *client = fl_client_retain(call->client);
    after_attempt(scheduler, call, &outcome);
    start_ready(scheduler, client);
    fl_client_release(client);
  }
}

fl_time fl_scheduler_next_due(const fl_scheduler *scheduler) {
  const fl_timer *timer = fl_timer_heap_first(&scheduler->timers);
  fl_time next = timer != NULL ? timer->due : FL_NEVER;
  for (const fl_client *client = scheduler->blocked; client != NULL;
       client = client->next_blocked) {
    fl_time at = fl_lane_ask_again(client);
    if (at < next) next = at;
  }
  return next;
}

void fl_scheduler_free(fl_scheduler *scheduler) {
  while (scheduler->blocked != NULL) {
    fl_client *client = scheduler->blocked;
    scheduler->blocked = client->next_blocked;
    client->blocked = false;
    fl_client_release(client);
  }
  fl_timer_heap_free(&scheduler->timers);
}

/* --- the invariants between turns --- */

#ifdef FL_CHECK
#include <stdlib.h>

#define HOLDS(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

static bool is_in_lane(const fl_call *call) {
  const fl_item *item = fl_lane_of(call)->calls.first;
  while (item != NULL && item != &call->item) item = item->next;
  return item != NULL;
}

/* Compares the counters with the calls of the client and of its budget. */
static void check_counts(const fl_scheduler *scheduler, const fl_client *client) {
  int running = 0, with_deadline = 0;
  int64_t waiting = 0, in_flight = 0;
  fl_budget_view view;
  for (size_t i = 0; i < FL_SCHEDULER_BUCKETS; i++)
    for (const fl_call *call = scheduler->index[i]; call != NULL; call = call->next_indexed) {
      if (call->client->budget == client->budget) {
        waiting += call->state == FL_CALL_READY;
        in_flight += call->state == FL_CALL_RUNNING;
      }
      if (call->client != client) continue;
      running += call->state == FL_CALL_RUNNING;
      with_deadline += call->state == FL_CALL_READY && call->deadline != FL_NEVER;
    }
  HOLDS(running == client->running);
  HOLDS(running <= client->settings.max_concurrency);
  HOLDS(with_deadline == client->lanes[0].with_deadline + client->lanes[1].with_deadline);
  HOLDS(fl_budget_look(scheduler->budgets, client->settings.base_url,
                       client->settings.subscription_id, scheduler->now, &view));
  HOLDS(waiting == view.waiting);
  HOLDS(in_flight == view.belief.in_flight);
}

static void check_call(const fl_scheduler *scheduler, const fl_call *call) {
  const fl_client *client = call->client;
  HOLDS(fl_scheduler_find(scheduler, call->item.ticket) == call);
  HOLDS(call->timer.place == 0 || scheduler->timers.timers[call->timer.place] == &call->timer);
  HOLDS(call->stop == FL_KIND_NONE && client->engine == scheduler->serial);
  switch (call->state) {
    case FL_CALL_READY:
      /* A waiting call is sure to start: its client has a time at which to ask the budget, or a
       * running call whose end starts the next. */
      HOLDS(client->blocked || client->running == client->settings.max_concurrency);
      HOLDS(is_in_lane(call));
      HOLDS((call->deadline == FL_NEVER) == (call->timer.place == 0));
      break;
    case FL_CALL_DELAYED: HOLDS(call->timer.place != 0); break;
    case FL_CALL_RUNNING: HOLDS(call->transfer != NULL && call->timer.place == 0); break;
    case FL_CALL_NEW:
    case FL_CALL_DONE: HOLDS(!"a call that is not under way is not the scheduler's"); break;
  }
  check_counts(scheduler, client);
}

void fl_scheduler_check(const fl_scheduler *scheduler) {
  size_t calls = 0, timers = 0;
  for (size_t i = 0; i < FL_SCHEDULER_BUCKETS; i++)
    for (const fl_call *call = scheduler->index[i]; call != NULL; call = call->next_indexed) {
      check_call(scheduler, call);
      calls++;
      timers += call->timer.place != 0;
    }
  HOLDS(calls == scheduler->count);
  HOLDS(timers == scheduler->timers.count);
  for (const fl_client *client = scheduler->blocked; client != NULL; client = client->next_blocked)
    HOLDS(client->blocked);
}
#endif
