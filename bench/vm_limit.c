/*
 * vm_limit.c: how fast a Lua can make the tables of rows at all: the upper bound for any library.
 * Pages are scanned beforehand; the measured part walks over ready tokens and pushes each value,
 * with every table presized and every key an upvalue, so no key is looked up.
 *
 *   vm_limit.load{text, …} -> pages, rows, chunk, columns
 *     pages() -> an array of the rows of the next page
 *     rows()  -> the next row
 *     chunk(array) -> how many rows were put into the array, up to 64; 0 at the end
 *   columns(most) -> an array a column, of up to `most` rows, and how many
 *   Each gives nil (chunk, columns: 0) once all have been given, and then begins anew.
 *   vm_limit.now() -> seconds on the monotonic clock
 *
 * Relies on the core's scanner for the tokens, on rows of scalars, and on all rows having the
 * members of the first row in the same order. Only for the benchmark, whose input is known to be
 * well formed.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <time.h>

#include "codec/json_scan.h"
#include "policy/envelope.h"

#define CHUNK 64
#define MOST_COLUMNS 32

int luaopen_vm_limit(lua_State *L);

typedef struct token {
  uint32_t type; /* fl_json_type */
  uint32_t length;
  union {
    int64_t integer;
    double number;
    const char *bytes;
  } value;
} token;

typedef struct token_page {
  token *tokens;
  int rows;
} token_page;

/* Lives as long as the process, outside Lua's memory, so the collector has no work with it. */
typedef struct token_set {
  token_page *pages;
  int count, columns;
  int page, row; /* the next */
  const token *next;
} token_set;

static token_set *set_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static inline void push_token(lua_State *L, const token *each) {
  switch (each->type) {
    case FL_JSON_FALSE:
    case FL_JSON_TRUE: lua_pushboolean(L, each->type == FL_JSON_TRUE); break;
    case FL_JSON_INTEGER:
#if LUA_VERSION_NUM >= 503
      lua_pushinteger(L, (lua_Integer)each->value.integer);
#else
      lua_pushnumber(L, (lua_Number)each->value.integer);
#endif
      break;
    case FL_JSON_FLOAT: lua_pushnumber(L, each->value.number); break;
    default: lua_pushlstring(L, each->value.bytes, each->length);
  }
}

static inline void push_row(lua_State *L, token_set *set) {
  const token *each = set->next;
  lua_createtable(L, 0, set->columns);
  for (int column = 0; column < set->columns; column++, each++) {
    lua_pushvalue(L, lua_upvalueindex(column + 2));
    push_token(L, each);
    lua_rawset(L, -3);
  }
  set->next = each;
  set->row++;
}

/* Rows left in the current page, or in the next one at its end. 0: all have been given; begins
 * anew. */
static int rows_left(token_set *set) {
  if (set->row == set->pages[set->page].rows) {
    set->row = 0;
    set->page = (set->page + 1) % set->count;
    set->next = set->pages[set->page].tokens;
    if (set->page == 0) return 0;
  }
  return set->pages[set->page].rows - set->row;
}

static int give_page(lua_State *L) {
  token_set *set = set_of(L);
  int rows = rows_left(set);
  if (rows == 0) return 0;
  lua_createtable(L, rows, 0);
  for (int place = 1; place <= rows; place++) {
    push_row(L, set);
    lua_rawseti(L, -2, place);
  }
  return 1;
}

static int give_row(lua_State *L) {
  token_set *set = set_of(L);
  if (rows_left(set) == 0) return 0;
  push_row(L, set);
  return 1;
}

static int give_chunk(lua_State *L) {
  token_set *set = set_of(L);
  int rows = rows_left(set);
  if (rows > CHUNK) rows = CHUNK;
  for (int place = 1; place <= rows; place++) {
    push_row(L, set);
    lua_rawseti(L, 1, place);
  }
  lua_pushinteger(L, rows);
  return 1;
}

