/*
 * buffer_pool_spec.c: how much memory of replies is kept for the next ones, and for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/call.h"

static fl_client *client;
static fl_mailbox *mailbox;

static fl_call *make_call(void) {
  fl_request request = {0};
  int code;
  fl_call *call;
  request.operation = FL_LITERAL("imports.all");
  request.method = FL_LITERAL("GET");
  request.path = FL_LITERAL("/Import/All");
  request.api_key = FL_LITERAL("key");
  request.deadline = FL_NEVER;
  call = fl_call_new(client, mailbox, fl_item_next_ticket(), &request, &code);
  assert_non_null(call);
  return call;
}

static void take_buffer(fl_call *call) {
  fl_buffer_pool_take(&call->client->pool, &call->text, &call->tape);
}

/* A call with a reply of so many bytes: in memory that was kept, if there is any. */
static fl_call *call_with(size_t bytes) {
  fl_call *call = make_call();
  take_buffer(call);
  assert_int_equal(fl_buffer_reserve(&call->text, bytes), FL_OK);
  memset(call->text.data, 'x', bytes);
  call->text.length = bytes;
  return call;
}

static int open_client(void **state) {
  fl_client_settings settings = {0};
  (void)state;
  settings.base_url = "http://127.0.0.1:1";
  settings.subscription_id = "00000000-0000-4000-8000-000000000001";
  settings.user_agent = "spec";
  settings.max_response_bytes = 64u << 20;
  client = fl_client_new(&settings);
  mailbox = fl_mailbox_new();
  return client == NULL || mailbox == NULL;
}

static int close_client(void **state) {
  (void)state;
  fl_mailbox_release(mailbox);
  fl_client_release(client);
  return 0;
}

/* The next reply is read into the memory of the one before, as an empty one with its own ceiling.
 */
static void test_memory_is_used_again(void **state) {
  fl_call *call = call_with(1000);
  const char *data = call->text.data;
  (void)state;
  fl_call_free(call);
  call = make_call();
  assert_null(call->text.data);
  take_buffer(call);
  assert_ptr_equal(call->text.data, data);
  assert_int_equal(call->text.length, 0);
  assert_int_equal(call->tape.count, 0);
  assert_int_equal(call->text.ceiling, 64u << 20);
  assert_int_equal(client->pool.count, 0);
  take_buffer(call); /* has some already */
  assert_ptr_equal(call->text.data, data);
  fl_call_free(call);
}

/* What is large is kept only while pages are read, and never what is huge. */
static void test_large_memory_goes_with_the_last_pager(void **state) {
  static const struct {
    size_t bytes;
    int pagers, kept, kept_after;
  } cases[] = {
      {1000, 0, 1, 1},
      {1u << 20, 0, 0, 0},
      {1u << 20, 1, 1, 0},
      {1u << 20, 2, 1, 0},
      {20u << 20, 1, 0, 0},
      {FL_BUFFER_POOL_SMALL, 0, 1, 1},
      {FL_BUFFER_POOL_SMALL + 1, 0, 0, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fl_call *call;
    open_client(NULL);
    for (int pager = 0; pager < cases[i].pagers; pager++)
      fl_buffer_pool_count_pagers(&client->pool, 1);
    call = make_call();
    call->text.data = malloc(cases[i].bytes);
    call->text.capacity = cases[i].bytes;
    fl_call_free(call);
    assert_int_equal(client->pool.count, cases[i].kept);
    for (int pager = 0; pager < cases[i].pagers; pager++) {
      assert_int_equal(client->pool.count, cases[i].kept);
      fl_buffer_pool_count_pagers(&client->pool, -1);
    }
    assert_int_equal(client->pool.count, cases[i].kept_after);
    close_client(NULL);
  }
}

static void test_no_more_than_a_few_are_kept(void **state) {
  fl_call *calls[FL_BUFFER_POOL_COUNT + 3];
  (void)state;
  for (int i = 0; i < FL_BUFFER_POOL_COUNT + 3; i++) calls[i] = call_with(100);
  for (int i = 0; i < FL_BUFFER_POOL_COUNT + 3; i++) fl_call_free(calls[i]);
  assert_int_equal(client->pool.count, FL_BUFFER_POOL_COUNT);
  fl_call_free(make_call()); /* had no reply, and so nothing to give */
  assert_int_equal(client->pool.count, FL_BUFFER_POOL_COUNT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_memory_is_used_again, open_client, close_client),
      cmocka_unit_test(test_large_memory_goes_with_the_last_pager),
      cmocka_unit_test_setup_teardown(test_no_more_than_a_few_are_kept, open_client, close_client),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
