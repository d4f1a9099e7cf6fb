/*
 * lua_options.h: from the tables of lua/flarelight/sandbox.lua, which has checked them and filled
 * in the defaults, to the structures of options.h and faults.h.
 */
#ifndef SANDBOX_LUA_OPTIONS_H
#define SANDBOX_LUA_OPTIONS_H

#include "faults.h"
#include "options.h"

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502
#define lua_rawlen lua_objlen
#endif

/* Reads the table at `index` into `options`, which its holder frees whatever happens here; raises
 * on what the Lua side should have refused. */
void sandbox_lua_options_read(lua_State *L, int index, sandbox_options *options);
void sandbox_lua_options_read_fault(lua_State *L, int index, sandbox_fault *fault);

#endif
