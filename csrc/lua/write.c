/*
 * write.c: Lua values as JSON, exact. Tables are read without metamethods.
 *
 * A table is an array if it is marked (flarelight.array, or cjson.array_mt if the loaded cjson has
 * it) or if its keys are 1..n. It is an object if all its keys are strings. An empty unmarked table
 * is {}. Any other table is refused, with the path to it.
 */
#include "write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "codec/json_write.h"
#include "functions.h"
#include "records.h"
#include "state.h"

#if FL_LUA_HAS_INTEGERS
#define FLOAT_STYLE FL_JSON_FLOAT_MARKED
#else
#define FLOAT_STYLE FL_JSON_FLOAT_PLAIN
#endif

/* The path to the value being written: a chain on the C stack, read only for messages. */
typedef struct frame {
  const struct frame *outer;
  const void *table; /* identity, to find cycles */
  const char *key;   /* NULL: the place in an array */
  size_t place;
  int depth;
} frame;

typedef fl_lua_writer encoder;

#define MEMBERS 64 /* of an object whose order is kept */
#define NAMES 2048 /* bytes of their names as JSON */
#define KEPT_DEPTHS 3

/*
 * The names of the object that was written last at a depth. Objects of a batch mostly have the same
 * names, and lua_next gives them in the same order. Then their order by name is known, too.
 */
typedef struct fl_lua_writer_order {
  size_t count;            /* 0: no object is kept */
  fl_slice keys[MEMBERS];  /* as lua_next gives them; they belong to strings of the batch */
  uint8_t sorted[MEMBERS]; /* places in `keys`, in the order of the names */
  uint16_t ends[MEMBERS];  /* of the texts in `names`, in the order of the names */
  char names[NAMES];       /* the names as JSON, each with its colon */
} member_order;

static void push_path(const encoder *writer, const frame *at) {
  lua_State *L = writer->L;
  char place[32];
  if (at == NULL) {
    snprintf(place, sizeof place, "[%lld]", (long long)writer->place);
    lua_pushfstring(L, "%s%s", writer->root, writer->place > 0 ? place : "");
    return;
  }
  push_path(writer, at->outer);
  if (at->key == NULL) lua_pushfstring(L, "[%d]", (int)at->place);
  else if (at->outer == NULL && *writer->root == '\0') lua_pushstring(L, at->key);
  else lua_pushfstring(L, ".%s", at->key);
  lua_concat(L, 2);
}

/* Pushes "path: words" and returns false. */
static bool refuse(const encoder *writer, const frame *at, const char *words) {
  lua_State *L = writer->L;
  luaL_checkstack(L, FL_JSON_DEPTH + 10, "error path");
  if (at == NULL && *writer->root == '\0') {
    lua_pushstring(L, words);
    return false;
  }
  push_path(writer, at);
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), words);
  lua_remove(L, -2);
  return false;
}

static bool put(const encoder *writer, fl_result result) {
  if (result == FL_OK) return true;
  lua_pushstring(writer->L,
                 result == FL_TOO_LARGE ? "the JSON text is too large" : "not enough memory");
  return false;
}

static bool write_value(encoder *writer, int index, const frame *at);

static bool write_string(encoder *writer, int index, const frame *at) {
  size_t length, bad;
  const char *text = lua_tolstring(writer->L, index, &length);
  fl_result result = fl_json_write_string(writer->out, text, length, &bad);
  char words[80];
  if (result != FL_INVALID) return put(writer, result);
  snprintf(words, sizeof words, "the string is not UTF-8 (at byte %zu)", bad + 1);
  return refuse(writer, at, words);
}

static bool write_number(encoder *writer, int index, const frame *at) {
  lua_State *L = writer->L;
  double number;
#if FL_LUA_HAS_INTEGERS
  if (lua_isinteger(L, index))
    return put(writer, fl_json_write_integer(writer->out, (int64_t)lua_tointeger(L, index)));
#endif
  number = (double)lua_tonumber(L, index);
  if (isnan(number)) return refuse(writer, at, "NaN has no form in JSON");
  if (isinf(number)) return refuse(writer, at, "infinity has no form in JSON");
  return put(writer, fl_json_write_double(writer->out, number, FLOAT_STYLE));
}

