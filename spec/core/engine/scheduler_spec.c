/*
 * scheduler_spec.c: random sequences of submitting, cancelling, throttling, closing and forking,
 * with time moved by hand. After every turn the checks of FL_CHECK hold; in the end every call has
 * come back exactly once.
 *
 * The spec stands below the loop in place of network.c and clock.c: their functions are defined
 * here, so that the linker takes neither from the archive. Loop and scheduler are compiled with
 * their checks.
 */
#ifndef FL_CHECK
#define FL_CHECK
#endif
#include "engine/call.h"

static fl_call *new_call(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                         const fl_request *request, int *code);
#define fl_call_new new_call
#include "engine/pager.c"
#undef fl_call_new
#include "engine/loop.c"
#include "engine/scheduler.c"

#include <signal.h>
#include <sys/wait.h>

#include "check.h"

/* --- the clock --- */

static fl_time now;

fl_time fl_clock_now(void) { return now; }
fl_time fl_clock_wall(void) { return now; }

/* --- the network: attempts that the spec ends when and how it likes --- */

#define MOST_RUNNING 256

struct fl_network {
  fl_call *running[MOST_RUNNING];
  int count;
};

typedef enum answer { GOOD, THROTTLED, THROTTLED_LONG, SPENT, LOST, UNSENT, ANSWERS } answer;

static fl_network network;
static fl_random dice;
static int to_end;    /* attempts that end in the next turn */
static bool friendly; /* every attempt ends well, and starts */
static int rows;      /* of the import that pagers read */
static uint64_t sequence;
static uint64_t
    started[MOST_RUNNING]; /* tickets of the attempts that test_order begins, in order */
static int started_count;

static uint64_t below(uint64_t bound) { return fl_random_next(&dice) % bound; }
static bool one_in(uint64_t chances) { return below(chances) == 0; }

/* Memory is short now and then, and for a while. */
static bool no_memory, trial;

static fl_call *new_call(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                         const fl_request *request, int *code) {
  *code = 0;
  if (!trial && (no_memory || (!friendly && one_in(20)))) return NULL;
  return fl_call_new(client, mailbox, ticket, request, code);
}

fl_network *fl_network_new(void) {
  network.count = 0;
  return &network;
}
void fl_network_free(fl_network *self) { HOLDS(self->count == 0); }
void fl_network_perform(fl_network *self) { (void)self; }
void fl_network_wake(fl_network *self) { (void)self; }
bool fl_network_sleep(fl_network *self, int milliseconds) {
  (void)self;
  (void)milliseconds;
  return false;
}

bool fl_network_start(fl_network *self, fl_call *call, fl_time at, fl_kind *kind,
                      const char **words) {
  HOLDS(at == now && self->count < MOST_RUNNING);
  *kind = FL_KIND_NETWORK;
  *words = "no memory for a transfer";
  if (!friendly && one_in(40)) return false;
  call->text.length = 0;
  call->tape.count = 0;
  fl_response_head_init(&call->head);
  call->transfer = (struct fl_transfer *)(void *)call;
  self->running[self->count++] = call;
  if (started_count < MOST_RUNNING) started[started_count++] = call->item.ticket;
  return true;
}

static void leave_network(fl_network *self, int place) {
  self->running[place]->transfer = NULL;
  self->running[place] = self->running[--self->count];
}

bool fl_network_stop(fl_network *self, fl_call *call) {
  for (int i = 0; i < self->count; i++)
    if (self->running[i] == call) {
      leave_network(self, i);
      return one_in(2);
    }
  HOLDS(!"a call that is stopped has a transfer");
  return false;
}

