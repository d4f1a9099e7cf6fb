/*
 * pager_spec.c: the pager driven by hand: which pages it asks for and when, which guesses it drops,
 * in which order it delivers. The spec is the engine: it takes the calls, answers them in any
 * order, and brings stopped ones back.
 */
#include "engine/call.h"

static bool no_memory;

static fl_call *new_call(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                         const fl_request *request, int *code) {
  *code = 0;
  return no_memory ? NULL : fl_call_new(client, mailbox, ticket, request, code);
}

#define fl_call_new new_call
#include "engine/pager.c"

#include "check.h"

#define MOST 64

static fl_client *client;
static fl_mailbox *mailbox;
static fl_pager *pager;
static fl_call *asked[MOST]; /* under way, in the order in which they were asked for */
static int asked_count;

static int open_client(void **state) {
  fl_client_settings settings = {0};
  (void)state;
  settings.base_url = "http://127.0.0.1:1";
  settings.subscription_id = "00000000-0000-4000-8000-000000000001";
  settings.user_agent = "spec";
  settings.max_response_bytes = 1u << 20;
  client = fl_client_new(&settings);
  mailbox = fl_mailbox_new();
  pager = NULL;
  asked_count = 0;
  return client == NULL || mailbox == NULL;
}

static int close_client(void **state) {
  (void)state;
  if (pager != NULL) {
    fl_pager_stop(pager);
    while (asked_count > 0) fl_pager_answer(pager, asked[--asked_count]);
    assert_true(fl_pager_is_over(pager));
    fl_pager_free(pager);
  }
  assert_int_equal(client->pool.pagers, 0);
  fl_mailbox_release(mailbox);
  fl_client_release(client);
  return 0;
}

static void open_pager(int64_t start, int64_t page_size, int64_t limit, int prefetch, bool trust) {
  fl_pager_request request = {.start = start,
                              .page_size = page_size,
                              .limit = limit,
                              .prefetch = prefetch,
                              .trust_short_page = trust,
                              .deadline = FL_NEVER};
  int code;
  request.operation = FL_LITERAL("imports.rows");
  request.path = FL_LITERAL("/Import/Data/{id}");
  request.id = FL_LITERAL("7");
  request.api_key = FL_LITERAL("key");
  pager = fl_pager_new(client, mailbox, 77, &request, &code);
  assert_non_null(pager);
}

/* Takes the calls that the pager asks for now; checks their starts against `starts`, -1 at its end.
 */
static void check_asks(const char *label, const int64_t *starts) {
  bool failed;
  fl_call *call;
  while ((call = fl_pager_ask(pager, 0, &failed)) != NULL) {
    char query[64];
    snprintf(query, sizeof query, "?start=%lld&count=%lld", (long long)call->page_start,
             (long long)call->page_count);
    check(label, strstr(call->url, query) != NULL);
    check_number(label, call->page_start, *starts++);
    assert_true(asked_count < MOST);
    asked[asked_count++] = call;
  }
  check(label, !failed);
  check_number(label, -1, *starts);
}
#define ASKS(...) check_asks(here(__LINE__), (const int64_t[]){__VA_ARGS__, -1})
#define ASKS_NOTHING() check_asks(here(__LINE__), (const int64_t[]){-1})

static const char *here(int line) {
  static char text[32];
  snprintf(text, sizeof text, "line %d", line);
  return text;
}

static fl_call *take_asked(int64_t start) {
  for (int i = 0; i < asked_count; i++)
    if (asked[i]->page_start == start) {
      fl_call *call = asked[i];
      memmove(&asked[i], &asked[i + 1], (size_t)(--asked_count - i) * sizeof asked[0]);
      return call;
    }
  fail_msg("no page from %lld is under way", (long long)start);
  return NULL;
}

static void set_reply(fl_call *call, const char *text) {
  fl_json_error error;
  assert_int_equal(fl_buffer_append_text(&call->text, text), FL_OK);
  assert_int_equal(fl_json_scan(call->text.data, call->text.length, &call->tape, &error),
                   FL_JSON_OK);
  call->envelope = fl_envelope_of(&call->tape, call->text.data);
  call->head.status = 200;
}

