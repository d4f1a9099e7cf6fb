/*
 * functions.h: the functions of flarelight.core: one list for each file that has functions.
 * module.c registers them all. Each function is described at its definition.
 */
#ifndef FL_FUNCTIONS_H
#define FL_FUNCTIONS_H

#include "lua_compat.h"

/* The permit of the locks of a store (store.c), which it keeps; NULL if they need none. */
struct fl_permit *fl_lua_store_permit(lua_State *L, int index);

extern const luaL_Reg fl_lua_batch_functions[];
extern const luaL_Reg fl_lua_client_functions[];
extern const luaL_Reg fl_lua_command_functions[];
extern const luaL_Reg fl_lua_diagnosis_functions[];
extern const luaL_Reg fl_lua_durable_functions[];
extern const luaL_Reg fl_lua_export_functions[];
extern const luaL_Reg fl_lua_head_functions[];
extern const luaL_Reg fl_lua_paths_functions[];
extern const luaL_Reg fl_lua_program_functions[];
extern const luaL_Reg fl_lua_push_functions[];
extern const luaL_Reg fl_lua_recording_functions[];
extern const luaL_Reg fl_lua_row_values_functions[];
extern const luaL_Reg fl_lua_settings_functions[];
extern const luaL_Reg fl_lua_source_functions[];
extern const luaL_Reg fl_lua_spool_functions[];
extern const luaL_Reg fl_lua_store_functions[];
extern const luaL_Reg fl_lua_take_functions[];
extern const luaL_Reg fl_lua_terminal_functions[];
extern const luaL_Reg fl_lua_wake_functions[];
extern const luaL_Reg fl_lua_write_functions[];
extern const luaL_Reg fl_lua_write_mark_functions[];

#endif
