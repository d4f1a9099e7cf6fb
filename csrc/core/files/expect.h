/*
 * expect.h: what the caller expects of a file's records, checked before anything is sent: its
 * columns, values that have to be there, values that may be there once, and how many records there
 * are.
 *
 * Names are those after the renames of a mapping. Null never counts as a value: it fails `required`
 * and is no repetition. Values are compared by the text that is sent, so 1 and 1.0 are two. The
 * memory is bounded (unique.h). The first ten faults are reported, in the file's order.
 */
#ifndef FL_EXPECT_H
#define FL_EXPECT_H

#include "base/buffer.h"
#include "codec/mapping.h"
#include "files/unique.h"

typedef struct fl_expectation {
  fl_names columns; /* the records have these and no others; none: whatever they have */
  fl_names required, unique;
  int64_t min_records;
} fl_expectation;

static inline bool fl_expectation_is_empty(const fl_expectation *wanted) {
  return wanted->columns.count == 0 && wanted->required.count == 0 && wanted->unique.count == 0 &&
         wanted->min_records == 0;
}

typedef struct fl_expect fl_expect;

/* NULL without memory. `wanted` lives as long. */
fl_expect *fl_expect_open(const fl_expectation *wanted);
void fl_expect_close(fl_expect *self);

void fl_expect_count(fl_expect *self);
/* The record at `place` has no value in the column of that place in `wanted->required`. */
void fl_expect_missing(fl_expect *self, size_t required, fl_place place);
/* The record has this value in the column of that place in `wanted->unique`. FL_NO_MEMORY;
 * FL_SYSTEM: the temporary file. */
fl_result fl_expect_value(fl_expect *self, size_t unique, fl_slice text, fl_place place);

/*
 * After the last record. FL_INVALID: there are faults; the message, of at most `room` bytes, lists
 * them, and *place is that of the first, or 0 where it has none. `parts`: the names of the files.
 */
fl_result fl_expect_finish(fl_expect *self, const char *const *parts, char *message, size_t room,
                           fl_place *place);

/* FL_INVALID with a message where the columns `present` are not those of `wanted->columns`, or do
 * not have one of the other lists. `all`: the names that the other lists may hold. */
fl_result fl_expect_columns(const fl_expectation *wanted, fl_names present, fl_names all,
                            char *message, size_t room);

#endif
