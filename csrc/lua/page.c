/*
 * page.c: a page of rows as a userdata that gives its rows when they are asked for.
 */
#include "binding.h"
#include "engine.h"

typedef struct page {
  fl_call *call; /* first: reply.c fills it */
  uint32_t at;   /* node of the next row; 0: not begun */
  int64_t given; /* rows given so far */
} page;

#define CLASS "flarelight.page"

static page *check_page(lua_State *L) {
  page *self = luaL_checkudata(L, 1, CLASS);
  if (self->call == NULL) luaL_error(L, "the page is closed");
  return self;
}

static void close_page(page *self) {
  if (self->call != NULL) fl_call_free(self->call);
  self->call = NULL;
}

static int collect_page(lua_State *L) {
  close_page(lua_touserdata(L, 1));
  return 0;
}

static fl_push push_of(lua_State *L, const page *self, bool null_as_nil) {
  fl_push push = {&self->call->tape, self->call->text.data, 0, null_as_nil};
  fl_push_array_metatable(L);
  push.array_metatable = lua_gettop(L);
  return push;
}

/* A position or a count: an integer where Lua has them, whatever their size. */
static void push_count(lua_State *L, int64_t count) {
#if FL_LUA_HAS_INTEGERS
  lua_pushinteger(L, (lua_Integer)count);
#else
  lua_pushnumber(L, (lua_Number)count);
#endif
}

/* Moves to the next row; false at the end of the page. */
static bool step(page *self, uint32_t *row) {
  if (self->given >= self->call->page_rows) return false;
  if (self->at == 0) self->at = self->call->rows + 1;
  *row = self->at;
  self->at = fl_json_next(&self->call->tape, self->at);
  self->given++;
  return true;
}

/* page:next(null_as_nil) -> row, position | nothing at the end of the page */
static int page_next(lua_State *L) {
  page *self = check_page(L);
  fl_push push;
  uint32_t row;
  if (!step(self, &row)) return 0;
  push = push_of(L, self, lua_toboolean(L, 2));
  fl_push_value(L, &push, row);
  push_count(L, self->call->page_start + self->given - 1);
  return 2;
}

/* page:batch(array, length, most, null_as_nil): appends up to `most` rows to the array of `length`
 * -> how many */
static int page_batch(lua_State *L) {
  page *self = check_page(L);
  lua_Integer length = luaL_checkinteger(L, 3), most = luaL_checkinteger(L, 4);
  fl_push push = push_of(L, self, lua_toboolean(L, 5));
  lua_Integer count = 0;
  uint32_t row;
  while (count < most && step(self, &row)) {
    fl_push_value(L, &push, row);
    lua_rawseti(L, 2, (int)(length + ++count));
  }
  lua_pushinteger(L, count);
  return 1;
}

/*
 * Puts the members of one row into the columns (a table at index 2) at `place`. *columns counts those
 * that there are; the answer is how many of them the row has filled.
 */
static size_t spread_row(lua_State *L, const fl_push *push, uint32_t row, int place,
                         size_t *columns) {
  const fl_json_node *nodes = push->tape->nodes;
  uint32_t end = nodes[row].value.size.end;
  size_t filled = 0;
  for (uint32_t at = row + 1; at < end; at = fl_json_next(push->tape, at + 1)) {
    lua_pushlstring(L, push->text + nodes[at].offset, nodes[at].value.size.length);
    lua_pushvalue(L, -1);
    lua_rawget(L, 2);
    if (lua_isnil(L, -1)) { /* a column that begins here: the rows before lack it */
      lua_pop(L, 1);
      lua_createtable(L, place, 0);
      lua_pushvalue(L, push->array_metatable);
      lua_setmetatable(L, -2);
      for (int before = 1; before < place; before++) {
        lua_pushlightuserdata(L, NULL);
        lua_rawseti(L, -2, before);
      }
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, 2);
      ++*columns;
    }
    if (lua_rawlen(L, -1) < (size_t)place) filled++; /* a repeated name fills only once */
    fl_push_value(L, push, at + 1);
    lua_rawseti(L, -2, place);
    lua_pop(L, 2);
  }
  return filled;
}

