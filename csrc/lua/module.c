/*
 * module.c: luaopen_flarelight_core: opens the binding in a Lua state.
 *
 * Opening starts nothing: no thread, and no descriptor but those that take the place of closed
 * standard streams. It pins the library in memory, because the
 * engine's thread may outlive the Lua state that loaded it, and registers the functions and the
 * versions.
 */
#include "base/pin.h"
#include "base/standard.h"
#include "engine/engine.h"
#include "files/store.h"
#include "functions.h"
#include "page.h"
#include "page_columns.h"
#include "push.h"
#include "state.h"

/* lua/flarelight/loading.lua reads this text if another Lua cannot load this build. */
__attribute__((used)) static const char built_for[] = "flarelight was built for " LUA_VERSION;

int luaopen_flarelight_core(lua_State *L);

/* core.libraries() -> the libraries that the core was linked with, as "libcurl/7.88.1
 * OpenSSL/3.0.19 …" */
static int libraries(lua_State *L) {
  lua_pushstring(L, fl_engine_libraries());
  return 1;
}

static const luaL_Reg own_functions[] = {{"libraries", libraries}, {NULL, NULL}};

static const luaL_Reg *const lists[] = {own_functions,
                                        fl_lua_batch_functions,
                                        fl_lua_client_functions,
                                        fl_lua_command_functions,
                                        fl_lua_diagnosis_functions,
                                        fl_lua_durable_functions,
                                        fl_lua_export_functions,
                                        fl_lua_head_functions,
                                        fl_lua_paths_functions,
                                        fl_lua_program_functions,
                                        fl_lua_push_functions,
                                        fl_lua_row_values_functions,
                                        fl_lua_settings_functions,
                                        fl_lua_source_functions,
                                        fl_lua_recording_functions,
                                        fl_lua_spool_functions,
                                        fl_lua_store_functions,
                                        fl_lua_take_functions,
                                        fl_lua_terminal_functions,
                                        fl_lua_wake_functions,
                                        fl_lua_write_functions,
                                        fl_lua_write_mark_functions};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_flarelight_core(lua_State *L) {
  fl_pin_library();
  fl_standard_keep();
  if (!fl_store_prepare() || !fl_engine_prepare_forks()) return luaL_error(L, "not enough memory");
  fl_lua_state_open(L);
  fl_push_open_strings(L);
  fl_lua_page_open(L);
  fl_lua_page_columns_open(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) fl_lua_set_functions(L, lists[i]);
  fl_lua_state_push_array_metatable(L);
  lua_setfield(L, -2, "array_metatable");
  fl_lua_state_push_integer_metatable(L);
  lua_setfield(L, -2, "integer_metatable");
  fl_lua_state_push_error_metatable(L);
  lua_setfield(L, -2, "error_metatable");
  fl_lua_state_push_meta_metatable(L);
  lua_setfield(L, -2, "meta_metatable");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  fl_lua_page_push_methods(L);
  lua_setfield(L, -2, "page_methods");
  lua_pushliteral(L, FL_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
