/*
 * loop.c: the turns of the engine: takes what came in, asks policy, lets curl work, posts what has
 * ended.
 *
 * A turn, in this order:
 *   1. read the clock, once;
 *   2. take the items that came in: new calls and pagers, orders;
 *   3. calls whose time has come: the next attempt, or the deadline;
 *   4. start what may start: a place of its client, then the rate budget;
 *   5. let curl work; take what has ended: ask retry, and post, wait or go again.
 * Between turns whoever runs them sleeps in fl_loop_sleep until a socket, a wake-up or the next
 * timer.
 */
#include "engine/loop.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/pager.h"
#include "engine/transfer.h"

#define BUCKETS 1024 /* of the table of calls by ticket */
#define POOLED_HANDLES 64
#define POOLED_CONNECTIONS 64L
#define LONGEST_SLEEP 60000 /* ms */

struct fl_loop {
  uint64_t serial;
  CURLM *multi;
  fl_budget_registry *budgets;
  fl_call *known[BUCKETS]; /* every call it owns, by ticket */
  size_t known_count;
  fl_pager *pagers;
  fl_call **timers; /* heap by due, from index 1 */
  size_t timer_count, timer_capacity;
  fl_transfer *idle[POOLED_HANDLES];
  int idle_count;
  bool pagers_changed; /* a pager has something to deliver, to give up or to ask for */
  bool closing;        /* nothing starts any more */
  fl_client *blocked;  /* clients whose calls wait for the rate budget */
  fl_time now;
  uint64_t random[2];
};

/* --- random numbers: jitter and request ids; no secret depends on them --- */

static void seed_random(fl_loop *loop) {
  if (getentropy(loop->random, sizeof loop->random) != 0) {
    loop->random[0] = (uint64_t)fl_clock_now() ^ (uintptr_t)loop;
    loop->random[1] = (uint64_t)fl_clock_wall() ^ (uint64_t)getpid() << 32;
  }
  loop->random[0] |= 1;
}

/* xorshift128+ */
static uint64_t next_random(fl_loop *loop) {
  uint64_t a = loop->random[0];
  const uint64_t b = loop->random[1];
  loop->random[0] = b;
  a ^= a << 23;
  loop->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return loop->random[1] + b;
}

static double next_fraction(fl_loop *loop) {
  return (double)(next_random(loop) >> 11) / 9007199254740992.0;
}

/* A version 4 UUID. */
static void make_request_id(fl_loop *loop, char out[37]) {
  static const char digits[] = "0123456789abcdef";
  uint64_t halves[2] = {next_random(loop), next_random(loop)};
  halves[0] = (halves[0] & ~UINT64_C(0xf000)) | 0x4000;               /* the version */
  halves[1] = (halves[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62; /* the variant */
  for (int digit = 0; digit < 32; digit++) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) *out++ = '-';
    *out++ = digits[halves[digit / 16] >> (60 - 4 * (digit % 16)) & 15];
  }
  *out = '\0';
}

/* --- the table of calls --- */

static fl_call **bucket_of(fl_loop *loop, uint64_t ticket) {
  return &loop->known[ticket % BUCKETS];
}

static void know(fl_loop *loop, fl_call *call) {
  fl_call **bucket = bucket_of(loop, call->item.ticket);
  call->next_known = *bucket;
  *bucket = call;
  loop->known_count++;
}

static void forget(fl_loop *loop, fl_call *call) {
  fl_call **link = bucket_of(loop, call->item.ticket);
  while (*link != NULL && *link != call) link = &(*link)->next_known;
  if (*link == NULL) return;
  *link = call->next_known;
  loop->known_count--;
}

static fl_call *find_call(fl_loop *loop, uint64_t ticket) {
  fl_call *call = *bucket_of(loop, ticket);
  while (call != NULL && call->item.ticket != ticket) call = call->next_known;
  return call;
}

/* --- timers: a binary heap of calls by the time at which something is due --- */

static void put_timer(fl_loop *loop, size_t place, fl_call *call) {
  loop->timers[place] = call;
  call->timer = place;
}

