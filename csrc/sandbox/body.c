/* body.c: the JSON body of a request, over the core's scanner. */
#include "body.h"

#include <stdlib.h>

bool sandbox_body_read(fl_slice given, sandbox_body *body, sandbox_reply *reply) {
  fl_json_error error;
  fl_json_tape_init(&body->tape);
  body->text = malloc(given.length + 1);
  if (body->text == NULL) {
    sandbox_reply_refuse(reply, 500, "No memory");
    return false;
  }
  if (given.length > 0) memcpy(body->text, given.data, given.length);
  body->text[given.length] = '\0';
  if (fl_json_scan(body->text, given.length, &body->tape, &error) == FL_JSON_OK) return true;
  sandbox_reply_refuse(reply, 400, "The body is not JSON: %s at byte %zu",
                       fl_json_describe(error.code), error.position);
  return false;
}

void sandbox_body_free(sandbox_body *body) {
  fl_json_tape_free(&body->tape);
  free(body->text);
  body->text = NULL;
}

uint32_t sandbox_body_member(const sandbox_body *body, const char *name) {
  uint32_t node = fl_json_member(&body->tape, body->text, 0, fl_slice_of(name));
  return node != 0 && body->tape.nodes[node].type == FL_JSON_NULL ? 0 : node;
}

fl_slice sandbox_body_text(const sandbox_body *body, uint32_t node) {
  const fl_json_node *found = &body->tape.nodes[node];
  fl_slice text = {NULL, 0};
  if (node == 0) return text;
  if (found->type == FL_JSON_STRING) {
    text.data = body->text + found->offset;
    text.length = found->value.size.length;
  } else if (found->type >= FL_JSON_INTEGER && found->type <= FL_JSON_FLOAT) {
    text.data = body->text + found->offset;
    text.length = fl_json_number_length(text.data);
  }
  return text;
}
