/*
 * trace.h: traces: what an attempt has sent and received, for the option `debug`. They are posted
 * to the mailbox of the call, only for clients whose settings ask for them. No trace holds a
 * secret.
 */
#ifndef FL_TRACE_H
#define FL_TRACE_H

#include "engine/call.h"

/* The figures of an attempt that has ended. Durations count from its beginning. */
typedef struct fl_trace_figures {
  int64_t head_sent, body_sent, head_received, body_received; /* bytes */
  fl_time name_lookup, connect, tls, first_byte, total;       /* 0: not reached, or not needed */
  bool reused;      /* an idle connection was used again */
  char address[80]; /* "IP:port"; "" if none was reached */
} fl_trace_figures;

typedef struct fl_trace {
  fl_item item; /* ticket: of the call */
  bool ended;   /* false: the head of the request was sent, `text` is it */
  uint64_t client;
  char operation[64];
  char request_id[FL_REQUEST_ID];
  int attempt;
  fl_trace_figures figures; /* if ended */
  char error[256];          /* why the attempt has no reply that can be used; "" if it has one */
  size_t length;
  char text[]; /* the head of the request or the reply, lines that end in CR LF */
} fl_trace;

/* The head of a request was sent. */
void fl_trace_request(const fl_call *call, fl_slice head);

/* An attempt has ended, with the head of its reply in the call. `error` is a text or "". */
void fl_trace_end(const fl_call *call, const fl_trace_figures *figures, const char *error);

#endif