static void sift_up(fl_loop *loop, size_t place, fl_call *call) {
  while (place > 1 && loop->timers[place / 2]->due > call->due) {
    put_timer(loop, place, loop->timers[place / 2]);
    place /= 2;
  }
  put_timer(loop, place, call);
}

static void sift_down(fl_loop *loop, size_t place, fl_call *call) {
  for (;;) {
    size_t child = place * 2;
    if (child > loop->timer_count) break;
    if (child < loop->timer_count && loop->timers[child + 1]->due < loop->timers[child]->due)
      child++;
    if (loop->timers[child]->due >= call->due) break;
    put_timer(loop, place, loop->timers[child]);
    place = child;
  }
  put_timer(loop, place, call);
}

static void clear_timer(fl_loop *loop, fl_call *call) {
  size_t place = call->timer;
  fl_call *last;
  if (place == 0) return;
  call->timer = 0;
  last = loop->timers[loop->timer_count--];
  if (last == call) return;
  if (place > 1 && loop->timers[place / 2]->due > last->due) sift_up(loop, place, last);
  else sift_down(loop, place, last);
}

/* Room for a timer of every call that is known was made when it came in, so this cannot fail. */
static void set_timer(fl_loop *loop, fl_call *call, fl_time due) {
  clear_timer(loop, call);
  if (due == FL_NEVER) return;
  call->due = due;
  sift_up(loop, ++loop->timer_count, call);
}

static bool reserve_timers(fl_loop *loop) {
  fl_call **timers;
  size_t capacity = loop->timer_capacity ? loop->timer_capacity : 64;
  while (capacity < loop->known_count + 1) capacity *= 2;
  if (capacity == loop->timer_capacity) return true;
  timers = realloc(loop->timers, capacity * sizeof(fl_call *));
  if (timers == NULL) return false;
  loop->timers = timers;
  loop->timer_capacity = capacity;
  return true;
}

/* --- events --- */

static void cut_copy(char *out, size_t room, const char *text) { snprintf(out, room, "%s", text); }

static void free_event(fl_item *item) { free(item); }

static void tell(const fl_loop *loop, const fl_call *call, fl_event_name name, fl_time delay,
                 const char *reason) {
  fl_event *event;
  if (!call->client->settings.events) return;
  event = calloc(1, sizeof *event);
  if (event == NULL) return; /* an event is a courtesy: the call goes on */
  event->item.type = FL_ITEM_EVENT;
  event->item.free = free_event;
  event->item.ticket = call->item.ticket;
  event->name = name;
  event->client = call->client->number;
  cut_copy(event->operation, sizeof event->operation, call->operation);
  cut_copy(event->method, sizeof event->method, call->method);
  cut_copy(event->path, sizeof event->path, call->path);
  cut_copy(event->request_id, sizeof event->request_id, call->request_id);
  cut_copy(event->reason, sizeof event->reason, reason);
  event->attempt = call->retry.attempts;
  event->status = call->head.status;
  event->kind = call->kind;
  event->fate = call->fate;
  event->delay = delay;
  event->elapsed = loop->now - call->submitted;
  fl_mailbox_post(call->mailbox, &event->item);
}

/* --- the end of a call --- */

/* Not in any list, heap or transfer any more: the outcome goes to whoever waits for it. Nothing of
 * the call may be touched afterwards. */
static void deliver(fl_loop *loop, fl_call *call) {
  forget(loop, call);
  call->state = FL_CALL_DONE;
  call->elapsed = loop->now - call->submitted;
  if (call->kind != FL_KIND_NONE) atomic_fetch_add(&call->client->counters.errors[call->kind], 1);
  fl_buffer_free(&call->body);
  if (call->pager != NULL) {
    if (!call->silent) tell(loop, call, FL_EVENT_DONE, 0, "");
    loop->pagers_changed = true;
    fl_pager_answer(call->pager, call);
  } else if (call->silent) {
    fl_call_free(call);
  } else {
    tell(loop, call, FL_EVENT_DONE, 0, "");
    fl_mailbox_post(call->mailbox, &call->item);
  }
}

static void fail(fl_loop *loop, fl_call *call, fl_kind kind, fl_fate fate) {
  call->kind = kind;
  call->fate = fate;
  deliver(loop, call);
}

