/*
 * command.c: commands of Lua to calls and pagers under way (cancel, advance, release a pager), and
 * to the engine (delay its wake-up).
 */
#include "engine/command.h"

#include <unistd.h>

#include "engine/engine.h"
#include "functions.h"
#include "state.h"

#define CLASS "flarelight.guard"

/* False without memory. */
static bool send(fl_item_type type, uint64_t ticket) {
  fl_command *command = fl_command_new(type, ticket, NULL, NULL);
  const char *message;
  if (command == NULL) return false;
  fl_engine_submit(&command->item, NULL, false, &message);
  return true;
}

/* core.cancel(ticket): ends a call or a pager, if it has not ended yet */
static int cancel(lua_State *L) {
  if (!send(FL_ITEM_CANCEL, fl_lua_check_ticket(L, 1))) return luaL_error(L, "not enough memory");
  return 0;
}

/* core.advance(ticket): the reader has taken a page of this pager */
static int advance(lua_State *L) {
  if (!send(FL_ITEM_ADVANCE, fl_lua_check_ticket(L, 1))) return luaL_error(L, "not enough memory");
  return 0;
}

/* core.cork(whether): true: submitted items do not wake the engine; false: one wake-up for all of
 * them */
static int cork(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  bool corked = lua_toboolean(L, 1);
  if (state->corked && !corked) fl_engine_flush();
  state->corked = corked;
  return 0;
}

/* core.is_ours(ticket): false for calls that a parent process made before the fork */
static int is_ours(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_lua_state_mailbox(state);
  lua_pushboolean(L, fl_lua_check_ticket(L, 1) >= state->first_ticket);
  return 1;
}

/* core.process() -> the number of this process */
static int process(lua_State *L) {
  fl_lua_push_count(L, getpid());
  return 1;
}

/* core.is_running() -> whether an engine runs in this process */
static int is_running(lua_State *L) {
  lua_pushboolean(L, fl_engine_is_running());
  return 1;
}

/* --- the guard: cancels a pager when its reader is collected --- */

static int release(lua_State *L) {
  uint64_t *ticket = luaL_checkudata(L, 1, CLASS);
  if (*ticket != 0) send(FL_ITEM_CANCEL, *ticket);
  *ticket = 0;
  return 0;
}

static const luaL_Reg guard_methods[] = {{"release", release}, {NULL, NULL}};

/* core.guard(ticket) -> userdata that cancels the pager when it is collected or released */
static int guard(lua_State *L) {
  uint64_t pager = fl_lua_check_ticket(L, 1);
  uint64_t *ticket = lua_newuserdata(L, sizeof *ticket);
  *ticket = 0;
  fl_lua_new_class(L, CLASS, guard_methods, release);
  lua_setmetatable(L, -2);
  *ticket = pager;
  return 1;
}

const luaL_Reg fl_lua_command_functions[] = {
    {"cancel", cancel}, {"advance", advance},       {"cork", cork},       {"is_ours", is_ours},
    {"guard", guard},   {"is_running", is_running}, {"process", process}, {NULL, NULL}};