/* A page of so many rows answers the request from `start`. */
static void answer(int64_t start, int rows) {
  fl_call *call = take_asked(start);
  char text[1024] = "{\"data\":[";
  for (int i = 0; i < rows; i++) strcat(text, i == 0 ? "{}" : ",{}");
  strcat(text, "]}");
  set_reply(call, text);
  fl_pager_answer(pager, call);
}

static void answer_error(int64_t start, fl_kind kind, int status) {
  fl_call *call = take_asked(start);
  call->kind = kind;
  call->head.status = status;
  fl_pager_answer(pager, call);
}

/* The next page that is delivered, to be freed by the caller. */
static void check_page(const char *label, int64_t start, int64_t rows, bool last) {
  fl_call *call = fl_pager_deliver(pager);
  check(label, call != NULL);
  check_number(label, call->item.ticket, 77);
  check_number(label, call->item.type, FL_ITEM_PAGE);
  check_number(label, call->kind, FL_KIND_NONE);
  check_number(label, call->page_start, start);
  check_number(label, call->page_rows, rows);
  check_number(label, call->page_end, last);
  fl_call_free(call);
}
#define PAGE(start, rows, last) check_page(here(__LINE__), start, rows, last)
#define NO_PAGE() check(here(__LINE__), fl_pager_deliver(pager) == NULL)

static void check_error(const char *label, fl_kind kind) {
  fl_call *call = fl_pager_deliver(pager);
  check(label, call != NULL);
  check_number(label, call->kind, kind);
  check(label, call->page_end);
  fl_call_free(call);
}
#define ERROR(kind) check_error(here(__LINE__), kind)

/* Names the starts of the calls that are to be stopped, and brings those calls back. */
static void check_stops(const char *label, int64_t first, int count) {
  fl_call *call;
  int stopped = 0;
  while ((call = fl_pager_obsolete(pager)) != NULL) {
    check(label, call->page_start >= first);
    call = take_asked(call->page_start);
    call->kind = FL_KIND_CANCELLED;
    fl_pager_answer(pager, call);
    stopped++;
  }
  check_number(label, stopped, count);
}
#define STOPS(first, count) check_stops(here(__LINE__), first, count)

static void over(const char *label) {
  check(label, fl_pager_is_over(pager));
  fl_pager_free(pager);
  pager = NULL;
}
#define OVER() over(here(__LINE__))

/* --- the cases --- */

/* Without prefetch: one page at a time, each when the reader has taken the one before. */
static void test_one_page_at_a_time(void **state) {
  (void)state;
  open_pager(0, 3, INT64_MAX, 0, false);
  ASKS(0);
  ASKS_NOTHING();
  answer(0, 3);
  PAGE(0, 3, false);
  ASKS_NOTHING(); /* no credit before the reader has advanced */
  fl_pager_advance(pager);
  ASKS(3);
  answer(3, 2);
  PAGE(3, 2, false);
  fl_pager_advance(pager);
  ASKS(5); /* a short page is no end by itself */
  answer(5, 0);
  PAGE(5, 0, true);
  OVER();
}

static void test_guesses_come_after_a_full_page(void **state) {
  (void)state;
  open_pager(10, 4, INT64_MAX, 3, false);
  ASKS(10); /* nothing is known about the length of pages yet */
  answer(10, 4);
  PAGE(10, 4, false);
  ASKS(14, 18); /* the credit is 3, of which the page above has one */
  fl_pager_advance(pager);
  ASKS(22);
  ASKS_NOTHING();
  answer(14, 4);
  answer(18, 4);
  answer(22, 0);
  PAGE(14, 4, false);
  PAGE(18, 4, false);
  PAGE(22, 0, true);
  NO_PAGE();
  OVER();
}

static void test_order_is_that_of_the_starts(void **state) {
  (void)state;
  open_pager(0, 2, INT64_MAX, 4, false);
  ASKS(0);
  answer(0, 2);
  PAGE(0, 2, false);
  ASKS(2, 4, 6);
  answer(6, 2);
  answer(4, 2);
  NO_PAGE();
  answer(2, 2);
  PAGE(2, 2, false);
  PAGE(4, 2, false);
  PAGE(6, 2, false);
}