static fl_lane *lane_of(const fl_call *call) { return &call->client->lanes[call->interactive]; }

static void leave_ready(fl_call *call) {
  fl_lane *lane = lane_of(call);
  if (call->state != FL_CALL_READY) return;
  fl_list_remove(&lane->calls, &call->item);
  if (call->deadline != FL_NEVER) lane->with_deadline--;
  fl_budget_waits(call->client->budget, -1);
}

/* The fate of a call that ends without another attempt of its own. */
static fl_fate fate_unsent(const fl_call *call) {
  if (!call->write) return FL_FATE_NONE;
  return call->retry.doubted ? FL_FATE_IN_DOUBT : FL_FATE_NOT_SENT;
}

static void say(fl_call *call, const char *words) {
  snprintf(call->message, sizeof call->message, "%s: %s", call->operation, words);
}

static fl_time to_wall(const fl_loop *loop, fl_time at) {
  return fl_clock_wall() + (at - loop->now);
}

/* --- attempts --- */

static void release_transfer(fl_loop *loop, fl_transfer *transfer) {
  if (loop->idle_count < POOLED_HANDLES) loop->idle[loop->idle_count++] = transfer;
  else fl_transfer_free(transfer);
}

static void put_ready(fl_loop *loop, fl_call *call, bool first) {
  fl_lane *lane = lane_of(call);
  call->state = FL_CALL_READY;
  if (first) fl_list_prepend(&lane->calls, &call->item);
  else fl_list_append(&lane->calls, &call->item);
  if (call->deadline != FL_NEVER) lane->with_deadline++;
  fl_budget_waits(call->client->budget, 1);
  set_timer(loop, call, call->deadline);
}

/* Why there is no further attempt, where the error alone does not tell. */
static void explain(fl_call *call, const fl_retry_decision *decision) {
  static const struct {
    const char *reason, *words;
  } words[] = {{"deadline", "the deadline leaves no time to try again"},
               {"quota", "not tried again: too many retries of late"},
               {"retry_after", "the wait that the server asks for is too long"}};
  size_t length = strlen(call->message);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(decision->reason, words[i].reason) == 0)
      snprintf(call->message + length, sizeof call->message - length, " (%s)", words[i].words);
}

/* What was learned may let calls go that were told to wait, those of other clients too. */
static void ask_anew(fl_loop *loop, fl_client *client) {
  for (int i = 0; i < FL_LANES; i++) client->lanes[i].ask_again = 0;
  for (fl_client *other = loop->blocked; other != NULL; other = other->next_blocked)
    if (other->budget == client->budget)
      for (int i = 0; i < FL_LANES; i++) other->lanes[i].ask_again = 0;
}

static void after_attempt(fl_loop *loop, fl_call *call, const fl_outcome *outcome) {
  fl_budget *budget = call->client->budget;
  fl_retry_decision decision;

  if (!outcome->sent && outcome->status == 0) fl_budget_give_back(budget);
  else fl_budget_learn(budget, loop->now, &call->head);
  ask_anew(loop, call->client);
  decision =
      fl_retry_decide(&call->client->settings.retry, &call->retry, fl_budget_retry_quota(budget),
                      outcome, loop->now, next_fraction(loop));
  if (decision.throttled && decision.at != FL_UNKNOWN)
    fl_budget_throttled(budget, loop->now, decision.at);
  call->fate = decision.fate;
  switch (decision.action) {
    case FL_RETRY_DONE:
      call->kind = FL_KIND_NONE;
      deliver(loop, call);
      return;
    case FL_RETRY_AGAIN:
      atomic_fetch_add(&call->client->counters.retries, 1);
      call->kind = outcome->kind;
      tell(loop, call, FL_EVENT_RETRY, decision.at - loop->now, decision.reason);
      call->kind = FL_KIND_NONE;
      call->state = FL_CALL_DELAYED;
      set_timer(loop, call, decision.at);
      return;
    case FL_RETRY_FAIL:
      explain(call, &decision);
      if (decision.at != FL_UNKNOWN) call->retry_at_wall = to_wall(loop, decision.at);
      fail(loop, call, decision.kind, decision.fate);
      return;
  }
}

