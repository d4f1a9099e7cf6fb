/*
 * state.h: the data of the binding for one Lua state: its mailbox, a scratch buffer, and the
 * metatables of flarelight's values.
 */
#ifndef FL_STATE_H
#define FL_STATE_H

#include "base/buffer.h"
#include "binding.h"
#include "engine/command.h"
#include "engine/mailbox.h"

typedef struct fl_lua_state {
  fl_mailbox *mailbox;   /* NULL until its first use */
  fl_list taken;         /* items taken out of the mailbox that core.take has not returned yet */
  uint64_t first_ticket; /* smaller tickets belong to a parent process */
  fl_buffer scratch;     /* for building texts before their owner exists */
  bool corked;           /* submitted items wake the engine only at the flush */
  fl_command *closing;   /* closes the mailbox; made in advance, since closing must not fail */
} fl_lua_state;

/* Makes the userdata and the metatables, unless they exist already, because package.loaded was
 * cleared and the module required again. */
void fl_lua_state_open(lua_State *L);

fl_lua_state *fl_lua_state_of(lua_State *L);

/* The mailbox; after a fork a new one. NULL with errno if no descriptor can be opened. */
fl_mailbox *fl_lua_state_mailbox(fl_lua_state *state);

/* The same, but raises an error instead of returning NULL. */
fl_mailbox *fl_lua_state_check_mailbox(lua_State *L);

/* Each pushes a metatable: of arrays, of flarelight.integer, of errors, of `meta`. */
void fl_lua_state_push_array_metatable(lua_State *L);
void fl_lua_state_push_integer_metatable(lua_State *L);
void fl_lua_state_push_error_metatable(lua_State *L);
void fl_lua_state_push_meta_metatable(lua_State *L);

#endif
