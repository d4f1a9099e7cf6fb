/*
 * engine.c: the thread, curl_multi, timers; asks policy, does I/O.
 *
 * A turn of the loop, in this order:
 *   1. read the clock, once;
 *   2. take the whole inbox: new calls and pagers, orders;
 *   3. calls whose time has come: the next attempt, or the deadline;
 *   4. start what may start: a place of its client, then the rate budget;
 *   5. let curl work; take what has ended: ask retry, and post, wait or go again;
 *   6. sleep in curl_multi_poll until a socket, the inbox or the next timer.
 *
 * Relies on: curl_multi_wakeup from any thread; an atexit handler registered after curl_global_init
 * running before the TLS library's own.
 */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "transfer.h"

#define STOP_BOUND 2     /* seconds that a stop waits for the thread */
#define BUCKETS 1024     /* of the table of calls by ticket */
#define POOLED_HANDLES 64
#define POOLED_CONNECTIONS 64L
#define LONGEST_SLEEP 60000 /* ms */

typedef struct fl_engine {
  pid_t process;
  uint64_t serial; /* no other engine of this process or its parents has it */
  fl_queue inbox;
  CURLM *multi;
  pthread_t thread;

  pthread_mutex_t state_lock;
  pthread_cond_t stopped_signal;
  bool stopped;            /* the thread is past its last use of anything here */
  atomic_bool stop;

  /* The thread's own. */
  fl_call *known[BUCKETS]; /* every call it owns, by ticket */
  fl_pager *pagers;
  fl_call **timers;        /* heap by due, from index 1 */
  size_t timer_count, timer_capacity;
  fl_transfer *idle[POOLED_HANDLES];
  int idle_count;
  bool pagers_changed;     /* a pager has something to deliver, to give up or to ask for */
  fl_client *blocked;      /* clients whose calls wait for the rate budget */
  fl_time now;
  uint64_t random[2];

  fl_budget_registry budgets;
} fl_engine;

/* --- the one engine of the process --- */

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static fl_engine *current;
static uint64_t engines_started;
static int clients;
static bool prepared; /* curl_global_init, atexit and atfork are done */
static bool ending;   /* exit has begun: no engine is started any more */

/* Held by an engine's thread but while it sleeps, and around a fork: the child must not find the locks
 * of libcurl, the TLS library and the C library's resolver in the hands of a thread that it lacks. Taken
 * after global_lock, never before it. */
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- random numbers: jitter and request ids; no secret depends on them --- */

static void seed_random(fl_engine *engine) {
  if (getentropy(engine->random, sizeof engine->random) != 0) {
    engine->random[0] = (uint64_t)fl_clock_now() ^ (uintptr_t)engine;
    engine->random[1] = (uint64_t)fl_clock_wall() ^ (uint64_t)getpid() << 32;
  }
  engine->random[0] |= 1;
}

/* xorshift128+ */
static uint64_t next_random(fl_engine *engine) {
  uint64_t a = engine->random[0];
  const uint64_t b = engine->random[1];
  engine->random[0] = b;
  a ^= a << 23;
  engine->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return engine->random[1] + b;
}

static double next_fraction(fl_engine *engine) {
  return (double)(next_random(engine) >> 11) / 9007199254740992.0;
}

