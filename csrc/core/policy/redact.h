/*
 * redact.h: covers secrets in texts that leave the core: the API key, which a server may repeat in
 * its reply, and the user and password of a proxy's URL, which libcurl repeats in its errors.
 *
 * Pure, apart from the buffer of fl_redact_head. A covered byte becomes "*", so that texts keep
 * their length; only fl_redact_head hides the length of values.
 */
#ifndef FL_REDACT_H
#define FL_REDACT_H

#include "base/buffer.h"

/* A shorter secret is not covered: it would hit ordinary words. */
#define FL_REDACT_SHORTEST 4

/* Covers every occurrence of `secret`, in any case, as it is and with any of its characters
 * escaped: in JSON (\" or \u0022), in URLs (%22) or in HTML (&quot; or &#34;), up to eight times
 * over. An escape in the secret itself is found decoded, too. `cut`: the text was cut, so it may
 * end in the middle of an occurrence, whose beginning is covered too. */
void fl_redact(const char *secret, char *bytes, size_t length, bool cut);

/* The same for a text in an array of `size` bytes. A text that fills the array may be cut. */
void fl_redact_text(const char *secret, char *text, size_t size);

/* Appends the head of a request or a reply, lines that end in CR LF. The values of headers that are
 * secrets by their names (the API key, Authorization, cookies) become "***", which hides their
 * length, too. Elsewhere `secret` is covered by asterisks. */
fl_result fl_redact_head(fl_buffer *out, fl_slice head, const char *secret);

/* Covers the user and password of each URL: the bytes before an "@", back to the "//" or the space
 * before them. */
void fl_redact_user_info(char *text);

#endif