/* An attempt that could not even be set up: nothing was sent. */
static void attempt_refused(fl_loop *loop, fl_call *call, fl_kind kind, const char *words) {
  fl_outcome outcome = {0};
  outcome.ending = FL_ENDING_UNSENT_FOREVER;
  outcome.kind = kind;
  outcome.reset = FL_UNKNOWN;
  call->client->running--;
  say(call, words);
  after_attempt(loop, call, &outcome);
}

static void start_attempt(fl_loop *loop, fl_call *call) {
  fl_transfer *transfer;
  CURLcode code;
  clear_timer(loop, call);
  call->state = FL_CALL_RUNNING;
  call->retry.attempts++;
  call->client->running++;
  atomic_fetch_add(&call->client->counters.attempts, 1);
  tell(loop, call, FL_EVENT_START, 0, "");
  transfer = loop->idle_count > 0 ? loop->idle[--loop->idle_count] : fl_transfer_new();
  if (transfer == NULL) {
    attempt_refused(loop, call, FL_KIND_NETWORK, "no memory for a transfer");
    return;
  }
  code = fl_transfer_prepare(transfer, call, loop->now);
  if (code == CURLE_OK &&
      curl_multi_add_handle(loop->multi, fl_transfer_handle(transfer)) != CURLM_OK)
    code = CURLE_OUT_OF_MEMORY;
  if (code == CURLE_OK) {
    call->transfer = transfer;
    return;
  }
  fl_transfer_abort(transfer);
  release_transfer(loop, transfer);
  attempt_refused(loop, call, code == CURLE_OUT_OF_MEMORY ? FL_KIND_NETWORK : FL_KIND_CONFIG,
                  curl_easy_strerror(code));
}

static void attempt_ended(fl_loop *loop, fl_transfer *transfer, CURLcode code) {
  fl_call *call = fl_transfer_call(transfer);
  fl_outcome outcome;
  curl_multi_remove_handle(loop->multi, fl_transfer_handle(transfer));
  outcome = fl_transfer_finish(transfer, code);
  call->transfer = NULL;
  call->client->running--;
  release_transfer(loop, transfer);
  after_attempt(loop, call, &outcome);
}

/* --- starting what may start --- */

static void block_client(fl_loop *loop, fl_client *client) {
  if (client->blocked) return;
  client->blocked = true;
  client->next_blocked = loop->blocked;
  loop->blocked = fl_client_retain(client);
}

/* A call whose deadline comes before the rate budget lets it go fails now, and says when it could
 * have gone. */
static bool fail_if_hopeless(fl_loop *loop, fl_call *call, fl_time at) {
  if (at < call->deadline) return false;
  leave_ready(call);
  clear_timer(loop, call);
  call->retry_at_wall = to_wall(loop, at);
  say(call, "the rate budget leaves no place before the deadline");
  fail(loop, call, FL_KIND_RATE_LIMITED, fate_unsent(call));
  return true;
}

static void fail_hopeless(fl_loop *loop, fl_lane *lane) {
  fl_item *item = lane->with_deadline > 0 ? lane->calls.first : NULL;
  while (item != NULL) {
    fl_call *call = (fl_call *)(void *)item;
    item = item->next;
    fail_if_hopeless(loop, call, lane->ask_again);
  }
}

/* The call that waits longest, of the lanes that may ask for budget now. */
static fl_call *first_ready(const fl_client *client, fl_time now) {
  fl_item *first = NULL;
  for (int i = 0; i < FL_LANES; i++) {
    fl_item *item = client->lanes[i].calls.first;
    if (item == NULL || client->lanes[i].ask_again > now) continue;
    if (first == NULL || item->ticket < first->ticket) first = item;
  }
  return (fl_call *)(void *)first;
}

static void start_ready(fl_loop *loop, fl_client *client) {
  fl_call *call;
  while (!client->closed && !loop->closing && client->running < client->settings.max_concurrency &&
         (call = first_ready(client, loop->now)) != NULL) {
    fl_lane *lane = lane_of(call);
    fl_time at = fl_budget_take(client->budget, loop->now, call->interactive);
    if (at <= loop->now) {
      leave_ready(call);
      start_attempt(loop, call);
      continue;
    }
    lane->ask_again = at;
    if (!call->waited) {
      call->waited = true;
      tell(loop, call, FL_EVENT_WAIT, at - loop->now, "rate_limit");
    }
    fail_hopeless(loop, lane);
    if (lane->calls.first != NULL) block_client(loop, client);
  }
}

