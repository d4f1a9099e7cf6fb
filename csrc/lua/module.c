/*
 * module.c: luaopen_flarelight_core: opens the binding in a Lua state.
 *
 * Opening starts nothing: no thread, no descriptor. It pins the library in memory, because the
 * engine's thread may outlive the state that loaded it, and sets up what the state keeps.
 */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "engine/wakeup.h"
#include "binding.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "base/same_file.h"
#include "policy/url.h"

#define CENTURY 3155760000.0 /* seconds */

static const char state_key, array_key, integer_key, error_key;

int luaopen_flarelight_core(lua_State *L);

void fl_push_array_metatable(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key); }
void fl_push_integer_metatable(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &integer_key); }
void fl_push_error_metatable(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key); }

int fl_raw_field(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushstring(L, name);
  lua_rawget(L, index);
  return lua_type(L, -1);
}

fl_time fl_seconds(double seconds) {
  if (isnan(seconds) || seconds <= 0) return 0;
  return seconds > CENTURY ? FL_NEVER : (fl_time)(seconds * (double)FL_SECOND);
}

void fl_set_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

void fl_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction collect) {
  if (!luaL_newmetatable(L, name)) {
    bool whole; /* memory may have run out over it */
    lua_getfield(L, -1, "__gc");
    whole = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (whole) return;
  }
  if (methods != NULL) {
    lua_newtable(L);
    fl_set_functions(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
}

fl_lua_state *fl_lua_state_of(lua_State *L) {
  fl_lua_state *state;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
  state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}

static void free_items(fl_item *item) {
  while (item != NULL) {
    fl_item *next = item->next;
    fl_item_free(item);
    item = next;
  }
}

fl_mailbox *fl_lua_mailbox(fl_lua_state *state) {
  if (state->mailbox != NULL && fl_mailbox_is_ours(state->mailbox)) return state->mailbox;
  if (state->mailbox != NULL) fl_mailbox_abandon(state->mailbox);
  state->mailbox = fl_mailbox_new();
  state->first_ticket = fl_ticket_next();
  return state->mailbox;
}

static int collect_state(lua_State *L) {
  fl_lua_state *state = lua_touserdata(L, 1);
  fl_mailbox *mailbox = state->mailbox;
  fl_buffer_wipe(&state->scratch);
  free_items(state->taken.first);
  state->taken.first = state->taken.last = NULL;
  state->mailbox = NULL;
  if (mailbox == NULL) return 0;
  if (!fl_mailbox_is_ours(mailbox)) {
    fl_mailbox_abandon(mailbox);
    return 0;
  }
  {
    fl_command *command = fl_command_new(FL_ITEM_CLOSE_MAILBOX, 0, NULL, mailbox);
    const char *message;
    if (command != NULL) fl_engine_submit(&command->item, NULL, false, &message);
  }
  fl_worker_forget(mailbox);
  fl_wakeup_leave(mailbox);
  free_items(fl_mailbox_take(mailbox));
  fl_mailbox_release(mailbox);
  return 0;
}

static fl_mailbox *check_mailbox(lua_State *L) {
  fl_mailbox *mailbox = fl_lua_mailbox(fl_lua_state_of(L));
  if (mailbox == NULL) luaL_error(L, "no descriptor for the mailbox: %s", strerror(errno));
  return mailbox;
}

/* core.fd() -> the descriptor that is readable while there is something to take */
static int lua_fd(lua_State *L) {
  lua_pushinteger(L, fl_mailbox_descriptor(check_mailbox(L)));
  return 1;
}

/* core.mailbox_signal(): makes the descriptor readable, so that those who watch it look up */
static int lua_mailbox_signal(lua_State *L) {
  fl_mailbox_signal(check_mailbox(L));
  return 0;
}

/* core.ticket() -> a ticket that no call has, for core.watch and core.wakeup_notify */
static int lua_ticket(lua_State *L) {
  check_mailbox(L);
  lua_pushnumber(L, (lua_Number)fl_ticket_next());
  return 1;
}

/* core.alarm(seconds, ticket | nil) -> whether a wake-up comes for the ticket after that time, or
 * without one the descriptor turns readable */
static int lua_alarm(lua_State *L) {
  fl_mailbox *mailbox = check_mailbox(L);
  fl_time after = fl_seconds(luaL_checknumber(L, 1));
  uint64_t ticket = (uint64_t)luaL_optnumber(L, 2, 0);
  lua_pushboolean(L,
                  after == FL_NEVER || (fl_engine_prepare() == NULL &&
                                        fl_wakeup_alarm(mailbox, ticket, fl_clock_now() + after)));
  return 1;
}

/* core.wakeup_path() -> the path of the socket that wakes | nil, message */
static int lua_wakeup_path(lua_State *L) {
  const char *message = fl_engine_prepare(), *path = NULL;
  check_mailbox(L);
  if (message == NULL) path = fl_wakeup_path(&message);
  if (path == NULL) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
  }
  lua_pushstring(L, path);
  return 1;
}

/* core.watch(ticket) -> whether to wait: a wake-up comes for the ticket from now on, and there is
 * nothing to take yet. After core.wakeup_path. */
static int lua_watch(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_mailbox *mailbox = check_mailbox(L);
  uint64_t ticket = (uint64_t)luaL_checknumber(L, 1);
  if (!fl_wakeup_watch(mailbox, ticket)) return luaL_error(L, "not enough memory");
  if (state->corked) fl_engine_flush();
  lua_pushboolean(L, state->taken.first == NULL && fl_mailbox_is_empty(mailbox));
  return 1;
}

/* core.unwatch(ticket); core.wakeup_notify(ticket): wakes who waits for it */
static int lua_unwatch(lua_State *L) {
  fl_wakeup_unwatch((uint64_t)luaL_checknumber(L, 1));
  return 0;
}

static int lua_wakeup_notify(lua_State *L) {
  fl_wakeup_notify((uint64_t)luaL_checknumber(L, 1));
  return 0;
}

/* core.wait(seconds | nil) -> whether there is something to take; returns early on a signal */
static int lua_wait(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_time timeout = lua_isnoneornil(L, 1) ? FL_NEVER : fl_seconds(luaL_checknumber(L, 1));
  fl_mailbox *mailbox = check_mailbox(L);
  if (state->corked) fl_engine_flush();
  lua_pushboolean(L, state->taken.first != NULL || fl_mailbox_wait(mailbox, timeout));
  return 1;
}

/* core.cork(whether): while it is on, many submits wake the engine once, when it is taken off */
static int lua_cork(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  bool corked = lua_toboolean(L, 1);
  if (state->corked && !corked) fl_engine_flush();
  state->corked = corked;
  return 0;
}

/* core.is_ours(ticket): false for calls that were made before this process was forked off */
static int lua_is_ours(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_lua_mailbox(state);
  lua_pushboolean(L, luaL_checknumber(L, 1) >= (lua_Number)state->first_ticket);
  return 1;
}

/* core.cancel(ticket): ends a call or a pager, if it has not ended yet */
static int lua_cancel(lua_State *L) {
  uint64_t ticket = (uint64_t)luaL_checknumber(L, 1);
  fl_command *command = fl_command_new(FL_ITEM_CANCEL, ticket, NULL, NULL);
  const char *message;
  if (command == NULL) return luaL_error(L, "not enough memory");
  fl_engine_submit(&command->item, NULL, false, &message);
  return 0;
}

/* core.advance(ticket): the reader has taken a page of this pager */
static int lua_advance(lua_State *L) {
  uint64_t ticket = (uint64_t)luaL_checknumber(L, 1);
  fl_command *command = fl_command_new(FL_ITEM_ADVANCE, ticket, NULL, NULL);
  const char *message;
  if (command == NULL) return luaL_error(L, "not enough memory");
  fl_engine_submit(&command->item, NULL, false, &message);
  return 0;
}

/* core.now() -> seconds on the monotonic clock */
static int lua_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)fl_clock_now() / (lua_Number)FL_SECOND);
  return 1;
}

