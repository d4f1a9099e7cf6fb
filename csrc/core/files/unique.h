/*
 * unique.h: finds the repeated texts of a long list, in bounded memory.
 *
 * A text is kept as the first 128 bits of its SHA-256 and its place, 24 bytes in all. A million of
 * them are held in memory. Further ones are sorted and written into a temporary file without a name
 * (in TMPDIR or /tmp), and merged at the end.
 */
#ifndef FL_UNIQUE_H
#define FL_UNIQUE_H

#include "base/base.h"

/* The place where a record begins: its file in a list (from 0) and its line, in one number whose
 * order is that of the records. */
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

/* Adds a text. Places must grow from one call to the next. Returns FL_OK, FL_NO_MEMORY, or
 * FL_SYSTEM for a failure of the temporary file. */
fl_result fl_unique_add(fl_unique *self, fl_slice text, fl_place place);
/* Calls `found` for each repeated text, with its place and that of its first occurrence, in any
 * order. Results as of fl_unique_add. */
fl_result fl_unique_finish(fl_unique *self,
                           void (*found)(void *context, fl_place first, fl_place again),
                           void *context);

#endif
