/*
 * mapping.h: changes the members of a record before it is sent: renames them, chooses and orders
 * them, and adds members that are the same in every record.
 *
 * Pure. The three parts apply in this order: `renames` first, then `columns` by the new names, then
 * `set`. A member that `set` names and the record has is replaced in its place; the others follow
 * behind. columns.h applies a mapping to rows of CSV, this file to records of JSON.
 */
#ifndef FL_MAPPING_H
#define FL_MAPPING_H

#include "base/buffer.h"
#include "codec/json_scan.h"

typedef struct fl_names {
  const fl_slice *list;
  size_t count;
} fl_names;

typedef struct fl_rename {
  fl_slice from, to;
} fl_rename;

/* A member that is the same in every record; `json` is the text of its value. */
typedef struct fl_constant {
  fl_slice name, json;
} fl_constant;

typedef struct fl_mapping {
  const fl_rename *renames;
  size_t rename_count;
  fl_names columns; /* none: all, in their order */
  const fl_constant *set;
  size_t set_count;
} fl_mapping;

static inline bool fl_slice_equal(fl_slice one, fl_slice other) {
  return one.length == other.length &&
         (one.length == 0 || memcmp(one.data, other.data, one.length) == 0);
}

/* The index of a name in a list; the list's count if the name is not in it. */
size_t fl_names_find(fl_names names, fl_slice name);

static inline bool fl_mapping_is_empty(const fl_mapping *mapping) {
  return mapping->rename_count == 0 && mapping->columns.count == 0 && mapping->set_count == 0;
}

/* The name that a member has after the renames. */
fl_slice fl_mapping_rename(const fl_mapping *mapping, fl_slice name);
/* The constant of that name (as records have it after the renames), or NULL. */
const fl_constant *fl_mapping_constant(const fl_mapping *mapping, fl_slice name);

/* The beginning of a text for a message, to stand in quotes: on one line, with \ before quotes and
 * \, cut at a character's edge. */
#define FL_SHOWN 60
typedef struct fl_shown {
  char text[FL_SHOWN + 4];
} fl_shown;
fl_shown fl_show(fl_slice text);

/* Appends `"a", "b"` to a message of `room` bytes, with "..." where not all names have room. */
void fl_names_show(fl_names names, char *message, size_t room);

/*
 * Appends the object at node 0 of a tape, changed by the mapping. FL_INVALID with a message of at
 * most `room` bytes where a rename gives a member the name of another; `out` may then end with a
 * part of the record. A chosen member that the record does not have is left out.
 */
fl_result fl_mapping_write(const fl_mapping *mapping, const fl_json_tape *tape, const char *text,
                           fl_buffer *out, char *message, size_t room);

#endif
