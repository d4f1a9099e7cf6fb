/*
 * host.c: the smallest Lua interpreter that can run the specs: `host script [argument ...]`, with
 * the table `arg` as in Lua's own, or `host -e code`. It exists to be linked with a sanitizer's
 * runtime.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

static int run(lua_State *L, int count, char **arguments) {
  const char *message;
  int failed = count > 2 && strcmp(arguments[1], "-e") == 0 ? luaL_loadstring(L, arguments[2])
                                                            : luaL_loadfile(L, arguments[1]);
  lua_createtable(L, count, 1);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  if (failed != 0 || lua_pcall(L, 0, 0, 0) != 0) {
    message = lua_tostring(L, -1);
    fprintf(stderr, "%s\n", message ? message : "an error that is no string");
    return 1;
  }
  return 0;
}

int main(int count, char **arguments) {
  lua_State *L;
  int status;
  if (count < 2) {
    fprintf(stderr, "usage: %s script [argument ...] | -e code\n", arguments[0]);
    return 2;
  }
  L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  status = run(L, count, arguments);
  lua_close(L);
  return status;
}
