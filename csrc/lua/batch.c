/*
 * batch.c: records of a Lua array as JSON text, bounded in number and in bytes.
 */
#include "files/source.h"
#include "functions.h"
#include "records.h"
#include "write.h"

/* The records at `index`, with the end of their array reopened, or new records if the value is nil.
 */
static fl_lua_records *begin_records(lua_State *L, int index) {
  fl_lua_records *records;
  if (lua_isnoneornil(L, index)) {
    records = fl_lua_records_push(L);
    if (fl_buffer_append_byte(&records->text, '[') != FL_OK) luaL_error(L, "not enough memory");
  } else {
    records = fl_lua_records_check(L, index);
    luaL_argcheck(L, records->text.length > 1, index, "is closed");
    records->text.length--;
    lua_pushvalue(L, index);
  }
  return records;
}

/* Appends the record on top of the stack, and pops it. False if the record does not fit into the
 * batch. If it has no form in JSON, sets *wrong and leaves a message on the stack. */
static bool add_record(lua_State *L, fl_lua_writer *writer, fl_lua_records *records, int64_t place,
                       size_t most_bytes, bool *wrong) {
  fl_buffer *text = &records->text;
  const size_t before = text->length;
  fl_source_span span = {0};
  if (records->spans.length > 0 && fl_buffer_append_byte(text, ',') != FL_OK)
    luaL_error(L, "not enough memory");
  span.start = text->length;
  *wrong = !fl_lua_writer_write(writer, -1, place);
  if (*wrong) return false;
  lua_pop(L, 1);
  if (records->spans.length > 0 && text->length + 1 > most_bytes) {
    text->length = before;
    return false;
  }
  span.length = (uint32_t)(text->length - span.start);
  if (fl_buffer_append(&records->spans, &span, sizeof span) != FL_OK)
    luaL_error(L, "not enough memory");
  return true;
}

/*
 * core.batch(records, first, most_records, most_bytes, sorted, offset, into) -> records, count |
 * nothing past the end | nil, message. The first record is always added, however large it is. In
 * messages records are named "records[n]", counted from `offset` + 1. `into`: the records to append
 * to; `count` is the number of records appended.
 */
static int batch(lua_State *L) {
  int first = (int)fl_lua_check_whole(L, 2, 1, INT32_MAX);
  int most = (int)fl_lua_check_limit(L, 3, INT32_MAX - first), count = 0;
  size_t most_bytes = (size_t)fl_lua_check_limit(L, 4, INT64_MAX);
  bool sorted = lua_toboolean(L, 5);
  int64_t offset = lua_isnoneornil(L, 6) ? 0 : fl_lua_check_limit(L, 6, INT64_MAX / 2);
  fl_lua_records *records;
  fl_lua_writer writer;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 7);
  records = begin_records(L, 7);
  fl_lua_writer_begin(L, &writer, &records->text, "records", sorted);
  for (; count < most; count++) {
    bool wrong;
    lua_rawgeti(L, 1, first + count);
    if (lua_isnil(L, -1)) break;
    if (add_record(L, &writer, records, offset + first + count, most_bytes, &wrong)) continue;
    if (!wrong) break;
    return fl_lua_fail_pushed(L);
  }
  lua_settop(L, 8);
  if (records->spans.length == 0) return 0;
  if (fl_buffer_append_byte(&records->text, ']') != FL_OK)
    return luaL_error(L, "not enough memory");
  lua_pushinteger(L, count);
  return 2;
}

const luaL_Reg fl_lua_batch_functions[] = {{"batch", batch}, {NULL, NULL}};
