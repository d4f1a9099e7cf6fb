/*
 * loop.c: the turns of the engine.
 *
 * A turn, in this order:
 *   1. read the clock, once;
 *   2. take the items that were submitted: calls, pagers, commands;
 *   3. handle what is due: attempts, deadlines, calls that waited for the rate budget;
 *   4. take the calls that the pagers want to make;
 *   5. send and receive on the network, and decide what follows each attempt that has ended.
 * Between turns the thread that runs them sleeps in fl_loop_sleep.
 */
#include "engine/loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/command.h"
#include "engine/pager.h"
#include "engine/scheduler.h"

#define LONGEST_SLEEP 60000 /* ms */
#define MEMORY_PAUSE 20     /* ms */
#define PAGER_ROUNDS 100    /* the most rounds in one turn, so that the turn ends */

struct fl_loop {
  fl_scheduler calls;
  fl_pager *pagers;
  bool pagers_changed;  /* a pager has a page to deliver, a call to stop or a call to make */
  bool short_of_memory; /* a pager had no memory for its next call; it is asked again after
                           MEMORY_PAUSE */
};

/* --- pagers --- */

static bool have_pagers_changed(const fl_loop *loop) {
  return loop->pagers_changed || loop->calls.pages_ended;
}

/* Stops the obsolete calls of a pager, takes the calls that it wants to make, and posts the pages
 * that it delivers. False if the pager is over, and was freed. */
static bool feed_pager(fl_loop *loop, fl_pager *pager) {
  fl_call *call;
  bool failed = false;
  while ((call = fl_pager_obsolete(pager)) != NULL)
    fl_scheduler_stop(&loop->calls, call, FL_KIND_CANCELLED, "not needed any more");
  while ((call = fl_pager_ask(pager, loop->calls.now, &failed)) != NULL)
    fl_scheduler_take(&loop->calls, call);
  loop->short_of_memory |= failed;
  while ((call = fl_pager_deliver(pager)) != NULL) fl_mailbox_post(call->mailbox, &call->item);
  if (!fl_pager_is_over(pager)) return true;
  fl_pager_free(pager);
  return false;
}

/* A call that ends at once changes its pager again, so this repeats until no pager has changed. */
static void feed_pagers(fl_loop *loop) {
  for (int round = 0; have_pagers_changed(loop) && round < PAGER_ROUNDS; round++) {
    fl_pager **link = &loop->pagers;
    loop->pagers_changed = loop->calls.pages_ended = false;
    while (*link != NULL) {
      fl_pager *pager = *link, *next = *fl_pager_link(pager);
      if (feed_pager(loop, pager)) link = fl_pager_link(pager);
      else *link = next;
    }
  }
}

static void take_pager(fl_loop *loop, fl_pager *pager) {
  *fl_pager_link(pager) = loop->pagers;
  loop->pagers = pager;
  loop->pagers_changed = true;
}

/* --- commands --- */

/* A pager without calls under way would not notice that its client is closed. It gets one more
 * credit: its next call ends with kind closed, and the reader gets that error. */
static void close_pagers(fl_loop *loop, const fl_client *client) {
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (client == NULL || fl_pager_client(pager) == client) fl_pager_advance(pager);
  loop->pagers_changed = true;
}

static void close_client(fl_loop *loop, fl_client *client) {
  client->closed = true;
  if (client->engine == loop->calls.serial)
    fl_scheduler_stop_all(&loop->calls, client, NULL, false);
  close_pagers(loop, client);
}

static void close_mailbox(fl_loop *loop, fl_mailbox *mailbox) {
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (fl_pager_mailbox(pager) == mailbox) fl_pager_stop(pager);
  loop->pagers_changed = true;
  feed_pagers(loop);
  fl_scheduler_stop_all(&loop->calls, NULL, mailbox, true);
  /* Frees the items that were posted: their reader is gone. */
  fl_item_free_chain(fl_mailbox_take(mailbox));
}

static fl_pager *find_pager(const fl_loop *loop, uint64_t ticket) {
  fl_pager *pager = loop->pagers;
  while (pager != NULL && fl_pager_ticket(pager) != ticket) pager = *fl_pager_link(pager);
  return pager;
}

static void cancel(fl_loop *loop, uint64_t ticket) {
  fl_call *call = fl_scheduler_find(&loop->calls, ticket);
  fl_pager *pager = find_pager(loop, ticket);
  if (call != NULL) fl_scheduler_stop(&loop->calls, call, FL_KIND_CANCELLED, "cancelled");
  if (pager != NULL) fl_pager_stop(pager);
  loop->pagers_changed = true;
}

