/* paths.c: compares and resolves the paths of files. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/same_file.h"
#include "binding.h"
#include "functions.h"

/* core.same_file(path, path) -> whether both name one file */
static int same_file(lua_State *L) {
  lua_pushboolean(L, fl_same_file(fl_lua_check_path(L, 1), fl_lua_check_path(L, 2)));
  return 1;
}

/* core.absolute_path(path) -> the path from the root, which names the same file when the working
 * directory changes | nil, message */
static int absolute_path(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  char folder[PATH_MAX];
  if (path[0] == '/') {
    lua_pushvalue(L, 1);
    return 1;
  }
  if (getcwd(folder, sizeof folder) == NULL)
    return fl_lua_fail(L, "the working directory cannot be determined: %s", strerror(errno));
  lua_pushfstring(L, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
  return 1;
}

const luaL_Reg fl_lua_paths_functions[] = {
    {"same_file", same_file}, {"absolute_path", absolute_path}, {NULL, NULL}};
