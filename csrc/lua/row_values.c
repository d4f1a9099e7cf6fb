/*
 * row_values.c: the values of a row as results of a function. row_shape.lua makes the table from
 * them, with a constructor that names the members. This costs less than setting the members one at
 * a time.
 */
#include <string.h>

#include "functions.h"
#include "page.h"

enum { SHAPE = FL_LUA_PAGE_UPVALUES + 1 }; /* the upvalue after the common ones */

/* A member that a row of this shape may have. */
typedef struct shape_key {
  const char *name;
  uint32_t length;
  uint32_t same; /* of its key on the current tape; 0: not found yet */
} shape_key;

typedef struct shape {
  fl_string_cache *cache; /* the cache of the Lua state */
  uint64_t tape;          /* the number of the tape to which `same` belongs */
  int count;
  shape_key keys[]; /* their bytes follow */
} shape;

static void turn_shape(shape *of, uint64_t tape) {
  for (int place = 0; place < of->count; place++) of->keys[place].same = 0;
  of->tape = tape;
}

static inline bool is_key(shape_key *expected, const fl_push *push, const fl_json_node *key) {
  if (expected->same == key->value.size.same) return true;
  if (expected->length != key->value.size.length ||
      memcmp(expected->name, push->text + key->offset, expected->length) != 0)
    return false;
  expected->same = key->value.size.same;
  return true;
}

/* values(page, made) -> position, value, ...; see row_values */
static int values(lua_State *L) {
  shape *of = lua_touserdata(L, lua_upvalueindex(SHAPE));
  fl_lua_page *self = fl_lua_page_fast(L, of->cache);
  const fl_push *push = &self->push;
  const fl_json_node *nodes = push->tape->nodes;
  const fl_json_node *key, *end;
  uint32_t row;
  fl_lua_cursor after;
  fl_lua_page_settle(self, fl_lua_page_position(L, 2));
  after = self->cursor;
  if (!fl_lua_page_step(self, &after, &row) || nodes[row].type != FL_JSON_OBJECT) return 0;
  if (of->tape != self->number) turn_shape(of, self->number);
  if (of->count > 10) luaL_checkstack(L, of->count + 10, "values");
  fl_lua_push_count(L, self->call->page_start + self->cursor.given);
  end = nodes + nodes[row].value.size.end;
  key = nodes + row + 1;
  for (shape_key *expected = of->keys; expected < of->keys + of->count; expected++) {
    if (key < end && is_key(expected, push, key)) {
      if (key[1].type == FL_JSON_NULL && push->null_as_nil) lua_pushnil(L);
      else fl_push_node(L, push, key + 1, 0);
      key = fl_json_after(nodes, key + 1);
    } else {
      lua_pushnil(L);
    }
  }
  if (key < end) return 0;
  self->unsure = self->call->page_start + self->cursor.given;
  self->before = self->cursor;
  self->cursor = after;
  return of->count + 1;
}

/* The names at index 1, an array of strings, as a shape, which is left on the stack. */
static void push_shape(lua_State *L, int count, fl_string_cache *cache) {
  size_t room = 0, length;
  shape *made;
  char *bytes;
  for (int place = 1; place <= count; place++) {
    lua_rawgeti(L, 1, place);
    luaL_checklstring(L, -1, &length);
    lua_pop(L, 1);
    room += length;
  }
  made = lua_newuserdata(L, sizeof *made + (size_t)count * sizeof(shape_key) + room);
  made->cache = cache;
  made->tape = 0;
  made->count = count;
  bytes = (char *)&made->keys[count];
  for (int place = 0; place < count; place++) {
    const char *name;
    lua_rawgeti(L, 1, place + 1);
    name = lua_tolstring(L, -1, &length);
    memcpy(bytes, name, length);
    lua_pop(L, 1);
    made->keys[place] = (shape_key){.name = bytes, .length = (uint32_t)length};
    bytes += length;
  }
}

/*
 * core.row_values(names) -> function(page, made) -> position, value, …: moves to the next row, and
 * returns its position and the values of these members, nil for each member that the row lacks.
 * Returns nothing at the end of the page, and if the row is no object, has other members, or has
 * these in another order; the page then stays where it is. `made`: the position that the function
 * returned last, if that row's table was made. After any other value the function returns the same
 * row again.
 */
static int row_values(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  fl_lua_page_push_upvalues(L);
  push_shape(L, (int)lua_rawlen(L, 1), lua_touserdata(L, -2));
  lua_pushcclosure(L, values, SHAPE);
  return 1;
}

const luaL_Reg fl_lua_row_values_functions[] = {{"row_values", row_values}, {NULL, NULL}};
