/*
 * write.h: Lua values as JSON text.
 */
#ifndef FL_WRITE_H
#define FL_WRITE_H

#include "base/buffer.h"
#include "binding.h"

/*
 * Appends the value at `index` to `out`. If a part of it has no form in JSON, returns false and
 * pushes a message with the path to that part. `root` is the name of the whole value in the
 * message, "" for none. `sorted`: members in the order of their names, so that the same value gives
 * the same text in every process.
 */
bool fl_lua_write_value(lua_State *L, int index, fl_buffer *out, const char *root, bool sorted);

#endif
