/*
 * mailbox_spec.c: when a mailbox wakes its reader, and when it does not.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/mailbox.h"

static fl_mailbox *mailbox;

static int open_mailbox(void **state) {
  (void)state;
  mailbox = fl_mailbox_new();
  return mailbox == NULL;
}

static int close_mailbox(void **state) {
  (void)state;
  fl_mailbox_release(mailbox);
  return 0;
}

static bool is_readable(void) {
  struct pollfd reader = {.fd = fl_mailbox_descriptor(mailbox), .events = POLLIN, .revents = 0};
  return poll(&reader, 1, 0) > 0;
}

static void an_item_is_readable_until_it_is_taken(void **state) {
  fl_item first = {0}, second = {0};
  (void)state;
  assert_false(is_readable());
  fl_mailbox_post(mailbox, &first);
  fl_mailbox_post(mailbox, &second);
  assert_true(is_readable());
  assert_true(fl_mailbox_wait(mailbox, FL_NEVER));
  assert_ptr_equal(fl_mailbox_take(mailbox), &first);
  assert_ptr_equal(first.next, &second);
  assert_false(is_readable());
  assert_false(fl_mailbox_wait(mailbox, 0));
}

static void a_quiet_item_ends_a_wait(void **state) {
  fl_item item = {0};
  (void)state;
  fl_mailbox_set_quiet(mailbox, true);
  fl_mailbox_post(mailbox, &item);
  fl_mailbox_set_quiet(mailbox, false);
  assert_false(is_readable());
  assert_true(fl_mailbox_wait(mailbox, FL_NEVER));
  assert_ptr_equal(fl_mailbox_take(mailbox), &item);
}

static void the_item_after_a_quiet_one_signals(void **state) {
  fl_item quiet = {0}, loud = {0};
  (void)state;
  fl_mailbox_set_quiet(mailbox, true);
  fl_mailbox_post(mailbox, &quiet);
  fl_mailbox_set_quiet(mailbox, false);
  fl_mailbox_post(mailbox, &loud);
  assert_true(is_readable());
  assert_ptr_equal(fl_mailbox_take(mailbox), &quiet);
}

static void a_signal_without_items_ends_one_wait(void **state) {
  (void)state;
  fl_mailbox_signal(mailbox);
  assert_true(fl_mailbox_wait(mailbox, FL_NEVER));
  assert_false(fl_mailbox_wait(mailbox, 0));
  assert_null(fl_mailbox_take(mailbox));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_item_is_readable_until_it_is_taken, open_mailbox,
                                      close_mailbox),
      cmocka_unit_test_setup_teardown(a_quiet_item_ends_a_wait, open_mailbox, close_mailbox),
      cmocka_unit_test_setup_teardown(the_item_after_a_quiet_one_signals, open_mailbox,
                                      close_mailbox),
      cmocka_unit_test_setup_teardown(a_signal_without_items_ends_one_wait, open_mailbox,
                                      close_mailbox),
  };
  return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