/* A call that waits for its start from now on. */
static void line_up(fl_loop *loop, fl_call *call, bool first) {
  put_ready(loop, call, first);
  if (lane_of(call)->ask_again <= loop->now) start_ready(loop, call->client);
  else fail_if_hopeless(loop, call, lane_of(call)->ask_again);
}

/* When a client that is blocked wants to ask the rate budget again. */
static fl_time ask_again(const fl_client *client) {
  fl_time next = FL_NEVER;
  for (int i = 0; i < FL_LANES; i++)
    if (client->lanes[i].calls.first != NULL && client->lanes[i].ask_again < next)
      next = client->lanes[i].ask_again;
  return next;
}

static void start_blocked(fl_loop *loop) {
  fl_client *client = loop->blocked;
  loop->blocked = NULL;
  while (client != NULL) {
    fl_client *next = client->next_blocked;
    fl_time at = ask_again(client);
    client->blocked = false;
    if (at <= loop->now) start_ready(loop, client);
    /* One of its lanes may still wait. */
    if ((at = ask_again(client)) > loop->now && at != FL_NEVER) block_client(loop, client);
    fl_client_release(client);
    client = next;
  }
}

/* --- stopping calls --- */

static void stop_call(fl_loop *loop, fl_call *call, fl_kind kind, const char *words) {
  fl_outcome outcome = {0};
  if (call->stop != FL_KIND_NONE) return;
  call->stop = kind;
  outcome.ending = FL_ENDING_STOPPED;
  outcome.kind = kind;
  outcome.reset = FL_UNKNOWN;
  clear_timer(loop, call);
  leave_ready(call);
  if (call->state == FL_CALL_RUNNING) {
    fl_client *client = fl_client_retain(call->client);
    curl_multi_remove_handle(loop->multi, fl_transfer_handle(call->transfer));
    outcome.sent = fl_transfer_abort(call->transfer);
    release_transfer(loop, call->transfer);
    call->transfer = NULL;
    client->running--;
    say(call, words);
    after_attempt(loop, call, &outcome);
    start_ready(loop, client);
    fl_client_release(client);
    return;
  }
  say(call, words);
  fail(loop, call, kind, fate_unsent(call));
}

static void timer_due(fl_loop *loop, fl_call *call) {
  clear_timer(loop, call);
  if (call->state == FL_CALL_DELAYED) {
    line_up(loop, call, true);
  } else {
    stop_call(loop, call, FL_KIND_TIMEOUT, "the deadline passed before the call could begin");
  }
}

/* --- what comes in --- */

static bool adopt_client(fl_loop *loop, fl_client *client) {
  if (client->engine == loop->serial) return true;
  /* The first call with this engine; what stands here may be a parent process's. */
  memset(client->lanes, 0, sizeof client->lanes);
  client->running = 0;
  client->blocked = false;
  client->budget = fl_budget_of(loop->budgets, client->settings.base_url,
                                client->settings.subscription_id, client->settings.rate_limit);
  if (client->budget == NULL) return false;
  client->engine = loop->serial;
  return true;
}

static void take_call(fl_loop *loop, fl_call *call) {
  call->submitted = loop->now;
  know(loop, call);
  make_request_id(loop, call->request_id);
  if (call->client->closed || loop->closing) {
    say(call, "the client is closed");
    fail(loop, call, FL_KIND_CLOSED, fate_unsent(call));
    return;
  }
  if (!adopt_client(loop, call->client) || !reserve_timers(loop)) {
    say(call, "no memory");
    fail(loop, call, FL_KIND_NETWORK, fate_unsent(call));
    return;
  }
  atomic_fetch_add(&call->client->counters.calls, 1);
  if (call->deadline <= loop->now) put_ready(loop, call, false); /* its timer fires at once */
  else line_up(loop, call, false);
}

