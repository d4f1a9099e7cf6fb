/*
 * wake.c: the functions with which a host waits for the mailbox: its descriptor, a blocking wait,
 * wake-ups over a socket, alarms, and their clock.
 */
#include "base/clock.h"
#include "engine/call.h"
#include "engine/engine.h"
#include "engine/wakeup.h"
#include "functions.h"
#include "state.h"

/* core.fd() -> the descriptor, readable while core.take has something to return */
static int descriptor(lua_State *L) {
  lua_pushinteger(L, fl_mailbox_descriptor(fl_lua_state_check_mailbox(L)));
  return 1;
}

/* core.mailbox_signal(): makes the descriptor readable, so that an event loop that polls it calls
 * core.take */
static int mailbox_signal(lua_State *L) {
  fl_mailbox_signal(fl_lua_state_check_mailbox(L));
  return 0;
}

/* core.ticket() -> an unused ticket, for core.watch and core.wakeup_notify */
static int new_ticket(lua_State *L) {
  fl_lua_state_check_mailbox(L);
  lua_pushnumber(L, (lua_Number)fl_item_next_ticket());
  return 1;
}

/* core.alarm(seconds, ticket | nil) -> whether the alarm is set: after that time it sends a wake-up
 * for the ticket; without a ticket it makes the descriptor readable */
static int set_alarm(lua_State *L) {
  fl_mailbox *mailbox = fl_lua_state_check_mailbox(L);
  fl_time after = fl_lua_check_seconds(L, 1);
  uint64_t ticket = lua_isnoneornil(L, 2) ? 0 : fl_lua_check_ticket(L, 2);
  lua_pushboolean(L,
                  after == FL_NEVER || (fl_engine_prepare() == NULL &&
                                        fl_wakeup_alarm(mailbox, ticket, fl_clock_now() + after)));
  return 1;
}

/* core.wakeup_path() -> the path of the socket that sends wake-ups | nil, message */
static int wakeup_path(lua_State *L) {
  const char *message = fl_engine_prepare(), *path = NULL;
  fl_lua_state_check_mailbox(L);
  if (message == NULL) path = fl_wakeup_path(&message);
  if (path == NULL) return fl_lua_fail(L, "%s", message);
  lua_pushstring(L, path);
  return 1;
}

/* core.watch(ticket, any) -> whether the caller has to wait. From now on an item under the ticket
 * sends a wake-up; with `any` the next item does, whatever its ticket is. False if core.take
 * already has something to return. Call core.wakeup_path first. */
static int watch(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_mailbox *mailbox = fl_lua_state_check_mailbox(L);
  const uint64_t ticket = fl_lua_check_ticket(L, 1);
  if (!(lua_toboolean(L, 2) ? fl_wakeup_attend : fl_wakeup_watch)(mailbox, ticket))
    return luaL_error(L, "not enough memory");
  if (state->corked) fl_engine_flush();
  lua_pushboolean(L, state->taken.first == NULL && fl_mailbox_is_empty(mailbox));
  return 1;
}

/* core.unwatch(ticket): stops the wake-ups for the ticket */
static int unwatch(lua_State *L) {
  fl_wakeup_unwatch(fl_lua_check_ticket(L, 1));
  return 0;
}

/* core.wakeup_notify(ticket): sends a wake-up to the connection that waits for the ticket */
static int wakeup_notify(lua_State *L) {
  fl_wakeup_notify(fl_lua_check_ticket(L, 1));
  return 0;
}

/* core.wait(seconds | nil) -> whether core.take has something to return. Blocks for that time at
 * most. Returns early on a signal. */
static int wait_for_mailbox(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_time timeout = lua_isnoneornil(L, 1) ? FL_NEVER : fl_lua_check_seconds(L, 1);
  fl_mailbox *mailbox = fl_lua_state_check_mailbox(L);
  if (state->corked) fl_engine_flush();
  lua_pushboolean(L, state->taken.first != NULL || fl_mailbox_wait(mailbox, timeout));
  return 1;
}

/* core.now() -> seconds on the monotonic clock */
static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)fl_clock_now() / (lua_Number)FL_SECOND);
  return 1;
}

/* core.is_yieldable() -> whether the code that runs now can yield; nil where the Lua does not tell:
 * coroutine.isyieldable, which nginx's table of coroutine functions lacks */
static int is_yieldable(lua_State *L) {
#if FL_LUA_HAS_ISYIELDABLE
  lua_pushboolean(L, lua_isyieldable(L));
#else
  lua_pushnil(L);
#endif
  return 1;
}

/* core.is_suspended(coroutine) -> whether it has yielded. The coroutine.status of nginx is
 * "running" for a light thread that waits. */
static int is_suspended(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTHREAD);
  lua_pushboolean(L, lua_status(lua_tothread(L, 1)) == LUA_YIELD);
  return 1;
}

const luaL_Reg fl_lua_wake_functions[] = {
    {"fd", descriptor},   {"mailbox_signal", mailbox_signal}, {"ticket", new_ticket},
    {"alarm", set_alarm}, {"wakeup_path", wakeup_path},       {"watch", watch},
    {"unwatch", unwatch}, {"wakeup_notify", wakeup_notify},   {"wait", wait_for_mailbox},
    {"now", now},         {"is_yieldable", is_yieldable},     {"is_suspended", is_suspended},
    {NULL, NULL}};