/* core.is_running() -> whether the engine's thread runs */
static int lua_is_running(lua_State *L) {
  lua_pushboolean(L, fl_engine_is_running());
  return 1;
}

/* core.check_key(text) -> nil | what is wrong with it as an API key. The key is not in the answer.
 */
static int lua_check_key(lua_State *L) {
  size_t length;
  const char *key = luaL_checklstring(L, 1, &length);
  if (length == 0) {
    lua_pushliteral(L, "is empty");
    return 1;
  }
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)key[i];
    if (byte > 0x20 && byte < 0x7f) continue;
    if (byte == '\r' || byte == '\n') lua_pushliteral(L, "holds a line break");
    else if (byte < 0x20 || byte == 0x7f) lua_pushliteral(L, "holds a control character");
    else if (byte == 0x20) lua_pushliteral(L, "holds a space");
    else lua_pushliteral(L, "holds a character beyond ASCII");
    return 1;
  }
  return 0;
}

/* core.is_uuid(text), core.is_region(text) */
static int lua_is_uuid(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, fl_url_is_uuid((fl_slice){text, length}));
  return 1;
}

static int lua_is_region(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, fl_url_is_region((fl_slice){text, length}));
  return 1;
}

/* core.check_base(text, allow_insecure) -> the base URL to use | nil, what is wrong with it */
static int lua_check_base(lua_State *L) {
  size_t length, usable;
  const char *text = luaL_checklstring(L, 1, &length);
  fl_url_code code = fl_url_check_base((fl_slice){text, length}, lua_toboolean(L, 2), &usable);
  if (code != FL_URL_OK) {
    lua_pushnil(L);
    lua_pushstring(L, fl_url_describe(code));
    return 2;
  }
  lua_pushlstring(L, text, usable);
  return 1;
}