static void advance(fl_loop *loop, uint64_t ticket) {
  fl_pager *pager = find_pager(loop, ticket);
  if (pager != NULL) fl_pager_advance(pager);
  loop->pagers_changed = true;
}

static void take_item(fl_loop *loop, fl_item *item) {
  fl_command *command = (fl_command *)(void *)item;
  switch (item->type) {
    case FL_ITEM_CALL: fl_scheduler_take(&loop->calls, (fl_call *)(void *)item); return;
    case FL_ITEM_PAGER: take_pager(loop, (fl_pager *)(void *)item); return;
    case FL_ITEM_ADVANCE: advance(loop, item->ticket); break;
    case FL_ITEM_CANCEL: cancel(loop, item->ticket); break;
    case FL_ITEM_LEASE:
      fl_scheduler_take_lease(&loop->calls, (const fl_lease_answer *)(const void *)item);
      break;
    case FL_ITEM_CLOSE_CLIENT: close_client(loop, command->client); break;
    case FL_ITEM_CLOSE_MAILBOX: close_mailbox(loop, command->mailbox); break;
    case FL_ITEM_PAGE:
    case FL_ITEM_EVENT:
    case FL_ITEM_TRACE: /* only sent by the engine */
    case FL_ITEM_JOB: /* goes to the worker */ break;
  }
  fl_item_free(item);
}

static void take_items(fl_loop *loop, fl_item *item) {
  while (item != NULL) {
    fl_item *next = item->next;
    take_item(loop, item);
    item = next;
  }
}

/* --- the interface --- */

static void seed_random(fl_random *random) {
  uint64_t words[2];
  if (getentropy(words, sizeof words) != 0) {
    words[0] = (uint64_t)fl_clock_now() ^ (uintptr_t)random;
    words[1] = (uint64_t)fl_clock_wall() ^ (uint64_t)getpid() << 32;
  }
  fl_random_seed(random, words[0], words[1]);
}

fl_loop *fl_loop_new(uint64_t serial, fl_budget_registry *budgets) {
  fl_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) return NULL;
  loop->calls.serial = serial;
  loop->calls.budgets = budgets;
  loop->calls.now = fl_clock_now();
  seed_random(&loop->calls.random);
  loop->calls.network = fl_network_new();
  if (loop->calls.network != NULL) return loop;
  free(loop);
  return NULL;
}

void fl_loop_turn(fl_loop *loop, fl_item *items) {
  loop->calls.now = fl_clock_now();
  loop->pagers_changed |= loop->short_of_memory;
  loop->short_of_memory = false;
  take_items(loop, items);
  fl_scheduler_start_due(&loop->calls);
  feed_pagers(loop);
  fl_scheduler_take_ended(&loop->calls);
  feed_pagers(loop);
#ifdef FL_CHECK
  fl_scheduler_check(&loop->calls);
#endif
}

bool fl_loop_is_busy(const fl_loop *loop) {
  return loop->calls.count > 0 || have_pagers_changed(loop) || loop->short_of_memory;
}

int fl_loop_sleep_time(const fl_loop *loop) {
  fl_time next = fl_scheduler_next_due(&loop->calls), wait;
  fl_time ask = fl_budget_registry_next_ask(loop->calls.budgets, loop->calls.now);
  int longest = loop->short_of_memory ? MEMORY_PAUSE : LONGEST_SLEEP;
  if (have_pagers_changed(loop)) return 0;
  if (ask < next) next = ask;
  if (next == FL_NEVER) return longest;
  wait = (next - fl_clock_now() + FL_MILLISECOND - 1) / FL_MILLISECOND;
  return wait < 0 ? 0 : wait > longest ? longest : (int)wait;
}

bool fl_loop_sleep(fl_loop *loop, int milliseconds) {
  return fl_network_sleep(loop->calls.network, milliseconds);
}

void fl_loop_wake(fl_loop *loop) { fl_network_wake(loop->calls.network); }

void fl_loop_close(fl_loop *loop, fl_item *items) {
  loop->calls.closing = true;
  loop->calls.now = fl_clock_now();
  take_items(loop, items);
  fl_scheduler_stop_all(&loop->calls, NULL, NULL, false);
  close_pagers(loop, NULL);
  feed_pagers(loop);
  /* Pagers that have no memory for a call deliver the error without one. */
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    fl_pager_fail(pager, FL_KIND_CLOSED, "the client is closed");
  loop->pagers_changed = true;
  feed_pagers(loop);
}

void fl_loop_free(fl_loop *loop) {
  fl_scheduler_free(&loop->calls);
  fl_network_free(loop->calls.network);
  free(loop);
}
