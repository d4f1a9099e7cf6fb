/*
 * source_options.h: reads the options of a source from a Lua table. lua/flarelight/csv.lua
 * documents them.
 */
#ifndef FL_SOURCE_OPTIONS_H
#define FL_SOURCE_OPTIONS_H

#include "base/buffer.h"
#include "binding.h"
#include "files/source.h"

/* Owns every text of the options, so that any thread can use them without Lua. */
typedef struct fl_lua_source_options {
  fl_source_options core;
  const char **paths;
  size_t path_count;
  struct fl_lua_block *blocks; /* memory of the texts and lists */
  fl_buffer scratch;
} fl_lua_source_options;

/* Fills options that are all zero, and owned by a userdata, from arguments 1 (a path or a list of
 * paths) and 2 (a table). False, with a message pushed, if the arguments are wrong. */
bool fl_lua_source_options_read(lua_State *L, fl_lua_source_options *options);
void fl_lua_source_options_free(fl_lua_source_options *options);

#endif
