/*
 * reply.h: calls that have ended, as data and meta or as an error; events as tables.
 */
#ifndef FL_REPLY_H
#define FL_REPLY_H

#include "binding.h"
#include "engine/event.h"

/* Pushes `data, meta` or `nil, message, err` and gives their number. */
int fl_lua_reply_push_outcome(lua_State *L, fl_call *call, bool null_as_nil);

/* Pushes a userdata, with the method `outcome`, that owns the call to be put into it. */
fl_call **fl_lua_reply_push(lua_State *L);

void fl_lua_reply_push_event(lua_State *L, const fl_event *event);

#endif
