/*
 * lua_options.h: converts Lua tables to the structures of options.h and faults.h.
 *
 * The Lua side (lua/flarelight/sandbox) has checked the caller's options, by the lists that
 * sandbox_lua_options_push pushes.
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

/* Reads the table at `index` into `options`. Raises for values that the Lua side should have
 * refused. The caller frees `options` in either case. */
void sandbox_lua_options_read(lua_State *L, int index, sandbox_options *options);
void sandbox_lua_options_read_fault(lua_State *L, int index, sandbox_fault *fault);

/*
 * Pushes a table of the lists. `options`: name -> { type, default, least, most, choices } for the
 * options of a sandbox; `fault_options`: the same for the options of every fault; `faults`: kind ->
 * the same for the kind's own options; `operations`: name -> true.
 */
void sandbox_lua_options_push(lua_State *L);

#endif
