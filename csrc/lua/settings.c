/*
 * settings.c: checks of settings by the rules of the core: keys, ids, regions, base URLs.
 */
#include "binding.h"
#include "functions.h"
#include "policy/url.h"

static fl_slice check_text(lua_State *L, int index) {
  fl_slice text;
  text.data = luaL_checklstring(L, index, &text.length);
  return text;
}

/* core.check_key(text) -> nil | the reason why it cannot be an API key, without the text itself */
static int check_key(lua_State *L) {
  fl_slice key = check_text(L, 1);
  if (key.length == 0) {
    lua_pushliteral(L, "is empty");
    return 1;
  }
  for (size_t i = 0; i < key.length; i++) {
    unsigned char byte = (unsigned char)key.data[i];
    if (byte > 0x20 && byte < 0x7f) continue;
    if (byte == '\r' || byte == '\n') lua_pushliteral(L, "holds a line break");
    else if (byte < 0x20 || byte == 0x7f) lua_pushliteral(L, "holds a control character");
    else if (byte == 0x20) lua_pushliteral(L, "holds a space");
    else lua_pushliteral(L, "holds a character beyond ASCII");
    return 1;
  }
  return 0;
}

/* core.is_uuid(text), core.is_region(text) -> whether */
static int is_uuid(lua_State *L) {
  lua_pushboolean(L, fl_url_is_uuid(check_text(L, 1)));
  return 1;
}

static int is_region(lua_State *L) {
  lua_pushboolean(L, fl_url_is_region(check_text(L, 1)));
  return 1;
}

/* core.check_base(text, allow_insecure) -> the base URL to use | nil, the rule that it breaks */
static int check_base(lua_State *L) {
  fl_slice text = check_text(L, 1);
  size_t usable;
  fl_url_code code = fl_url_check_base(text, lua_toboolean(L, 2), &usable);
  if (code != FL_URL_OK) return fl_lua_fail(L, "%s", fl_url_describe(code));
  lua_pushlstring(L, text.data, usable);
  return 1;
}

const luaL_Reg fl_lua_settings_functions[] = {{"check_key", check_key},
                                              {"is_uuid", is_uuid},
                                              {"is_region", is_region},
                                              {"check_base", check_base},
                                              {NULL, NULL}};
