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

/* Whether there is lua_isyieldable: since Lua 5.3, and in LuaJIT since 2.1. */
#ifdef LUA_LJDIR /* only LuaJIT's luaconf.h has it */
#include <luajit.h>
#define FL_LUA_HAS_ISYIELDABLE (LUAJIT_VERSION_NUM >= 20100)
#else
#define FL_LUA_HAS_ISYIELDABLE (LUA_VERSION_NUM >= 503)
#endif

#endif
