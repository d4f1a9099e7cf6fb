/*
 * page.c: a page of rows as a userdata that gives its rows when they are asked for: one at a time,
 * as arrays, as columns, or as the values of one row, from which Lua makes its table itself.
 *
 * `next`, `batch` and `values` run once a row or a few of them, so what they need (the class, the
 * array metatable, the cache of strings) stands in upvalues instead of being looked up.
 */
#include "push.h"
#include "engine/engine.h"

#define CLASS "flarelight.page"

enum { UP_CLASS = 1, UP_ARRAY, UP_CACHE, UP_STRINGS, UPVALUES = UP_STRINGS, UP_SHAPE };

/* How far a page is read. */
typedef struct cursor {
  uint32_t at;   /* node of the next row; 0: not begun */
  int64_t given; /* rows given so far */
} cursor;

typedef struct page {
  fl_call *call; /* first: reply.c fills it */
  cursor cursor;
  int64_t rows;   /* rows to give at most */
  int64_t unsure; /* position of the row whose values were given last, or -1: whether Lua could make
                     its table */
  cursor before;  /* is told by the next call; if not, reading goes on from here */
  uint64_t number; /* of its tape, for the cache of strings; 0: `push` is not complete yet */
  fl_push push;
} page;

static int not_open(lua_State *L) {
  return luaL_error(L, "a page is expected, and one that is open");
}

/* Completes what pushing needs, the first time that something is pushed. */
static void begin_push(page *self, fl_string_cache *cache) {
  self->push.tape = &self->call->tape;
  self->push.text = self->call->text.data;
  self->push.text_end = fl_buffer_end(&self->call->text);
  self->push.array_metatable = lua_upvalueindex(UP_ARRAY);
  self->push.strings = lua_upvalueindex(UP_STRINGS);
  self->push.cache = cache;
  self->number = fl_push_number(cache);
}

static void check_class(lua_State *L, page *self, fl_string_cache *cache) {
  bool good = self != NULL && lua_getmetatable(L, 1);
  if (good) {
    good = lua_rawequal(L, -1, lua_upvalueindex(UP_CLASS)) && self->call != NULL;
    lua_pop(L, 1);
  }
  if (!good) not_open(L);
  if (self->number == 0) begin_push(self, cache);
  cache->checked = self;
}

/* The page at index 1, ready to be pushed from, for functions with upvalues. What it is is asked of
 * Lua once, as long as no other page is read between. */
static inline page *fast_page(lua_State *L, fl_string_cache *cache) {
  page *self = lua_touserdata(L, 1);
  if (self == NULL || cache->checked != self) check_class(L, self, cache);
  fl_push_turn(cache, self->number);
  return self;
}

static inline fl_string_cache *own_cache(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(UP_CACHE));
}

static page *check_page(lua_State *L) {
  page *self = luaL_checkudata(L, 1, CLASS);
  if (self->call == NULL) not_open(L);
  return self;
}

const fl_call *fl_check_page(lua_State *L, int index) {
  page *self = luaL_checkudata(L, index, CLASS);
  if (self->call == NULL) not_open(L);
  return self->call;
}

static void close_page(page *self) {
  if (self->call != NULL) fl_call_free(self->call);
  self->call = NULL;
  if (self->push.cache != NULL && self->push.cache->checked == self)
    self->push.cache->checked = NULL;
}

static int page_close(lua_State *L) {
  close_page(luaL_checkudata(L, 1, CLASS));
  return 0;
}

/* Moves to the next row; false at the end of the page. Functions move a copy and keep it when the
 * rows are made: where memory runs out no row is lost. */
static inline bool step(const page *self, cursor *at, uint32_t *row) {
  if (at->given >= self->rows) return false;
  if (at->at == 0) at->at = self->call->rows + 1;
  *row = at->at;
  at->at = fl_json_next(&self->call->tape, at->at);
  at->given++;
  return true;
}

/* page:begin(most, null_as_nil): how many rows to give at most, and how */
static int page_begin(lua_State *L) {
  page *self = check_page(L);
  lua_Number most = luaL_checknumber(L, 2);
  self->rows = self->call->page_rows;
  if (most < (lua_Number)self->rows) self->rows = (int64_t)most;
  self->push.null_as_nil = lua_toboolean(L, 3);
  return 0;
}

/* page:next() -> row, position | nothing at the end of the page */
static int page_next(lua_State *L) {
  page *self = fast_page(L, own_cache(L));
  cursor after = self->cursor;
  uint32_t row;
  if (!step(self, &after, &row)) return 0;
  fl_push_value(L, &self->push, row);
  fl_push_count(L, self->call->page_start + self->cursor.given);
  self->cursor = after;
  return 2;
}

/* --- values: those of the next row, without a table --- */

