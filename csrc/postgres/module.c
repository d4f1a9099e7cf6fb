/*
 * module.c: luaopen_flarelight_postgres_core: returns the functions for a state in PostgreSQL, for
 * core.use_postgres.
 *
 * Opening pins the library in memory, because threads of the core may use it after the Lua state
 * that loaded it has ended.
 */
#include <lauxlib.h>
#include <lua.h>

#include "base/pin.h"
#include "postgres.h"

int luaopen_flarelight_postgres_core(lua_State *L);

static const fl_database_functions functions = {FL_DATABASE_VERSION, fl_postgres_open};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_flarelight_postgres_core(lua_State *L) {
  const fl_database_functions **box;
  fl_pin_library();
  lua_newtable(L);
  box = lua_newuserdata(L, sizeof *box);
  *box = &functions;
  luaL_newmetatable(L, FL_DATABASE_CLASS);
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "functions");
  return 1;
}
