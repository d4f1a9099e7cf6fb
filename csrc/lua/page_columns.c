/*
 * page_columns.c: the rows of a page as columns: one array for each member.
 */
#include "page_columns.h"

#include <string.h>

#include "page.h"

/* A column under construction: a C view of a Lua array. */
typedef struct column {
  const char *name; /* bytes of the key's string, which the table of columns anchors */
  size_t length;
  uint32_t same; /* of its key on the current tape; 0: not found yet */
  int index;     /* stack index of its array */
  int filled;    /* values it has */
} column;

typedef struct spread {
  lua_State *L;
  const fl_push *push;
  column *columns;
  int count, room;
  int expected; /* the rows to read: the initial size of an array */
} spread;

#define COLUMNS_TABLE 2
#define FEW_COLUMNS 64          /* up to this number, columns need no allocation */
#define MOST_COLUMNS 4000       /* each takes a place on Lua's stack */
#define MOST_EXPECTED (1 << 20) /* larger arrays grow as they are filled */

/* Leaves a userdata on the stack that has room for the largest number of columns. */
static void make_room(spread *all) {
  column *columns = lua_newuserdata(all->L, MOST_COLUMNS * sizeof(column));
  memcpy(columns, all->columns, (size_t)all->count * sizeof(column));
  all->columns = columns;
  all->room = MOST_COLUMNS;
}

/* The column whose array is on top of the stack, where it stays. */
static column *add_column(spread *all, const char *name, size_t length, int filled) {
  column *added;
  if (all->count == MOST_COLUMNS) luaL_error(all->L, "more than %d columns", MOST_COLUMNS);
  added = &all->columns[all->count++];
  *added = (column){.name = name, .length = length, .index = lua_gettop(all->L), .filled = filled};
  return added;
}

static void fill(const spread *all, column *of, int length) {
  while (of->filled < length) {
    lua_pushlightuserdata(all->L, NULL);
    lua_rawseti(all->L, of->index, ++of->filled);
  }
}

/* Adds a column for a member that no row had before: its name becomes a key of the table. */
static column *begin_column(spread *all, fl_slice name) {
  lua_State *L = all->L;
  const char *key;
  luaL_checkstack(L, 10, "columns");
  if (all->count == all->room) make_room(all);
  lua_createtable(L, all->expected, 0);
  lua_pushvalue(L, all->push->array_metatable);
  lua_setmetatable(L, -2);
  lua_pushlstring(L, name.data, name.length);
  key = lua_tostring(L, -1);
  lua_pushvalue(L, -2);
  lua_rawset(L, COLUMNS_TABLE);
  return add_column(all, key, name.length, 0);
}

/* The column of a key. Rows repeat their keys, so it is mostly the column at the same place. */
static inline column *find_column(spread *all, const fl_json_node *key, int guess) {
  fl_slice name = {all->push->text + key->offset, key->value.size.length};
  column *found = guess < all->count ? &all->columns[guess] : NULL;
  if (found != NULL && found->same == key->value.size.same) return found;
  found = NULL;
  for (int i = 0; i < all->count && found == NULL; i++) {
    column *candidate = &all->columns[(guess + i) % all->count];
    if (candidate->length == name.length && memcmp(candidate->name, name.data, name.length) == 0)
      found = candidate;
  }
  if (found == NULL) found = begin_column(all, name);
  found->same = key->value.size.same;
  return found;
}

static void spread_row(spread *all, uint32_t row, int place) {
  const fl_json_tape *tape = all->push->tape;
  const fl_json_node *nodes = tape->nodes;
  uint32_t end = nodes[row].value.size.end;
  int member = 0, filled = 0;
  for (uint32_t at = row + 1; at < end; at = fl_json_next(tape, at + 1), member++) {
    column *of = find_column(all, &nodes[at], member);
    if (of->filled < place - 1) fill(all, of, place - 1);
    fl_push_value(all->L, all->push, at + 1);
    lua_rawseti(all->L, of->index, place);
    if (of->filled < place) filled++; /* a repeated name fills only once */
    of->filled = place;
  }
  if (filled < all->count)
    for (int i = 0; i < all->count; i++) fill(all, &all->columns[i], place);
}

/* Reads the existing columns, which have `length` values each. Their arrays stay on the stack,
 * below the key that lua_next needs. */
static void take_columns(spread *all, int length) {
  lua_State *L = all->L;
  int there = 0;
  for (lua_pushnil(L); lua_next(L, COLUMNS_TABLE); lua_pop(L, 1)) there++;
  if (there > FEW_COLUMNS) make_room(all);
  lua_pushnil(L);
  while (lua_next(L, COLUMNS_TABLE)) {
    size_t size;
    const char *name;
    luaL_checkstack(L, 10, "columns");
    if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1))
      luaL_error(L, "the table of columns has other members");
    name = lua_tolstring(L, -2, &size);
    lua_insert(L, -2);
    add_column(all, name, size, length)->index = lua_gettop(L) - 1;
  }
}

/*
 * page:columns(columns, length, most) -> the number of rows added to the columns, which have
 * `length` rows already | nil, message if a row is no object. A member that a row lacks is null.
 */
static int page_columns(lua_State *L) {
  fl_lua_page *self = fl_lua_page_fast(L, fl_lua_page_cache(L));
  int length = (int)fl_lua_check_whole(L, 3, 0, INT32_MAX);
  int most = (int)fl_lua_check_limit(L, 4, INT32_MAX - length), count = 0;
  fl_push push = self->push;
  column few[FEW_COLUMNS];
  spread all = {.L = L, .push = &push, .columns = few, .room = FEW_COLUMNS};
  uint32_t row;
  luaL_checktype(L, COLUMNS_TABLE, LUA_TTABLE);
  /* Short columns are filled up to `length`, so it is bounded by the number of rows received. */
  luaL_argcheck(L, length <= self->call->page_start + self->cursor.given, 3, "is too large");
  all.expected =
      length < MOST_EXPECTED && most < MOST_EXPECTED - length ? length + most : MOST_EXPECTED;
  take_columns(&all, length);
  while (count < most && fl_lua_page_step(self, &self->cursor, &row)) {
    if (push.tape->nodes[row].type != FL_JSON_OBJECT)
      return fl_lua_fail(L, "row %d is no object and has no columns",
                         (int)(self->call->page_start + self->cursor.given - 1));
    spread_row(&all, row, length + ++count);
  }
  fl_lua_push_count(L, count);
  return 1;
}

void fl_lua_page_columns_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"columns", page_columns}, {NULL, NULL}};
  fl_lua_page_add_methods(L, methods);
}
