/*
 * head.c: the head of a reply, as a text and as a table of its headers. Relies on hooks.lua for the
 * metatable of `meta`, whose __index makes the table when it is first read.
 */
#include "head.h"

#include "base/ascii.h"
#include "binding.h"
#include "functions.h"
#include "policy/redact.h"
#include "state.h"

/* Pushes a name in lower case. */
static void push_name(lua_State *L, fl_slice name) {
  char lower[128];
  if (name.length > sizeof lower) {
    lua_pushlstring(L, name.data, name.length);
    return;
  }
  for (size_t i = 0; i < name.length; i++) {
    char byte = name.data[i];
    lower[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
  }
  lua_pushlstring(L, lower, name.length);
}

/* Adds a header to the table on top of the stack. */
static void add_header(lua_State *L, fl_slice name, fl_slice value) {
  push_name(L, name);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, value.data, value.length);
  } else {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, value.data, value.length);
    lua_concat(L, 3);
  }
  lua_rawset(L, -3);
}

void fl_lua_head_push(lua_State *L, fl_slice lines) {
  const char *at = lines.data, *end = lines.data + lines.length;
  luaL_checkstack(L, 6, "headers");
  lua_createtable(L, 0, 12);
  while (at < end) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at)), *colon;
    if (line_end == NULL) line_end = end;
    colon = memchr(at, ':', (size_t)(line_end - at));
    if (colon != NULL)
      add_header(L, fl_ascii_trim((fl_slice){at, (size_t)(colon - at)}),
                 fl_ascii_trim((fl_slice){colon + 1, (size_t)(line_end - colon - 1)}));
    at = line_end + 1;
  }
}

fl_slice fl_lua_head_of(fl_call *call) {
  fl_redact(call->api_key, call->head_lines.data, call->head_lines.length, false);
  return (fl_slice){call->head_lines.data, call->head_lines.length};
}

void fl_lua_head_set(lua_State *L, fl_call *call) {
  fl_slice head = fl_lua_head_of(call);
  if (head.length == 0) return;
  lua_pushlstring(L, head.data, head.length);
  lua_setfield(L, -2, "head");
  fl_lua_state_push_meta_metatable(L);
  lua_setmetatable(L, -2);
}

/* core.headers(head) -> the table of the header lines in a text */
static int headers(lua_State *L) {
  fl_slice lines;
  lines.data = luaL_checklstring(L, 1, &lines.length);
  fl_lua_head_push(L, lines);
  return 1;
}

const luaL_Reg fl_lua_head_functions[] = {{"headers", headers}, {NULL, NULL}};
