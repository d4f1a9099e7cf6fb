/*
 * push.h: values of a JSON tape as Lua values; scalars inline, for the loops over rows.
 *
 * Numbers: on Lua 5.3 and later an integer is an integer. Elsewhere an integer literal beyond 2^53
 * becomes its decimal string, because a double would not hold it.
 *
 * Rows repeat their keys, and columns their values. Making a string costs several times as much as
 * taking one out of a Lua table, so strings are cached. If the tape says that a key is the same as
 * the key at its place in the object before, its string is taken from there. A value of up to 16
 * bytes is looked up by its bytes. It is cached when it occurs for the second time, so that unique
 * values cost next to nothing.
 */
#ifndef FL_PUSH_H
#define FL_PUSH_H

#include "binding.h"
#include "codec/codec.h"
#include "codec/json_scan.h"

#define FL_CACHED_DEPTHS 4
#define FL_CACHED_PLACES 64
#define FL_CACHED_KEYS (FL_CACHED_DEPTHS * FL_CACHED_PLACES)
#define FL_CACHED_VALUES 512

typedef struct fl_cached_key {
  const char *bytes; /* of the string at the same place of the table of strings; NULL: none */
  uint32_t length;
  uint32_t same; /* the `same` of the key on the tape numbered `page`; 0: the tape does not have the
                    key */
} fl_cached_key;

/* A string of 1 to 16 bytes, with zeros after them. */
typedef struct fl_cached_value {
  uint64_t words[2];
  uint32_t length; /* 0: none */
  bool held;       /* the table of strings holds it; false: it occurred only once */
} fl_cached_value;

/* The cache of strings: keys by depth and place, values by their bytes. Each Lua state has one
 * cache, and a table that holds the strings: first the keys, then the values. */
typedef struct fl_string_cache {
  fl_cached_key keys[FL_CACHED_KEYS];
  fl_cached_value values[FL_CACHED_VALUES];
  uint64_t page;       /* the number of the tape that was pushed from last */
  uint64_t last_page;  /* the last number given out */
  const void *checked; /* a userdata known to be a page, and open; or NULL */
} fl_string_cache;

typedef struct fl_push {
  const fl_json_tape *tape;
  const char *text, *text_end;
  bool null_as_nil;
  int array_metatable, strings; /* stack indices, or those of upvalues */
  fl_string_cache *cache;
} fl_push;

/* Makes the cache of the Lua state, if it has none yet. */
void fl_push_open_strings(lua_State *L);
/* Pushes the cache and its table. */
void fl_push_strings(lua_State *L);
/* A new number for a tape. By this number the cache knows whether its keys are of the same tape. */
uint64_t fl_push_number(fl_string_cache *cache);
/* Has to be called before anything is pushed from the tape of this number. */
static inline void fl_push_turn(fl_string_cache *cache, uint64_t page) {
  if (cache->page == page) return;
  for (int i = 0; i < FL_CACHED_KEYS; i++) cache->keys[i].same = 0;
  cache->page = page;
}
/* Completes `push` for a new tape. Pushes three values that the push functions need; the caller
 * pops them. */
void fl_push_begin(lua_State *L, fl_push *push);
/* Pushes an array or an object; `depth` containers are around it. */
void fl_push_container(lua_State *L, const fl_push *push, const fl_json_node *node, unsigned depth);

/* --- numbers --- */

#define FL_EXACT_LIMIT INT64_C(9007199254740992)

static inline void fl_push_literal(lua_State *L, const char *literal) {
  lua_pushlstring(L, literal, fl_json_number_length(literal));
}

static inline void fl_push_integer(lua_State *L, const fl_push *push, const fl_json_node *node) {
#if FL_LUA_HAS_INTEGERS
  (void)push;
  lua_pushinteger(L, (lua_Integer)node->value.integer);
#else
  if (node->value.integer > FL_EXACT_LIMIT || node->value.integer < -FL_EXACT_LIMIT)
    fl_push_literal(L, push->text + node->offset);
  else lua_pushnumber(L, (lua_Number)node->value.integer);
#endif
}

/* --- strings --- */

static inline fl_cached_value *fl_value_slot(const fl_push *push, const uint64_t words[2],
                                             uint32_t length) {
  uint64_t mixed =
      (words[0] + length) * UINT64_C(0x9E3779B97F4A7C15) ^ words[1] * UINT64_C(0xC2B2AE3D27D4EB4F);
  return &push->cache->values[(mixed ^ mixed >> 29) >> 32 & (FL_CACHED_VALUES - 1)];
}

static inline void fl_push_string(lua_State *L, const fl_push *push, const fl_json_node *node) {
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
  slot = fl_value_slot(push, words, length);
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

static inline void fl_push_node(lua_State *L, const fl_push *push, const fl_json_node *node,
                                unsigned depth) {
  switch ((fl_json_type)node->type) {
    case FL_JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    case FL_JSON_FALSE:
    case FL_JSON_TRUE: lua_pushboolean(L, node->type == FL_JSON_TRUE); break;
    case FL_JSON_INTEGER: fl_push_integer(L, push, node); break;
    case FL_JSON_BIG: fl_push_literal(L, push->text + node->offset); break;
    case FL_JSON_FLOAT: lua_pushnumber(L, (lua_Number)node->value.number); break;
    case FL_JSON_STRING: fl_push_string(L, push, node); break;
    case FL_JSON_ARRAY:
    case FL_JSON_OBJECT: fl_push_container(L, push, node, depth); break;
  }
}

/* The value at `index` of the tape; one value is pushed. */
static inline void fl_push_value(lua_State *L, const fl_push *push, uint32_t index) {
  fl_push_node(L, push, &push->tape->nodes[index], 0);
}

#endif
