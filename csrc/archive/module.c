/*
 * module.c: luaopen_flarelight_archive_core: returns the functions for compressed files,
 * for core.use_archive.
 *
 * Opening pins the library in memory, because threads of the core may use it after the Lua state
 * that loaded it has ended.
 */
#include <lauxlib.h>
#include <lua.h>

#include "base/pin.h"
#include "module.h"

int luaopen_flarelight_archive_core(lua_State *L);

static fl_bytes *open_compressed(fl_bytes_file *inner, fl_compression compression) {
  fl_bytes *opened =
      compression == FL_COMPRESSION_GZIP ? fl_gzip_open(inner) : fl_packed_open(inner, compression);
  fl_bytes *ahead = opened != NULL ? fl_ahead_open(opened) : NULL;
  return ahead != NULL ? ahead : opened;
}

static const char *name_member(fl_bytes *self) { return fl_packed_member(fl_ahead_inner(self)); }

static const fl_archive_functions functions = {
    FL_ARCHIVE_VERSION, open_compressed, name_member, fl_pack,
    fl_pack_bytes,      fl_pack_end,     fl_pack_free};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_flarelight_archive_core(lua_State *L) {
  const fl_archive_functions **box;
  fl_pin_library();
  lua_newtable(L);
  box = lua_newuserdata(L, sizeof *box);
  *box = &functions;
  luaL_newmetatable(L, FL_ARCHIVE_CLASS);
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "functions");
  return 1;
}
