/*
 * state.h: what the binding keeps for one Lua state: its mailbox, a scratch buffer, and the
 * metatables that values of flarelight carry.
 */
#ifndef FL_STATE_H
#define FL_STATE_H

#include "base/buffer.h"
#include "binding.h"
#include "engine/mailbox.h"

typedef struct fl_lua_state {
  fl_mailbox *mailbox;   /* NULL until it is first needed */
  fl_list taken;         /* items out of the mailbox that core.take has not given to Lua yet */
  uint64_t first_ticket; /* smaller tickets belong to a process that this one was forked off */
  fl_buffer scratch;     /* texts are built in it before their owner exists */
  bool corked;           /* submitted items wake the engine only at the flush */
} fl_lua_state;

/* Makes the state's userdata and metatables, those that are not there yet: package.loaded may have
 * been cleared and the module required again. */
void fl_lua_state_open(lua_State *L);

fl_lua_state *fl_lua_state_of(lua_State *L);

/* The mailbox, made anew after a fork. NULL with errno set where no descriptor can be had. */
fl_mailbox *fl_lua_state_mailbox(fl_lua_state *state);

/* The same, but raises an error instead of answering NULL. */
fl_mailbox *fl_lua_state_check_mailbox(lua_State *L);

/* Each pushes a metatable: of arrays, of flarelight.integer, of errors. */
void fl_lua_state_push_array_metatable(lua_State *L);
void fl_lua_state_push_integer_metatable(lua_State *L);
void fl_lua_state_push_error_metatable(lua_State *L);

#endif
