/*
 * name_index.h: names in the order of their arrival, each once, and the place of a name among them.
 *
 * Pure. The names are the caller's: they stay where they are as long as the index. A binary search
 * over sorted places finds a name, so no choice of names makes the search slow, as it could with a
 * hash. Relies on the C library only.
 */
#ifndef FL_NAME_INDEX_H
#define FL_NAME_INDEX_H

#include "base/base.h"

/* The most columns of a file. Spreadsheets stop at the same number. Each row costs time for each
 * column, so without a ceiling one wide row would make many narrow ones expensive. */
#define FL_COLUMNS_MOST 16384

#define FL_NO_PLACE SIZE_MAX

/* Begins as zeros. */
typedef struct fl_name_index {
  fl_slice *names; /* by place */
  uint32_t *order; /* the places, sorted by the length and the bytes of their names */
  size_t count, room;
} fl_name_index;

/* Adds the name at the place `count`. FL_INVALID: it is there already; FL_NO_MEMORY. */
fl_result fl_name_index_add(fl_name_index *self, fl_slice name);

/* The place of the name, or FL_NO_PLACE. */
size_t fl_name_index_find(const fl_name_index *self, fl_slice name);

void fl_name_index_free(fl_name_index *self);

#endif
