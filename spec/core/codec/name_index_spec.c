/* name_index_spec.c: names by place: each once, found whatever their order and their bytes. */
#include "check.h"

#include "codec/name_index.h"

static fl_slice name_of(char room[16], unsigned number) {
  return (fl_slice){room, (size_t)snprintf(room, 16, "%u", number)};
}

static void finds_each_name_at_its_place(void **state) {
  enum { COUNT = 3000 };
  static char rooms[COUNT][16];
  fl_name_index index = {0};
  (void)state;
  for (unsigned i = 0; i < COUNT; i++) /* 7 has no factor in common: each number comes once */
    assert_int_equal(fl_name_index_add(&index, name_of(rooms[i], i * 7 % COUNT)), FL_OK);
  assert_int_equal(index.count, COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    char again[16];
    fl_slice name = name_of(again, i * 7 % COUNT);
    assert_int_equal(fl_name_index_find(&index, name), i);
    assert_int_equal(fl_name_index_add(&index, name), FL_INVALID);
  }
  assert_int_equal(index.count, COUNT);
  assert_true(fl_name_index_find(&index, FL_LITERAL("none")) == FL_NO_PLACE);
  fl_name_index_free(&index);
  assert_true(fl_name_index_find(&index, FL_LITERAL("1")) == FL_NO_PLACE);
}

static void tells_names_apart_by_all_their_bytes(void **state) {
  static const fl_slice names[] = {{"", 0},     {"a", 1},    {"a\0", 2},
                                   {"a\0b", 3}, {"\xff", 1}, {"A", 1}};
  fl_name_index index = {0};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_int_equal(fl_name_index_add(&index, names[i]), FL_OK);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_int_equal(fl_name_index_find(&index, names[i]), i);
  fl_name_index_free(&index);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_each_name_at_its_place),
      cmocka_unit_test(tells_names_apart_by_all_their_bytes),
  };
  return cmocka_run_group_tests_name("name_index", tests, NULL, NULL);
}
