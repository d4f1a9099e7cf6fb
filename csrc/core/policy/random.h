/*
 * random.h: random numbers for jitter and request ids. No secret depends on them.
 *
 * Pure: the seed comes in, and the same seed gives the same numbers.
 */
#ifndef FL_RANDOM_H
#define FL_RANDOM_H

#include "base/base.h"

#define FL_RANDOM_ID_SIZE 37 /* of a UUID as text, its NUL included */

typedef struct fl_random {
  uint64_t words[2];
} fl_random;

/* Any two numbers are a seed. */
void fl_random_seed(fl_random *random, uint64_t first, uint64_t second);

uint64_t fl_random_next(fl_random *random);

/* At least 0 and below 1. */
double fl_random_fraction(fl_random *random);

/* Writes a UUID of version 4, in lower case. */
void fl_random_id(fl_random *random, char out[FL_RANDOM_ID_SIZE]);

#endif
