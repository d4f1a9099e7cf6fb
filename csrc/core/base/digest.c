/* digest.c: SHA-256 in hexadecimal. */
#include "base/digest.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

void fl_digest(const char *bytes, size_t length, char hexadecimal[FL_DIGEST_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  struct sha256_ctx context;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init(&context);
  sha256_update(&context, length, (const uint8_t *)bytes);
#if NETTLE_VERSION_MAJOR >= 4
  sha256_digest(&context, digest);
#else
  sha256_digest(&context, sizeof digest, digest);
#endif
  for (size_t i = 0; i < sizeof digest; i++) {
    hexadecimal[2 * i] = digits[digest[i] >> 4];
    hexadecimal[2 * i + 1] = digits[digest[i] & 15];
  }
  hexadecimal[2 * sizeof digest] = '\0';
}
