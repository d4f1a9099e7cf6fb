/* faulty_body.c: replies whose body is sent with a fault. Runs on libmicrohttpd's thread. */
#include "faulty_body.h"

#include "pause.h"

#include <stdlib.h>

#define BLOCK ((size_t)65536)

static const char head[] = "{\"data\":\"", tail[] = "\",\"messages\":[]}";

typedef struct stream {
  struct MHD_Connection *connection;
  sandbox_timer *timer;
  fl_buffer body;
  sandbox_faulty_body_plan plan;
  bool paused;
} stream;

/* The byte at `position` of a JSON text of `length` bytes that holds one long string. */
static char filler_byte(uint64_t position, uint64_t length) {
  if (position < sizeof head - 1) return head[position];
  if (length - position < sizeof tail) return tail[sizeof tail - 1 - (length - position)];
  return 'x';
}

static void fill(char *to, uint64_t position, size_t size, uint64_t length) {
  memset(to, 'x', size);
  for (size_t index = 0; index < size; index++) {
    if (position + index >= sizeof head && length - position - index > sizeof tail) {
      uint64_t skip = length - position - sizeof tail;
      if (skip >= size) return;
      index = (size_t)skip;
    }
    to[index] = filler_byte(position + index, length);
  }
}

static bool must_pause(const stream *flow, uint64_t position) {
  if (flow->plan.pause == 0 || flow->paused) return false;
  return flow->plan.piece > 0 ? position > 0 : position == flow->plan.pause_at;
}

static ssize_t flow_on(void *context, uint64_t position, char *to, size_t room) {
  stream *flow = context;
  const sandbox_faulty_body_plan *plan = &flow->plan;
  uint64_t left = plan->end - position;
  size_t size = left < room ? (size_t)left : room;
  if (left == 0)
    return plan->length == MHD_SIZE_UNKNOWN ? MHD_CONTENT_READER_END_OF_STREAM
                                            : MHD_CONTENT_READER_END_WITH_ERROR;
  if (must_pause(flow, position)) {
    flow->paused = true;
    return sandbox_pause(flow->connection, flow->timer, plan->pause)
               ? 0
               : MHD_CONTENT_READER_END_WITH_ERROR;
  }
  if (plan->piece > 0) {
    flow->paused = false;
    if (size > plan->piece) size = plan->piece;
  } else if (plan->pause > 0 && position < plan->pause_at && size > plan->pause_at - position) {
    size = (size_t)(plan->pause_at - position);
  }
  if (plan->filler) fill(to, position, size, plan->end);
  else memcpy(to, flow->body.data + position, size);
  return (ssize_t)size;
}

static void free_stream(void *context) {
  stream *flow = context;
  fl_buffer_free(&flow->body);
  free(flow);
}

struct MHD_Response *sandbox_faulty_body_response(struct MHD_Connection *connection,
                                                  sandbox_timer *timer, fl_buffer *body,
                                                  const sandbox_faulty_body_plan *plan) {
  stream *flow = calloc(1, sizeof *flow);
  struct MHD_Response *response;
  if (flow == NULL) {
    fl_buffer_free(body);
    return NULL;
  }
  *flow = (stream){connection, timer, *body, *plan, false};
  fl_buffer_init(body, body->ceiling);
  response = MHD_create_response_from_callback(plan->length, BLOCK, flow_on, flow, free_stream);
  if (response == NULL) free_stream(flow);
  return response;
}
