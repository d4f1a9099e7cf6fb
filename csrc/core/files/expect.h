/*
 * expect.h: the caller's expectations of a file's records, checked before anything is sent: the
 * columns, the columns without missing values, the columns without repeated values, and the number
 * of records.
 *
 * Names are the names after the renames of a mapping. Null is no value: it violates `required`, and
 * is never a repetition. Values are compared by the text that is sent, so 1 and 1.0 are different.
 * The memory is bounded (unique.h). The first ten faults are reported, in the file's order.
 */
#ifndef FL_EXPECT_H
#define FL_EXPECT_H

#include "base/buffer.h"
#include "codec/mapping.h"
#include "files/unique.h"

typedef struct fl_expectation {
  fl_names columns; /* the records have these columns and no others; empty: any columns */
  fl_names required, unique;
  int64_t min_records;
} fl_expectation;

static inline bool fl_expectation_is_empty(const fl_expectation *wanted) {
  return wanted->columns.count == 0 && wanted->required.count == 0 && wanted->unique.count == 0 &&
         wanted->min_records == 0;
}

typedef struct fl_expect fl_expect;

/* NULL without memory. `wanted` has to live as long as the result. */
fl_expect *fl_expect_open(const fl_expectation *wanted);
void fl_expect_close(fl_expect *self);

void fl_expect_count(fl_expect *self);
/* The record at `place` has no value in the column `wanted->required[required]`. */
void fl_expect_missing(fl_expect *self, size_t required, fl_place place);
/* The record has this value in the column `wanted->unique[unique]`. Returns FL_OK, FL_NO_MEMORY, or
 * FL_SYSTEM for a failure of the temporary file. */
fl_result fl_expect_value(fl_expect *self, size_t unique, fl_slice text, fl_place place);

/*
 * Called after the last record. FL_INVALID if there are faults: the message, of at most `room`
 * bytes, lists them, and *place is the place of the first fault, or 0 if it has no place. `parts`:
 * the names of the files.
 */
fl_result fl_expect_finish(fl_expect *self, const char *const *parts, char *message, size_t room,
                           fl_place *place);

/* FL_INVALID with a message if the columns `present` are not the columns of `wanted->columns`, or a
 * column of `wanted->required` or `wanted->unique` is missing. `all`: the names that these two
 * lists may hold. */
fl_result fl_expect_columns(const fl_expectation *wanted, fl_names present, fl_names all,
                            char *message, size_t room);

#endif
