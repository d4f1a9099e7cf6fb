/*
 * event.h: events: reports to the reader of a mailbox about a call that is under way. They are
 * posted only for clients whose settings ask for them.
 */
#ifndef FL_EVENT_H
#define FL_EVENT_H

#include "engine/call.h"

typedef enum fl_event_name {
  FL_EVENT_START, /* an attempt begins */
  FL_EVENT_WAIT,  /* the call waits for the rate budget */
  FL_EVENT_RETRY, /* an attempt failed; the next comes after `delay` */
  FL_EVENT_DONE   /* the call has ended */
} fl_event_name;

typedef struct fl_event {
  fl_item item; /* ticket: of the call */
  fl_event_name name;
  uint64_t client;
  char operation[64];
  char method[16];
  char path[256]; /* cut to fit */
  char request_id[FL_REQUEST_ID];
  char reason[16];
  int attempt, status;
  fl_kind kind;
  fl_fate fate;
  fl_time delay, elapsed;
} fl_event;

/* Posts an event about `call` to its mailbox. `delay` is a duration, `reason` a word or "". Without
 * memory the event is left out. */
void fl_event_emit(const fl_call *call, fl_event_name name, fl_time now, fl_time delay,
                   const char *reason);

#endif