/* A member that a row of this shape may have. */
typedef struct shape_key {
  const char *name;
  uint32_t length;
  uint32_t same; /* of its key on the tape at hand; 0: not met yet */
} shape_key;

typedef struct shape {
  fl_string_cache *cache; /* the state's, at hand */
  uint64_t tape;          /* the number of the tape that `same` is of */
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

/* The row whose values were given last has been made if it is the one at position `made`; else it
 * is still to be given: its memory ran out. */
static inline void settle(page *self, int64_t made) {
  if (self->unsure < 0) return;
  if (self->unsure != made) self->cursor = self->before;
  self->unsure = -1;
}

static inline int64_t position_argument(lua_State *L, int index) {
#if FL_LUA_HAS_INTEGERS
  return (int64_t)lua_tointeger(L, index);
#else
  return (int64_t)lua_tonumber(L, index);
#endif
}

/* page:settle(made): before anything else is asked of a page whose rows are made by values */
static int page_settle(lua_State *L) {
  settle(check_page(L), position_argument(L, 2));
  return 0;
}

/* values(page, made) -> position, value, ...; see fl_lua_row_values */
static int page_values(lua_State *L) {
  shape *of = lua_touserdata(L, lua_upvalueindex(UP_SHAPE));
  page *self = fast_page(L, of->cache);
  const fl_push *push = &self->push;
  const fl_json_node *nodes = push->tape->nodes;
  const fl_json_node *key, *end;
  uint32_t row;
  cursor after;
  settle(self, position_argument(L, 2));
  after = self->cursor;
  if (!step(self, &after, &row) || nodes[row].type != FL_JSON_OBJECT) return 0;
  if (of->tape != self->number) turn_shape(of, self->number);
  if (of->count > 10) luaL_checkstack(L, of->count + 10, "values");
  fl_push_count(L, self->call->page_start + self->cursor.given);
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

int fl_lua_row_values(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  fl_new_class(L, CLASS, NULL, page_close);
  fl_push_array_metatable(L);
  fl_push_string_cache(L);
  push_shape(L, (int)lua_rawlen(L, 1), lua_touserdata(L, -2));
  lua_pushcclosure(L, page_values, UP_SHAPE);
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

/* page:names(most) -> the names of the next row's members, in order; false where it is no object,
 * has none, more than `most`, or one twice; nothing at the end of the page */
static int page_names(lua_State *L) {
  page *self = check_page(L);
  fl_push push = {.tape = &self->call->tape, .text = self->call->text.data};
  const fl_json_node *nodes = push.tape->nodes;
  lua_Integer most = luaL_checkinteger(L, 2);
  cursor after = self->cursor;
  uint32_t row;
  int count = 0;
  if (!step(self, &after, &row)) return 0;
  if (nodes[row].type != FL_JSON_OBJECT || nodes[row].value.size.length == 0 ||
      (lua_Integer)nodes[row].value.size.length > most) {
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

/* page:batch(array, length, most): appends up to `most` rows to the array of `length` -> how many
 */
static int page_batch(lua_State *L) {
  page *self = fast_page(L, own_cache(L));
  int length = (int)luaL_checkinteger(L, 3), most = (int)luaL_checkinteger(L, 4), count = 0;
  cursor after = self->cursor;
  uint32_t row;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstack(L, 10, "rows");
  while (count < most && step(self, &after, &row)) {
    fl_push_value(L, &self->push, row);
    lua_rawseti(L, 2, length + ++count);
  }
  self->cursor = after;
  fl_push_count(L, count);
  return 1;
}

/* --- columns --- */

/* A column while rows are spread over the columns; a C view of a Lua table. */
typedef struct column {
  const char *name; /* bytes of the key's string, which the table of columns anchors */
  size_t length;
  uint32_t same; /* of its key on the tape at hand; 0: not met yet */
  int index;     /* stack index of its array */
  int filled;    /* values it has */
} column;

typedef struct spread {
  lua_State *L;
  const fl_push *push;
  column *columns;
  int count, room;
  int most; /* rows that are wanted: the size to make an array with */
} spread;

#define COLUMNS_TABLE 2
#define FEW_COLUMNS 64    /* for which no memory is taken */
#define MOST_COLUMNS 4000 /* each takes a place on Lua's stack */

/* Leaves a userdata with room for all columns there may be on the stack. */
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

/* A column that begins with this member: its key becomes a key of the table of columns. */
static column *begin_column(spread *all, fl_slice name) {
  lua_State *L = all->L;
  const char *key;
  luaL_checkstack(L, 10, "columns");
  if (all->count == all->room) make_room(all);
  lua_createtable(L, all->most, 0);
  lua_pushvalue(L, all->push->array_metatable);
  lua_setmetatable(L, -2);
  lua_pushlstring(L, name.data, name.length);
  key = lua_tostring(L, -1);
  lua_pushvalue(L, -2);
  lua_rawset(L, COLUMNS_TABLE);
  return add_column(all, key, name.length, 0);
}

/* The column of a key; rows repeat their keys, so it is mostly the one at the same place. */
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

/*
 * page:columns(columns, length, most) -> how many rows were put into the columns, which have
 * `length` rows already | nil, message where a row is no object. A member that a row lacks is null.
 */
static int page_columns(lua_State *L) {
  page *self = fast_page(L, own_cache(L));
  int length = (int)luaL_checkinteger(L, 3), most = (int)luaL_checkinteger(L, 4), count = 0,
      there = 0;
  fl_push push = self->push;
  column few[FEW_COLUMNS];
  spread all = {.L = L, .push = &push, .columns = few, .room = FEW_COLUMNS, .most = length + most};
  uint32_t row;
  luaL_checktype(L, COLUMNS_TABLE, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, COLUMNS_TABLE)) {
    there++;
    lua_pop(L, 1);
  }
  if (there > FEW_COLUMNS) make_room(&all);
  /* The columns that are there: their arrays stay on the stack, below the key that lua_next needs.
   */
  lua_pushnil(L);
  while (lua_next(L, COLUMNS_TABLE)) {
    size_t size;
    const char *name;
    luaL_checkstack(L, 10, "columns");
    name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &size) : NULL;
    if (name == NULL) return luaL_error(L, "the table of columns has other members");
    lua_insert(L, -2);
    add_column(&all, name, size, length)->index = lua_gettop(L) - 1;
  }
  while (count < most && step(self, &self->cursor, &row)) {
    if (push.tape->nodes[row].type != FL_JSON_OBJECT) {
      lua_pushnil(L);
      lua_pushfstring(L, "row %d is no object and has no columns",
                      (int)(self->call->page_start + self->cursor.given - 1));
      return 2;
    }
    spread_row(&all, row, length + ++count);
  }
  fl_push_count(L, count);
  return 1;
}

/* page:count() -> rows, start; whether it is the last */
static int page_count(lua_State *L) {
  page *self = check_page(L);
  fl_push_count(L, self->call->page_rows);
  fl_push_count(L, self->call->page_start);
  lua_pushboolean(L, self->call->page_end);
  return 3;
}

/* page:position() -> of the next row; rows left */
static int page_position(lua_State *L) {
  page *self = check_page(L);
  fl_push_count(L, self->call->page_start + self->cursor.given);
  fl_push_count(L, self->rows - self->cursor.given);
  return 2;
}

/* page:failure() -> nil, message, err if the page is an error; nothing otherwise */
static int page_failure(lua_State *L) {
  page *self = check_page(L);
  if (self->call->kind == FL_KIND_NONE) return 0;
  return fl_push_outcome(L, self->call, false);
}

static const luaL_Reg methods[] = {{"begin", page_begin},       {"count", page_count},
                                   {"position", page_position}, {"failure", page_failure},
                                   {"close", page_close},       {"names", page_names},
                                   {"settle", page_settle},     {NULL, NULL}};
static const luaL_Reg fast_methods[] = {
    {"next", page_next}, {"batch", page_batch}, {"columns", page_columns}, {NULL, NULL}};

void fl_open_page(lua_State *L) {
  fl_new_class(L, CLASS, methods, page_close);
  lua_getfield(L, -1, "__index");
  for (const luaL_Reg *method = fast_methods; method->name != NULL; method++) {
    lua_pushvalue(L, -2);
    fl_push_array_metatable(L);
    fl_push_string_cache(L);
    lua_pushcclosure(L, method->func, UPVALUES);
    lua_setfield(L, -2, method->name);
  }
  lua_pop(L, 2);
}

void fl_push_page_methods(lua_State *L) {
  fl_new_class(L, CLASS, NULL, page_close);
  lua_getfield(L, -1, "__index");
  lua_remove(L, -2);
}

void fl_push_page(lua_State *L, fl_call *call) {
  page *self = lua_newuserdata(L, sizeof *self);
  memset(self, 0, sizeof *self);
  self->unsure = -1;
  self->call = call;
  fl_new_class(L, CLASS, NULL, page_close);
  lua_setmetatable(L, -2);
}

/* --- the guard: gives a pager up when nobody holds it any more --- */

static int guard_release(lua_State *L) {
  uint64_t *ticket = lua_touserdata(L, 1);
  fl_command *command;
  const char *message;
  if (ticket == NULL || *ticket == 0) return 0;
  command = fl_command_new(FL_ITEM_CANCEL, *ticket, NULL, NULL);
  *ticket = 0;
  if (command != NULL) fl_engine_submit(&command->item, NULL, false, &message);
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
