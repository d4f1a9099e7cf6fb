/*
 * head.h: the head of a reply as a table of Lua: its header lines by name.
 */
#ifndef FL_LUA_HEAD_H
#define FL_LUA_HEAD_H

#include "engine/call.h"
#include "lua_compat.h"

/* Pushes a table of the header lines in `lines`, as they came: names in lower case, white space
 * around values removed. The values of a repeated header are joined by ", ". Lines without a colon
 * are left out. */
void fl_lua_head_push(lua_State *L, fl_slice lines);

/* Replaces the API key in the head of a call by asterisks and returns the head. */
fl_slice fl_lua_head_of(fl_call *call);

/* Sets the member `head`, and a metatable that makes the member `headers` of it when it is first
 * read: most callers never read it. The table is on top of the stack. */
void fl_lua_head_set(lua_State *L, fl_call *call);

#endif
