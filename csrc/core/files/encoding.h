/*
 * encoding.h: bytes of any encoding as UTF-8, by iconv of the C library. Streamed; the memory is
 * that of a chunk.
 */
#ifndef FL_ENCODING_H
#define FL_ENCODING_H

#include "files/bytes.h"

/* Whether a name (NULL too) stands for UTF-8, which needs no recoding. */
bool fl_encoding_is_utf8(const char *name);
/* Whether iconv knows the encoding. */
bool fl_encoding_is_known(const char *name);

/*
 * The bytes of `inner`, which belongs to the result, from the encoding `name`, which is to be
 * known. NULL without memory; `inner` is left then. A byte that the encoding lacks is a failure
 * after all bytes before it were given, so that the reader knows its line.
 */
fl_bytes *fl_encoding_open(fl_bytes *inner, const char *name);

#endif
