/*
 * packing.h: compresses a file while it is written, in place or as a job of the worker, because
 * compressing a page may take long.
 *
 * Relies on the module of compressed files (files/archive.h). A packing has a reference count: a
 * job under way keeps it when its owner is closed.
 */
#ifndef FL_LUA_PACKING_H
#define FL_LUA_PACKING_H

#include "base/buffer.h"
#include "binding.h"
#include "files/archive.h"

typedef struct fl_lua_packing fl_lua_packing;

/* Begins a compressed file at the descriptor, which has to stay open until the packing is closed.
 * NULL without memory. */
fl_lua_packing *fl_lua_packing_open(const fl_archive_functions *functions, int descriptor,
                                    fl_compression compression, const char *member);

/* The piece to compress next. */
typedef struct fl_lua_packing_piece {
  fl_buffer *text; /* is emptied */
  int from;        /* -1, or a descriptor whose file is compressed after the text, from its start */
  bool last;       /* the compressed file ends with this piece */
} fl_lua_packing_piece;

/* Compresses a piece. -> bytes of the compressed file so far | nil, message, kind */
int fl_lua_packing_write(lua_State *L, fl_lua_packing *self, fl_lua_packing_piece piece);
/* The same as a job. -> ticket; its outcome is the same with nil before the kind */
int fl_lua_packing_submit(lua_State *L, fl_lua_packing *self, fl_lua_packing_piece piece);

/* Waits for a job that is under way. Writes nothing. */
void fl_lua_packing_close(fl_lua_packing *self);

#endif
