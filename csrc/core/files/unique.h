/*
 * unique.h: which texts of a long list were there before, in bounded memory.
 *
 * A text is kept as the first 128 bits of its SHA-256 and its place, 24 bytes in all. A million of
 * them are held in memory; further ones go, sorted, into a temporary file without a name (in TMPDIR
 * or /tmp), and are merged at the end.
 */
#ifndef FL_UNIQUE_H
#define FL_UNIQUE_H

#include "base/base.h"

/* Where a record begins: the file of a list (from 0) and the line, in one number that grows with
 * both. */
typedef uint64_t fl_place;
#define FL_PLACE_LINE_BITS 44
static inline fl_place fl_place_of(size_t part, int64_t line) {
  return (fl_place)part << FL_PLACE_LINE_BITS | (fl_place)line;
}
static inline size_t fl_place_part(fl_place place) { return (size_t)(place >> FL_PLACE_LINE_BITS); }
static inline int64_t fl_place_line(fl_place place) {
  return (int64_t)(place & (((fl_place)1 << FL_PLACE_LINE_BITS) - 1));
}

typedef struct fl_unique fl_unique;

/* `most`: texts held in memory; 0: a million. NULL without memory. */
fl_unique *fl_unique_open(size_t most);
void fl_unique_close(fl_unique *self);

/* Places grow from one call to the next. FL_NO_MEMORY; FL_SYSTEM: the temporary file. */
fl_result fl_unique_add(fl_unique *self, fl_slice text, fl_place place);
/* Calls `found` for each text that was there before, with the place of the first; in no order of
 * places. The answers of fl_unique_add. */
fl_result fl_unique_finish(fl_unique *self,
                           void (*found)(void *context, fl_place first, fl_place again),
                           void *context);

#endif
