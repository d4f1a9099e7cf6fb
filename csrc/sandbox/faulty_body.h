/*
 * faulty_body.h: replies whose body is sent with a fault: cut, stalled, in small pieces, or
 * endless.
 */
#ifndef SANDBOX_FAULTY_BODY_H
#define SANDBOX_FAULTY_BODY_H

#include "base/buffer.h"
#include "timer.h"

#include <microhttpd.h>

typedef struct sandbox_faulty_body_plan {
  uint64_t length;   /* what Content-Length promises; MHD_SIZE_UNKNOWN = chunked */
  uint64_t end;      /* bytes that come; fewer than promised: the connection is closed there */
  size_t piece;      /* bytes at a time; 0 = as they fit */
  uint64_t pause_at; /* with piece 0: the one place of a pause */
  fl_time pause;     /* before each further piece, or at the one place; 0 = none */
  bool filler;       /* the body is JSON without content as long as `end`, not the buffer's bytes */
} sandbox_faulty_body_plan;

/* A response that carries out the plan over `body`, which is taken over. The timer wakes the
 * pauses. NULL without memory; the body is freed then as well. */
struct MHD_Response *sandbox_faulty_body_response(struct MHD_Connection *connection,
                                                  sandbox_timer *timer, fl_buffer *body,
                                                  const sandbox_faulty_body_plan *plan);

#endif
