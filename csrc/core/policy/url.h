/*
 * url.h: base URL, path template and query -> URL.
 *
 * Pure apart from the buffer that it appends to. An id is opaque (the service does not say whether
 * it is a number, a word or a UUID), so it always becomes exactly one path segment: everything but
 * the unreserved characters of RFC 3986 is percent-encoded.
 */
#ifndef FL_URL_H
#define FL_URL_H

#include "base/buffer.h"

typedef enum fl_url_code {
  FL_URL_OK = 0,
  FL_URL_EMPTY,
  FL_URL_DOTS,    /* "." or "..", which a client or a proxy would remove */
  FL_URL_CONTROL, /* a control character; in a base or a path a space; in a base a byte beyond ASCII
                   */
  FL_URL_SCHEME,  /* neither https:// nor http:// */
  FL_URL_INSECURE,  /* http:// to a host that is not loopback, and not allowed */
  FL_URL_USER_INFO, /* user:password@ in a base URL */
  FL_URL_HOST,      /* no host, or a malformed host or port */
  FL_URL_QUERY,     /* a query or a fragment where none is allowed */
  FL_URL_PATH,      /* a path that does not begin with "/", or holds a malformed % sequence */
  FL_URL_TEMPLATE /* an id without "{id}" in the template, "{id}" without an id, two of them, or one
                     that is not a whole segment */
} fl_url_code;

/* The meaning of the code, as the end of a sentence: "is empty", "holds a control character". */
const char *fl_url_describe(fl_url_code code);

/*
 * Checks a base URL: scheme (in any case), host, optional port, optional path without a trailing
 * part. A host is a name, an IPv4 address or an IPv6 literal in brackets without a zone. On success
 * *usable is how many of its bytes to use (trailing slashes left off), else 0.
 */
fl_url_code fl_url_check_base(fl_slice base, bool allow_insecure, size_t *usable);

/* True for http(s) URLs whose host is localhost, 127.0.0.0/8 (as four decimal octets, no other
 * spelling) or ::1. False for a host that fl_url_check_base would refuse. */
bool fl_url_is_loopback(fl_slice base);

/* A region is [a-z0-9-]+ and at most 63 bytes: it becomes a label of a host name. */
bool fl_url_is_region(fl_slice region);

/* A UUID in its usual form, 8-4-4-4-12 hexadecimal digits. */
bool fl_url_is_uuid(fl_slice text);

/* Whether an id can be a path segment: FL_URL_OK, FL_URL_EMPTY, FL_URL_DOTS, FL_URL_CONTROL. Spaces
 * and bytes beyond ASCII can: they are encoded. */
fl_url_code fl_url_check_id(fl_slice id);

/* Whether a path that the caller gives (as to `api:request`) may be sent. It must begin with "/".
 * It may hold no control character, no space, no query, no fragment and no "." or ".." segment (%2e
 * counts as a dot), and % only as %XX. */
fl_url_code fl_url_check_path(fl_slice path);

/*
 * Appends base (checked and cut before) + template, "{id}" in the template replaced by the encoded
 * id (id.data NULL: none). The template is checked by fl_url_check_path. Characters that RFC 3986
 * forbids in a path, bytes beyond ASCII included, are percent-encoded; %XX is kept. Sets *code.
 * FL_INVALID if *code is not FL_URL_OK, else the result of the buffer. On failure the buffer is
 * unchanged.
 */
fl_result fl_url_append_path(fl_buffer *out, fl_slice base, fl_slice path_template, fl_slice id,
                             fl_url_code *code);

#endif