static void set_page(fl_call *call) {
  fl_json_error error;
  int64_t left = rows - call->page_start;
  int64_t count = left < 0 ? 0 : left < call->page_count ? left : call->page_count;
  if (!friendly && count > 1 && one_in(5)) count = (int64_t)below((uint64_t)count) + 1;
  fl_buffer_append_text(&call->text, "{\"data\":[");
  for (int64_t i = 0; i < count; i++) fl_buffer_append_text(&call->text, i == 0 ? "{}" : ",{}");
  fl_buffer_append_text(&call->text, "]}");
  HOLDS(fl_json_scan(call->text.data, call->text.length, &call->tape, &error) == FL_JSON_OK);
  call->envelope = fl_envelope_of(&call->tape, call->text.data);
}

/* Of an answer: status, Retry-After in seconds (-1: none), Remaining (-1: not said). */
static const struct {
  fl_ending ending;
  int status, retry_after, remaining;
} answers[ANSWERS] = {
    [GOOD] = {FL_ENDING_REPLY, 200, -1, -1},
    [THROTTLED] = {FL_ENDING_REPLY, 429, 2, -1},
    [THROTTLED_LONG] = {FL_ENDING_REPLY, 429, 500, -1},
    [SPENT] = {FL_ENDING_REPLY, 429, -1, 0},
    [LOST] = {FL_ENDING_LOST, 0, -1, -1},
    [UNSENT] = {FL_ENDING_UNSENT, 0, -1, -1},
};

fl_call *fl_network_take_ended(fl_network *self, fl_outcome *outcome) {
  answer given = friendly || one_in(2) ? GOOD : (answer)below(ANSWERS);
  fl_call *call;
  int place;
  if (self->count == 0 || to_end == 0) return NULL;
  to_end--;
  place = (int)below((uint64_t)self->count);
  call = self->running[place];
  leave_network(self, place);
  *outcome = (fl_outcome){.ending = answers[given].ending,
                          .kind = FL_KIND_NETWORK,
                          .status = answers[given].status,
                          .sent = answers[given].ending != FL_ENDING_UNSENT,
                          .reset = FL_UNKNOWN};
  call->head.status = answers[given].status;
  if (outcome->status != 0) outcome->kind = fl_kind_of_status(outcome->status);
  if (outcome->status == 0) return call;
  if (one_in(3)) call->head.limit = 5;
  if (given == GOOD && one_in(3)) call->head.remaining = (int64_t)below(5);
  if (answers[given].remaining >= 0) {
    call->head.remaining = answers[given].remaining;
    call->head.reset = outcome->reset = (fl_time)below(60) * FL_SECOND;
    outcome->budget_spent = true;
  }
  if (answers[given].retry_after >= 0) {
    outcome->retry_after_known = true;
    outcome->retry_after = answers[given].retry_after * FL_SECOND;
  }
  if (given == GOOD && call->pager != NULL) set_page(call);
  return call;
}

/* --- the readers: what was submitted, and what has come back --- */

#define CLIENTS 3
#define MOST_TICKETS 2000

typedef enum fate { NOT_MADE, UNDER_WAY, UNHEARD, ENDED } fate; /* UNHEARD: its mailbox is closed */

static fl_budget_registry budgets;
static fl_loop *loop;
static fl_client *clients[CLIENTS];
static fl_mailbox *mailbox;
static struct {
  uint64_t ticket;
  fate fate;
  bool pager;
} made[MOST_TICKETS];
static int made_count;
static fl_list inbox;

static fl_client *make_client(int which) {
  fl_client_settings settings = {0};
  settings.base_url = which == 2 ? "http://127.0.0.1:2" : "http://127.0.0.1:1";
  settings.subscription_id = "00000000-0000-4000-8000-000000000001";
  settings.user_agent = "spec";
  settings.max_response_bytes = 1u << 20;
  settings.max_concurrency = (int)below(3) + 1;
  settings.rate_limit = one_in(2) ? 10 : 0;
  settings.events = one_in(2);
  settings.retry = (fl_retry_policy)FL_RETRY_POLICY_DEFAULT;
  return fl_client_new(&settings);
}

