/*
 * state.c: the data of the binding for one Lua state: a userdata in the registry. When the Lua
 * state is closed, the userdata is collected and closes the mailbox. The outcomes of calls in
 * flight are then dropped.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/wakeup.h"
#include "files/worker.h"

#define CLASS "flarelight.state"

/* Their addresses are keys of the registry. */
static const char state_key, array_key, integer_key, error_key, meta_key;

void fl_lua_state_push_array_metatable(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
}

void fl_lua_state_push_integer_metatable(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &integer_key);
}

void fl_lua_state_push_error_metatable(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key);
}

void fl_lua_state_push_meta_metatable(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &meta_key);
}

fl_lua_state *fl_lua_state_of(lua_State *L) {
  fl_lua_state *state;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
  state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}

/* In a child process: the mailbox stays with the parent. */
static void abandon(fl_lua_state *state) {
  fl_mailbox_abandon(state->mailbox);
  fl_item_free(&state->closing->item);
  state->closing = NULL;
  state->mailbox = NULL;
}

fl_mailbox *fl_lua_state_mailbox(fl_lua_state *state) {
  if (state->mailbox != NULL && fl_mailbox_is_ours(state->mailbox)) return state->mailbox;
  if (state->mailbox != NULL) abandon(state);
  state->mailbox = fl_mailbox_new();
  if (state->mailbox == NULL) return NULL;
  state->closing = fl_command_new(FL_ITEM_CLOSE_MAILBOX, 0, NULL, state->mailbox);
  if (state->closing == NULL) {
    fl_mailbox_release(state->mailbox);
    state->mailbox = NULL;
    errno = ENOMEM;
    return NULL;
  }
  state->first_ticket = fl_item_next_ticket();
  return state->mailbox;
}

fl_mailbox *fl_lua_state_check_mailbox(lua_State *L) {
  fl_mailbox *mailbox = fl_lua_state_mailbox(fl_lua_state_of(L));
  if (mailbox == NULL) luaL_error(L, "no descriptor for the mailbox: %s", strerror(errno));
  return mailbox;
}

static void close_mailbox(fl_lua_state *state) {
  fl_mailbox *mailbox = state->mailbox;
  const char *message;
  fl_engine_submit(&state->closing->item, NULL, false, &message);
  state->closing = NULL;
  state->mailbox = NULL;
  fl_worker_close_mailbox(mailbox);
  fl_wakeup_leave(mailbox);
  fl_item_free_chain(fl_mailbox_take(mailbox));
  fl_mailbox_release(mailbox);
}

static int collect(lua_State *L) {
  fl_lua_state *state = luaL_checkudata(L, 1, CLASS);
  fl_buffer_wipe(&state->scratch);
  fl_item_free_chain(state->taken.first);
  state->taken.first = state->taken.last = NULL;
  if (state->mailbox == NULL) return 0;
  if (fl_mailbox_is_ours(state->mailbox)) close_mailbox(state);
  else abandon(state);
  return 0;
}

/* Pushes the metatable of arrays: that of cjson, if one was loaded before and has one, so that
 * cjson writes empty arrays of this module as arrays; else a new one. */
static void push_new_array_metatable(lua_State *L) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  if (lua_istable(L, -1) && fl_lua_field(L, top + 1, "cjson") == LUA_TTABLE &&
      fl_lua_field(L, -1, "array_mt") == LUA_TTABLE)
    lua_replace(L, top + 1);
  else lua_newtable(L), lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

void fl_lua_state_open(lua_State *L) {
  static const char *const metatables[] = {&array_key, &integer_key, &error_key, &meta_key};
  fl_lua_state *state;
  for (size_t i = 0; i < sizeof metatables / sizeof *metatables; i++) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, metatables[i]);
    if (lua_isnil(L, -1)) {
      if (i == 0) push_new_array_metatable(L);
      else lua_newtable(L);
      lua_rawsetp(L, LUA_REGISTRYINDEX, metatables[i]);
    }
    lua_pop(L, 1);
  }
  if (fl_lua_state_of(L) != NULL) return;
  state = lua_newuserdata(L, sizeof *state);
  memset(state, 0, sizeof *state);
  state->first_ticket = 1;
  fl_buffer_init(&state->scratch, FL_BUFFER_UNLIMITED);
  fl_lua_new_class(L, CLASS, NULL, collect);
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
}
