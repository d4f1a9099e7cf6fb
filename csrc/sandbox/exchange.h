/*
 * exchange.h: one request and its reply. server.c receives the request, exchange_work.c carries it
 * out, exchange_log.c logs it, and exchange_reply.c sends the reply.
 *
 * Only libmicrohttpd's thread uses an exchange.
 */
#ifndef SANDBOX_EXCHANGE_H
#define SANDBOX_EXCHANGE_H

#include "shared.h"

#include <microhttpd.h>

/* Lives as long as a TCP connection. */
typedef struct sandbox_peer {
  int64_t number, requests;
} sandbox_peer;

typedef struct sandbox_exchange {
  sandbox *owner;
  sandbox_peer *from;
  char *uri; /* still percent-encoded */
  fl_slice path, query;
  const char *method;
  sandbox_route route;
  sandbox_fault fault; /* kind NULL: no fault */
  sandbox_work_mode work;
  sandbox_send_mode send;
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

/* Whether the reply is sent unchanged, now or later. */
static inline bool sandbox_exchange_is_whole(const sandbox_exchange *asked) {
  return asked->send == SEND_WHOLE || asked->send == SEND_LATE || asked->send == SEND_HEADER;
}

/* exchange_work.c. Chooses the fault of this request, if there is one. Called when the headers have
 * arrived. */
void sandbox_exchange_meet_fault(sandbox_exchange *asked, struct MHD_Connection *connection,
                                 bool reused);
/* exchange_work.c. Whether the headers name this machine, and a valid key and subscription. */
bool sandbox_exchange_is_admitted(const sandbox_exchange *asked, struct MHD_Connection *connection);
/* exchange_work.c. Carries out the request, changed by the fault, fills in the reply, and writes
 * the log. Called when the body has arrived. */
void sandbox_exchange_work(sandbox_exchange *asked, struct MHD_Connection *connection);
/* exchange_log.c. Writes the entry of the log, and records a commit. Returns the entry's number.
 * The caller holds the lock. */
int64_t sandbox_exchange_log(const sandbox_exchange *asked, struct MHD_Connection *connection);
/* exchange_reply.c. Queues the reply; MHD_NO closes the connection without one. */
enum MHD_Result sandbox_exchange_reply(sandbox_exchange *asked, struct MHD_Connection *connection);

#endif