/* A version 4 UUID. */
static void make_request_id(fl_engine *engine, char out[37]) {
  uint64_t high = next_random(engine), low = next_random(engine);
  snprintf(out, 37, "%08" PRIx32 "-%04x-4%03x-%04x-%012" PRIx64, (uint32_t)(high >> 32),
           (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
           (unsigned)(low >> 48 & 0x3fff) | 0x8000u, low & 0xffffffffffffu);
}

/* --- the table of calls --- */

static fl_call **bucket_of(fl_engine *engine, uint64_t ticket) {
  return &engine->known[ticket % BUCKETS];
}

static void know(fl_engine *engine, fl_call *call) {
  fl_call **bucket = bucket_of(engine, call->item.ticket);
  call->next_known = *bucket;
  *bucket = call;
}

static void forget(fl_engine *engine, fl_call *call) {
  fl_call **link = bucket_of(engine, call->item.ticket);
  while (*link != NULL && *link != call) link = &(*link)->next_known;
  if (*link != NULL) *link = call->next_known;
}

static fl_call *find_call(fl_engine *engine, uint64_t ticket) {
  fl_call *call = *bucket_of(engine, ticket);
  while (call != NULL && call->item.ticket != ticket) call = call->next_known;
  return call;
}

/* --- timers: a binary heap of calls by the time at which something is due --- */

static void put_timer(fl_engine *engine, size_t place, fl_call *call) {
  engine->timers[place] = call;
  call->timer = place;
}

static void sift_up(fl_engine *engine, size_t place, fl_call *call) {
  while (place > 1 && engine->timers[place / 2]->due > call->due) {
    put_timer(engine, place, engine->timers[place / 2]);
    place /= 2;
  }
  put_timer(engine, place, call);
}

static void sift_down(fl_engine *engine, size_t place, fl_call *call) {
  for (;;) {
    size_t child = place * 2;
    if (child > engine->timer_count) break;
    if (child < engine->timer_count && engine->timers[child + 1]->due < engine->timers[child]->due)
      child++;
    if (engine->timers[child]->due >= call->due) break;
    put_timer(engine, place, engine->timers[child]);
    place = child;
  }
  put_timer(engine, place, call);
}

static void clear_timer(fl_engine *engine, fl_call *call) {
  size_t place = call->timer;
  fl_call *last;
  if (place == 0) return;
  call->timer = 0;
  last = engine->timers[engine->timer_count--];
  if (last == call) return;
  if (place > 1 && engine->timers[place / 2]->due > last->due) sift_up(engine, place, last);
  else sift_down(engine, place, last);
}

/* Room for one more timer was made when the call came in, so this cannot fail. */
static void set_timer(fl_engine *engine, fl_call *call, fl_time due) {
  clear_timer(engine, call);
  if (due == FL_NEVER) return;
  call->due = due;
  sift_up(engine, ++engine->timer_count, call);
}

static bool reserve_timer(fl_engine *engine, size_t calls) {
  fl_call **timers;
  size_t capacity = engine->timer_capacity ? engine->timer_capacity : 64;
  while (capacity < calls + 2) capacity *= 2;
  if (capacity == engine->timer_capacity) return true;
  timers = realloc(engine->timers, capacity * sizeof(fl_call *));
  if (timers == NULL) return false;
  engine->timers = timers;
  engine->timer_capacity = capacity;
  return true;
}

/* --- events --- */

static void cut_copy(char *out, size_t room, const char *text) { snprintf(out, room, "%s", text); }

static void tell(const fl_engine *engine, const fl_call *call, fl_event_name name, fl_time delay,
                 const char *reason) {
  fl_event *event;
  if (!call->client->settings.events) return;
  event = calloc(1, sizeof *event);
  if (event == NULL) return; /* an event is a courtesy: the call goes on */
  event->item.type = FL_ITEM_EVENT;
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
  event->elapsed = engine->now - call->submitted;
  fl_mailbox_post(call->mailbox, &event->item);
}

/* --- the end of a call --- */

/* Not in any list, heap or transfer any more: the outcome goes to whoever waits for it. Nothing of the
 * call may be touched afterwards. */
static void deliver(fl_engine *engine, fl_call *call) {
  forget(engine, call);
  call->state = FL_CALL_DONE;
  call->elapsed = engine->now - call->submitted;
  if (call->kind != FL_KIND_NONE) atomic_fetch_add(&call->client->counters.errors[call->kind], 1);
  fl_buffer_free(&call->body);
  if (call->pager != NULL) {
    if (!call->silent) tell(engine, call, FL_EVENT_DONE, 0, "");
    engine->pagers_changed = true;
    fl_pager_answer(call->pager, call);
  } else if (call->silent) {
    fl_call_free(call);
  } else {
    tell(engine, call, FL_EVENT_DONE, 0, "");
    fl_mailbox_post(call->mailbox, &call->item);
  }
}

static void fail(fl_engine *engine, fl_call *call, fl_kind kind, fl_fate fate) {
  call->kind = kind;
  call->fate = fate;
  deliver(engine, call);
}

static void leave_ready(fl_call *call) {
  if (call->state != FL_CALL_READY) return;
  fl_list_remove(&call->client->ready, &call->item);
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

static fl_time to_wall(const fl_engine *engine, fl_time at) {
  return fl_clock_wall() + (at - engine->now);
}

/* --- attempts --- */

static void release_transfer(fl_engine *engine, fl_transfer *transfer) {
  curl_multi_remove_handle(engine->multi, fl_transfer_handle(transfer));
  if (engine->idle_count < POOLED_HANDLES) engine->idle[engine->idle_count++] = transfer;
  else fl_transfer_free(transfer);
}

static void put_ready(fl_engine *engine, fl_call *call, bool first) {
  call->state = FL_CALL_READY;
  if (first) fl_list_prepend(&call->client->ready, &call->item);
  else fl_list_append(&call->client->ready, &call->item);
  fl_budget_waits(call->client->budget, 1);
  set_timer(engine, call, call->deadline);
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

static void after_attempt(fl_engine *engine, fl_call *call, const fl_outcome *outcome) {
  fl_budget *budget = call->client->budget;
  fl_retry_decision decision;

  if (!outcome->sent && outcome->status == 0) fl_budget_give_back(budget);
  else fl_budget_learn(budget, engine->now, &call->head);
  decision = fl_retry_decide(&call->client->settings.retry, &call->retry,
                             fl_budget_retry_quota(budget), outcome, engine->now,
                             next_fraction(engine));
  if (decision.throttled && decision.at != FL_UNKNOWN)
    fl_budget_throttled(budget, engine->now, decision.at);
  call->fate = decision.fate;
  switch (decision.action) {
    case FL_RETRY_DONE:
      call->kind = FL_KIND_NONE;
      deliver(engine, call);
      return;
    case FL_RETRY_AGAIN:
      atomic_fetch_add(&call->client->counters.retries, 1);
      call->kind = outcome->kind;
      tell(engine, call, FL_EVENT_RETRY, decision.at - engine->now, decision.reason);
      call->kind = FL_KIND_NONE;
      call->state = FL_CALL_DELAYED;
      set_timer(engine, call, decision.at);
      return;
    case FL_RETRY_FAIL:
      explain(call, &decision);
      if (decision.at != FL_UNKNOWN) call->retry_at_wall = to_wall(engine, decision.at);
      fail(engine, call, decision.kind, decision.fate);
      return;
  }
}

/* An attempt that could not even be set up: nothing was sent. */
static void attempt_refused(fl_engine *engine, fl_call *call, const char *words) {
  fl_outcome outcome = {0};
  outcome.ending = FL_ENDING_UNSENT_FOREVER;
  outcome.kind = FL_KIND_CONFIG;
  outcome.reset = FL_UNKNOWN;
  call->client->running--;
  say(call, words);
  after_attempt(engine, call, &outcome);
}

static void start_attempt(fl_engine *engine, fl_call *call) {
  fl_transfer *transfer;
  CURLcode code;
  clear_timer(engine, call);
  call->state = FL_CALL_RUNNING;
  call->retry.attempts++;
  call->client->running++;
  atomic_fetch_add(&call->client->counters.attempts, 1);
  tell(engine, call, FL_EVENT_START, 0, "");
  transfer = engine->idle_count > 0 ? engine->idle[--engine->idle_count] : fl_transfer_new();
  if (transfer == NULL) {
    attempt_refused(engine, call, "no memory for a transfer");
    return;
  }
  code = fl_transfer_prepare(transfer, call, engine->now);
  if (code != CURLE_OK) {
    fl_transfer_abort(transfer);
    release_transfer(engine, transfer);
    attempt_refused(engine, call, curl_easy_strerror(code));
    return;
  }
  if (curl_multi_add_handle(engine->multi, fl_transfer_handle(transfer)) != CURLM_OK) {
    fl_transfer_abort(transfer);
    release_transfer(engine, transfer);
    attempt_refused(engine, call, "no memory for a transfer");
    return;
  }
  call->transfer = transfer;
}

static void attempt_ended(fl_engine *engine, fl_transfer *transfer, CURLcode code) {
  fl_call *call = fl_transfer_call(transfer);
  fl_outcome outcome = fl_transfer_finish(transfer, code);
  call->transfer = NULL;
  call->client->running--;
  call->client->ask_again = 0;
  release_transfer(engine, transfer);
  after_attempt(engine, call, &outcome);
}

/* --- starting what may start --- */

static void block_client(fl_engine *engine, fl_client *client, fl_time until) {
  client->ask_again = until;
  if (client->blocked) return;
  client->blocked = true;
  client->next_blocked = engine->blocked;
  engine->blocked = fl_client_retain(client);
}

/* Calls whose deadline comes before the rate budget lets them go fail now, and say when they could
 * have gone. */
static void fail_hopeless(fl_engine *engine, fl_client *client, fl_time at) {
  fl_item *item = client->ready.first;
  while (item != NULL) {
    fl_call *call = (fl_call *)(void *)item;
    item = item->next;
    if (call->deadline >= at) continue;
    leave_ready(call);
    clear_timer(engine, call);
    call->retry_at_wall = to_wall(engine, at);
    say(call, "the rate budget leaves no place before the deadline");
    fail(engine, call, FL_KIND_RATE_LIMITED, fate_unsent(call));
  }
}

static void start_ready(fl_engine *engine, fl_client *client) {
  while (!client->closed && !atomic_load(&engine->stop) && client->ready.first != NULL && client->running < client->settings.max_concurrency) {
    fl_call *call = (fl_call *)(void *)client->ready.first;
    fl_time at = fl_budget_take(client->budget, engine->now, call->interactive);
    if (at > engine->now) {
      if (!call->waited) {
        call->waited = true;
        tell(engine, call, FL_EVENT_WAIT, at - engine->now, "rate_limit");
      }
      fail_hopeless(engine, client, at);
      if (client->ready.first != NULL) block_client(engine, client, at);
      return;
    }
    leave_ready(call);
    start_attempt(engine, call);
  }
}

static void start_blocked(fl_engine *engine) {
  fl_client *client = engine->blocked;
  engine->blocked = NULL;
  while (client != NULL) {
    fl_client *next = client->next_blocked;
    client->blocked = false;
    if (client->ask_again <= engine->now) start_ready(engine, client);
    else block_client(engine, client, client->ask_again);
    fl_client_release(client);
    client = next;
  }
}

/* --- stopping calls --- */

static void stop_call(fl_engine *engine, fl_call *call, fl_kind kind, const char *words) {
  fl_outcome outcome = {0};
  if (call->stop != FL_KIND_NONE) return;
  call->stop = kind;
  outcome.ending = FL_ENDING_STOPPED;
  outcome.kind = kind;
  outcome.reset = FL_UNKNOWN;
  clear_timer(engine, call);
  leave_ready(call);
  if (call->state == FL_CALL_RUNNING) {
    fl_client *client = fl_client_retain(call->client);
    outcome.sent = fl_transfer_abort(call->transfer);
    release_transfer(engine, call->transfer);
    call->transfer = NULL;
    client->running--;
    say(call, words);
    after_attempt(engine, call, &outcome);
    start_ready(engine, client);
    fl_client_release(client);
    return;
  }
  say(call, words);
  fail(engine, call, kind, fate_unsent(call));
}

static void timer_due(fl_engine *engine, fl_call *call) {
  clear_timer(engine, call);
  if (call->state == FL_CALL_DELAYED) {
    put_ready(engine, call, true);
    start_ready(engine, call->client);
  } else {
    stop_call(engine, call, FL_KIND_TIMEOUT, "the deadline passed before the call could begin");
  }
}

/* --- what comes in --- */

static bool adopt_client(fl_engine *engine, fl_client *client) {
  if (client->engine == engine->serial) return true;
  /* The first call with this engine; what stands here may be a parent process's. */
  client->ready.first = client->ready.last = NULL;
  client->running = 0;
  client->ask_again = 0;
  client->blocked = false;
  client->budget = fl_budget_of(&engine->budgets, client->settings.base_url,
                                client->settings.subscription_id, client->settings.rate_limit);
  if (client->budget == NULL) return false;
  client->engine = engine->serial;
  return true;
}

static void take_call(fl_engine *engine, fl_call *call) {
  call->submitted = engine->now;
  know(engine, call);
  make_request_id(engine, call->request_id);
  if (call->client->closed || atomic_load(&engine->stop)) {
    say(call, "the client is closed");
    fail(engine, call, FL_KIND_CLOSED, fate_unsent(call));
    return;
  }
  if (!adopt_client(engine, call->client) || !reserve_timer(engine, engine->timer_count + 1)) {
    say(call, "no memory");
    fail(engine, call, FL_KIND_NETWORK, fate_unsent(call));
    return;
  }
  atomic_fetch_add(&call->client->counters.calls, 1);
  put_ready(engine, call, false);
  if (call->deadline <= engine->now) return; /* its timer fires in this turn */
  if (call->client->ask_again <= engine->now) start_ready(engine, call->client);
}

/* Posts what a pager can deliver, gives up what it has no use for, and asks for what it wants next.
 * False if it is over and freed. */
static bool feed_pager(fl_engine *engine, fl_pager *pager) {
  fl_call *call;
  bool failed = false;
  while ((call = fl_pager_deliver(pager)) != NULL) fl_mailbox_post(call->mailbox, &call->item);
  while ((call = fl_pager_obsolete(pager)) != NULL)
    stop_call(engine, call, FL_KIND_CANCELLED, "not needed any more");
  while ((call = fl_pager_ask(pager, engine->now, &failed)) != NULL) take_call(engine, call);
  if (failed) engine->pagers_changed = true; /* no memory now: the next turn asks again */
  if (!fl_pager_is_over(pager)) return true;
  fl_pager_free(pager);
  return false;
}

/* Calls that end at once change their pager again, hence the outer loop. */
static void feed_pagers(fl_engine *engine) {
  for (int turn = 0; engine->pagers_changed && turn < 100; turn++) {
    fl_pager **link = &engine->pagers;
    engine->pagers_changed = false;
    while (*link != NULL) {
      fl_pager *pager = *link, *next = *fl_pager_link(pager);
      if (feed_pager(engine, pager)) link = fl_pager_link(pager);
      else *link = next;
    }
  }
}

static void take_pager(fl_engine *engine, fl_pager *pager) {
  *fl_pager_link(pager) = engine->pagers;
  engine->pagers = pager;
  engine->pagers_changed = true;
}

/* Stops every call of a client, or of a mailbox that nobody reads any more. Those that wait go first,
 * so that none of them starts in the place of one that is stopped. */
static void stop_all(fl_engine *engine, const fl_client *client, const fl_mailbox *mailbox,
                     bool silent) {
  for (int running = 0; running < 2; running++)
    for (size_t i = 0; i < BUCKETS; i++) {
      fl_call *call = engine->known[i];
      while (call != NULL) {
        if (call->stop == FL_KIND_NONE && (client == NULL || call->client == client) &&
            (mailbox == NULL || call->mailbox == mailbox) &&
            (call->state == FL_CALL_RUNNING) == (running == 1)) {
          call->silent = silent;
          stop_call(engine, call, FL_KIND_CLOSED, "the client was closed");
          call = engine->known[i];
        } else {
          call = call->next_known;
        }
      }
    }
}

/* Tells the readers of pagers too that have nothing under way: each may ask for one page more, which
 * ends with kind closed. */
static void close_pagers(fl_engine *engine, const fl_client *client) {
  for (fl_pager *pager = engine->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (client == NULL || fl_pager_client(pager) == client) fl_pager_advance(pager);
  engine->pagers_changed = true;
}

static void close_client(fl_engine *engine, fl_client *client) {
  client->closed = true;
  if (client->engine == engine->serial) stop_all(engine, client, NULL, false);
  close_pagers(engine, client);
}

static void close_mailbox(fl_engine *engine, fl_mailbox *mailbox) {
  fl_item *item;
  for (fl_pager *pager = engine->pagers; pager != NULL; pager = *fl_pager_link(pager))
    if (fl_pager_mailbox(pager) == mailbox) fl_pager_stop(pager);
  engine->pagers_changed = true;
  feed_pagers(engine);
  stop_all(engine, NULL, mailbox, true);
  /* What lies in it was for a reader that is gone. */
  item = fl_mailbox_take(mailbox);
  while (item != NULL) {
    fl_item *next = item->next;
    fl_item_free(item);
    item = next;
  }
}

static fl_pager *find_pager(const fl_engine *engine, uint64_t ticket) {
  fl_pager *pager = engine->pagers;
  while (pager != NULL && fl_pager_ticket(pager) != ticket) pager = *fl_pager_link(pager);
  return pager;
}

static void cancel(fl_engine *engine, uint64_t ticket) {
  fl_call *call = find_call(engine, ticket);
  fl_pager *pager = find_pager(engine, ticket);
  if (call != NULL) stop_call(engine, call, FL_KIND_CANCELLED, "cancelled");
  if (pager != NULL) fl_pager_stop(pager);
  engine->pagers_changed = true;
}

static void advance(fl_engine *engine, uint64_t ticket) {
  fl_pager *pager = find_pager(engine, ticket);
  if (pager != NULL) fl_pager_advance(pager);
  engine->pagers_changed = true;
}

static void take_item(fl_engine *engine, fl_item *item) {
  fl_order *order = (fl_order *)(void *)item;
  switch (item->type) {
    case FL_ITEM_CALL:
      take_call(engine, (fl_call *)(void *)item);
      return;
    case FL_ITEM_PAGER:
      take_pager(engine, (fl_pager *)(void *)item);
      return;
    case FL_ITEM_ADVANCE:
      advance(engine, item->ticket);
      break;
    case FL_ITEM_CANCEL:
      cancel(engine, item->ticket);
      break;
    case FL_ITEM_CLOSE_CLIENT:
      close_client(engine, order->client);
      break;
    case FL_ITEM_CLOSE_MAILBOX:
      close_mailbox(engine, order->mailbox);
      break;
    case FL_ITEM_PAGE:
    case FL_ITEM_EVENT: /* these only go the other way */
      break;
  }
  fl_item_free(item);
}

static void take_inbox(fl_engine *engine) {
  fl_item *item = fl_queue_take(&engine->inbox);
  while (item != NULL) {
    fl_item *next = item->next;
    take_item(engine, item);
    item = next;
  }
}

/* --- the loop --- */

static void take_ended(fl_engine *engine) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
    fl_transfer *transfer = NULL;
    fl_client *client;
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
    client = fl_client_retain(fl_transfer_call(transfer)->client);
    attempt_ended(engine, transfer, message->data.result);
    start_ready(engine, client);
    fl_client_release(client);
  }
}

static int sleep_for(const fl_engine *engine) {
  fl_time next = FL_NEVER, wait;
  if (engine->pagers_changed) return 0;
  if (engine->timer_count > 0) next = engine->timers[1]->due;
  for (const fl_client *client = engine->blocked; client != NULL; client = client->next_blocked)
    if (client->ask_again < next) next = client->ask_again;
  if (next == FL_NEVER) return LONGEST_SLEEP;
  wait = (next - fl_clock_now() + FL_MILLISECOND - 1) / FL_MILLISECOND;
  if (wait < 0) wait = 0;
  return wait > LONGEST_SLEEP ? LONGEST_SLEEP : (int)wait;
}

/* Everything that is under way ends with kind closed, and those who wait are told. */
static void clean_up(fl_engine *engine) {
  CURLM *multi = engine->multi;
  fl_item *item;
  take_inbox(engine);
  stop_all(engine, NULL, NULL, false);
  close_pagers(engine, NULL);
  feed_pagers(engine);
  for (fl_pager *pager = engine->pagers; pager != NULL; pager = *fl_pager_link(pager))
    fl_pager_stop(pager);
  engine->pagers_changed = true;
  feed_pagers(engine);
  while (engine->blocked != NULL) {
    fl_client *client = engine->blocked;
    engine->blocked = client->next_blocked;
    client->blocked = false;
    fl_client_release(client);
  }
  while (engine->idle_count > 0) fl_transfer_free(engine->idle[--engine->idle_count]);
  /* Who asked for the stop may still be about to wake the thread. */
  pthread_mutex_lock(&engine->state_lock);
  engine->multi = NULL;
  pthread_mutex_unlock(&engine->state_lock);
  curl_multi_cleanup(multi);
  for (item = fl_queue_take(&engine->inbox); item != NULL;) {
    fl_item *next = item->next;
    fl_item_free(item);
    item = next;
  }
  free(engine->timers);
}

static void *run(void *context) {
  fl_engine *engine = context;
  int running, sleep;
  pthread_mutex_lock(&turn_lock);
  while (!atomic_load(&engine->stop)) {
    engine->now = fl_clock_now();
    take_inbox(engine);
    while (engine->timer_count > 0 && engine->timers[1]->due <= engine->now)
      timer_due(engine, engine->timers[1]);
    if (engine->blocked != NULL) start_blocked(engine);
    feed_pagers(engine);
    curl_multi_perform(engine->multi, &running);
    take_ended(engine);
    feed_pagers(engine);
    sleep = sleep_for(engine);
    pthread_mutex_unlock(&turn_lock);
    curl_multi_poll(engine->multi, NULL, 0, sleep, NULL);
    pthread_mutex_lock(&turn_lock);
  }
  clean_up(engine);
  pthread_mutex_unlock(&turn_lock);
  pthread_mutex_lock(&engine->state_lock);
  engine->stopped = true;
  pthread_cond_signal(&engine->stopped_signal);
  pthread_mutex_unlock(&engine->state_lock);
  return NULL;
}

/* --- start and stop --- */

static void free_engine(fl_engine *engine) {
  fl_budget_registry_free(&engine->budgets);
  fl_queue_destroy(&engine->inbox);
  pthread_mutex_destroy(&engine->state_lock);
  pthread_cond_destroy(&engine->stopped_signal);
  free(engine);
}

/* Joins the thread, but waits for it no longer than the bound; one that is late is left behind with
 * its memory. */
static void stop_engine(fl_engine *engine) {
  struct timespec until;
  bool stopped;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += STOP_BOUND;
  pthread_mutex_lock(&engine->state_lock);
  atomic_store(&engine->stop, true);
  if (engine->multi != NULL) curl_multi_wakeup(engine->multi);
  while (!engine->stopped &&
         pthread_cond_timedwait(&engine->stopped_signal, &engine->state_lock, &until) == 0) {
  }
  stopped = engine->stopped;
  pthread_mutex_unlock(&engine->state_lock);
  if (stopped) {
    pthread_join(engine->thread, NULL);
    free_engine(engine);
  } else {
    pthread_detach(engine->thread);
  }
}

/* Under the lock. What is returned is nobody else's any more. */
static fl_engine *take_current(void) {
  fl_engine *engine = current;
  current = NULL;
  /* A parent's engine is left as it lies: its thread is not in this process. */
  return engine != NULL && engine->process == getpid() ? engine : NULL;
}

static void stop_at_exit(void) {
  fl_engine *engine;
  pthread_mutex_lock(&global_lock);
  ending = true;
  engine = take_current();
  pthread_mutex_unlock(&global_lock);
  if (engine != NULL) stop_engine(engine);
}

static void before_fork(void) {
  pthread_mutex_lock(&global_lock);
  pthread_mutex_lock(&turn_lock);
}

static void after_fork(void) {
  pthread_mutex_unlock(&turn_lock);
  pthread_mutex_unlock(&global_lock);
}

static const char *prepare_process(void) {
  const char *missing;
  if (prepared) return NULL;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return "libcurl could not be initialised";
  missing = fl_transfer_check_library();
  if (missing != NULL) return missing;
  /* After curl_global_init, so that it runs before the TLS library's own handler. */
  if (atexit(stop_at_exit) != 0) return "no exit handler could be registered";
  pthread_atfork(before_fork, after_fork, after_fork);
  prepared = true;
  return NULL;
}

/*
 * libcurl before 8.10 leaves the descriptors with which a multi handle is woken open across exec, and
 * does not tell them. They are the lowest numbers that are free; those of a pipe made just before.
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
    /* Another thread may have taken a number meanwhile: only what looks as curl's own is touched. */
    if (getsockname(numbers[i], (struct sockaddr *)&address, &length) != 0) continue;
    if (address.ss_family == AF_UNIX) fcntl(numbers[i], F_SETFD, FD_CLOEXEC);
  }
  return multi;
}

