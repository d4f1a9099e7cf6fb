/*
 * body.h: the JSON body of a request, scanned: a tape over a text of its own.
 */
#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include "codec/json_scan.h"
#include "reply.h"

typedef struct sandbox_body {
  char *text;
  fl_json_tape tape;
} sandbox_body;

/* Scans a copy of the text. False: it is not JSON, and the reply is the refusal. Free the body in
 * either case. */
bool sandbox_body_read(fl_slice given, sandbox_body *body, sandbox_reply *reply);
void sandbox_body_free(sandbox_body *body);
/* The node of a member of the root, or 0 for none; a null counts as none. */
uint32_t sandbox_body_member(const sandbox_body *body, const char *name);
/* The text of a string or a number as it stands; data = NULL if node is 0 or of another type. */
fl_slice sandbox_body_text(const sandbox_body *body, uint32_t node);

#endif
