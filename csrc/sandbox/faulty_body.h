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
  uint64_t length;   /* the Content-Length; MHD_SIZE_UNKNOWN = chunked */
  uint64_t end;      /* the bytes to send; if they are fewer than `length`, the connection is closed
                        after them */
  size_t piece;      /* bytes sent at a time; 0 = no limit */
  uint64_t pause_at; /* if piece is 0: the place of the only pause */
  fl_time pause;     /* before each further piece, or at `pause_at`; 0 = none */
  bool filler;       /* the body is a generated JSON text of `end` bytes, not the buffer */
} sandbox_faulty_body_plan;

/* A response that sends `body` by the plan. Takes ownership of `body`, even on failure. The timer
 * ends the pauses. NULL without memory. */
struct MHD_Response *sandbox_faulty_body_response(struct MHD_Connection *connection,
                                                  sandbox_timer *timer, fl_buffer *body,
                                                  const sandbox_faulty_body_plan *plan);

#endif
