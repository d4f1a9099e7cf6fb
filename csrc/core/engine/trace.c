/*
 * trace.c: makes traces. Relies on policy/redact.h to cover secrets in heads and errors. Without
 * memory a trace is left out.
 */
#include "engine/trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/redact.h"

static void free_trace(fl_item *item) { free(item); }

static fl_trace *make_trace(const fl_call *call, fl_slice head) {
  fl_buffer text;
  fl_trace *trace = NULL;
  fl_buffer_init(&text, FL_BUFFER_UNLIMITED);
  if (fl_redact_head(&text, head, call->api_key) == FL_OK)
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
