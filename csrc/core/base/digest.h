/*
 * digest.h: SHA-256 of a text, over nettle.
 *
 * Nettle rather than libcrypto: its symbols cannot clash with the OpenSSL that a host such as nginx
 * brings, it keeps no global state, and it needs no initialisation and no exit handler. Pure.
 */
#ifndef FL_DIGEST_H
#define FL_DIGEST_H

#include "base/base.h"

#define FL_DIGEST_SIZE 65 /* of the hexadecimal form, its NUL included */

void fl_digest(const char *bytes, size_t length, char hexadecimal[FL_DIGEST_SIZE]);

#endif
