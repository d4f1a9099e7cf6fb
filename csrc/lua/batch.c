/*
 * batch.c: records as a JSON text, which write.c sends as it is: what was read of a file, or
 * records of a Lua array, bounded in number and in bytes. Where each record stands in the text is
 * kept, so that a batch can be divided without being read again.
 */
#include <stdio.h>

#include "binding.h"
#include "base/digest.h"
#include "files/source.h"

#define CLASS "flarelight.records"

static fl_records *check_records(lua_State *L) { return luaL_checkudata(L, 1, CLASS); }

static int records_close(lua_State *L) {
  fl_records *records = check_records(L);
  fl_buffer_free(&records->text);
  fl_buffer_free(&records->spans);
  return 0;
}

/* records:size() -> bytes of the JSON text */
static int records_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_records(L)->text.length);
  return 1;
}

/* records:sha256() -> of the JSON text, in hexadecimal */
static int records_sha256(lua_State *L) {
  const fl_records *records = check_records(L);
  char digest[FL_DIGEST_ROOM];
  fl_digest(records->text.data, records->text.length, digest);
  lua_pushstring(L, digest);
  return 1;
}

/* The record at the place (from 1) that argument `index` names. */
static const fl_source_span *check_place(lua_State *L, const fl_records *records, int index) {
  lua_Integer place = luaL_checkinteger(L, index);
  size_t count = records->spans.length / sizeof(fl_source_span);
  luaL_argcheck(L, place >= 1 && (size_t)place <= count, index, "there is no such record");
  return (const fl_source_span *)(const void *)records->spans.data + (place - 1);
}

/* records:record(place) -> its JSON text, the line on which it begins (0: of no file) */
static int records_record(lua_State *L) {
  const fl_records *records = check_records(L);
  const fl_source_span *span = check_place(L, records, 2);
  lua_pushlstring(L, records->text.data + span->start, span->length);
  lua_pushinteger(L, (lua_Integer)span->line);
  return 2;
}

/* records:slice(first, last) -> records of their own */
static int records_slice(lua_State *L) {
  const fl_records *records = check_records(L);
  const fl_source_span *first = check_place(L, records, 2), *last = check_place(L, records, 3);
  fl_records *slice = fl_new_records(L);
  fl_result result = fl_buffer_append_byte(&slice->text, '[');
  if (result == FL_OK)
    result = fl_buffer_append(&slice->text, records->text.data + first->start,
                              last->start + last->length - first->start);
  if (result == FL_OK) result = fl_buffer_append_byte(&slice->text, ']');
  for (const fl_source_span *span = first; span <= last && result == FL_OK; span++) {
    fl_source_span moved = {span->start - first->start + 1, span->length, span->line};
    result = fl_buffer_append(&slice->spans, &moved, sizeof moved);
  }
  if (result != FL_OK) return luaL_error(L, "not enough memory");
  return 1;
}

static const luaL_Reg methods[] = {{"close", records_close},   {"size", records_size},
                                   {"sha256", records_sha256}, {"record", records_record},
                                   {"slice", records_slice},   {NULL, NULL}};

fl_records *fl_new_records(lua_State *L) {
  fl_records *records = lua_newuserdata(L, sizeof *records);
  fl_buffer_init(&records->text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&records->spans, FL_BUFFER_UNLIMITED);
  fl_new_class(L, CLASS, methods, records_close);
  lua_setmetatable(L, -2);
  return records;
}

const fl_buffer *fl_to_json_text(lua_State *L, int index) {
  const fl_records *records = lua_touserdata(L, index);
  bool are_records;
  luaL_checkstack(L, 2, "JSON text");
  if (records == NULL || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, CLASS);
  are_records = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return are_records && records->text.length > 0 ? &records->text : NULL;
}

/* Records to go on with, open at their end again; or new ones. */
static fl_records *begin_records(lua_State *L, int index) {
  fl_records *records;
  if (lua_isnoneornil(L, index)) {
    records = fl_new_records(L);
    if (fl_buffer_append_byte(&records->text, '[') != FL_OK) luaL_error(L, "not enough memory");
  } else {
    records = luaL_checkudata(L, index, CLASS);
    luaL_argcheck(L, records->text.length > 1, index, "is closed");
    records->text.length--;
    lua_pushvalue(L, index);
  }
  return records;
}

/*
 * core.batch(records, first, most_records, most_bytes, sorted, offset, into) -> records, count |
 * nothing past the end | nil, message. The first record goes in, however large. Named "records[n]"
 * in messages, from `offset` + 1 on. `into`: records of before, to which these are added; `count`
 * is of those that were.
 */
int fl_lua_batch(lua_State *L) {
  lua_Integer first = luaL_checkinteger(L, 2), most = luaL_checkinteger(L, 3), count = 0;
  size_t most_bytes = (size_t)luaL_checknumber(L, 4);
  bool sorted = lua_toboolean(L, 5);
  long long offset = (long long)luaL_optnumber(L, 6, 0);
  fl_records *records;
  fl_buffer *text;
  char root[40];
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 7);
  records = begin_records(L, 7);
  text = &records->text;
  while (count < most) {
    size_t before = text->length;
    fl_source_span span = {0, 0, 0};
    lua_rawgeti(L, 1, (int)(first + count));
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      break;
    }
    if (records->spans.length > 0 && fl_buffer_append_byte(text, ',') != FL_OK)
      return luaL_error(L, "not enough memory");
    span.start = text->length;
    snprintf(root, sizeof root, "records[%lld]", offset + (long long)(first + count));
    if (!fl_write_value(L, -1, text, root, sorted)) {
      lua_pushnil(L);
      lua_insert(L, -2);
      return 2;
    }
    lua_pop(L, 1);
    if (records->spans.length > 0 && text->length + 1 > most_bytes) {
      text->length = before;
      break;
    }
    span.length = text->length - span.start;
    if (fl_buffer_append(&records->spans, &span, sizeof span) != FL_OK)
      return luaL_error(L, "not enough memory");
    count++;
  }
  if (records->spans.length == 0) return 0;
  if (fl_buffer_append_byte(text, ']') != FL_OK) return luaL_error(L, "not enough memory");
  lua_pushinteger(L, count);
  return 2;
}