static bool write_key(encoder *writer, const frame *at) {
  size_t length, bad;
  const char *key = lua_tolstring(writer->L, -2, &length);
  fl_result result = fl_json_write_string(writer->out, key, length, &bad);
  if (result == FL_INVALID) return refuse(writer, at->outer, "a key is not UTF-8");
  if (!put(writer, result)) return false;
  return put(writer, fl_buffer_append_byte(writer->out, ':'));
}

/* Refuses the key below the top, which cannot be a key of an object. */
static bool refuse_key(const encoder *writer, const frame *outer) {
  return refuse(writer, outer,
                lua_type(writer->L, -2) == LUA_TNUMBER
                    ? "the table mixes keys that are strings with a place in an array"
                    : "a key is neither a string nor a place in an array");
}

static int compare_keys(const void *left, const void *right) {
  const fl_slice *one = left, *other = right;
  size_t shorter = one->length < other->length ? one->length : other->length;
  int order = memcmp(one->data, other->data, shorter);
  if (order != 0) return order;
  return one->length < other->length ? -1 : one->length > other->length;
}

/* --- members in the order of their names --- */

/* Where the order of objects at this depth is kept; NULL: nowhere. */
static member_order *order_at(const encoder *writer, int depth) {
  return depth <= KEPT_DEPTHS ? &writer->orders[depth - 1] : NULL;
}

/* Keeps the order of a table, whose names are sorted in `keys`. */
static void keep_order(encoder *writer, member_order *kept, int table, const fl_slice *keys,
                       size_t count) {
  lua_State *L = writer->L;
  fl_buffer *out = writer->out;
  const size_t before = out->length;
  size_t end = 0, at = 0, bad;
  kept->count = 0;
  if (count > MEMBERS) return;
  for (size_t i = 0; i < count; i++) {
    if (fl_json_write_string(out, keys[i].data, keys[i].length, &bad) != FL_OK) return;
    end += out->length - before + 1;
    if (end <= NAMES) {
      memcpy(kept->names + end - (out->length - before) - 1, out->data + before,
             out->length - before);
      kept->names[end - 1] = ':';
      kept->ends[i] = (uint16_t)end;
    }
    out->length = before;
    if (end > NAMES) return;
  }
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), at++) {
    fl_slice key;
    key.data = lua_tolstring(L, -2, &key.length);
    kept->keys[at] = key;
    for (size_t i = 0; i < count; i++)
      if (keys[i].data == key.data) kept->sorted[i] = (uint8_t)at;
  }
  kept->count = count;
}

/* Whether the key below the top is the one at `place`. */
static inline bool is_kept_key(lua_State *L, member_order *kept, size_t place) {
  fl_slice key, *known = &kept->keys[place];
  if (place >= kept->count || lua_type(L, -2) != LUA_TSTRING) return false;
  key.data = lua_tolstring(L, -2, &key.length);
  if (key.data == known->data) return true;
  if (key.length != known->length || memcmp(key.data, known->data, key.length) != 0) return false;
  *known = key; /* a long string, which is there more than once */
  return true;
}

/* Puts the names to the values, which begin at `starts` and end at the end of the text. */
static bool arrange(encoder *writer, const member_order *kept, const size_t *starts) {
  fl_buffer *out = writer->out;
  const size_t begin = starts[0], end = out->length, count = kept->count;
  const size_t length = end - begin + kept->ends[count - 1] + count + 1;
  size_t name = 0;
  char *to;
  if (!put(writer, fl_buffer_reserve(out, length))) return false;
  to = out->data + end;
  for (size_t i = 0; i < count; i++) {
    const size_t place = kept->sorted[i];
    const size_t stop = place + 1 < count ? starts[place + 1] : end;
    *to++ = i == 0 ? '{' : ',';
    memcpy(to, kept->names + name, kept->ends[i] - name);
    to += kept->ends[i] - name;
    name = kept->ends[i];
    memcpy(to, out->data + starts[place], stop - starts[place]);
    to += stop - starts[place];
  }
  *to = '}';
  memmove(out->data + begin, out->data + end, length);
  out->length = begin + length;
  out->data[out->length] = '\0';
  return true;
}