static const char *start_engine(void) {
  sigset_t all, before;
  fl_engine *engine;
  int failed;
  const char *message = prepare_process();
  if (message != NULL) return message;
  engine = calloc(1, sizeof *engine);
  if (engine == NULL) return "no memory for the engine";
  engine->process = getpid();
  engine->serial = ++engines_started;
  engine->now = fl_clock_now();
  seed_random(engine);
  fl_queue_init(&engine->inbox);
  fl_budget_registry_init(&engine->budgets);
  pthread_mutex_init(&engine->state_lock, NULL);
  pthread_cond_init(&engine->stopped_signal, NULL);
  engine->multi = make_multi();
  if (engine->multi == NULL) {
    free_engine(engine);
    return "no memory for the engine";
  }
  curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, POOLED_CONNECTIONS);
  /* Signals are the host's business: none may be delivered to this thread. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&engine->thread, NULL, run, engine);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed != 0) {
    curl_multi_cleanup(engine->multi);
    free_engine(engine);
    return "no thread could be started";
  }
  current = engine;
  return NULL;
}

/* --- the interface --- */

void fl_engine_enter(void) {
  pthread_mutex_lock(&global_lock);
  clients++;
  pthread_mutex_unlock(&global_lock);
}

void fl_engine_leave(void) {
  fl_engine *engine = NULL;
  pthread_mutex_lock(&global_lock);
  if (--clients == 0) engine = take_current();
  pthread_mutex_unlock(&global_lock);
  if (engine != NULL) stop_engine(engine);
}

