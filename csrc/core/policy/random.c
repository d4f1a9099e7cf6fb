/* random.c: xorshift128+, whose state must not be all zeros. */
#include "policy/random.h"

void fl_random_seed(fl_random *random, uint64_t first, uint64_t second) {
  random->words[0] = first | 1;
  random->words[1] = second;
}

uint64_t fl_random_next(fl_random *random) {
  uint64_t a = random->words[0];
  const uint64_t b = random->words[1];
  random->words[0] = b;
  a ^= a << 23;
  random->words[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return random->words[1] + b;
}

double fl_random_fraction(fl_random *random) {
  return (double)(fl_random_next(random) >> 11) / 9007199254740992.0;
}

void fl_random_id(fl_random *random, char out[FL_RANDOM_ID_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  uint64_t halves[2];
  halves[0] = (fl_random_next(random) & ~UINT64_C(0xf000)) | 0x4000;               /* the version */
  halves[1] = (fl_random_next(random) & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62; /* the variant */
  for (int digit = 0; digit < 32; digit++) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) *out++ = '-';
    *out++ = digits[halves[digit / 16] >> (60 - 4 * (digit % 16)) & 15];
  }
  *out = '\0';
}
