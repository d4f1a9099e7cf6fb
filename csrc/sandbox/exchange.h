/*
 * exchange.h: one request and its reply, on their way through server.c (HTTP), exchange_work.c
 * (what is done) and exchange_reply.c (what is sent).
 *
 * An exchange is touched by libmicrohttpd's thread only.
 */
#ifndef SANDBOX_EXCHANGE_H
#define SANDBOX_EXCHANGE_H

#include "shared.h"

#include <microhttpd.h>

/* What a fault does to the work, and to the reply. */
typedef enum { WORK_WHOLE, WORK_NONE, WORK_LATE, WORK_PART, WORK_AFTER_FOREIGN } sandbox_work_mode;
typedef enum {
  SEND_WHOLE,
  SEND_NOTHING,
  SEND_RESET,
  SEND_STATUS,
  SEND_HTML,
  SEND_REDIRECT,
  SEND_GARBAGE,
  SEND_BAD_GZIP,
  SEND_STREAM
} sandbox_send_mode;

typedef struct sandbox_behaviour {
  sandbox_work_mode work;
  sandbox_send_mode send;
  int status; /* where the fault gives none; 0 = that of the reply */
} sandbox_behaviour;

/* Lives as long as a TCP connection. */
typedef struct sandbox_peer {
  int64_t number, requests;
} sandbox_peer;

typedef struct sandbox_exchange {
  sandbox *owner;
  sandbox_peer *from;
  char *uri; /* as it came */
  fl_slice path, query;
  const char *method;
  sandbox_route route;
  sandbox_fault fault;
  sandbox_behaviour behaviour;
  bool faulty;
  enum { OPENED, GATHERING, READY } stage;
  fl_buffer body;
  bool too_large;
  sandbox_reply reply;
  sandbox_admission_headers headers;
  char etag[24];
  bool authorized, over_limit, drop;
} sandbox_exchange;

static inline const char *sandbox_header(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Chooses the fault, if one meets this request. Once the headers are there. */
void sandbox_exchange_meet_fault(sandbox_exchange *asked, struct MHD_Connection *connection,
                                 bool reused);
/* Does what is asked, as the fault has it, fills in the reply and writes the log. Once the body is
 * there. */
void sandbox_exchange_work(sandbox_exchange *asked, struct MHD_Connection *connection);
/* Queues the reply; MHD_NO closes the connection without one. */
enum MHD_Result sandbox_exchange_reply(sandbox_exchange *asked, struct MHD_Connection *connection);

#endif
