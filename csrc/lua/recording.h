/*
 * recording.h: the userdata of a recording of records.
 */
#ifndef FL_LUA_RECORDING_H
#define FL_LUA_RECORDING_H

#include "binding.h"
#include "files/recording.h"

/* The recording at `index`. Raises for any other value, and if it is closed. */
fl_recording *fl_lua_recording_check(lua_State *L, int index);

#endif
