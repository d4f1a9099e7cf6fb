/*
 * push.c: arrays and objects of a JSON tape as Lua tables, presized; the cache of strings;
 * decoding.
 *
 * Relies on the scanner for validity and for the largest depth (FL_JSON_DEPTH), which bounds the
 * recursion here, and on push.h for scalars.
 */
#include "push.h"

#include <string.h>

#include "base/buffer.h"
#include "functions.h"
#include "state.h"

/* --- keys --- */

/* The slot that keeps the key at `place` of an object at `depth`; NULL: none does. */
static inline fl_cached_key *slot_of(const fl_push *push, unsigned depth, unsigned place) {
  if (place >= FL_CACHED_PLACES) return NULL;
  return &push->cache->keys[depth % FL_CACHED_DEPTHS * FL_CACHED_PLACES + place];
}

static void push_new_key(lua_State *L, const fl_push *push, const fl_json_node *key,
                         fl_cached_key *slot) {
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

static inline void push_key(lua_State *L, const fl_push *push, const fl_json_node *key,
                            unsigned depth, unsigned place) {
  fl_cached_key *slot = slot_of(push, depth, place);
  if (slot == NULL) lua_pushlstring(L, push->text + key->offset, key->value.size.length);
  else if (slot->same == key->value.size.same)
    lua_rawgeti(L, push->strings, (int)(slot - push->cache->keys) + 1);
  else push_new_key(L, push, key, slot);
}

/* --- tables --- */

static void push_array(lua_State *L, const fl_push *push, const fl_json_node *array,
                       unsigned depth) {
  const fl_json_node *nodes = push->tape->nodes, *end = nodes + array->value.size.end;
  uint32_t length = array->value.size.length;
  int place = 1;
  lua_createtable(L, length > INT32_MAX ? INT32_MAX : (int)length, 0);
  lua_pushvalue(L, push->array_metatable);
  lua_setmetatable(L, -2);
  for (const fl_json_node *value = array + 1; value < end;
       value = fl_json_after(nodes, value), place++) {
    if (value->type == FL_JSON_NULL && push->null_as_nil) continue;
    fl_push_node(L, push, value, depth + 1);
    lua_rawseti(L, -2, place);
  }
}

static void push_object(lua_State *L, const fl_push *push, const fl_json_node *object,
                        unsigned depth) {
  const fl_json_node *nodes = push->tape->nodes, *end = nodes + object->value.size.end;
  uint32_t length = object->value.size.length;
  unsigned place = 0;
  lua_createtable(L, 0, length > INT32_MAX ? INT32_MAX : (int)length);
  for (const fl_json_node *key = object + 1; key < end;
       key = fl_json_after(nodes, key + 1), place++) {
    push_key(L, push, key, depth, place);
    /* A dropped null still replaces an earlier member of the same name. */
    if (key[1].type == FL_JSON_NULL && push->null_as_nil) lua_pushnil(L);
    else fl_push_node(L, push, key + 1, depth + 1);
    lua_rawset(L, -3);
  }
}

void fl_push_container(lua_State *L, const fl_push *push, const fl_json_node *node,
                       unsigned depth) {
  luaL_checkstack(L, 6, "JSON nested too deeply");
  if (node->type == FL_JSON_ARRAY) push_array(L, push, node, depth);
  else push_object(L, push, node, depth);
}

/* --- the cache of strings: one a Lua state --- */

static const char cache_key, table_key;

void fl_push_open_strings(lua_State *L) {
  fl_string_cache *cache;
  bool is_there;
  fl_push_strings(L);
  is_there = !lua_isnil(L, -1);
  lua_pop(L, 2);
  if (is_there) return;
  cache = lua_newuserdata(L, sizeof *cache);
  memset(cache, 0, sizeof *cache);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_createtable(L, FL_CACHED_KEYS + FL_CACHED_VALUES, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &table_key);
}

void fl_push_strings(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &table_key);
}

uint64_t fl_push_number(fl_string_cache *cache) { return ++cache->last_page; }

void fl_push_begin(lua_State *L, fl_push *push) {
  luaL_checkstack(L, 10, "JSON");
  fl_lua_state_push_array_metatable(L);
  push->array_metatable = lua_gettop(L);
  fl_push_strings(L);
  push->cache = lua_touserdata(L, -2);
  push->strings = lua_gettop(L);
  fl_push_turn(push->cache, fl_push_number(push->cache));
}

/* --- decode --- */

#define DOCUMENT "flarelight.document"

typedef struct document {
  fl_buffer text;
  fl_json_tape tape;
} document;

static int collect_document(lua_State *L) {
  document *held = luaL_checkudata(L, 1, DOCUMENT);
  fl_buffer_free(&held->text);
  fl_json_tape_free(&held->tape);
  return 0;
}

/* core.decode(text, null_as_nil) -> value | nil, message. A byte order mark is skipped. */
static int decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  const size_t mark = fl_json_mark_length(text, length);
  bool null_as_nil = lua_toboolean(L, 2);
  document *held = lua_newuserdata(L, sizeof *held);
  fl_json_error error;
  fl_push push = {0};
  fl_buffer_init(&held->text, FL_BUFFER_UNLIMITED);
  fl_json_tape_init(&held->tape);
  fl_lua_new_class(L, DOCUMENT, NULL, collect_document);
  lua_setmetatable(L, -2);
  if (fl_buffer_append(&held->text, text + mark, length - mark) != FL_OK)
    return luaL_error(L, "not enough memory");
  if (fl_json_scan(held->text.data, length - mark, &held->tape, &error) != FL_JSON_OK)
    return fl_lua_fail(L, "%s at byte %d", fl_json_describe(error.code),
                       (int)(mark + error.position + 1));
  push.tape = &held->tape;
  push.text = held->text.data;
  push.text_end = fl_buffer_end(&held->text);
  push.null_as_nil = null_as_nil;
  fl_push_begin(L, &push);
  fl_push_value(L, &push, 0);
  /* Freed at once, so that a large text does not wait for the collector. */
  fl_buffer_free(&held->text);
  fl_json_tape_free(&held->tape);
  return 1;
}

const luaL_Reg fl_lua_push_functions[] = {{"decode", decode}, {NULL, NULL}};