/* Writes an object that has the names of the kept one, beginning with the key and value on the
 * stack, which are popped. False, with the text as before: it has other names, or a value has no
 * form in JSON. */
static bool write_kept(encoder *writer, member_order *kept, int table, frame *here) {
  lua_State *L = writer->L;
  const size_t before = writer->out->length;
  const int top = lua_gettop(L) - 2;
  size_t starts[MEMBERS], count = 0;
  do {
    if (!is_kept_key(L, kept, count)) break;
    starts[count] = writer->out->length;
    here->key = kept->keys[count].data;
    if (!write_value(writer, top + 2, here)) break;
    count++;
    lua_settop(L, top + 1);
  } while (lua_next(L, table));
  if (lua_gettop(L) == top && count == kept->count && arrange(writer, kept, starts)) return true;
  lua_settop(L, top);
  writer->out->length = before;
  return false;
}

/* As write_object, but in the order of the names. */
static bool write_sorted(encoder *writer, int table, frame *here, const frame *outer) {
  lua_State *L = writer->L;
  member_order *kept = order_at(writer, here->depth);
  size_t count = 0, at = 0;
  fl_slice *keys;
  if (kept != NULL && kept->count > 0) {
    if (write_kept(writer, kept, table, here)) return true;
  } else {
    lua_pop(L, 2);
  }
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) return refuse_key(writer, outer);
    count++;
  }
  keys = lua_newuserdata(L, count * sizeof *keys);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), at++)
    keys[at].data = lua_tolstring(L, -2, &keys[at].length); /* the table keeps them */
  qsort(keys, count, sizeof *keys, compare_keys);
  if (kept != NULL) keep_order(writer, kept, table, keys, count);
  if (!put(writer, fl_buffer_append_byte(writer->out, '{'))) return false;
  for (at = 0; at < count; at++) {
    lua_pushlstring(L, keys[at].data, keys[at].length);
    here->key = keys[at].data;
    if (at > 0 && !put(writer, fl_buffer_append_byte(writer->out, ','))) return false;
    lua_pushvalue(L, -1);
    lua_rawget(L, table);
    if (!write_key(writer, here) || !write_value(writer, lua_gettop(L), here)) return false;
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  return put(writer, fl_buffer_append_byte(writer->out, '}'));
}

/* Writes the remaining members, beginning with the key and value on the stack, as lua_next leaves
 * them. */
static bool write_object(encoder *writer, int table, frame *here, const frame *outer) {
  lua_State *L = writer->L;
  bool first = true;
  if (writer->sorted) return write_sorted(writer, table, here, outer);
  if (!put(writer, fl_buffer_append_byte(writer->out, '{'))) return false;
  do {
    if (lua_type(L, -2) != LUA_TSTRING) return refuse_key(writer, outer);
    here->key = lua_tostring(L, -2);
    if (!first && !put(writer, fl_buffer_append_byte(writer->out, ','))) return false;
    first = false;
    if (!write_key(writer, here)) return false;
    if (!write_value(writer, lua_gettop(L), here)) return false;
    lua_pop(L, 1);
  } while (lua_next(L, table));
  return put(writer, fl_buffer_append_byte(writer->out, '}'));
}

