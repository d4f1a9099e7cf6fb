/*
 * digest.h: SHA-256 of a text, over nettle.
 *
 * Nettle rather than libcrypto: its names begin with nettle_, so that they meet no other OpenSSL in
 * a host that brings its own (nginx does), it keeps no global state, and it needs no initialisation
 * and no exit handler. Pure.
 */
#ifndef FL_DIGEST_H
#define FL_DIGEST_H

#include "base/base.h"

#define FL_DIGEST_ROOM 65 /* of the hexadecimal form, its NUL included */

void fl_digest(const char *bytes, size_t length, char hexadecimal[FL_DIGEST_ROOM]);

#endif
