/*
 * records.c: the userdata of records. See records.h.
 */
#include "records.h"

#include "base/digest.h"
#include "files/source.h"

#define CLASS "flarelight.records"

fl_lua_records *fl_lua_records_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, CLASS);
}

static int records_close(lua_State *L) {
  fl_lua_records *records = fl_lua_records_check(L, 1);
  fl_buffer_free(&records->text);
  fl_buffer_free(&records->spans);
  return 0;
}

/* records:size() -> bytes of the JSON text */
static int records_size(lua_State *L) {
  fl_lua_push_count(L, (int64_t)fl_lua_records_check(L, 1)->text.length);
  return 1;
}

/* records:sha256() -> the digest of the JSON text, in hexadecimal */
static int records_sha256(lua_State *L) {
  const fl_lua_records *records = fl_lua_records_check(L, 1);
  char digest[FL_DIGEST_SIZE];
  fl_digest(records->text.data, records->text.length, digest);
  lua_pushstring(L, digest);
  return 1;
}

/* The record at the place (from 1) that argument `index` names. */
static const fl_source_span *check_place(lua_State *L, const fl_lua_records *records, int index) {
  int64_t place = fl_lua_check_whole(L, index, INT64_MIN, INT64_MAX);
  int64_t count = (int64_t)(records->spans.length / sizeof(fl_source_span));
  luaL_argcheck(L, place >= 1 && place <= count, index, "there is no such record");
  return (const fl_source_span *)(const void *)records->spans.data + (place - 1);
}

/* records:record(place) -> its JSON text, the line of the file on which it begins (0: none), the
 * file of the list, from 1 */
static int records_record(lua_State *L) {
  const fl_lua_records *records = fl_lua_records_check(L, 1);
  const fl_source_span *span = check_place(L, records, 2);
  lua_pushlstring(L, records->text.data + span->start, span->length);
  fl_lua_push_count(L, span->line);
  fl_lua_push_count(L, (int64_t)span->part + 1);
  return 3;
}

/* records:slice(first, last) -> a copy of these records */
static int records_slice(lua_State *L) {
  const fl_lua_records *records = fl_lua_records_check(L, 1);
  const fl_source_span *first = check_place(L, records, 2), *last = check_place(L, records, 3);
  fl_lua_records *slice = fl_lua_records_push(L);
  fl_result result = fl_buffer_append_byte(&slice->text, '[');
  if (result == FL_OK)
    result = fl_buffer_append(&slice->text, records->text.data + first->start,
                              last->start + last->length - first->start);
  if (result == FL_OK) result = fl_buffer_append_byte(&slice->text, ']');
  for (const fl_source_span *span = first; span <= last && result == FL_OK; span++) {
    fl_source_span moved = {span->start - first->start + 1, span->length, span->part, span->line};
    result = fl_buffer_append(&slice->spans, &moved, sizeof moved);
  }
  if (result != FL_OK) return luaL_error(L, "not enough memory");
  return 1;
}

static const luaL_Reg methods[] = {{"close", records_close},   {"size", records_size},
                                   {"sha256", records_sha256}, {"record", records_record},
                                   {"slice", records_slice},   {NULL, NULL}};

fl_lua_records *fl_lua_records_push(lua_State *L) {
  fl_lua_records *records = lua_newuserdata(L, sizeof *records);
  fl_buffer_init(&records->text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&records->spans, FL_BUFFER_UNLIMITED);
  fl_lua_new_class(L, CLASS, methods, records_close);
  lua_setmetatable(L, -2);
  return records;
}

const fl_buffer *fl_lua_records_text(lua_State *L, int index) {
  const fl_lua_records *records = lua_touserdata(L, index);
  bool are_records;
  luaL_checkstack(L, 2, "JSON text");
  if (records == NULL || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, CLASS);
  are_records = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return are_records && records->text.length > 0 ? &records->text : NULL;
}
