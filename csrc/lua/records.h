/*
 * records.h: records as the text of a JSON array, for the body of a request. The place of each
 * record in the text is kept, so that a batch can be divided without parsing it again.
 */
#ifndef FL_RECORDS_H
#define FL_RECORDS_H

#include "base/buffer.h"
#include "binding.h"

typedef struct fl_lua_records {
  fl_buffer text;
  fl_buffer spans; /* fl_source_span, one a record */
} fl_lua_records;

/* Pushes empty records, to be filled. */
fl_lua_records *fl_lua_records_push(lua_State *L);

/* The records at `index`. Raises for any other value. */
fl_lua_records *fl_lua_records_check(lua_State *L, int index);

/* The text of the records at `index`; NULL if they are closed, and for any other value. */
const fl_buffer *fl_lua_records_text(lua_State *L, int index);

#endif
