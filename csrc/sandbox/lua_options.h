/*
 * lua_options.h: between Lua tables and the structures of options.h and faults.h.
 *
 * The Lua side (lua/flarelight/sandbox) has checked what a caller gives, by the lists that
 * sandbox_lua_options_push hands to it.
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

/*
 * Pushes a table of the lists. `options`: name -> { type, default, least, most, choices } for the
 * options of a sandbox; `fault_options`: the same for the options of every fault; `faults`: kind ->
 * the same for the options of its own; `operations`: name -> true.
 */
void sandbox_lua_options_push(lua_State *L);

#endif
