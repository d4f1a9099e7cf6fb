/*
 * certificates.h: the chain of certificates that a server presents, for a diagnosis.
 *
 * Opens a connection of its own, verifies nothing on it, and sends no request, so no key. Blocks.
 */
#ifndef FL_CERTIFICATES_H
#define FL_CERTIFICATES_H

#include "base/base.h"

typedef struct fl_certificates_request {
  const char *url;                      /* https:// */
  const char *client_cert, *client_key; /* NULL if not given */
  const char *proxy;                    /* NULL: that of the environment */
  fl_time timeout;
} fl_certificates_request;

/* Called for each line, in the order of the chain: "Subject:CN = …", "Issuer:…", "Expire date:…".
 * `place` counts the certificates from 0. */
typedef void (*fl_certificates_line)(void *context, int place, const char *line);

/* NULL if the chain was read; else what went wrong, a static text. Call it only while no other
 * thread starts or ends the engine's use of libcurl: from the thread of the Lua state. */
const char *fl_certificates_read(const fl_certificates_request *request, fl_certificates_line tell,
                                 void *context);

#endif
