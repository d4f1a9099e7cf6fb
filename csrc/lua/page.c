/*
 * page.c: a page of rows as a userdata that makes its rows when they are asked for, one at a time
 * or as an array. See page.h; page_columns.c and row_values.c make them in other shapes.
 */
#include "page.h"

#include <string.h>

#include "base/digest.h"
#include "codec/row_key.h"
#include "reply.h"
#include "state.h"

#define CLASS "flarelight.page"

static int refuse_closed(lua_State *L) {
  return luaL_error(L, "a page is expected, and one that is open");
}

/* Fills in self->push, before the first value is pushed. */
static void begin_push(fl_lua_page *self, fl_string_cache *cache) {
  self->push.tape = &self->call->tape;
  self->push.text = self->call->text.data;
  self->push.text_end = fl_buffer_end(&self->call->text);
  self->push.array_metatable = lua_upvalueindex(FL_LUA_PAGE_ARRAY);
  self->push.strings = lua_upvalueindex(FL_LUA_PAGE_STRINGS);
  self->push.cache = cache;
  self->number = fl_push_number(cache);
}

void fl_lua_page_check_fast(lua_State *L, fl_lua_page *self, fl_string_cache *cache) {
  bool good = self != NULL && lua_getmetatable(L, 1);
  if (good) {
    good = lua_rawequal(L, -1, lua_upvalueindex(FL_LUA_PAGE_CLASS)) && self->call != NULL;
    lua_pop(L, 1);
  }
  if (!good) refuse_closed(L);
  if (self->number == 0) begin_push(self, cache);
  cache->checked = self;
}

fl_lua_page *fl_lua_page_check(lua_State *L, int index) {
  fl_lua_page *self = luaL_checkudata(L, index, CLASS);
  if (self->call == NULL) refuse_closed(L);
  return self;
}

static int page_close(lua_State *L) {
  fl_lua_page *self = luaL_checkudata(L, 1, CLASS);
  if (self->call != NULL) fl_call_free(self->call);
  self->call = NULL;
  if (self->push.cache != NULL && self->push.cache->checked == self)
    self->push.cache->checked = NULL;
  return 0;
}

/* page:begin(most, null_as_nil): sets the most rows to give, and whether null becomes nil */
static int page_begin(lua_State *L) {
  fl_lua_page *self = fl_lua_page_check(L, 1);
  self->rows = fl_lua_check_limit(L, 2, self->call->page_rows);
  self->push.null_as_nil = lua_toboolean(L, 3);
  return 0;
}

/* page:settle(made): has to be called before any other method of a page whose rows were read by
 * row_values */
static int page_settle(lua_State *L) {
  fl_lua_page_settle(fl_lua_page_check(L, 1), fl_lua_page_position(L, 2));
  return 0;
}

/* page:next() -> row, position | nothing at the end of the page */
static int page_next(lua_State *L) {
  fl_lua_page *self = fl_lua_page_fast(L, fl_lua_page_cache(L));
  fl_lua_cursor after = self->cursor;
  uint32_t row;
  if (!fl_lua_page_step(self, &after, &row)) return 0;
  fl_push_value(L, &self->push, row);
  fl_lua_push_count(L, self->call->page_start + self->cursor.given);
  self->cursor = after;
  return 2;
}

/* page:batch(array, length, most) -> the number of rows, up to `most`, appended to the array of
 * `length` values */
static int page_batch(lua_State *L) {
  fl_lua_page *self = fl_lua_page_fast(L, fl_lua_page_cache(L));
  int length = (int)fl_lua_check_whole(L, 3, 0, INT32_MAX);
  int most = (int)fl_lua_check_limit(L, 4, INT32_MAX - length), count = 0;
  fl_lua_cursor after = self->cursor;
  uint32_t row;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstack(L, 10, "rows");
  while (count < most && fl_lua_page_step(self, &after, &row)) {
    fl_push_value(L, &self->push, row);
    lua_rawseti(L, 2, length + ++count);
  }
  self->cursor = after;
  fl_lua_push_count(L, count);
  return 1;
}