static void remember(fl_item *item, bool pager) {
  HOLDS(made_count < MOST_TICKETS);
  made[made_count].ticket = item->ticket;
  made[made_count].pager = pager;
  made[made_count++].fate = UNDER_WAY;
  fl_list_append(&inbox, item);
}

static fl_time random_deadline(void) {
  switch (below(4)) {
    case 0: return now + (fl_time)below(10) * FL_SECOND - FL_SECOND;
    case 1: return now + (fl_time)below(200) * FL_SECOND;
    default: return FL_NEVER;
  }
}

static void submit_call(void) {
  fl_request request = {0};
  int code;
  fl_call *call;
  request.operation = FL_LITERAL("imports.all");
  request.method = FL_LITERAL("GET");
  request.path = FL_LITERAL("/Import/All");
  request.api_key = FL_LITERAL("key");
  request.write = one_in(2);
  request.repeatable = one_in(2);
  request.interactive = one_in(3);
  request.deadline = random_deadline();
  call = fl_call_new(clients[below(CLIENTS)], mailbox, fl_item_next_ticket(), &request, &code);
  HOLDS(call != NULL);
  remember(&call->item, false);
}

static void submit_pager(void) {
  fl_pager_request request = {.page_size = (int64_t)below(5) + 1,
                              .limit = one_in(2) ? INT64_MAX : (int64_t)below(30) + 1,
                              .prefetch = (int)below(6),
                              .trust_short_page = one_in(3),
                              .deadline = one_in(3) ? 20 * FL_SECOND : FL_NEVER};
  int code;
  fl_pager *pager;
  request.operation = FL_LITERAL("imports.rows");
  request.path = FL_LITERAL("/Import/Data/{id}");
  request.id = FL_LITERAL("1");
  request.api_key = FL_LITERAL("key");
  trial = true; /* its first call is made with the pager */
  pager = fl_pager_new(clients[below(CLIENTS)], mailbox, fl_item_next_ticket(), &request, &code);
  HOLDS(pager != NULL);
  trial = false;
  remember(fl_pager_item(pager), true);
}

static void submit_command(fl_item_type type, uint64_t ticket, fl_client *client, fl_mailbox *of) {
  fl_list_append(&inbox, &fl_command_new(type, ticket, client, of)->item);
}

static int find_made(uint64_t ticket) {
  int i = made_count - 1;
  while (i >= 0 && made[i].ticket != ticket) i--;
  return i;
}

/* The reader takes a page and wants the next, or is gone. */
static void take_page(const fl_call *page, int i) {
  bool goes_on = friendly || !one_in(4);
  if (page->page_end) {
    made[i].fate = ENDED;
  } else {
    if (!goes_on) made[i].fate = UNHEARD;
    submit_command(goes_on ? FL_ITEM_ADVANCE : FL_ITEM_CANCEL, made[i].ticket, NULL, NULL);
  }
}

/* Takes what has come back: each ticket ends once, a pager with its last page. */
static void read_mailbox(void) {
  fl_item *item = fl_mailbox_take(mailbox);
  while (item != NULL) {
    fl_item *next = item->next;
    fl_call *call = (fl_call *)(void *)item;
    int i = find_made(item->ticket);
    if (item->type == FL_ITEM_CALL) {
      HOLDS(i >= 0 && made[i].fate == UNDER_WAY);
      HOLDS(call->state == FL_CALL_DONE);
      HOLDS((call->fate != FL_FATE_NONE) == call->write);
      made[i].fate = ENDED;
    } else if (item->type == FL_ITEM_PAGE) {
      HOLDS(i >= 0 && made[i].fate != ENDED && made[i].pager);
      /* A page may have been posted before its pager was cancelled. */
      if (made[i].fate == UNDER_WAY) take_page(call, i);
    } else {
      HOLDS(item->type == FL_ITEM_EVENT);
    }
    fl_item_free(item);
    item = next;
  }
}

