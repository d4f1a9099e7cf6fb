/*
 * call.c: making and freeing calls. A call and its strings are one allocation, so that a call is
 * handed over as one pointer and freed at once. Relies on policy/url.h to check paths and ids.
 */
#include "engine/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/url.h"

#define FEW_VALUES 65536                  /* of 16 bytes each */
#define MOST_HEAD_BYTES ((size_t)1 << 20) /* libcurl refuses a larger head */

/* Copies a slice to `*cursor`, adds a NUL, and moves the cursor behind it. */
static char *place(char **cursor, fl_slice text) {
  char *start = *cursor;
  if (text.length > 0) memcpy(start, text.data, text.length);
  start[text.length] = '\0';
  *cursor += text.length + 1;
  return start;
}

/* The values of a reply may take as much memory again as its text. Small replies are not counted.
 */
static uint32_t most_values(size_t bytes) {
  size_t most = bytes / sizeof(fl_json_node);
  if (most < FEW_VALUES) most = FEW_VALUES;
  return most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

static void free_item(fl_item *item) { fl_call_free((fl_call *)(void *)item); }

static void set_up(fl_call *call, fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                   const fl_request *request) {
  call->item.type = FL_ITEM_CALL;
  call->item.free = free_item;
  call->item.ticket = ticket;
  call->client = fl_client_retain(client);
  call->mailbox = fl_mailbox_retain(mailbox);
  fl_buffer_init(&call->body, FL_BUFFER_UNLIMITED);
  if (request->body != NULL) {
    call->body = *request->body;
    fl_buffer_init(request->body, request->body->ceiling);
    call->has_body = true;
  }
  call->write = request->write;
  call->repeatable = request->repeatable;
  call->expects_id = request->expects_id;
  call->expects_rows = request->expects_rows;
  call->raw = request->raw;
  call->keeps_text = request->keeps_text;
  call->conditional = request->conditional;
  call->interactive = request->interactive;
  call->deadline = request->deadline;
  call->permit = fl_permit_retain(request->permit);
  call->retry.write = request->write;
  call->retry.repeatable = request->repeatable;
  call->retry.deadline = request->deadline;
  call->retry_at_wall = FL_UNKNOWN;
  fl_response_head_init(&call->head);
  fl_buffer_init(&call->head_lines, MOST_HEAD_BYTES);
  fl_buffer_init(&call->raw_text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&call->text, client->settings.max_response_bytes);
  fl_json_tape_init(&call->tape);
  call->tape.most = most_values(client->settings.max_response_bytes);
}

fl_call *fl_call_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                     const fl_request *request, int *code) {
  fl_slice base = fl_slice_of(client->settings.base_url);
  fl_url_code url_code = FL_URL_OK;
  fl_buffer url;
  fl_call *call = NULL;
  fl_slice path;
  char *cursor;

  fl_buffer_init(&url, FL_BUFFER_UNLIMITED);
  *code = FL_URL_OK;
  if (fl_url_append_path(&url, base, request->path, request->id, &url_code) != FL_OK ||
      fl_buffer_append(&url, request->query.data, request->query.length) != FL_OK) {
    *code = url_code;
    goto done;
  }
  path = (fl_slice){url.data + base.length, url.length - base.length - request->query.length};
  call = calloc(1, sizeof *call + request->operation.length + request->method.length + url.length +
                       path.length + request->api_key.length + request->headers.length + 6);
  if (call == NULL) goto done;
  cursor = (char *)(call + 1);
  call->operation = place(&cursor, request->operation);
  call->method = place(&cursor, request->method);
  call->url = place(&cursor, (fl_slice){url.data, url.length});
  call->path = place(&cursor, path);
  call->api_key = place(&cursor, request->api_key);
  call->headers.data = place(&cursor, request->headers);
  call->headers.length = request->headers.length;
  if (request->request_id.length > 0 && request->request_id.length < sizeof call->request_id)
    memcpy(call->request_id, request->request_id.data, request->request_id.length);

  set_up(call, client, mailbox, ticket, request);

done:
  fl_buffer_free(&url);
  return call;
}

void fl_call_free(fl_call *call) {
  fl_wipe(call->api_key, strlen(call->api_key));
  fl_buffer_free(&call->body);
  fl_buffer_free(&call->head_lines);
  fl_buffer_free(&call->raw_text);
  fl_buffer_pool_give(&call->client->pool, (fl_pooled_buffer){call->text, call->tape});
  fl_permit_release(call->permit);
  fl_client_release(call->client);
  fl_mailbox_release(call->mailbox);
  free(call);
}

void fl_call_set_message(fl_call *call, const char *words) {
  snprintf(call->message, sizeof call->message, "%s: %s", call->operation, words);
}

void fl_call_set_no_rows_message(fl_call *call) {
  char came[160];
  fl_envelope_describe(&call->tape, call->text.data, call->envelope.data, came, sizeof came);
  snprintf(
      call->message, sizeof call->message,
      "%s: data should be an array of rows, or an object whose one array is records, but is %s",
      call->operation, came);
}
