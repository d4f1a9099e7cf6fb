/*
 * body.h: the JSON body of a request: a copy of its text, and the tape.
 */
#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include "codec/json_scan.h"
#include "reply.h"

typedef struct sandbox_body {
  char *text;
  fl_json_tape tape;
} sandbox_body;

/* Scans a copy of the text. False if it is not JSON: the reply is then the refusal. Free the body
 * in either case. */
bool sandbox_body_read(fl_slice given, sandbox_body *body, sandbox_reply *reply);
void sandbox_body_free(sandbox_body *body);
/* The node of a member of the root, or 0 for none; a null counts as none. */
uint32_t sandbox_body_member(const sandbox_body *body, const char *name);
/* The text of a string or a number; data is NULL if the node is 0 or has another type. */
fl_slice sandbox_body_text(const sandbox_body *body, uint32_t node);

#endif
