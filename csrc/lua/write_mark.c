/* write_mark.c: the mark of writes (files/write_mark.h) for Lua, and digests of texts. */
#include "files/write_mark.h"

#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "functions.h"
#include "state.h"

#define CLASS "flarelight.write_mark"

static int collect(lua_State *L) {
  fl_write_mark **box = luaL_checkudata(L, 1, CLASS);
  if (*box != NULL) fl_write_mark_free(*box);
  *box = NULL;
  return 0;
}

static fl_write_mark *check_mark(lua_State *L) {
  fl_write_mark **box = luaL_checkudata(L, 1, CLASS);
  if (*box == NULL) luaL_error(L, "the mark is closed");
  return *box;
}

static int fail(lua_State *L, const fl_write_mark *mark, const char *fault) {
  int reason = errno;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s%s", mark->path, fault != NULL ? "is refused: " : "",
                  fault != NULL ? fault : strerror(reason));
  return 2;
}

/* mark:read() -> the mark, 8 bytes | nil, message */
static int mark_read(lua_State *L) {
  fl_write_mark *mark = check_mark(L);
  char value[FL_WRITE_MARK_SIZE];
  const char *fault;
  if (fl_write_mark_read(mark, value, &fault) != FL_OK) return fail(L, mark, fault);
  lua_pushlstring(L, value, sizeof value);
  return 1;
}

/* mark:change() -> true | nil, message */
static int mark_change(lua_State *L) {
  fl_write_mark *mark = check_mark(L);
  const char *fault;
  if (fl_write_mark_change(mark, &fault) != FL_OK) return fail(L, mark, fault);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
    {"read", mark_read}, {"change", mark_change}, {"close", collect}, {NULL, NULL}};

/* core.write_mark(path of the state file, shared) -> the mark beside it; opens nothing */
static int new_mark(lua_State *L) {
  const char *path = fl_lua_check_path(L, 1);
  bool shared = lua_toboolean(L, 2);
  fl_write_mark **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  fl_lua_new_class(L, CLASS, methods, collect);
  lua_setmetatable(L, -2);
  lua_pushfstring(L, "%s%s", path, FL_WRITE_MARK_ENDING);
  *box = fl_write_mark_new(lua_tostring(L, -1), shared);
  if (*box == NULL) return luaL_error(L, "not enough memory");
  lua_pop(L, 1);
  return 1;
}

/* core.sha256(text) -> its digest, in hexadecimal */
static int sha256(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  char digest[FL_DIGEST_SIZE];
  fl_digest(text, length, digest);
  lua_pushstring(L, digest);
  return 1;
}

const luaL_Reg fl_lua_write_mark_functions[] = {
    {"write_mark", new_mark}, {"sha256", sha256}, {NULL, NULL}};