static void pin(void) {
#if defined(RTLD_NODELETE) && defined(RTLD_NOLOAD)
  Dl_info found;
  if (dladdr((const void *)&state_key, &found) != 0 && found.dli_fname != NULL) {
    void *library = dlopen(found.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    if (library != NULL) dlclose(library); /* pinned by the flag, not by the count */
  }
#endif
}

static void open_state(lua_State *L) {
  fl_lua_state *state;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
  state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (state != NULL) return; /* package.loaded was cleared and the module required again */
  state = lua_newuserdata(L, sizeof *state);
  memset(state, 0, sizeof *state);
  state->first_ticket = 1;
  fl_buffer_init(&state->scratch, FL_BUFFER_UNLIMITED);
  lua_newtable(L);
  lua_pushcfunction(L, collect_state);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &integer_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
  fl_open_string_cache(L);
  fl_open_page(L);
}

/* core.same_file(path, path) -> whether both name one file */
static int lua_same_file(lua_State *L) {
  lua_pushboolean(L, fl_same_file(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 1;
}

static const luaL_Reg functions[] = {{"client", fl_lua_client},
                                     {"take", fl_lua_take},
                                     {"source", fl_lua_source},
                                     {"decode", fl_lua_decode},
                                     {"encode", fl_lua_encode},
                                     {"fd", lua_fd},
                                     {"wait", lua_wait},
                                     {"cork", lua_cork},
                                     {"is_ours", lua_is_ours},
                                     {"cancel", lua_cancel},
                                     {"advance", lua_advance},
                                     {"now", lua_now},
                                     {"is_running", lua_is_running},
                                     {"check_key", lua_check_key},
                                     {"is_uuid", lua_is_uuid},
                                     {"is_region", lua_is_region},
                                     {"check_base", lua_check_base},
                                     {"guard", fl_lua_guard},
                                     {"batch", fl_lua_batch},
                                     {"durable", fl_lua_durable},
                                     {"same_file", lua_same_file},
                                     {"mailbox_signal", lua_mailbox_signal},
                                     {"ticket", lua_ticket},
                                     {"alarm", lua_alarm},
                                     {"wakeup_path", lua_wakeup_path},
                                     {"watch", lua_watch},
                                     {"unwatch", lua_unwatch},
                                     {"wakeup_notify", lua_wakeup_notify},
                                     {"row_values", fl_lua_row_values},
                                     {"exporter", fl_lua_exporter},
                                     {"open_source", fl_lua_open_source},
                                     {"store", fl_lua_store},
                                     {"terminal", fl_lua_terminal},
                                     {"libraries", fl_lua_libraries},
                                     {NULL, NULL}};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_flarelight_core(lua_State *L) {
  pin();
  open_state(L);
  lua_newtable(L);
  fl_set_functions(L, functions);
  fl_push_array_metatable(L);
  lua_setfield(L, -2, "array_metatable");
  fl_push_integer_metatable(L);
  lua_setfield(L, -2, "integer_metatable");
  fl_push_error_metatable(L);
  lua_setfield(L, -2, "error_metatable");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  fl_push_page_methods(L);
  lua_setfield(L, -2, "page_methods");
  lua_pushliteral(L, FL_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
