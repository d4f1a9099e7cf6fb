/*
 * binding.c: classes of userdata, checked arguments, fields of tables.
 */
#include "binding.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CENTURY 3155760000.0           /* seconds */
#define EXACT_LIMIT 9007199254740992.0 /* 2^53: up to here a double holds every whole number */

/* --- classes --- */

void fl_lua_set_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

void fl_lua_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                      lua_CFunction collect) {
  if (!luaL_newmetatable(L, name)) {
    bool complete; /* false if memory ran out while it was made */
    lua_getfield(L, -1, "__gc");
    complete = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (complete) return;
  }
  if (methods != NULL) {
    lua_newtable(L);
    fl_lua_set_functions(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
}

/* --- numbers --- */

/* Truncates a number that is not NaN to a whole number within the bounds. The upper bound may be
 * INT64_MAX, which no double holds. */
static int64_t clamp(double number, int64_t least, int64_t most) {
  if (number <= (double)least) return least;
  return number >= (double)most ? most : (int64_t)number;
}

fl_time fl_lua_seconds(double seconds) {
  if (isnan(seconds) || seconds <= 0) return 0;
  return seconds > CENTURY ? FL_NEVER : (fl_time)(seconds * (double)FL_SECOND);
}

/* --- arguments --- */

static int64_t refuse_whole(lua_State *L, int index, int64_t least, int64_t most) {
  char words[80];
  snprintf(words, sizeof words, "should be a whole number from %lld to %lld", (long long)least,
           (long long)most);
  return luaL_argerror(L, index, words);
}

int64_t fl_lua_check_whole(lua_State *L, int index, int64_t least, int64_t most) {
  double number;
#if FL_LUA_HAS_INTEGERS
  if (lua_isinteger(L, index)) {
    int64_t whole = (int64_t)lua_tointeger(L, index);
    return whole >= least && whole <= most ? whole : refuse_whole(L, index, least, most);
  }
#endif
  number = (double)luaL_checknumber(L, index);
  if (!(number >= (double)least && number <= (double)most && number <= EXACT_LIMIT &&
        number >= -EXACT_LIMIT && number == floor(number)))
    return refuse_whole(L, index, least, most);
  return (int64_t)number;
}

uint64_t fl_lua_check_ticket(lua_State *L, int index) {
  return (uint64_t)fl_lua_check_whole(L, index, 1, (int64_t)EXACT_LIMIT);
}

static double check_number(lua_State *L, int index) {
  double number = (double)luaL_checknumber(L, index);
  luaL_argcheck(L, !isnan(number), index, "is NaN");
  return number;
}

int64_t fl_lua_check_limit(lua_State *L, int index, int64_t most) {
  return clamp(check_number(L, index), 0, most);
}

fl_time fl_lua_check_seconds(lua_State *L, int index) {
  return fl_lua_seconds(check_number(L, index));
}

const char *fl_lua_check_path(lua_State *L, int index) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, strlen(path) == length, index, "holds a NUL byte");
  return path;
}

/* --- failures --- */

int fl_lua_fail_pushed(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

int fl_lua_fail(lua_State *L, const char *format, ...) {
  va_list values;
  va_start(values, format);
  lua_pushvfstring(L, format, values);
  va_end(values);
  return fl_lua_fail_pushed(L);
}

/* --- fields --- */

int fl_lua_field(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushstring(L, name);
  lua_rawget(L, index);
  return lua_type(L, -1);
}

bool fl_lua_field_flag(lua_State *L, int index, const char *name) {
  bool value;
  fl_lua_field(L, index, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

double fl_lua_field_number(lua_State *L, int index, const char *name, double otherwise) {
  double value = otherwise;
  if (fl_lua_field(L, index, name) == LUA_TNUMBER) value = (double)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return isnan(value) ? otherwise : value;
}

int64_t fl_lua_field_whole(lua_State *L, int index, const char *name, int64_t otherwise,
                           int64_t most) {
  return clamp(fl_lua_field_number(L, index, name, (double)otherwise), 0, most);
}

fl_slice fl_lua_field_text(lua_State *L, int index, const char *name) {
  fl_slice slice = {NULL, 0};
  if (fl_lua_field(L, index, name) == LUA_TSTRING) slice.data = lua_tolstring(L, -1, &slice.length);
  lua_pop(L, 1);
  return slice;
}