/* A page shorter than the guesses assumed: no row may be skipped. */
static void test_wrong_guesses_are_dropped(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 4, false);
  ASKS(0);
  answer(0, 4);
  PAGE(0, 4, false);
  ASKS(4, 8, 12);
  answer(8, 4); /* a guess that was answered already is dropped as well */
  answer(4, 3);
  PAGE(4, 3, false);
  STOPS(12, 1);
  NO_PAGE();
  ASKS(7); /* pages of 4 and 3 rows: no guess */
  answer(7, 3);
  PAGE(7, 3, false);
  /* Two pages of 3 rows: guesses again, with the credit that is left. */
  ASKS(10);
  fl_pager_advance(pager);
  ASKS(13);
}

/* After a wrong guess one is made; each right one doubles how many. So a service whose pages are
 * never as long as the last ones is asked for few pages in vain. */
static void test_few_guesses_after_a_wrong_one(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 8, false);
  for (int i = 0; i < 20; i++) fl_pager_advance(pager);
  ASKS(0);
  answer(0, 4);
  PAGE(0, 4, false);
  ASKS(4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68);
  answer(4, 3);
  PAGE(4, 3, false);
  STOPS(8, 16);
  ASKS(7);
  answer(7, 3);
  PAGE(7, 3, false);
  ASKS(10, 13);
  answer(10, 3);
  PAGE(10, 3, false);
  ASKS(16, 19);
  answer(13, 3);
  PAGE(13, 3, false);
  ASKS(22, 25, 28);
  answer(16, 2);
  PAGE(16, 2, false);
  STOPS(19, 4);
  ASKS(18);
}

/* A dropped call may end before it is named. */
static void test_a_dropped_call_may_end_by_itself(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 2, false);
  ASKS(0);
  answer(0, 4);
  fl_pager_advance(pager);
  ASKS(4, 8);
  answer(4, 1);
  answer(8, 0);
  STOPS(0, 0);
  PAGE(0, 4, false);
  PAGE(4, 1, false);
  NO_PAGE();
}

static void test_limits(void **state) {
  (void)state;
  open_pager(5, 4, 6, 8, false);
  ASKS(5);
  answer(5, 4);
  ASKS(9); /* two rows are left to be read */
  assert_int_equal(asked[0]->page_count, 2);
  answer(9, 2);
  PAGE(5, 4, false);
  PAGE(9, 2, true);
  OVER();
}

static void test_a_short_page_that_is_trusted_is_the_last(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 3, true);
  ASKS(0);
  answer(0, 4);
  ASKS(4, 8);
  answer(4, 3);
  PAGE(0, 4, false);
  PAGE(4, 3, true);
  STOPS(8, 1);
  OVER();
}

static void test_errors_end_the_pager(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 3, false);
  ASKS(0);
  answer(0, 4);
  ASKS(4, 8);
  answer_error(8, FL_KIND_SERVER, 500);
  PAGE(0, 4, false);
  NO_PAGE(); /* the error waits for its turn */
  answer(4, 4);
  PAGE(4, 4, false);
  ERROR(FL_KIND_SERVER);
  ASKS_NOTHING();
  OVER();
}

static void test_a_404_behind_a_short_page_is_the_end(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 0, false);
  ASKS(0);
  answer(0, 2);
  PAGE(0, 2, false);
  fl_pager_advance(pager);
  ASKS(2);
  answer_error(2, FL_KIND_NOT_FOUND, 404);
  PAGE(2, 0, true);
  OVER();
}

static void test_the_first_page_is_halved(void **state) {
  (void)state;
  open_pager(0, 1000, INT64_MAX, 2, false);
  for (int64_t count = 1000; count > 100; count = count / 2 > 100 ? count / 2 : 100) {
    ASKS(0);
    assert_int_equal(asked[0]->page_count, count);
    answer_error(0, FL_KIND_INVALID_REQUEST, 400);
    NO_PAGE();
  }
  ASKS(0);
  assert_int_equal(asked[0]->page_count, 100);
  answer_error(0, FL_KIND_INVALID_REQUEST, 400);
  ERROR(FL_KIND_INVALID_REQUEST);
  OVER();
}

static void test_data_that_is_no_rows(void **state) {
  fl_call *call;
  (void)state;
  open_pager(0, 4, INT64_MAX, 0, false);
  ASKS(0);
  call = take_asked(0);
  set_reply(call, "{\"data\":\"none\"}");
  fl_pager_answer(pager, call);
  ERROR(FL_KIND_PROTOCOL);
  OVER();
}