/* Posts what a pager can deliver, gives up what it has no use for, and asks for what it wants next.
 * False if it is over and freed. */
static bool feed_pager(fl_loop *loop, fl_pager *pager) {
  fl_call *call;
  bool failed = false;
  while ((call = fl_pager_deliver(pager)) != NULL) fl_mailbox_post(call->mailbox, &call->item);
  while ((call = fl_pager_obsolete(pager)) != NULL)
    stop_call(loop, call, FL_KIND_CANCELLED, "not needed any more");
  while ((call = fl_pager_ask(pager, loop->now, &failed)) != NULL) take_call(loop, call);
  if (failed) loop->pagers_changed = true; /* no memory now: the next turn asks again */
  if (!fl_pager_is_over(pager)) return true;
  fl_pager_free(pager);
  return false;
}

/* Calls that end at once change their pager again, hence the outer loop. */
static void feed_pagers(fl_loop *loop) {
  for (int turn = 0; loop->pagers_changed && turn < 100; turn++) {
    fl_pager **link = &loop->pagers;
    loop->pagers_changed = false;
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

/* Stops every call of a client, or of a mailbox that nobody reads any more. Those that wait go
 * first, so that none of them starts in the place of one that is stopped. */
static void stop_all(fl_loop *loop, const fl_client *client, const fl_mailbox *mailbox,
                     bool silent) {
  for (int running = 0; running < 2; running++)
    for (size_t i = 0; i < BUCKETS; i++) {
      fl_call *call = loop->known[i];
      while (call != NULL) {
        if (call->stop == FL_KIND_NONE && (client == NULL || call->client == client) &&
            (mailbox == NULL || call->mailbox == mailbox) &&
            (call->state == FL_CALL_RUNNING) == (running == 1)) {
          call->silent = silent;
          stop_call(loop, call, FL_KIND_CLOSED, "the client was closed");
          call = loop->known[i];
        } else {
          call = call->next_known;
        }
      }
    }
}

/* Tells the readers of pagers too that have nothing under way: each may ask for one page more,
 * which ends with kind closed. */
static void close_pagers(fl_loop *loop, const fl_client *client) {
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (client == NULL || fl_pager_client(pager) == client) fl_pager_advance(pager);
  loop->pagers_changed = true;
}

static void close_client(fl_loop *loop, fl_client *client) {
  client->closed = true;
  if (client->engine == loop->serial) stop_all(loop, client, NULL, false);
  close_pagers(loop, client);
}

static void close_mailbox(fl_loop *loop, fl_mailbox *mailbox) {
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (fl_pager_mailbox(pager) == mailbox) fl_pager_stop(pager);
  loop->pagers_changed = true;
  feed_pagers(loop);
  stop_all(loop, NULL, mailbox, true);
  /* What lies in it was for a reader that is gone. */
  fl_item_free_chain(fl_mailbox_take(mailbox));
}

static fl_pager *find_pager(const fl_loop *loop, uint64_t ticket) {
  fl_pager *pager = loop->pagers;
  while (pager != NULL && fl_pager_ticket(pager) != ticket) pager = *fl_pager_link(pager);
  return pager;
}

static void cancel(fl_loop *loop, uint64_t ticket) {
  fl_call *call = find_call(loop, ticket);
  fl_pager *pager = find_pager(loop, ticket);
  if (call != NULL) stop_call(loop, call, FL_KIND_CANCELLED, "cancelled");
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
    case FL_ITEM_CALL: take_call(loop, (fl_call *)(void *)item); return;
    case FL_ITEM_PAGER: take_pager(loop, (fl_pager *)(void *)item); return;
    case FL_ITEM_ADVANCE: advance(loop, item->ticket); break;
    case FL_ITEM_CANCEL: cancel(loop, item->ticket); break;
    case FL_ITEM_CLOSE_CLIENT: close_client(loop, command->client); break;
    case FL_ITEM_CLOSE_MAILBOX: close_mailbox(loop, command->mailbox); break;
    case FL_ITEM_PAGE:
    case FL_ITEM_EVENT: /* these only go the other way */
    case FL_ITEM_JOB: /* this goes to the worker */ break;
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

/* --- the loop --- */

static void take_ended(fl_loop *loop) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
    fl_transfer *transfer = NULL;
    fl_client *client;
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
    client = fl_client_retain(fl_transfer_call(transfer)->client);
    attempt_ended(loop, transfer, message->data.result);
    start_ready(loop, client);
    fl_client_release(client);
  }
}

/* --- the interface --- */

/*
 * libcurl before 8.10 leaves the descriptors with which a multi handle is woken open across exec,
 * and does not tell them. They are the lowest numbers that are free; those of a pipe made just
 * before.
 */
static CURLM *make_multi(void) {
  int numbers[2];
  bool known = pipe(numbers) == 0;
  CURLM *multi;
  if (known) {
    close(numbers[0]);
    close(numbers[1]);
  }
  multi = curl_multi_init();
  for (int i = 0; known && multi != NULL && i < 2; i++) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    /* Another thread may have taken a number meanwhile: only what looks as curl's own is touched.
     */
    if (getsockname(numbers[i], (struct sockaddr *)&address, &length) != 0) continue;
    if (address.ss_family == AF_UNIX) fcntl(numbers[i], F_SETFD, FD_CLOEXEC);
  }
  return multi;
}