/* The next rows, as many as are asked for and left in the page, as one array a column. */
static int give_columns(lua_State *L) {
  token_set *set = set_of(L);
  int rows = rows_left(set), most = (int)lua_tointeger(L, 1);
  if (rows > most) rows = most;
  lua_settop(L, 0);
  lua_createtable(L, 0, set->columns);
  for (int column = 0; column < set->columns; column++) {
    lua_createtable(L, rows, 0);
    lua_pushvalue(L, lua_upvalueindex(column + 2));
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
  }
  for (int row = 1; row <= rows; row++, set->row++)
    for (int column = 0; column < set->columns; column++) {
      push_token(L, set->next++);
      lua_rawseti(L, column + 2, row);
    }
  lua_pushvalue(L, 1);
  lua_pushinteger(L, rows);
  return 2;
}

static void *allocate(lua_State *L, size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) luaL_error(L, "not enough memory");
  return memory;
}

/* Scans a page and turns its rows into tokens; the strings stay in a copy of the text. */
static void read_page(lua_State *L, token_set *set, token_page *page, const char *text,
                      size_t length, fl_json_tape *tape) {
  char *copy = allocate(L, length + 1, 1);
  fl_json_error error;
  fl_envelope envelope;
  uint32_t rows, index;
  token *out;
  memcpy(copy, text, length);
  if (fl_json_scan(copy, length, tape, &error) != FL_JSON_OK) luaL_error(L, "a page is not JSON");
  envelope = fl_envelope_of(tape, copy);
  if (fl_envelope_rows(tape, copy, envelope.data, &rows) != FL_ROWS_OK)
    luaL_error(L, "a page has no rows");
  page->rows = (int)tape->nodes[rows].value.size.length;
  set->columns = (int)tape->nodes[rows + 1].value.size.length;
  if (set->columns > MOST_COLUMNS) luaL_error(L, "too many columns");
  out = page->tokens = allocate(L, (size_t)page->rows * (size_t)set->columns, sizeof *out);
  index = rows + 1;
  for (int row = 0; row < page->rows; row++) {
    index++;
    for (int column = 0; column < set->columns; column++, out++) {
      const fl_json_node *node = &tape->nodes[index + 1];
      out->type = node->type;
      if (node->type == FL_JSON_INTEGER) out->value.integer = node->value.integer;
      else if (node->type == FL_JSON_FLOAT) out->value.number = node->value.number;
      else {
        out->length = node->value.size.length;
        out->value.bytes = copy + node->offset;
      }
      index += 2;
    }
  }
}

/* Pushes the names of the columns, from the first row of the tape of the last page. */
static void push_names(lua_State *L, const token_set *set, const fl_json_tape *tape,
                       const char *text) {
  fl_envelope envelope = fl_envelope_of(tape, text);
  uint32_t rows;
  fl_envelope_rows(tape, text, envelope.data, &rows);
  for (int column = 0; column < set->columns; column++) {
    const fl_json_node *key = &tape->nodes[rows + 2 + 2 * (uint32_t)column];
    lua_pushlstring(L, text + key->offset, key->value.size.length);
  }
}

static int load(lua_State *L) {
  static const lua_CFunction ways[] = {give_page, give_row, give_chunk, give_columns};
  token_set *set = allocate(L, 1, sizeof *set);
  fl_json_tape tape;
  const char *text = NULL;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 2 * MOST_COLUMNS + 8, NULL);
  fl_json_tape_init(&tape);
  for (;;) {
    size_t length;
    lua_rawgeti(L, 1, set->count + 1);
    if (lua_isnil(L, -1)) break;
    text = luaL_checklstring(L, -1, &length);
    set->pages = realloc(set->pages, (size_t)(set->count + 1) * sizeof *set->pages);
    if (set->pages == NULL) return luaL_error(L, "not enough memory");
    read_page(L, set, &set->pages[set->count++], text, length, &tape);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (text == NULL) return luaL_error(L, "no page");
  set->next = set->pages[0].tokens;
  for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
    lua_pushlightuserdata(L, set);
    push_names(L, set, &tape, text);
    lua_pushcclosure(L, ways[way], set->columns + 1);
  }
  fl_json_tape_free(&tape);
  return (int)(sizeof ways / sizeof *ways);
}

static int now(lua_State *L) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  lua_pushnumber(L, (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec / 1e9);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_vm_limit(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, load);
  lua_setfield(L, -2, "load");
  lua_pushcfunction(L, now);
  lua_setfield(L, -2, "now");
  return 1;
}