static bool has_name_before(const fl_push *push, uint32_t first, uint32_t key) {
  const fl_json_node *nodes = push->tape->nodes;
  for (uint32_t at = first; at < key; at = fl_json_next(push->tape, at + 1))
    if (nodes[at].value.size.length == nodes[key].value.size.length &&
        memcmp(push->text + nodes[at].offset, push->text + nodes[key].offset,
               nodes[key].value.size.length) == 0)
      return true;
  return false;
}

/* page:names(most) -> the names of the next row's members, in order; false if the row is no object,
 * or has no members, more than `most`, or a repeated name; nothing at the end of the page */
static int page_names(lua_State *L) {
  fl_lua_page *self = fl_lua_page_check(L, 1);
  fl_push push = {.tape = &self->call->tape, .text = self->call->text.data};
  const fl_json_node *nodes = push.tape->nodes;
  uint32_t most = (uint32_t)fl_lua_check_limit(L, 2, INT32_MAX);
  fl_lua_cursor after = self->cursor;
  uint32_t row;
  int count = 0;
  if (!fl_lua_page_step(self, &after, &row)) return 0;
  if (nodes[row].type != FL_JSON_OBJECT || nodes[row].value.size.length == 0 ||
      nodes[row].value.size.length > most) {
    lua_pushboolean(L, false);
    return 1;
  }
  lua_createtable(L, (int)nodes[row].value.size.length, 0);
  for (uint32_t at = row + 1; at < nodes[row].value.size.end;
       at = fl_json_next(push.tape, at + 1)) {
    if (has_name_before(&push, row + 1, at)) {
      lua_pushboolean(L, false);
      return 1;
    }
    lua_pushlstring(L, push.text + nodes[at].offset, nodes[at].value.size.length);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* page:count() -> rows, position of the first, whether it is the last page */
static int page_count(lua_State *L) {
  fl_lua_page *self = fl_lua_page_check(L, 1);
  fl_lua_push_count(L, self->call->page_rows);
  fl_lua_push_count(L, self->call->page_start);
  lua_pushboolean(L, self->call->page_end);
  return 3;
}

/* page:position() -> the position of the next row, rows left */
static int page_position(lua_State *L) {
  fl_lua_page *self = fl_lua_page_check(L, 1);
  fl_lua_push_count(L, self->call->page_start + self->cursor.given);
  fl_lua_push_count(L, self->rows - self->cursor.given);
  return 2;
}

static int push_key(lua_State *L, const fl_call *call, uint32_t row) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  scratch->length = 0;
  if (fl_row_key_write(&call->tape, call->text.data, row, scratch) != FL_OK)
    return luaL_error(L, "not enough memory");
  lua_pushlstring(L, scratch->data, scratch->length);
  return 1;
}

/* Finds the row of the index in argument 2, from 0. False if there is none. */
static bool find_row(lua_State *L, const fl_call *call, uint32_t *row) {
  int64_t index = fl_lua_check_limit(L, 2, call->page_rows);
  *row = call->rows + 1;
  if (index >= call->page_rows) return false;
  for (; index > 0; index--) *row = fl_json_next(&call->tape, *row);
  return true;
}

/* page:key(index) -> the key (codec/row_key.h) of the row at `index`, from 0; nothing if there is
 * no such row */
static int page_key(lua_State *L) {
  const fl_call *call = fl_lua_page_check(L, 1)->call;
  uint32_t row;
  return find_row(L, call, &row) ? push_key(L, call, row) : 0;
}

/* page:digest(index) -> the SHA-256 of the key of the row at `index`, from 0; nothing if there is
 * no such row */
static int page_digest(lua_State *L) {
  const fl_call *call = fl_lua_page_check(L, 1)->call;
  char digest[FL_DIGEST_SIZE];
  size_t length;
  const char *key;
  uint32_t row;
  if (!find_row(L, call, &row)) return 0;
  push_key(L, call, row);
  key = lua_tolstring(L, -1, &length);
  fl_digest(key, length, digest);
  lua_pushstring(L, digest);
  return 1;
}

/* The number of rows that a page adds to the table of hashes, spread evenly over the page, and the
 * largest number of rows in that table. Enough to notice repeated rows at little cost. */
#define SAMPLES 64
#define MOST_SEEN 512

/* page:sample(seen, count) -> whether a sampled row is in the table `seen` of `count` hashes of
 * rows; the new count; the key of the last row. Adds the hashes of the sampled rows to the table.
 */
static int page_sample(lua_State *L) {
  const fl_call *call = fl_lua_page_check(L, 1)->call;
  lua_Number hashes[SAMPLES];
  int64_t rows = call->page_rows, sampled = rows < SAMPLES ? rows : SAMPLES, index = 0, taken = 0;
  int64_t count = fl_lua_check_whole(L, 3, 0, MOST_SEEN);
  uint32_t row = call->rows + 1, last = row;
  bool again = false;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (rows == 0) return 0;
  for (; index < rows; index++, row = fl_json_next(&call->tape, row)) {
    last = row;
    if (index < taken * rows / sampled) continue;
    /* A number of Lua 5.1 holds 53 bits. */
    hashes[taken] = (lua_Number)(fl_row_key_hash(&call->tape, call->text.data, row) >> 11);
    lua_pushnumber(L, hashes[taken++]);
    lua_rawget(L, 2);
    again = again || lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  for (int64_t i = 0; i < taken && count < MOST_SEEN; i++, count++) {
    lua_pushnumber(L, hashes[i]);
    lua_pushboolean(L, true);
    lua_rawset(L, 2);
  }
  lua_pushboolean(L, again);
  fl_lua_push_count(L, count);
  return 2 + push_key(L, call, last);
}

/* page:has(one, other) -> whether one of the rows has one of the keys */
static int page_has(lua_State *L) {
  const fl_call *call = fl_lua_page_check(L, 1)->call;
  fl_slice one, other;
  one.data = luaL_checklstring(L, 2, &one.length);
  other.data = luaL_checklstring(L, 3, &other.length);
  lua_pushboolean(L, fl_row_key_find(&call->tape, call->text.data, call->rows + 1, call->page_rows,
                                     one, other));
  return 1;
}

/* page:failure() -> nil, message, err if the page is an error; nothing otherwise */
static int page_failure(lua_State *L) {
  fl_lua_page *self = fl_lua_page_check(L, 1);
  if (self->call->kind == FL_KIND_NONE) return 0;
  return fl_lua_reply_push_outcome(L, self->call, false);
}

/* page:meta() -> the table `meta` of a page, or its error */
static int page_meta(lua_State *L) {
  fl_lua_reply_push_meta(L, fl_lua_page_check(L, 1)->call);
  return 1;
}

static const luaL_Reg methods[] = {
    {"begin", page_begin}, {"count", page_count},     {"position", page_position},
    {"meta", page_meta},   {"failure", page_failure}, {"close", page_close},
    {"names", page_names}, {"settle", page_settle},   {"key", page_key},
    {"has", page_has},     {"digest", page_digest},   {"sample", page_sample},
    {NULL, NULL}};
static const luaL_Reg row_methods[] = {{"next", page_next}, {"batch", page_batch}, {NULL, NULL}};

static void push_class(lua_State *L) { fl_lua_new_class(L, CLASS, methods, page_close); }

void fl_lua_page_push_methods(lua_State *L) {
  push_class(L);
  lua_getfield(L, -1, "__index");
  lua_remove(L, -2);
}

void fl_lua_page_push_upvalues(lua_State *L) {
  push_class(L);
  fl_lua_state_push_array_metatable(L);
  fl_push_strings(L);
}

void fl_lua_page_add_methods(lua_State *L, const luaL_Reg *list) {
  fl_lua_page_push_methods(L);
  for (; list->name != NULL; list++) {
    fl_lua_page_push_upvalues(L);
    lua_pushcclosure(L, list->func, FL_LUA_PAGE_UPVALUES);
    lua_setfield(L, -2, list->name);
  }
  lua_pop(L, 1);
}

void fl_lua_page_open(lua_State *L) { fl_lua_page_add_methods(L, row_methods); }

fl_lua_page *fl_lua_page_push(lua_State *L) {
  fl_lua_page *self = lua_newuserdata(L, sizeof *self);
  memset(self, 0, sizeof *self);
  self->unsure = -1;
  push_class(L);
  lua_setmetatable(L, -2);
  return self;
}
