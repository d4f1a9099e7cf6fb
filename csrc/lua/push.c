/*
 * push.c: a tape's value as Lua's, with presized tables. Relies on the scanner for validity and for
 * the depth (FL_JSON_DEPTH), which bounds the recursion here.
 *
 * Numbers: on Lua 5.3 and later an integer is an integer. Elsewhere an integer literal beyond 2^53 is
 * its decimal string, decided on the digits, because a double would not hold it.
 *
 * Rows repeat their keys, and columns their values; making a string costs several times as much as taking
 * one out of a Lua table. A key is that of the object before at the same place where the tape says so. A
 * value of up to 16 bytes is looked for by these; it goes into the table when it comes for the second time,
 * so that values which never come again cost next to nothing.
 */
#include "binding.h"

#include "codec.h"

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

/* --- strings --- */

/* Where the key at `place` of an object so deep is kept; NULL: nowhere. */
static inline fl_cached_key *slot_of(const fl_push *push, unsigned depth, unsigned place) {
  if (place >= FL_CACHED_PLACES) return NULL;
  return &push->cache->keys[depth % FL_CACHED_DEPTHS * FL_CACHED_PLACES + place];
}

static void push_new_key(lua_State *L, const fl_push *push, const fl_json_node *key, fl_cached_key *slot) {
  const char *bytes = push->text + key->offset;
  uint32_t length = key->value.size.length;
  int index = (int)(slot - push->cache->keys) + 1;
  if (slot->bytes != NULL && slot->length == length && memcmp(slot->bytes, bytes, length) == 0) {
    lua_rawgeti(L, push->strings, index);
  } else {
    lua_pushlstring(L, bytes, length);
    /* The table anchors the string, and with it the bytes that the next key is compared with. */
    slot->bytes = NULL;
    slot->same = 0;
    lua_pushvalue(L, -1);
    lua_rawseti(L, push->strings, index);
    slot->bytes = lua_tolstring(L, -1, NULL);
    slot->length = length;
  }
  slot->same = key->value.size.same;
}

static inline void push_key(lua_State *L, const fl_push *push, const fl_json_node *key, unsigned depth,
                            unsigned place) {
  fl_cached_key *slot = slot_of(push, depth, place);
  if (slot == NULL) lua_pushlstring(L, push->text + key->offset, key->value.size.length);
  else if (slot->same == key->value.size.same) lua_rawgeti(L, push->strings, (int)(slot - push->cache->keys) + 1);
  else push_new_key(L, push, key, slot);
}

static inline fl_cached_value *value_slot(const fl_push *push, const uint64_t words[2], uint32_t length) {
  uint64_t mixed = (words[0] + length) * UINT64_C(0x9E3779B97F4A7C15) ^ words[1] * UINT64_C(0xC2B2AE3D27D4EB4F);
  return &push->cache->values[(mixed ^ mixed >> 29) >> 32 & (FL_CACHED_VALUES - 1)];
}

static inline void push_string(lua_State *L, const fl_push *push, const fl_json_node *node) {
  const char *bytes = push->text + node->offset;
  uint32_t length = node->value.size.length;
  uint64_t words[2];
  fl_cached_value *slot;
  int index;
  if (length - 1 >= 16 || push->text_end - bytes < 16) {
    lua_pushlstring(L, bytes, length);
    return;
  }
  words[0] = fl_load_word(bytes);
  words[1] = 0;
  if (length < 8) words[0] &= ~(~UINT64_C(0) << 8 * length);
  else if (length > 8) words[1] = fl_load_word(bytes + 8) & ~UINT64_C(0) >> 8 * (16 - length);
  slot = value_slot(push, words, length);
  index = FL_CACHED_KEYS + (int)(slot - push->cache->values) + 1;
  if (slot->words[0] == words[0] && slot->words[1] == words[1] && slot->length == length) {
    if (slot->held) {
      lua_rawgeti(L, push->strings, index);
      return;
    }
    lua_pushlstring(L, bytes, length);
    lua_pushvalue(L, -1);
    lua_rawseti(L, push->strings, index);
    slot->held = true;
    return;
  }
  slot->words[0] = words[0];
  slot->words[1] = words[1];
  slot->length = length;
  slot->held = false;
  lua_pushlstring(L, bytes, length);
}

