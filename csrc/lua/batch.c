/*
 * batch.c: JSON texts as values, which write.c sends as they are; records of a Lua array as such a
 * text, bounded in number and in bytes.
 */
#include <stdio.h>

#include "binding.h"

#define TEXT_CLASS "flarelight.json_text"

static int text_close(lua_State *L) {
  fl_buffer_free(luaL_checkudata(L, 1, TEXT_CLASS));
  return 0;
}

/* text:size() -> bytes */
static int text_size(lua_State *L) {
  fl_buffer *text = luaL_checkudata(L, 1, TEXT_CLASS);
  lua_pushinteger(L, (lua_Integer)text->length);
  return 1;
}

static const luaL_Reg text_methods[] = {{"close", text_close}, {"size", text_size}, {NULL, NULL}};

fl_buffer *fl_new_json_text(lua_State *L) {
  fl_buffer *text = lua_newuserdata(L, sizeof *text);
  fl_buffer_init(text, FL_BUFFER_UNLIMITED);
  fl_new_class(L, TEXT_CLASS, text_methods, text_close);
  lua_setmetatable(L, -2);
  return text;
}

const fl_buffer *fl_to_json_text(lua_State *L, int index) {
  const fl_buffer *text = lua_touserdata(L, index);
  bool is_text;
  luaL_checkstack(L, 2, "JSON text");
  if (text == NULL || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, TEXT_CLASS);
  is_text = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_text && text->length > 0 ? text : NULL;
}

/*
 * core.batch(records, first, most_records, most_bytes) -> text, count | nothing past the end | nil,
 * message. At least one record goes in, however large. The text is a userdata that write.c sends as it
 * is.
 */
int fl_lua_batch(lua_State *L) {
  lua_Integer first = luaL_checkinteger(L, 2), most = luaL_checkinteger(L, 3), count = 0;
  size_t most_bytes = (size_t)luaL_checknumber(L, 4);
  fl_buffer *text;
  char root[40];
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 4);
  text = fl_new_json_text(L);
  if (fl_buffer_append_byte(text, '[') != FL_OK) return luaL_error(L, "not enough memory");
  while (count < most) {
    size_t before = text->length;
    lua_rawgeti(L, 1, (int)(first + count));
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      break;
    }
    if (count > 0 && fl_buffer_append_byte(text, ',') != FL_OK)
      return luaL_error(L, "not enough memory");
    snprintf(root, sizeof root, "records[%lld]", (long long)(first + count));
    if (!fl_write_value(L, -1, text, root)) {
      lua_pushnil(L);
      lua_insert(L, -2);
      return 2;
    }
    lua_pop(L, 1);
    if (count > 0 && text->length + 1 > most_bytes) {
      text->length = before;
      break;
    }
    count++;
  }
  if (count == 0) return 0;
  if (fl_buffer_append_byte(text, ']') != FL_OK) return luaL_error(L, "not enough memory");
  lua_pushinteger(L, count);
  return 2;
}
