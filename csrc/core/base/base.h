/*
 * base.h: types that every layer of the core shares: result codes, the byte slice, 64-bit time.
 *
 * Relies on the C library only. Nothing here allocates.
 */
#ifndef FL_BASE_H
#define FL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FL_VERSION "0.1.0"

/* The result of a function that can fail. Zero is success. */
typedef enum fl_result {
  FL_OK = 0,
  FL_NO_MEMORY,
  FL_TOO_LARGE, /* a ceiling that the caller set was reached */
  FL_INVALID,   /* the input breaks a rule in the function's comment */
  FL_SYSTEM     /* a system call failed; errno says why */
} fl_result;

/* Bytes with another owner. Not terminated by a NUL. */
typedef struct fl_slice {
  const char *data;
  size_t length;
} fl_slice;

#define FL_LITERAL(text) ((fl_slice){(text), sizeof(text) - 1})

static inline fl_slice fl_slice_of(const char *text) {
  fl_slice slice = {text, text ? strlen(text) : 0};
  return slice;
}

/*
 * Microseconds. A point in time is on the monotonic clock unless its name says `wall`, which counts
 * from the Unix epoch. A duration has no clock.
 */
typedef int64_t fl_time;
#define FL_MILLISECOND ((fl_time)1000)
#define FL_SECOND ((fl_time)1000000)
#define FL_NEVER INT64_MAX

/* The time `wait` after `now`; FL_NEVER where that lies beyond all times. */
static inline fl_time fl_time_after(fl_time now, fl_time wait) {
  return wait > 0 && now > FL_NEVER - wait ? FL_NEVER : now + wait;
}

/* Stands for a time or a count that is not known. */
#define FL_UNKNOWN INT64_MIN

#endif
