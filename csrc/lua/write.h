/*
 * write.h: Lua values as JSON text.
 */
#ifndef FL_WRITE_H
#define FL_WRITE_H

#include "base/buffer.h"
#include "binding.h"

/*
 * A writer of several values. It lives as long as the values that it leaves on the stack. With
 * `sorted`, members are written in the order of their names, and all values that are written have
 * to stay reachable: the writer remembers strings of earlier ones.
 */
typedef struct fl_lua_writer {
  lua_State *L;
  fl_buffer *out;
  const char *root; /* name of the value in messages; "": none */
  int64_t place;    /* of the value in an array of that name, from 1; 0: none */
  bool sorted;
  int array_metatable, cjson_array_metatable, integer_metatable; /* stack indices; 0: none */
  const void *cjson_empty_array;
  struct fl_lua_writer_order *orders;
} fl_lua_writer;

/* Leaves values on the stack, which the caller pops when it is done. */
void fl_lua_writer_begin(lua_State *L, fl_lua_writer *writer, fl_buffer *out, const char *root,
                         bool sorted);
/* Appends the value at `index`. If a part of it has no form in JSON, returns false and pushes a
 * message with the path to that part, as "records[7].name: ...". */
bool fl_lua_writer_write(fl_lua_writer *writer, int index, int64_t place);

/*
 * Appends the value at `index` to `out`. If a part of it has no form in JSON, returns false and
 * pushes a message with the path to that part. `root` is the name of the whole value in the
 * message, "" for none. `sorted`: members in the order of their names, so that the same value gives
 * the same text in every process.
 */
bool fl_lua_write_value(lua_State *L, int index, fl_buffer *out, const char *root, bool sorted);

#endif
