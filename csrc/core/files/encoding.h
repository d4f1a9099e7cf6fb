/*
 * encoding.h: bytes of any encoding as UTF-8, by iconv of the C library. Bytes are recoded in
 * chunks, so that memory is bounded.
 */
#ifndef FL_ENCODING_H
#define FL_ENCODING_H

#include "files/bytes.h"

/* Whether a name (or NULL) means UTF-8, which needs no recoding. */
bool fl_encoding_is_utf8(const char *name);
/* Whether iconv knows the encoding. */
bool fl_encoding_is_known(const char *name);

/*
 * Recodes the bytes of `inner`, which the result then owns, from the encoding `name`, which must be
 * known to iconv. NULL without memory; `inner` then stays the caller's. All bytes before an invalid
 * byte are given before the failure, so that the reader knows the line.
 */
fl_bytes *fl_encoding_open(fl_bytes *inner, const char *name);

#endif
