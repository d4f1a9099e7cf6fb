/* name_index.c: names by place, and their places sorted. See name_index.h. */
#include "codec/name_index.h"

#include <stdlib.h>

#define FIRST_ROOM 16

static int compare(fl_slice one, fl_slice other) {
  if (one.length != other.length) return one.length < other.length ? -1 : 1;
  return one.length > 0 ? memcmp(one.data, other.data, one.length) : 0;
}

/* The first position of `order` whose name is not before this one. */
static size_t search(const fl_name_index *self, fl_slice name) {
  size_t low = 0, high = self->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(self->names[self->order[middle]], name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

static bool is_at(const fl_name_index *self, size_t position, fl_slice name) {
  return position < self->count && compare(self->names[self->order[position]], name) == 0;
}

static bool grow(fl_name_index *self) {
  size_t room = self->room > 0 ? self->room * 2 : FIRST_ROOM;
  fl_slice *names = realloc(self->names, room * sizeof *names);
  uint32_t *order;
  if (names == NULL) return false;
  self->names = names;
  order = realloc(self->order, room * sizeof *order);
  if (order == NULL) return false;
  self->order = order;
  self->room = room;
  return true;
}

fl_result fl_name_index_add(fl_name_index *self, fl_slice name) {
  size_t position = search(self, name);
  if (is_at(self, position, name)) return FL_INVALID;
  if (self->count == self->room && !grow(self)) return FL_NO_MEMORY;
  memmove(self->order + position + 1, self->order + position,
          (self->count - position) * sizeof *self->order);
  self->order[position] = (uint32_t)self->count;
  self->names[self->count++] = name;
  return FL_OK;
}

size_t fl_name_index_find(const fl_name_index *self, fl_slice name) {
  size_t position = search(self, name);
  return is_at(self, position, name) ? self->order[position] : FL_NO_PLACE;
}

void fl_name_index_free(fl_name_index *self) {
  free(self->names);
  free(self->order);
  *self = (fl_name_index){NULL, NULL, 0, 0};
}