static void turn(void) {
  fl_item *items = inbox.first;
  inbox.first = inbox.last = NULL;
  fl_loop_turn(loop, items);
  read_mailbox();
}

static void close_mailbox_of_all(void) {
  submit_command(FL_ITEM_CLOSE_MAILBOX, 0, NULL, mailbox);
  turn();
  fl_mailbox_release(mailbox);
  mailbox = fl_mailbox_new();
  for (int i = 0; i < made_count; i++)
    if (made[i].fate == UNDER_WAY) made[i].fate = UNHEARD;
}

static void close_client_and_reopen(int which) {
  submit_command(FL_ITEM_CLOSE_CLIENT, 0, clients[which], NULL);
  fl_client_release(clients[which]);
  clients[which] = make_client(which);
}

static void random_step(void) {
  to_end = (int)below(4);
  switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: submit_call(); break;
    case 5: submit_pager(); break;
    case 6:
    case 7:
      if (made_count > 0) {
        int i = (int)below((uint64_t)made_count);
        if (made[i].pager && made[i].fate == UNDER_WAY) made[i].fate = UNHEARD;
        submit_command(FL_ITEM_CANCEL, made[i].ticket, NULL, NULL);
      }
      break;
    case 8: now += (fl_time)below(100) * FL_SECOND / 10; break;
    case 9:
    case 10:
    case 11: now += fl_loop_sleep_time(loop) * FL_MILLISECOND; break;
    case 12:
      if (one_in(10)) close_client_and_reopen((int)below(CLIENTS));
      break;
    case 13:
      if (one_in(20)) close_mailbox_of_all();
      break;
    case 14: no_memory = one_in(8); break;
    default: break;
  }
  if (!one_in(3)) turn();
}

/* Lets everything end that is under way: time goes on, attempts end well. */
static void run_to_the_end(void) {
  friendly = true;
  no_memory = one_in(8);
  turn();
  for (int turns = 0; fl_loop_is_busy(loop) || inbox.first != NULL; turns++) {
    fl_time due = fl_scheduler_next_due(&loop->calls);
    HOLDS(turns < 100000);
    /* With nothing on the network, only time brings the calls on. */
    HOLDS(network.count > 0 || due != FL_NEVER || inbox.first != NULL || loop->short_of_memory ||
          have_pagers_changed(loop));
    if (network.count == 0) now += fl_loop_sleep_time(loop) * FL_MILLISECOND;
    to_end = MOST_RUNNING;
    turn();
  }
  /* A reader that has not advanced leaves its pager idle; there is none here. */
  for (int i = 0; i < made_count; i++) HOLDS(made[i].fate == ENDED || made[i].fate == UNHEARD);
}

static void open_all(uint64_t serial) {
  fl_budget_registry_init(&budgets, fl_item_free);
  loop = fl_loop_new(serial, &budgets);
  fl_random_seed(&loop->calls.random, fl_random_next(&dice), 1);
}

static void close_all(void) {
  fl_loop_close(loop, inbox.first);
  inbox.first = inbox.last = NULL;
  read_mailbox();
  fl_item_free_chain(inbox.first);
  inbox.first = inbox.last = NULL;
  fl_loop_free(loop);
  fl_budget_registry_free(&budgets);
}

/* The child leaves the loop of its parent, and uses the clients with one of its own. What it leaves
 * stays reachable, so that valgrind does not report it as lost. */
