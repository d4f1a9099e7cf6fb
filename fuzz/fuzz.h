/*
 * fuzz.h: helpers of the fuzz targets: checks, and values out of the bytes of an input.
 *
 * A target is a program of libFuzzer: it defines LLVMFuzzerTestOneInput. It aborts where an
 * invariant does not hold. Relies on the core alone.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define HOLDS(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

/* The bytes of an input that are not used yet. */
typedef struct fuzz_input {
  const uint8_t *bytes;
  size_t left;
} fuzz_input;

/* The next byte; 0 past the end. */
static inline unsigned fuzz_byte(fuzz_input *input) {
  if (input->left == 0) return 0;
  input->left--;
  return *input->bytes++;
}

/* A number of up to four bytes, small ones more often: the first byte says how many follow. */
static inline uint32_t fuzz_number(fuzz_input *input) {
  uint32_t number = 0;
  for (unsigned more = fuzz_byte(input) % 5; more > 0; more--)
    number = number << 8 | fuzz_byte(input);
  return number;
}

/* The bytes up to the next NUL, which is left out, or to the end. */
static inline fl_slice fuzz_text(fuzz_input *input) {
  const uint8_t *end = input->left > 0 ? memchr(input->bytes, 0, input->left) : NULL;
  fl_slice text = {(const char *)input->bytes,
                   end != NULL ? (size_t)(end - input->bytes) : input->left};
  size_t used = text.length + (end != NULL);
  input->bytes += used;
  input->left -= used;
  return text;
}

/* A copy of memory of exactly its size and a NUL, so that a read past it is seen. The caller frees
 * it. */
static inline char *fuzz_copy(const void *bytes, size_t length) {
  char *copy = malloc(length + 1);
  HOLDS(copy != NULL);
  if (length > 0) memcpy(copy, bytes, length);
  copy[length] = '\0';
  return copy;
}

#endif
