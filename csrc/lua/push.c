/*
 * push.c: a tape's value as Lua's, with presized tables. Relies on the scanner for validity and for
 * the depth (FL_JSON_DEPTH), which bounds the recursion here.
 *
 * Numbers: on Lua 5.3 and later an integer is an integer. Elsewhere an integer literal beyond 2^53 is
 * its decimal string, decided on the digits, because a double would not hold it.
 *
 * Rows repeat their keys. A member's key is therefore first compared with the one that stood at the same
 * place in the object before; if the bytes are the same the string is taken from a Lua table, which is
 * several times cheaper than interning it again.
 */
#include "binding.h"

#define EXACT_LIMIT INT64_C(9007199254740992)

static void push_literal(lua_State *L, const char *literal) {
  lua_pushlstring(L, literal, fl_json_number_length(literal));
}

static inline void push_integer(lua_State *L, const fl_push *push, const fl_json_node *node) {
#if FL_LUA_HAS_INTEGERS
  (void)push;
  lua_pushinteger(L, (lua_Integer)node->value.integer);
#else
  if (node->value.integer > EXACT_LIMIT || node->value.integer < -EXACT_LIMIT)
    push_literal(L, push->text + node->offset);
  else
    lua_pushnumber(L, (lua_Number)node->value.integer);
#endif
}

static void push_array(lua_State *L, const fl_push *push, uint32_t index) {
  const fl_json_node *nodes = push->tape->nodes;
  uint32_t length = nodes[index].value.size.length, end = nodes[index].value.size.end;
  int place = 1;
  luaL_checkstack(L, 6, "JSON nested too deeply");
  lua_createtable(L, length > INT32_MAX ? INT32_MAX : (int)length, 0);
  lua_pushvalue(L, push->array_metatable);
  lua_setmetatable(L, -2);
  for (uint32_t at = index + 1; at < end; at = fl_json_next(push->tape, at), place++) {
    if (nodes[at].type == FL_JSON_NULL && push->null_as_nil) continue;
    fl_push_value(L, push, at);
    lua_rawseti(L, -2, place);
  }
}

void fl_push_key(lua_State *L, const fl_push *push, uint32_t index, unsigned place) {
  const fl_json_node *key = &push->tape->nodes[index];
  const char *bytes = push->text + key->offset;
  fl_key_cache *cache = push->keys;
  fl_cached_key *cached;
  if (cache == NULL || place >= FL_CACHED_KEYS) {
    lua_pushlstring(L, bytes, key->value.size.length);
    return;
  }
  cached = &cache->keys[place];
  if (cached->length == key->value.size.length && cached->bytes != NULL &&
      memcmp(cached->bytes, bytes, cached->length) == 0) {
    lua_rawgeti(L, push->key_table, (int)place + 1);
    return;
  }
  lua_pushlstring(L, bytes, key->value.size.length);
  /* The table anchors the string, and with it the bytes that the next key is compared with. */
  cached->bytes = NULL;
  lua_pushvalue(L, -1);
  lua_rawseti(L, push->key_table, (int)place + 1);
  cached->bytes = lua_tolstring(L, -1, NULL);
  cached->length = key->value.size.length;
}

static void push_object(lua_State *L, const fl_push *push, uint32_t index) {
  const fl_json_node *nodes = push->tape->nodes;
  uint32_t length = nodes[index].value.size.length, end = nodes[index].value.size.end;
  unsigned place = 0;
  luaL_checkstack(L, 6, "JSON nested too deeply");
  lua_createtable(L, 0, length > INT32_MAX ? INT32_MAX : (int)length);
  for (uint32_t at = index + 1; at < end; at = fl_json_next(push->tape, at + 1), place++) {
    fl_push_key(L, push, at, place);
    /* A null that is dropped still takes the place of an earlier member of the same name. */
    if (nodes[at + 1].type == FL_JSON_NULL && push->null_as_nil) lua_pushnil(L);
    else fl_push_value(L, push, at + 1);
    lua_rawset(L, -3);
  }
}

void fl_push_value(lua_State *L, const fl_push *push, uint32_t index) {
  const fl_json_node *node = &push->tape->nodes[index];
  switch ((fl_json_type)node->type) {
    case FL_JSON_NULL:
      lua_pushlightuserdata(L, NULL);
      break;
    case FL_JSON_FALSE:
    case FL_JSON_TRUE:
      lua_pushboolean(L, node->type == FL_JSON_TRUE);
      break;
    case FL_JSON_INTEGER:
      push_integer(L, push, node);
      break;
    case FL_JSON_BIG:
      push_literal(L, push->text + node->offset);
      break;
    case FL_JSON_FLOAT:
      lua_pushnumber(L, (lua_Number)node->value.number);
      break;
    case FL_JSON_STRING:
      lua_pushlstring(L, push->text + node->offset, node->value.size.length);
      break;
    case FL_JSON_ARRAY:
      push_array(L, push, index);
      break;
    case FL_JSON_OBJECT:
      push_object(L, push, index);
      break;
  }
}

/* --- the cache of keys: one a Lua state --- */

static const char cache_key, table_key;

void fl_open_key_cache(lua_State *L) {
  fl_key_cache *cache = lua_newuserdata(L, sizeof *cache);
  memset(cache, 0, sizeof *cache);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_createtable(L, FL_CACHED_KEYS, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &table_key);
}

void fl_push_key_cache(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &table_key);
}

void fl_push_begin(lua_State *L, fl_push *push) {
  luaL_checkstack(L, 10, "JSON");
  fl_push_array_metatable(L);
  push->array_metatable = lua_gettop(L);
  fl_push_key_cache(L);
  push->keys = lua_touserdata(L, -2);
  push->key_table = lua_gettop(L);
}

/* --- decode --- */

typedef struct document {
  fl_buffer text;
  fl_json_tape tape;
} document;

static int collect_document(lua_State *L) {
  document *held = lua_touserdata(L, 1);
  fl_buffer_free(&held->text);
  fl_json_tape_free(&held->tape);
  return 0;
}

int fl_lua_decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  bool null_as_nil = lua_toboolean(L, 2);
  document *held = lua_newuserdata(L, sizeof *held);
  fl_json_error error;
  fl_push push = {0};
  fl_buffer_init(&held->text, FL_BUFFER_UNLIMITED);
  fl_json_tape_init(&held->tape);
  fl_new_class(L, "flarelight.document", NULL, collect_document);
  lua_setmetatable(L, -2);
  if (fl_buffer_append(&held->text, text, length) != FL_OK) return luaL_error(L, "not enough memory");
  if (fl_json_scan(held->text.data, length, &held->tape, &error) != FL_JSON_OK) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s at byte %d", fl_json_describe(error.code), (int)error.position + 1);
    return 2;
  }
  push.tape = &held->tape;
  push.text = held->text.data;
  push.null_as_nil = null_as_nil;
  fl_push_begin(L, &push);
  fl_push_value(L, &push, 0);
  /* Large texts should not have to wait for the collector. */
  fl_buffer_free(&held->text);
  fl_json_tape_free(&held->tape);
  return 1;
}
