/*
 * host.c: the smallest Lua interpreter that can run the specs: `host script [argument ...]`, with
 * the table `arg` as in Lua's own, or `host -e code`. As in Lua's own, the code or the file of
 * LUA_INIT runs before, an error is shown with its trace, and Ctrl-C raises an error. It exists to
 * be linked with a sanitizer's runtime.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int report(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "%s\n", message ? message : "an error that is no string");
  return 1;
}

static lua_State *interrupted;

static void raise_interrupted(lua_State *L, lua_Debug *at) {
  (void)at;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void on_interrupt(int number) {
  (void)signal(number, SIG_DFL);
  lua_sethook(interrupted, raise_interrupted, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static int call(lua_State *L, int handler) {
  int failed;
  interrupted = L;
  (void)signal(SIGINT, on_interrupt);
  failed = lua_pcall(L, 0, 0, handler);
  (void)signal(SIGINT, SIG_DFL);
  return failed != 0 ? report(L) : 0;
}

static int run_init(lua_State *L, const char *code) {
  int failed = code[0] == '@' ? luaL_loadfile(L, code + 1) : luaL_loadstring(L, code);
  return failed != 0 ? report(L) : call(L, 0);
}

static int run(lua_State *L, int count, char **arguments) {
  int failed = count > 2 && strcmp(arguments[1], "-e") == 0 ? luaL_loadstring(L, arguments[2])
                                                            : luaL_loadfile(L, arguments[1]);
  lua_createtable(L, count, 1);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  if (failed != 0) return report(L);
  lua_getglobal(L, "debug");
  lua_getfield(L, -1, "traceback");
  lua_replace(L, -2);
  lua_insert(L, 1);
  return call(L, 1);
}

int main(int count, char **arguments) {
  const char *code = getenv("LUA_INIT");
  lua_State *L;
  int status;
  if (count < 2) {
    fprintf(stderr, "usage: %s script [argument ...] | -e code\n", arguments[0]);
    return 2;
  }
  L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  status = code != NULL ? run_init(L, code) : 0;
  if (status == 0) status = run(L, count, arguments);
  lua_close(L);
  return status;
}
