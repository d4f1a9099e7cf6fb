/*
 * push_json.h: JSON text to Lua values: for rows, definitions and profiles.
 */
#ifndef SANDBOX_PUSH_JSON_H
#define SANDBOX_PUSH_JSON_H

#include <lua.h>
#include <stddef.h>

/*
 * Pushes the value of a text that may be changed and ends with a NUL, and answers 1; or nil and a
 * message, and answers 2. Null is the light userdata NULL, as in lua-cjson; an integer that the
 * host's numbers do not hold is the string of its digits.
 */
int sandbox_push_json(lua_State *L, char *text, size_t length);

#endif