/* Gives a null to the columns that the row at `place` lacks, so that all stay of one length. */
static void fill_row(lua_State *L, int place) {
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    if (lua_rawlen(L, -1) < (size_t)place) {
      lua_pushlightuserdata(L, NULL);
      lua_rawseti(L, -2, place);
    }
    lua_pop(L, 1);
  }
}

static size_t count_members(lua_State *L, int index) {
  size_t count = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    count++;
  }
  return count;
}

/*
 * page:columns(columns, length, most) -> how many rows were put into the columns, which have `length`
 * rows already | nil, message where a row is no object. A member that a row lacks is null.
 */
static int page_columns(lua_State *L) {
  page *self = check_page(L);
  int length = (int)luaL_checkinteger(L, 3), most = (int)luaL_checkinteger(L, 4), count = 0;
  fl_push push = push_of(L, self, false);
  size_t columns = count_members(L, 2);
  uint32_t row;
  while (count < most && step(self, &row)) {
    if (push.tape->nodes[row].type != FL_JSON_OBJECT) {
      lua_pushnil(L);
      lua_pushfstring(L, "row %d is no object and has no columns",
                      (int)(self->call->page_start + self->given - 1));
      return 2;
    }
    count++;
    if (spread_row(L, &push, row, length + count, &columns) < columns) fill_row(L, length + count);
  }
  lua_pushinteger(L, count);
  return 1;
}

/* page:count() -> rows, start; whether it is the last */
static int page_count(lua_State *L) {
  page *self = check_page(L);
  push_count(L, self->call->page_rows);
  push_count(L, self->call->page_start);
  lua_pushboolean(L, self->call->page_end);
  return 3;
}

/* page:failure() -> nil, message, err if the page is an error; nothing otherwise */
static int page_failure(lua_State *L) {
  page *self = check_page(L);
  if (self->call->kind == FL_KIND_NONE) return 0;
  return fl_push_outcome(L, self->call, false);
}

/* page:left() -> rows that have not been given yet */
static int page_left(lua_State *L) {
  page *self = check_page(L);
  push_count(L, self->call->page_rows - self->given);
  return 1;
}

static int page_close(lua_State *L) {
  close_page(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static const luaL_Reg methods[] = {{"next", page_next},       {"batch", page_batch},
                                   {"columns", page_columns}, {"count", page_count},
                                   {"failure", page_failure}, {"left", page_left},
                                   {"close", page_close},                                   {NULL, NULL}};

/* --- the guard: gives a pager up when nobody holds it any more --- */

static int guard_release(lua_State *L) {
  uint64_t *ticket = lua_touserdata(L, 1);
  fl_order *order;
  const char *message;
  if (ticket == NULL || *ticket == 0) return 0;
  order = fl_order_new(FL_ITEM_CANCEL, *ticket, NULL, NULL);
  *ticket = 0;
  if (order != NULL) fl_engine_submit(&order->item, &message);
  return 0;
}

static const luaL_Reg guard_methods[] = {{"release", guard_release}, {NULL, NULL}};

int fl_lua_guard(lua_State *L) {
  uint64_t *ticket = lua_newuserdata(L, sizeof *ticket);
  *ticket = 0;
  fl_new_class(L, "flarelight.guard", guard_methods, guard_release);
  lua_setmetatable(L, -2);
  *ticket = (uint64_t)luaL_checknumber(L, 1);
  return 1;
}

void fl_push_page(lua_State *L, fl_call *call) {
  page *self = lua_newuserdata(L, sizeof *self);
  self->call = call;
  self->at = 0;
  self->given = 0;
  fl_new_class(L, CLASS, methods, collect_page);
  lua_setmetatable(L, -2);
}
