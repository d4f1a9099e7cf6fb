/* paths.c: compares and resolves the paths of files; reads and replaces files of this user alone.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/owned.h"
#include "base/real_path.h"
#include "base/same_file.h"
#include "binding.h"
#include "functions.h"
#include "state.h"

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

/* core.real_path(path) -> the path without links, and whether a link is at its end
 * (base/real_path.h) */
static int real_path(lua_State *L) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  bool linked;
  char *path = fl_real_path(fl_lua_check_path(L, 1), &linked);
  fl_result result = FL_NO_MEMORY;
  scratch->length = 0;
  if (path != NULL) result = fl_buffer_append(scratch, path, strlen(path));
  free(path);
  if (result != FL_OK) return luaL_error(L, "not enough memory");
  lua_pushlstring(L, scratch->data != NULL ? scratch->data : "", scratch->length);
  lua_pushboolean(L, linked);
  return 2;
}

/* core.file_fault(path, shared) -> nil | the reason why the file is refused: another user may
 * change it (base/owned.h). nil if there is no file. */
static int file_fault(lua_State *L) {
  struct stat status;
  const char *fault = NULL;
  if (stat(fl_lua_check_path(L, 1), &status) == 0)
    fault = fl_owned_fault(&status, lua_toboolean(L, 2));
  lua_pushstring(L, fault);
  return 1;
}

/* core.read_owned(path, shared) -> the bytes of a file that no other user may change | nil, message
 */
static int read_owned(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1), *fault;
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  int reason;
  scratch->length = 0;
  reason = fl_owned_read(path, lua_toboolean(L, 2), scratch, &fault);
  if (reason == ENOMEM) return luaL_error(L, "not enough memory");
  if (fault != NULL) return fl_lua_fail(L, "%s: is refused: %s", path, fault);
  if (reason != 0) return fl_lua_fail(L, "%s: %s", path, strerror(reason));
  lua_pushlstring(L, scratch->data != NULL ? scratch->data : "", scratch->length);
  return 1;
}

/* core.create_owned(path, shared) -> true | nil, message: creates a missing file, with mode 0600
 * (shared: 0660) */
static int create_owned(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1), *fault;
  int descriptor = fl_owned_open(path, lua_toboolean(L, 2), &fault);
  if (fault != NULL) return fl_lua_fail(L, "%s: is refused: %s", path, fault);
  if (descriptor < 0) return fl_lua_fail(L, "%s: %s", path, strerror(errno));
  close(descriptor);
  lua_pushboolean(L, true);
  return 1;
}

/* core.replace_file(path, bytes) -> true | nil, message: the file has mode 0600 */
static int replace_file(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  int reason = fl_owned_replace(path, bytes, length);
  if (reason != 0) return fl_lua_fail(L, "%s: %s", path, strerror(reason));
  lua_pushboolean(L, true);
  return 1;
}

const luaL_Reg fl_lua_paths_functions[] = {
    {"same_file", same_file},       {"absolute_path", absolute_path},
    {"real_path", real_path},       {"file_fault", file_fault},
    {"create_owned", create_owned}, {"read_owned", read_owned},
    {"replace_file", replace_file}, {NULL, NULL}};
