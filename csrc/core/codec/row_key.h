/*
 * row_key.h: a row of a page as a string of bytes, to recognise an equal row in a later page.
 *
 * Pure. Two rows are equal if they have the same members in the same order with the same values;
 * numbers compare by value, except those beyond 64 bits, which compare by their digits.
 */
#ifndef FL_ROW_KEY_H
#define FL_ROW_KEY_H

#include "base/buffer.h"
#include "codec/json_scan.h"

/* Appends the key of the value at node `row`. Results as of fl_buffer_append. */
fl_result fl_row_key_write(const fl_json_tape *tape, const char *text, uint32_t row,
                           fl_buffer *key);

/* A 64-bit hash of a row's key. Not safe against rows that are made to collide. */
uint64_t fl_row_key_hash(const fl_json_tape *tape, const char *text, uint32_t row);

/* Whether one of the `count` values from node `row` on has one of two keys. Takes a few nanoseconds
 * for a row whose first member differs. */
bool fl_row_key_find(const fl_json_tape *tape, const char *text, uint32_t row, int64_t count,
                     fl_slice one, fl_slice other);

#endif
