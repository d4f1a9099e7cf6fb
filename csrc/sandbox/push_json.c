/* push_json.c: JSON text -> Lua values. The tape belongs to a userdata while tables are made. */
#include "push_json.h"

#include "codec/json_scan.h"

#include <lauxlib.h>

#define TAPE "flarelight.sandbox_core.tape"

static int free_tape(lua_State *L) {
  fl_json_tape_free(luaL_checkudata(L, 1, TAPE));
  return 0;
}

static void push_integer(lua_State *L, const char *literal, int64_t value) {
#if LUA_VERSION_NUM >= 503
  (void)literal;
  lua_pushinteger(L, (lua_Integer)value);
#else
  const int64_t exact = (int64_t)1 << 53;
  if (value >= -exact && value <= exact) lua_pushnumber(L, (lua_Number)value);
  else lua_pushlstring(L, literal, fl_json_number_length(literal));
#endif
}

static void push_node(lua_State *L, const fl_json_tape *tape, const char *text, uint32_t index) {
  const fl_json_node *node = &tape->nodes[index];
  uint32_t next = index + 1;
  luaL_checkstack(L, 4, "JSON");
  switch (node->type) {
    case FL_JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    case FL_JSON_FALSE:
    case FL_JSON_TRUE: lua_pushboolean(L, node->type == FL_JSON_TRUE); break;
    case FL_JSON_INTEGER: push_integer(L, text + node->offset, node->value.integer); break;
    case FL_JSON_FLOAT: lua_pushnumber(L, node->value.number); break;
    case FL_JSON_ARRAY:
      lua_createtable(L, (int)node->value.size.length, 0);
      for (uint32_t place = 1; place <= node->value.size.length; place++) {
        push_node(L, tape, text, next);
        lua_rawseti(L, -2, (int)place);
        next = fl_json_next(tape, next);
      }
      break;
    case FL_JSON_OBJECT:
      lua_createtable(L, 0, (int)node->value.size.length);
      while (next < node->value.size.end) {
        push_node(L, tape, text, next);
        push_node(L, tape, text, next + 1);
        lua_rawset(L, -3);
        next = fl_json_next(tape, next + 1);
      }
      break;
    default: lua_pushlstring(L, text + node->offset, node->value.size.length);
  }
}

int sandbox_push_json(lua_State *L, char *text, size_t length) {
  fl_json_tape *tape = lua_newuserdata(L, sizeof *tape);
  fl_json_error error;
  fl_json_tape_init(tape);
  if (luaL_newmetatable(L, TAPE)) {
    lua_pushcfunction(L, free_tape);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  if (fl_json_scan(text, length, tape, &error) != FL_JSON_OK) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s at byte %d", fl_json_describe(error.code), (int)error.position);
    return 2;
  }
  push_node(L, tape, text, 0);
  return 1;
}