fl_loop *fl_loop_new(uint64_t serial, fl_budget_registry *budgets) {
  fl_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) return NULL;
  loop->serial = serial;
  loop->budgets = budgets;
  loop->now = fl_clock_now();
  seed_random(loop);
  loop->multi = make_multi();
  if (loop->multi == NULL) {
    free(loop);
    return NULL;
  }
  curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, POOLED_CONNECTIONS);
  return loop;
}

void fl_loop_turn(fl_loop *loop, fl_item *items) {
  int running;
  loop->now = fl_clock_now();
  take_items(loop, items);
  while (loop->timer_count > 0 && loop->timers[1]->due <= loop->now)
    timer_due(loop, loop->timers[1]);
  if (loop->blocked != NULL) start_blocked(loop);
  feed_pagers(loop);
  curl_multi_perform(loop->multi, &running);
  take_ended(loop);
  feed_pagers(loop);
}

bool fl_loop_is_busy(const fl_loop *loop) { return loop->known_count > 0 || loop->pagers_changed; }

int fl_loop_sleep_time(const fl_loop *loop) {
  fl_time next = FL_NEVER, wait;
  if (loop->pagers_changed) return 0;
  if (loop->timer_count > 0) next = loop->timers[1]->due;
  for (const fl_client *client = loop->blocked; client != NULL; client = client->next_blocked)
    if (ask_again(client) < next) next = ask_again(client);
  if (next == FL_NEVER) return LONGEST_SLEEP;
  wait = (next - fl_clock_now() + FL_MILLISECOND - 1) / FL_MILLISECOND;
  if (wait < 0) wait = 0;
  return wait > LONGEST_SLEEP ? LONGEST_SLEEP : (int)wait;
}

bool fl_loop_sleep(fl_loop *loop, int milliseconds) {
  int active = 0;
  curl_multi_poll(loop->multi, NULL, 0, milliseconds, &active);
  return active > 0;
}

void fl_loop_wake(fl_loop *loop) { curl_multi_wakeup(loop->multi); }

void fl_loop_close(fl_loop *loop, fl_item *items) {
  loop->closing = true;
  loop->now = fl_clock_now();
  take_items(loop, items);
  stop_all(loop, NULL, NULL, false);
  close_pagers(loop, NULL);
  feed_pagers(loop);
  for (fl_pager *pager = loop->pagers; pager != NULL; pager = *fl_pager_link(pager))
    fl_pager_stop(pager);
  loop->pagers_changed = true;
  feed_pagers(loop);
  while (loop->blocked != NULL) {
    fl_client *client = loop->blocked;
    loop->blocked = client->next_blocked;
    client->blocked = false;
    fl_client_release(client);
  }
}

void fl_loop_free(fl_loop *loop) {
  while (loop->idle_count > 0) fl_transfer_free(loop->idle[--loop->idle_count]);
  curl_multi_cleanup(loop->multi);
  free(loop->timers);
  free(loop);
}
