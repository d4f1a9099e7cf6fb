/*
 * trace.c: makes traces. Relies on policy/redact.h to cover secrets in heads and errors. Without
 * memory a trace is left out.
 */
#include "engine/trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/redact.h"
#include "policy/visible.h"

#define PIECE 120 /* bytes of a line that are made visible at once */
#define GROWTH 8  /* of a byte of them, at most; fl_visible takes 1024 bytes in all */

static void free_trace(fl_item *item) { free(item); }

static fl_result append_visible(fl_buffer *out, const char *text, size_t length) {
  char piece[PIECE * GROWTH + 1];
  for (size_t at = 0, used; at < length; at += used) {
    used = length - at < PIECE ? length - at : PIECE;
    /* Between two characters of UTF-8. */
    while (at + used < length && used > 1 && ((unsigned char)text[at + used] & 0xc0) == 0x80)
      used--;
    memcpy(piece, text + at, used);
    piece[used] = '\0';
    fl_visible(piece, sizeof piece);
    if (fl_buffer_append(out, piece, strlen(piece)) != FL_OK) return FL_NO_MEMORY;
  }
  return FL_OK;
}

/* Appends the lines of a head, with the characters made visible that would change a terminal. */
static fl_result append_lines(fl_buffer *out, fl_slice head) {
  for (size_t at = 0; at < head.length;) {
    const char *line = head.data + at, *end = memchr(line, '\n', head.length - at);
    size_t length = end != NULL ? (size_t)(end - line) + 1 : head.length - at, text = length;
    while (text > 0 && (line[text - 1] == '\n' || line[text - 1] == '\r')) text--;
    if (append_visible(out, line, text) != FL_OK || fl_buffer_append(out, "\r\n", 2) != FL_OK)
      return FL_NO_MEMORY;
    at += length;
  }
  return FL_OK;
}

static fl_trace *make_trace(const fl_call *call, fl_slice head) {
  fl_buffer covered, text;
  fl_trace *trace = NULL;
  fl_buffer_init(&covered, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
  if (fl_redact_head(&covered, head, call->api_key) == FL_OK &&
      append_lines(&text, (fl_slice){covered.data, covered.length}) == FL_OK)
    trace = calloc(1, sizeof *trace + text.length + 1);
  if (trace != NULL) {
    trace->item.type = FL_ITEM_TRACE;
    trace->item.free = free_trace;
    trace->item.ticket = call->item.ticket;
    trace->client = call->client->number;
    snprintf(trace->operation, sizeof trace->operation, "%s", call->operation);
    snprintf(trace->request_id, sizeof trace->request_id, "%s", call->request_id);
    fl_redact_text(call->api_key, trace->operation, sizeof trace->operation);
    fl_redact_text(call->api_key, trace->request_id, sizeof trace->request_id);
    trace->attempt = call->retry.attempts;
    trace->length = text.length;
    if (text.length > 0) memcpy(trace->text, text.data, text.length);
  }
  fl_buffer_free(&text);
  fl_buffer_free(&covered);
  return trace;
}

void fl_trace_request(const fl_call *call, fl_slice head) {
  fl_trace *trace = make_trace(call, head);
  if (trace != NULL) fl_mailbox_post(call->mailbox, &trace->item);
}

void fl_trace_end(const fl_call *call, const fl_trace_figures *figures, const char *error) {
  fl_trace *trace = make_trace(call, (fl_slice){call->head_lines.data, call->head_lines.length});
  if (trace == NULL) return;
  trace->ended = true;
  trace->figures = *figures;
  snprintf(trace->error, sizeof trace->error, "%s", error);
  fl_redact_text(call->api_key, trace->error, sizeof trace->error);
  fl_mailbox_post(call->mailbox, &trace->item);
}
