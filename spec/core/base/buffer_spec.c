/*
 * buffer_spec.c: bytes that grow up to a ceiling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

static void test_appends(void **state) {
  fl_buffer buffer;
  int count;
  (void)state;
  fl_buffer_init(&buffer, FL_BUFFER_UNLIMITED);
  assert_null(buffer.data);
  assert_int_equal(fl_buffer_append_text(&buffer, ""), FL_OK);
  assert_string_equal(buffer.data, "");
  assert_int_equal(fl_buffer_append(&buffer, NULL, 0), FL_OK);
  assert_int_equal(fl_buffer_append(&buffer, "a\0b", 3), FL_OK);
  assert_int_equal(fl_buffer_append_byte(&buffer, 'c'), FL_OK);
  assert_int_equal(fl_buffer_append_text(&buffer, "def"), FL_OK);
  assert_int_equal(buffer.length, 7);
  assert_memory_equal(buffer.data, "a\0bcdef", 8);
  for (count = 0; count < 10000; count++) {
    assert_int_equal(fl_buffer_append_byte(&buffer, 'x'), FL_OK);
    assert_int_equal(buffer.data[buffer.length], '\0');
  }
  assert_int_equal(buffer.length, 10007);
  assert_in_range(buffer.capacity, 10008, 2 * 10008);
  assert_memory_equal(buffer.data, "a\0bcdefxxx", 10);
  fl_buffer_free(&buffer);
  assert_null(buffer.data);
  assert_int_equal(buffer.length, 0);
  assert_int_equal(buffer.capacity, 0);
}

static void test_reserve_gives_room_that_stays(void **state) {
  fl_buffer buffer;
  char *data;
  int count;
  (void)state;
  fl_buffer_init(&buffer, FL_BUFFER_UNLIMITED);
  assert_int_equal(fl_buffer_reserve(&buffer, 1000), FL_OK);
  assert_int_equal(buffer.length, 0);
  assert_string_equal(buffer.data, "");
  data = buffer.data;
  for (count = 0; count < 1000; count++)
    assert_int_equal(fl_buffer_append_byte(&buffer, 'x'), FL_OK);
  assert_ptr_equal(buffer.data, data);
  fl_buffer_free(&buffer);
}

static void test_ceiling(void **state) {
  static const size_t ceilings[] = {0, 1, 63, 64, 65, 100, 128, 1000};
  size_t index;
  (void)state;
  for (index = 0; index < sizeof ceilings / sizeof *ceilings; index++) {
    size_t ceiling = ceilings[index], count;
    fl_buffer buffer;
    fl_buffer_init(&buffer, ceiling);
    for (count = 0; count < ceiling; count++)
      assert_int_equal(fl_buffer_append_byte(&buffer, 'x'), FL_OK);
    assert_int_equal(fl_buffer_append_byte(&buffer, 'y'), FL_TOO_LARGE);
    assert_int_equal(fl_buffer_append_text(&buffer, "yy"), FL_TOO_LARGE);
    assert_int_equal(fl_buffer_reserve(&buffer, SIZE_MAX), FL_TOO_LARGE);
    assert_int_equal(fl_buffer_reserve(&buffer, 0), FL_OK);
    assert_int_equal(buffer.length, ceiling);
    assert_in_range(buffer.capacity, ceiling + 1, ceiling + 1);
    assert_int_equal(buffer.data[ceiling], '\0');
    fl_buffer_free(&buffer);
    assert_int_equal(buffer.ceiling, ceiling);
  }
}

static void test_a_refusal_changes_nothing(void **state) {
  fl_buffer buffer;
  (void)state;
  fl_buffer_init(&buffer, 5);
  assert_int_equal(fl_buffer_append_text(&buffer, "abc"), FL_OK);
  assert_int_equal(fl_buffer_append_text(&buffer, "def"), FL_TOO_LARGE);
  assert_string_equal(buffer.data, "abc");
  assert_int_equal(fl_buffer_append_text(&buffer, "de"), FL_OK);
  assert_string_equal(buffer.data, "abcde");
  fl_buffer_free(&buffer);
}

static void test_a_request_past_memory(void **state) {
  fl_buffer buffer;
  (void)state;
  fl_buffer_init(&buffer, SIZE_MAX);
  assert_int_equal(buffer.ceiling, FL_BUFFER_UNLIMITED);
  assert_int_equal(fl_buffer_append_text(&buffer, "abc"), FL_OK);
  assert_int_equal(fl_buffer_reserve(&buffer, SIZE_MAX), FL_TOO_LARGE);
  assert_int_equal(fl_buffer_reserve(&buffer, FL_BUFFER_UNLIMITED), FL_TOO_LARGE);
  assert_string_equal(buffer.data, "abc");
  fl_buffer_free(&buffer);
}

static void test_wipe(void **state) {
  char secret[] = "a key that nobody may see";
  fl_buffer buffer;
  size_t index;
  (void)state;
  fl_wipe(secret, sizeof secret);
  for (index = 0; index < sizeof secret; index++) assert_int_equal(secret[index], 0);
  fl_buffer_init(&buffer, 100);
  fl_buffer_wipe(&buffer);
  assert_int_equal(fl_buffer_append_text(&buffer, "a key"), FL_OK);
  fl_buffer_wipe(&buffer);
  assert_null(buffer.data);
  assert_int_equal(buffer.length, 0);
  assert_int_equal(buffer.ceiling, 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_appends),
      cmocka_unit_test(test_reserve_gives_room_that_stays),
      cmocka_unit_test(test_ceiling),
      cmocka_unit_test(test_a_refusal_changes_nothing),
      cmocka_unit_test(test_a_request_past_memory),
      cmocka_unit_test(test_wipe),
  };
  return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
