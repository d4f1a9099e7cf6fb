/*
 * binding.h: helpers that all files of the binding share: classes, checked arguments, fields of
 * tables.
 *
 * The binding is thin: it moves values between Lua and the core, and decides nothing. Its functions
 * are leaves: none calls Lua or yields. Memory that is alive across a Lua allocation belongs to a
 * userdata or to the state's scratch buffer, so an error leaks nothing. Mistakes of the module's
 * caller are returned (nil, message), and the Lua side raises them, since it knows the caller's
 * line. Mistakes of the Lua side itself are raised here. Neither may crash the process: every
 * function checks the class of its userdata and the range of its numbers.
 *
 * A function that other files of the binding call is named fl_lua_, then its file.
 */
#ifndef FL_BINDING_H
#define FL_BINDING_H

#include "base/base.h"
#include "lua_compat.h"

/* --- classes of userdata --- */

/* Sets functions as members of the table on top of the stack. */
void fl_lua_set_functions(lua_State *L, const luaL_Reg *functions);

/*
 * Leaves the metatable of a class on the stack, and makes it at the first call. `collect` becomes
 * __gc. A script can call it with any value, so it checks its argument like every method.
 */
void fl_lua_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                      lua_CFunction collect);

/* --- checked arguments: each raises an error that names the argument --- */

/* A whole number from `least` to `most`. */
int64_t fl_lua_check_whole(lua_State *L, int index, int64_t least, int64_t most);
/* A ticket: a whole number from 1 to 2^53. */
uint64_t fl_lua_check_ticket(lua_State *L, int index);
/* An upper limit of a count: below 0 means 0, fractions are truncated, and a number beyond all
 * integers (math.huge) means `most`. NaN is refused. */
int64_t fl_lua_check_limit(lua_State *L, int index, int64_t most);
/* A duration in seconds as microseconds. NaN is refused. */
fl_time fl_lua_check_seconds(lua_State *L, int index);
/* The path of a file: a string without NUL bytes, since the system would cut the path off there. */
const char *fl_lua_check_path(lua_State *L, int index);

/* --- failures: each returns the number of results --- */

/* Pushes nil and a message, which lua_pushfstring formats. */
int fl_lua_fail(lua_State *L, const char *format, ...);
/* The same for a message that is on top of the stack already. */
int fl_lua_fail_pushed(lua_State *L);

/* --- fields of a table, read without metamethods --- */

/* Pushes the field and gives its type. */
int fl_lua_field(lua_State *L, int index, const char *name);
bool fl_lua_field_flag(lua_State *L, int index, const char *name);
/* Returns `otherwise` if the field is no number, or NaN. */
double fl_lua_field_number(lua_State *L, int index, const char *name, double otherwise);
/* The same, truncated to a whole number from 0 to `most`. */
int64_t fl_lua_field_whole(lua_State *L, int index, const char *name, int64_t otherwise,
                           int64_t most);
/* The data is NULL if the field is no string. The table keeps the string alive. */
fl_slice fl_lua_field_text(lua_State *L, int index, const char *name);

/* --- numbers --- */

/* A duration in seconds as microseconds: 0 for NaN and below, FL_NEVER beyond a century. */
fl_time fl_lua_seconds(double seconds);

/* Pushes a position or a count: as an integer if this Lua has integers, whatever its size. */
static inline void fl_lua_push_count(lua_State *L, int64_t count) {
#if FL_LUA_HAS_INTEGERS
  lua_pushinteger(L, (lua_Integer)count);
#else
  lua_pushnumber(L, (lua_Number)count);
#endif
}

#endif