static void fork_and_go_on(int steps) {
  static struct left {
    fl_loop *loop;
    fl_budget_registry budgets;
    fl_list inbox;
    fl_mailbox *mailbox;
  } *volatile left;
  int status;
  pid_t child = fork();
  if (child == 0) {
    left = malloc(sizeof *left);
    assert_non_null(left);
    left->loop = loop;
    left->budgets = budgets;
    left->inbox = inbox;
    left->mailbox = mailbox;
    open_all(2);
    mailbox = fl_mailbox_new();
    made_count = 0;
    inbox.first = inbox.last = NULL;
    for (int i = 0; i < steps; i++) random_step();
    run_to_the_end();
    close_all();
    _exit(0);
  }
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void run_sequence(uint64_t seed, int steps) {
  fl_random_seed(&dice, seed, seed * 31 + 7);
  sequence = seed;
  now = 1000 * FL_SECOND;
  friendly = no_memory = false;
  made_count = 0;
  rows = (int)below(60);
  open_all(1);
  mailbox = fl_mailbox_new();
  for (int i = 0; i < CLIENTS; i++) clients[i] = make_client(i);
  for (int i = 0; i < steps; i++) {
    random_step();
    if (i == steps / 2 && one_in(20)) fork_and_go_on(steps);
  }
  if (!one_in(4)) run_to_the_end();
  close_all();
  for (int i = 0; i < made_count; i++) HOLDS(made[i].fate == ENDED || made[i].fate == UNHEARD);
  for (int i = 0; i < CLIENTS; i++) {
    HOLDS(atomic_load(&clients[i]->references) == 1);
    fl_client_release(clients[i]);
  }
  fl_mailbox_release(mailbox);
}

static void name_sequence(int signal) {
  (void)signal;
  fprintf(stderr, "in sequence SCHEDULER_SEED=%llu\n", (unsigned long long)sequence);
}

/* SCHEDULER_SEED runs one sequence, SCHEDULER_SEQUENCES that many. */
static void test_random_sequences(void **state) {
  const char *one = getenv("SCHEDULER_SEED"), *many = getenv("SCHEDULER_SEQUENCES");
  uint64_t count = many != NULL ? strtoull(many, NULL, 10) : 1000;
  (void)state;
  signal(SIGABRT, name_sequence);
  if (one != NULL) run_sequence(strtoull(one, NULL, 10), 400);
  else
    for (uint64_t seed = 1; seed <= count; seed++) run_sequence(seed, 400);
}

/* Calls of one class start in the order in which they were made, also those of different clients
 * that share a budget, and those made while others wait. */
static void run_in_order(uint64_t seed) {
  fl_random_seed(&dice, seed, seed + 3);
  now = 1000 * FL_SECOND;
  friendly = true;
  no_memory = false;
  made_count = started_count = 0;
  open_all(1);
  mailbox = fl_mailbox_new();
  for (int i = 0; i < CLIENTS; i++) {
    fl_client_settings settings = {.base_url = "http://127.0.0.1:1",
                                   .subscription_id = "00000000-0000-4000-8000-000000000001",
                                   .user_agent = "spec",
                                   .max_response_bytes = 1u << 20,
                                   .max_concurrency = 100,
                                   .rate_limit = 10,
                                   .retry = FL_RETRY_POLICY_DEFAULT};
    clients[i] = fl_client_new(&settings);
  }
  for (int i = 0; i < 60; i++) {
    fl_request request = {.operation = FL_LITERAL("imports.all"),
                          .method = FL_LITERAL("GET"),
                          .path = FL_LITERAL("/Import/All"),
                          .api_key = FL_LITERAL("key"),
                          .deadline = FL_NEVER};
    int code;
    fl_call *call =
        fl_call_new(clients[below(CLIENTS)], mailbox, fl_item_next_ticket(), &request, &code);
    remember(&call->item, false);
    if (one_in(8)) {
      to_end = (int)below(4);
      turn();
      now += (fl_time)below(10) * FL_SECOND;
    }
  }
  run_to_the_end();
  assert_int_equal(60, started_count);
  for (int i = 1; i < started_count; i++) assert_true(started[i - 1] < started[i]);
  close_all();
  for (int i = 0; i < CLIENTS; i++) fl_client_release(clients[i]);
  fl_mailbox_release(mailbox);
}

static void test_order(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 100; seed++) run_in_order(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_sequences),
                                     cmocka_unit_test(test_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
