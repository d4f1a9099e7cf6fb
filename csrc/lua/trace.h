/*
 * trace.h: traces of attempts as tables of Lua.
 */
#ifndef FL_LUA_TRACE_H
#define FL_LUA_TRACE_H

#include "engine/trace.h"
#include "lua_compat.h"

void fl_lua_trace_push(lua_State *L, const fl_trace *trace);

#endif
