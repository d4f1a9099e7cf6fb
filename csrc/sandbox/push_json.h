/*
 * push_json.h: JSON text to Lua values: for rows, definitions and profiles.
 */
#ifndef SANDBOX_PUSH_JSON_H
#define SANDBOX_PUSH_JSON_H

#include <lua.h>
#include <stddef.h>

/*
 * Pushes the value of a text and returns 1, or pushes nil and a message and returns 2. The text is
 * changed, and must end with a NUL. Null is the light userdata NULL, as in lua-cjson. An integer
 * that this Lua's numbers cannot hold is the string of its digits.
 */
int sandbox_push_json(lua_State *L, char *text, size_t length);

#endif