/* Whether the keys are exactly 1 to `length`. Pushes a message if they are not. */
static bool check_array(encoder *writer, int table, size_t length, const frame *outer) {
  lua_State *L = writer->L;
  size_t count = 0;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_Number place;
    lua_pop(L, 1);
    count++;
    if (lua_type(L, -1) != LUA_TNUMBER)
      return refuse(writer, outer,
                    lua_type(L, -1) == LUA_TSTRING
                        ? "the table mixes keys that are strings with a place in an array"
                        : "a key is neither a string nor a place in an array");
    place = lua_tonumber(L, -1);
    if (place < 1 || place != floor(place))
      return refuse(writer, outer, "a key is a number but no place in an array");
    if (place > (lua_Number)length)
      return refuse(writer, outer, "the array is sparse: a place before its last one is nil");
  }
  if (count != length)
    return refuse(writer, outer, "the array is sparse: a place before its last one is nil");
  return true;
}

static bool write_array(encoder *writer, int table, frame *here, const frame *outer) {
  lua_State *L = writer->L;
  size_t length = lua_rawlen(L, table);
  if (!check_array(writer, table, length, outer)) return false;
  if (!put(writer, fl_buffer_append_byte(writer->out, '['))) return false;
  here->key = NULL;
  for (size_t place = 1; place <= length; place++) {
    here->place = place;
    if (place > 1 && !put(writer, fl_buffer_append_byte(writer->out, ','))) return false;
    lua_rawgeti(L, table, (int)place);
    if (!write_value(writer, lua_gettop(L), here)) return false;
    lua_pop(L, 1);
  }
  return put(writer, fl_buffer_append_byte(writer->out, ']'));
}

/* Writes the digits of a flarelight.integer, which were checked when it was made. */
static bool write_digits(encoder *writer, int table, const frame *at) {
  lua_State *L = writer->L;
  size_t length;
  const char *digits;
  bool good;
  lua_rawgeti(L, table, 1);
  digits = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (digits == NULL || length == 0 || fl_json_number_length(digits) != length)
    return refuse(writer, at, "a flarelight.integer was changed and holds no digits");
  good = put(writer, fl_buffer_append(writer->out, digits, length));
  if (good) lua_pop(L, 1);
  return good;
}

static bool write_table(encoder *writer, int table, const frame *outer) {
  lua_State *L = writer->L;
  frame here = {outer, lua_topointer(L, table), NULL, 0, outer ? outer->depth + 1 : 1};
  bool marked = false, integer = false;

  if (lua_getmetatable(L, table)) {
    marked = lua_rawequal(L, -1, writer->array_metatable) ||
             (writer->cjson_array_metatable && lua_rawequal(L, -1, writer->cjson_array_metatable));
    integer = lua_rawequal(L, -1, writer->integer_metatable);
    lua_pop(L, 1);
  }
  if (integer) return write_digits(writer, table, outer);
  for (const frame *above = outer; above != NULL; above = above->outer)
    if (above->table == here.table) return refuse(writer, outer, "the table contains itself");
  if (here.depth > FL_JSON_DEPTH) return refuse(writer, NULL, "nested deeper than 512");
  luaL_checkstack(L, 8, "nested too deeply");
  if (marked) return write_array(writer, table, &here, outer);
  lua_pushnil(L);
  if (!lua_next(L, table)) return put(writer, fl_buffer_append(writer->out, "{}", 2));
  if (lua_type(L, -2) != LUA_TNUMBER) return write_object(writer, table, &here, outer);
  lua_pop(L, 2);
  return write_array(writer, table, &here, outer);
}

static bool write_value(encoder *writer, int index, const frame *at) {
  lua_State *L = writer->L;
  char words[80];
  switch (lua_type(L, index)) {
    case LUA_TSTRING: return write_string(writer, index, at);
    case LUA_TNUMBER: return write_number(writer, index, at);
    case LUA_TBOOLEAN:
      return put(writer,
                 fl_buffer_append_text(writer->out, lua_toboolean(L, index) ? "true" : "false"));
    case LUA_TTABLE: return write_table(writer, index, at);
    case LUA_TLIGHTUSERDATA: {
      const void *pointer = lua_touserdata(L, index);
      if (pointer == NULL) return put(writer, fl_buffer_append(writer->out, "null", 4));
      if (pointer == writer->cjson_empty_array)
        return put(writer, fl_buffer_append(writer->out, "[]", 2));
      break;
    }
    case LUA_TUSERDATA: {
      const fl_buffer *text = fl_lua_records_text(L, index);
      if (text != NULL) return put(writer, fl_buffer_append(writer->out, text->data, text->length));
      break;
    }
    default: break;
  }
  snprintf(words, sizeof words, "a %s has no form in JSON", luaL_typename(L, index));
  return refuse(writer, at, words);
}

