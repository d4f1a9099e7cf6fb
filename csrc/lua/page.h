/*
 * page.h: a page of rows as a userdata, and its cursor. For page.c, page_columns.c and
 * row_values.c. A reader moves a copy of the cursor, and stores it once the rows are made, so that
 * no row is lost if memory runs out.
 *
 * Functions that run once a row have the class, the array metatable and the cache of strings as
 * upvalues, which saves looking them up.
 */
#ifndef FL_LUA_PAGE_H
#define FL_LUA_PAGE_H

#include "binding.h"
#include "engine/call.h"
#include "push.h"

/* Upvalues of the functions that run once a row, in this order. */
enum {
  FL_LUA_PAGE_CLASS = 1,
  FL_LUA_PAGE_ARRAY,
  FL_LUA_PAGE_CACHE,
  FL_LUA_PAGE_STRINGS,
  FL_LUA_PAGE_UPVALUES = FL_LUA_PAGE_STRINGS
};

/* The position up to which a page was read. */
typedef struct fl_lua_cursor {
  uint32_t at;   /* node of the next row; 0: not begun */
  int64_t given; /* rows given so far */
} fl_lua_cursor;

typedef struct fl_lua_page {
  fl_call *call; /* the reply; NULL once the page is closed */
  fl_lua_cursor cursor;
  int64_t rows; /* rows to give at most */
  /* If memory ran out, the last row of row_values was not made into a table. The next call tells
   * whether it was made. */
  int64_t unsure;       /* position of that row, or -1 */
  fl_lua_cursor before; /* the cursor before that row, used again if the row was not made */
  uint64_t number;      /* of the tape, for the cache of strings; 0: `push` is not filled in yet */
  fl_push push;
} fl_lua_page;

/* Makes the class of pages. */
void fl_lua_page_open(lua_State *L);
/* Adds methods that run once a row, with the upvalues above, to the class. */
void fl_lua_page_add_methods(lua_State *L, const luaL_Reg *methods);
/* Pushes the table of methods, for callers that look one up once and call it often. */
void fl_lua_page_push_methods(lua_State *L);
/* Pushes the first upvalues of a function that runs once a row; they are FL_LUA_PAGE_UPVALUES. */
void fl_lua_page_push_upvalues(lua_State *L);

/* Pushes a page without a call. The caller stores the call in it. */
fl_lua_page *fl_lua_page_push(lua_State *L);
/* The page at `index`, which must be open. */
fl_lua_page *fl_lua_page_check(lua_State *L, int index);
/* The slow half of fl_lua_page_fast. */
void fl_lua_page_check_fast(lua_State *L, fl_lua_page *page, fl_string_cache *cache);

/* The page at index 1, ready for values to be pushed from it, for functions with the upvalues
 * above. The class is checked once, as long as no other page is read in between. */
static inline fl_lua_page *fl_lua_page_fast(lua_State *L, fl_string_cache *cache) {
  fl_lua_page *page = lua_touserdata(L, 1);
  if (page == NULL || cache->checked != page) fl_lua_page_check_fast(L, page, cache);
  fl_push_turn(cache, page->number);
  return page;
}

static inline fl_string_cache *fl_lua_page_cache(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(FL_LUA_PAGE_CACHE));
}

/* Moves `cursor` to the next row, whose node is *row; false at the end of the page. */
static inline bool fl_lua_page_step(const fl_lua_page *page, fl_lua_cursor *cursor, uint32_t *row) {
  if (cursor->given >= page->rows) return false;
  if (cursor->at == 0) cursor->at = page->call->rows + 1;
  *row = cursor->at;
  cursor->at = fl_json_next(&page->call->tape, cursor->at);
  cursor->given++;
  return true;
}

/* The last row was made into a table if its position is `made`. If it was not, the cursor goes back
 * to it. */
static inline void fl_lua_page_settle(fl_lua_page *page, int64_t made) {
  if (page->unsure < 0) return;
  if (page->unsure != made) page->cursor = page->before;
  page->unsure = -1;
}

/* A position, unchecked: any other value means that the row was not made. */
static inline int64_t fl_lua_page_position(lua_State *L, int index) {
#if FL_LUA_HAS_INTEGERS
  return (int64_t)lua_tointeger(L, index);
#else
  lua_Number position = lua_tonumber(L, index);
  return position >= 0 && position <= (lua_Number)FL_EXACT_LIMIT ? (int64_t)position : -1;
#endif
}

#endif
