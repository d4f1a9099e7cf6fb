/*
 * reply.h: calls that have ended, as data and meta or as an error; events as tables.
 */
#ifndef FL_REPLY_H
#define FL_REPLY_H

#include "binding.h"
#include "engine/event.h"

/* Pushes `data, meta` or `nil, message, err`, and returns the number of values. */
int fl_lua_reply_push_outcome(lua_State *L, fl_call *call, bool null_as_nil);

/* Pushes `meta` alone, or the error. */
void fl_lua_reply_push_meta(lua_State *L, fl_call *call);

/* Pushes a userdata with the methods `outcome`, `keep` and `headers`. The caller stores an ended
 * call in it, which it then owns. */
fl_call **fl_lua_reply_push(lua_State *L);

void fl_lua_reply_push_event(lua_State *L, const fl_event *event);

#endif