/* Finds the marks of cjson, if one is loaded and has them; its two modules share them. Leaves
 * values on the stack. */
static void find_cjson(lua_State *L, encoder *writer) {
  static const char *const names[] = {"cjson", "cjson.safe"};
  int loaded;
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  loaded = lua_gettop(L);
  for (size_t i = 0; lua_istable(L, loaded) && i < sizeof names / sizeof names[0]; i++) {
    if (fl_lua_field(L, loaded, names[i]) != LUA_TTABLE) continue;
    if (fl_lua_field(L, -1, "empty_array") == LUA_TLIGHTUSERDATA)
      writer->cjson_empty_array = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (fl_lua_field(L, -1, "array_mt") == LUA_TTABLE)
      writer->cjson_array_metatable = lua_gettop(L);
  }
}

void fl_lua_writer_begin(lua_State *L, fl_lua_writer *writer, fl_buffer *out, const char *root,
                         bool sorted) {
  *writer = (fl_lua_writer){.L = L, .out = out, .root = root, .sorted = sorted};
  luaL_checkstack(L, 20, "nested too deeply");
  if (sorted) {
    writer->orders = lua_newuserdata(L, KEPT_DEPTHS * sizeof *writer->orders);
    for (int i = 0; i < KEPT_DEPTHS; i++) writer->orders[i].count = 0;
  }
  fl_lua_state_push_array_metatable(L);
  writer->array_metatable = lua_gettop(L);
  fl_lua_state_push_integer_metatable(L);
  writer->integer_metatable = lua_gettop(L);
  find_cjson(L, writer);
}

bool fl_lua_writer_write(fl_lua_writer *writer, int index, int64_t place) {
  lua_State *L = writer->L;
  const int top = lua_gettop(L);
  bool good;
  writer->place = place;
  good = write_value(writer, lua_absindex(L, index), NULL);
  if (!good && lua_gettop(L) > top + 1) lua_replace(L, top + 1);
  lua_settop(L, good ? top : top + 1);
  return good;
}

bool fl_lua_write_value(lua_State *L, int index, fl_buffer *out, const char *root, bool sorted) {
  const int top = lua_gettop(L);
  fl_lua_writer writer;
  bool good;
  index = lua_absindex(L, index);
  fl_lua_writer_begin(L, &writer, out, root, sorted);
  good = fl_lua_writer_write(&writer, index, 0);
  if (!good) lua_replace(L, top + 1);
  lua_settop(L, good ? top : top + 1);
  return good;
}

/* core.encode(value, sorted) -> text | nil, message. `sorted`: the members of objects by name */
static int encode(lua_State *L) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  luaL_checkany(L, 1);
  scratch->length = 0;
  if (!fl_lua_write_value(L, 1, scratch, "", lua_toboolean(L, 2))) return fl_lua_fail_pushed(L);
  lua_pushlstring(L, scratch->data, scratch->length);
  return 1;
}

/* core.digest(value) -> SHA-256, in hexadecimal, of the value as JSON text with sorted names | nil,
 * message. Equal values have equal digests, in whatever order their tables are. */
static int digest(lua_State *L) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  char hexadecimal[FL_DIGEST_SIZE];
  luaL_checkany(L, 1);
  scratch->length = 0;
  if (!fl_lua_write_value(L, 1, scratch, "", true)) return fl_lua_fail_pushed(L);
  fl_digest(scratch->data, scratch->length, hexadecimal);
  lua_pushstring(L, hexadecimal);
  return 1;
}

const luaL_Reg fl_lua_write_functions[] = {{"encode", encode}, {"digest", digest}, {NULL, NULL}};
