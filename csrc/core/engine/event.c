/* event.c: makes events. An event copies its data, since the call changes while the event is read.
 */
#include "engine/event.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/redact.h"

static void free_event(fl_item *item) { free(item); }

/* Copies as much of a text as fits. */
static void copy_text(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text); }

void fl_event_emit(const fl_call *call, fl_event_name name, fl_time now, fl_time delay,
                   const char *reason) {
  fl_event *event;
  if (!call->client->settings.events) return;
  event = calloc(1, sizeof *event);
  if (event == NULL) return;
  event->item.type = FL_ITEM_EVENT;
  event->item.free = free_event;
  event->item.ticket = call->item.ticket;
  event->name = name;
  event->client = call->client->number;
  copy_text(event->operation, sizeof event->operation, call->operation);
  copy_text(event->method, sizeof event->method, call->method);
  copy_text(event->path, sizeof event->path, call->path);
  copy_text(event->request_id, sizeof event->request_id, call->request_id);
  /* A path that the caller chose may hold the key. */
  fl_redact_text(call->api_key, event->operation, sizeof event->operation);
  fl_redact_text(call->api_key, event->path, sizeof event->path);
  copy_text(event->reason, sizeof event->reason, reason);
  event->attempt = call->retry.attempts;
  event->status = call->head.status;
  event->kind = call->kind;
  event->fate = call->fate;
  event->delay = delay;
  event->elapsed = now - call->submitted;
  fl_mailbox_post(call->mailbox, &event->item);
}