/* --- values --- */

static void push_container(lua_State *L, const fl_push *push, uint32_t index, unsigned depth);

static inline void push_value(lua_State *L, const fl_push *push, uint32_t index, unsigned depth) {
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
      push_string(L, push, node);
      break;
    case FL_JSON_ARRAY:
    case FL_JSON_OBJECT:
      push_container(L, push, index, depth);
      break;
  }
}

static void push_array(lua_State *L, const fl_push *push, uint32_t index, unsigned depth) {
  const fl_json_node *nodes = push->tape->nodes;
  uint32_t length = nodes[index].value.size.length, end = nodes[index].value.size.end;
  int place = 1;
  lua_createtable(L, length > INT32_MAX ? INT32_MAX : (int)length, 0);
  lua_pushvalue(L, push->array_metatable);
  lua_setmetatable(L, -2);
  for (uint32_t at = index + 1; at < end; at = fl_json_next(push->tape, at), place++) {
    if (nodes[at].type == FL_JSON_NULL && push->null_as_nil) continue;
    push_value(L, push, at, depth + 1);
    lua_rawseti(L, -2, place);
  }
}

static void push_object(lua_State *L, const fl_push *push, uint32_t index, unsigned depth) {
  const fl_json_node *nodes = push->tape->nodes;
  uint32_t length = nodes[index].value.size.length, end = nodes[index].value.size.end;
  unsigned place = 0;
  lua_createtable(L, 0, length > INT32_MAX ? INT32_MAX : (int)length);
  for (uint32_t at = index + 1; at < end; at = fl_json_next(push->tape, at + 1), place++) {
    push_key(L, push, &nodes[at], depth, place);
    /* A null that is dropped still takes the place of an earlier member of the same name. */
    if (nodes[at + 1].type == FL_JSON_NULL && push->null_as_nil) lua_pushnil(L);
    else push_value(L, push, at + 1, depth + 1);
    lua_rawset(L, -3);
  }
}

static void push_container(lua_State *L, const fl_push *push, uint32_t index, unsigned depth) {
  luaL_checkstack(L, 6, "JSON nested too deeply");
  if (push->tape->nodes[index].type == FL_JSON_ARRAY) push_array(L, push, index, depth);
  else push_object(L, push, index, depth);
}

void fl_push_value(lua_State *L, const fl_push *push, uint32_t index) { push_value(L, push, index, 0); }

/* --- the cache of strings: one a Lua state --- */

static const char cache_key, table_key;

void fl_open_string_cache(lua_State *L) {
  fl_string_cache *cache = lua_newuserdata(L, sizeof *cache);
  memset(cache, 0, sizeof *cache);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_createtable(L, FL_CACHED_KEYS + FL_CACHED_VALUES, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &table_key);
}

void fl_push_string_cache(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &table_key);
}

uint64_t fl_push_number(fl_string_cache *cache) { return ++cache->last_page; }

void fl_push_begin(lua_State *L, fl_push *push) {
  luaL_checkstack(L, 10, "JSON");
  fl_push_array_metatable(L);
  push->array_metatable = lua_gettop(L);
  fl_push_string_cache(L);
  push->cache = lua_touserdata(L, -2);
  push->strings = lua_gettop(L);
  fl_push_turn(push->cache, fl_push_number(push->cache));
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
  push.text_end = fl_buffer_end(&held->text);
  push.null_as_nil = null_as_nil;
  fl_push_begin(L, &push);
  fl_push_value(L, &push, 0);
  /* Large texts should not have to wait for the collector. */
  fl_buffer_free(&held->text);
  fl_json_tape_free(&held->tape);
  return 1;
}