static void test_stopping(void **state) {
  (void)state;
  open_pager(0, 4, INT64_MAX, 4, false);
  ASKS(0);
  answer(0, 4);
  ASKS(4, 8, 12);
  answer(8, 4);
  fl_pager_stop(pager);
  NO_PAGE(); /* what was to be delivered is not wanted */
  ASKS_NOTHING();
  assert_false(fl_pager_is_over(pager));
  STOPS(4, 2);
  OVER();
}

/* Dropped calls that have not ended count: a server that hangs is not asked without bound. */
static void test_calls_under_way_are_bounded(void **state) {
  bool failed;
  (void)state;
  open_pager(0, 4, INT64_MAX, FL_PAGER_AHEAD, false);
  ASKS(0);
  answer(0, 4);
  for (int i = 0; i < MOST; i++) fl_pager_advance(pager);
  while ((asked[asked_count] = fl_pager_ask(pager, 0, &failed)) != NULL) asked_count++;
  assert_int_equal(asked_count, FL_PAGER_AHEAD + 1);
  answer(4, 1); /* drops all guesses, which stay under way */
  while ((asked[asked_count] = fl_pager_ask(pager, 0, &failed)) != NULL) asked_count++;
  assert_int_equal(asked_count, FL_PAGER_AHEAD + 1);
}

static void test_a_wrong_id_is_refused_at_once(void **state) {
  fl_pager_request request = {.page_size = 1, .limit = 1, .deadline = FL_NEVER};
  int code = 0;
  (void)state;
  request.operation = FL_LITERAL("imports.rows");
  request.path = FL_LITERAL("/Import/Data/{id}");
  request.id = FL_LITERAL("..");
  request.api_key = FL_LITERAL("key");
  assert_null(fl_pager_new(client, mailbox, 1, &request, &code));
  assert_int_not_equal(code, 0);
}

/* Without memory for the next page the pager is asked again; in the end the reader is told. */
static void test_memory_stays_short(void **state) {
  bool failed;
  (void)state;
  open_pager(0, 4, INT64_MAX, 2, false);
  no_memory = true;
  assert_null(fl_pager_ask(pager, 5 * FL_SECOND, &failed));
  assert_true(failed);
  assert_null(fl_pager_ask(pager, 6 * FL_SECOND, &failed));
  assert_true(failed);
  no_memory = false;
  ASKS(0); /* there is memory again: the wait begins anew */
  answer(0, 4);
  PAGE(0, 4, false);
  no_memory = true;
  assert_null(fl_pager_ask(pager, 8 * FL_SECOND, &failed));
  assert_true(failed);
  NO_PAGE();
  assert_null(fl_pager_ask(pager, 10 * FL_SECOND, &failed));
  assert_false(failed);
  no_memory = false;
  ERROR(FL_KIND_NETWORK);
  ASKS_NOTHING();
  OVER();
}

/* A guess is only a guess. */
static void test_no_memory_for_a_guess(void **state) {
  bool failed;
  (void)state;
  open_pager(0, 4, INT64_MAX, 3, false);
  ASKS(0);
  answer(0, 4);
  PAGE(0, 4, false);
  assert_non_null(asked[asked_count++] = fl_pager_ask(pager, 0, &failed));
  no_memory = true;
  assert_null(fl_pager_ask(pager, 0, &failed));
  assert_false(failed);
  no_memory = false;
  answer(4, 4);
  PAGE(4, 4, false);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(test_one_page_at_a_time),
      CASE(test_guesses_come_after_a_full_page),
      CASE(test_order_is_that_of_the_starts),
      CASE(test_wrong_guesses_are_dropped),
      CASE(test_few_guesses_after_a_wrong_one),
      CASE(test_a_dropped_call_may_end_by_itself),
      CASE(test_limits),
      CASE(test_a_short_page_that_is_trusted_is_the_last),
      CASE(test_errors_end_the_pager),
      CASE(test_a_404_behind_a_short_page_is_the_end),
      CASE(test_the_first_page_is_halved),
      CASE(test_data_that_is_no_rows),
      CASE(test_stopping),
      CASE(test_calls_under_way_are_bounded),
      CASE(test_memory_stays_short),
      CASE(test_no_memory_for_a_guess),
      CASE(test_a_wrong_id_is_refused_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
