/* terminal.c: the width of the terminal, for the command. */
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "binding.h"
#include "functions.h"

/* core.terminal(descriptor) -> columns, 0 if the terminal does not report them | nothing if the
 * descriptor is no terminal */
static int terminal(lua_State *L) {
  int descriptor = (int)fl_lua_check_whole(L, 1, 0, INT_MAX);
  struct winsize size = {0, 0, 0, 0};
  if (!isatty(descriptor)) return 0;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

const luaL_Reg fl_lua_terminal_functions[] = {{"terminal", terminal}, {NULL, NULL}};
