/*
 * lua_compat.h: the functions of Lua 5.4's API that the binding uses and older Luas lack.
 */
#ifndef FL_LUA_COMPAT_H
#define FL_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502

#define lua_rawlen(L, index) lua_objlen((L), (index))

static inline int lua_absindex(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

static inline void lua_rawgetp(lua_State *L, int index, const void *key) {
  index = lua_absindex(L, index);
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, index);
}

static inline void lua_rawsetp(lua_State *L, int index, const void *key) {
  index = lua_absindex(L, index);
  lua_pushlightuserdata(L, (void *)key);
  lua_insert(L, -2);
  lua_rawset(L, index);
}

#endif

#if LUA_VERSION_NUM >= 503
#define FL_LUA_HAS_INTEGERS 1
#else
#define FL_LUA_HAS_INTEGERS 0
#endif

#endif
