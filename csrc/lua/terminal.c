/*
 * terminal.c: what a command asks of the terminal it may stand on, and of the libraries below it.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "binding.h"
#include "engine/engine.h"

/* core.terminal(descriptor) -> columns (0: a terminal that does not say) | nothing where it is none
 */
int fl_lua_terminal(lua_State *L) {
  int descriptor = (int)luaL_checknumber(L, 1);
  struct winsize size = {0, 0, 0, 0};
  if (!isatty(descriptor)) return 0;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* core.libraries() -> what the core was linked with, as "libcurl/7.88.1 OpenSSL/3.0.19 …" */
int fl_lua_libraries(lua_State *L) {
  lua_pushstring(L, fl_engine_libraries());
  return 1;
}