fl_result fl_engine_submit(fl_item *item, const char **message) {
  bool closing = item->type == FL_ITEM_CLOSE_CLIENT || item->type == FL_ITEM_CLOSE_MAILBOX ||
                 item->type == FL_ITEM_CANCEL || item->type == FL_ITEM_ADVANCE;
  fl_result result = FL_OK;
  *message = NULL;
  pthread_mutex_lock(&global_lock);
  if (current != NULL && current->process != getpid()) current = NULL;
  if (current == NULL && closing) {
    fl_item_free(item);
  } else if (current == NULL && ending) {
    *message = "the process is ending";
    result = FL_INVALID;
  } else {
    if (current == NULL) *message = start_engine();
    if (*message != NULL) result = FL_SYSTEM;
    else if (fl_queue_post(&current->inbox, item)) curl_multi_wakeup(current->multi);
  }
  pthread_mutex_unlock(&global_lock);
  return result;
}

bool fl_engine_quota(const fl_client *client, fl_budget_view *view, fl_time now) {
  bool known = false;
  pthread_mutex_lock(&global_lock);
  if (current != NULL && current->process == getpid())
    known = fl_budget_look(&current->budgets, client->settings.base_url,
                           client->settings.subscription_id, now, view);
  pthread_mutex_unlock(&global_lock);
  return known;
}

bool fl_engine_is_running(void) {
  bool running;
  pthread_mutex_lock(&global_lock);
  running = current != NULL && current->process == getpid();
  pthread_mutex_unlock(&global_lock);
  return running;
}
