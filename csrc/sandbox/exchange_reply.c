/* exchange_reply.c: sends the reply to a request, changed by the request's fault. */
#include "exchange.h"

#include "base/clock.h"
#include "faulty_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <zlib.h>

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
  if (value[0]) MHD_add_response_header(response, name, value);
}

/* Appends a member of gzip that holds the bytes. */
static bool append_gzip(fl_buffer *packed, const char *bytes, size_t length) {
  z_stream zip = {0};
  bool done = false;
  /* 15 + 16: the largest window, in gzip's format. */
  if (deflateInit2(&zip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  if (fl_buffer_reserve(packed, deflateBound(&zip, length)) == FL_OK) {
    zip.next_in = (Bytef *)bytes;
    zip.avail_in = (uInt)length;
    zip.next_out = (Bytef *)packed->data + packed->length;
    zip.avail_out = (uInt)(packed->capacity - packed->length);
    done = deflate(&zip, Z_FINISH) == Z_STREAM_END;
    packed->length += zip.total_out;
  }
  deflateEnd(&zip);
  return done;
}

/* Compresses the body in place, with its first `cut` bytes as a gzip member of their own. On false
 * the body is unchanged. */
static bool compress_body(fl_buffer *body, size_t cut) {
  fl_buffer packed;
  fl_buffer_init(&packed, body->ceiling);
  if ((cut > 0 && !append_gzip(&packed, body->data, cut)) ||
      !append_gzip(&packed, body->data + cut, body->length - cut)) {
    fl_buffer_free(&packed);
    return false;
  }
  fl_buffer_free(body);
  *body = packed;
  return true;
}

static bool accepts_gzip(struct MHD_Connection *connection) {
  const char *accepted = sandbox_header(connection, "Accept-Encoding");
  return accepted && strstr(accepted, "gzip");
}

/* Whether the fault changes the way in which the body is sent. Fills in the plan for sending it. */
static bool make_plan(const sandbox_exchange *asked, sandbox_faulty_body_plan *plan) {
  const sandbox_fault *fault = &asked->fault;
  uint64_t length = asked->reply.body.buffer.length;
  fl_time pause = (fl_time)(fault->seconds * (double)FL_SECOND);
  *plan = (sandbox_faulty_body_plan){.length = length, .end = length};
  switch (asked->send) {
    case SEND_CUT: plan->end = length / 2; break;
    case SEND_STALLED:
      plan->pause = pause;
      plan->pause_at = fault->after == FAULT_AFTER_HEAD ? 0 : length / 2;
      break;
    case SEND_SLOWLY:
      plan->piece = (size_t)fault->bytes;
      plan->pause = pause;
      break;
    case SEND_OVERLONG: plan->length = length + (uint64_t)fault->bytes; break;
    case SEND_HUGE:
      plan->filler = true;
      plan->end = (uint64_t)fault->bytes;
      plan->length = fault->chunked ? MHD_SIZE_UNKNOWN : plan->end;
      break;
    case SEND_TRAILER: plan->length = MHD_SIZE_UNKNOWN; break;
    default: return false;
  }
  return true;
}

static struct MHD_Response *response_from(fl_buffer *body) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
  if (response) fl_buffer_init(body, body->ceiling);
  return response;
}

static void add_headers(const sandbox_exchange *asked, struct MHD_Response *response) {
  const sandbox_options *options = &asked->owner->options;
  const sandbox_fault *fault = &asked->fault;
  char text[HTTP_DATE];
  bool page = asked->send == SEND_HTML || asked->send == SEND_REDIRECT;
  add_header(response, "Content-Type", page ? "text/html" : "application/json; charset=utf-8");
  if (asked->authorized || fault->kind) {
    add_header(response, "X-RateLimit-Limit", asked->headers.limit);
    if (fault->kind && fault->remaining >= 0) {
      snprintf(text, sizeof text, "%lld", (long long)fault->remaining);
      add_header(response, "X-RateLimit-Remaining", text);
    } else {
      add_header(response, "X-RateLimit-Remaining", asked->headers.remaining);
    }
    add_header(response, "X-RateLimit-Reset", asked->headers.reset);
  }
  if (fault->retry_after[0]) add_header(response, "Retry-After", fault->retry_after);
  else if (asked->over_limit) add_header(response, "Retry-After", asked->headers.retry_after);
  if (asked->send == SEND_REDIRECT)
    add_header(response, "Location", fault->location[0] ? fault->location : "/elsewhere");
  add_header(response, "ETag", asked->etag);
  if (options->clock_skew != 0) {
    sandbox_admission_http_date(
        text, fl_clock_wall() + (fl_time)(options->clock_skew * (double)FL_SECOND));
    add_header(response, "Date", text);
  }
}

/* Sends a reset. Linux sends it at once when a connected socket is connected to no address; other
 * systems send it when the socket is closed. */
static void reset_connection(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (info == NULL) return;
  setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
#ifdef __linux__
  (void)connect(info->connect_fd, &(struct sockaddr){.sa_family = AF_UNSPEC},
                sizeof(struct sockaddr));
#endif
}

/* Encodes the body for sending. Returns its Content-Encoding. */
static const char *encode_body(const sandbox_exchange *asked, struct MHD_Connection *connection,
                               fl_buffer *body) {
  switch (asked->send) {
    case SEND_BAD_GZIP:
      if (compress_body(body, 0)) memset(body->data + 10, 0xff, body->length - 10);
      return "gzip";
    case SEND_GZIP_MEMBERS:
      compress_body(body, body->length / 2);
      for (int64_t added = 0; added < asked->fault.bytes; added++) fl_buffer_append(body, "x", 1);
      return "gzip";
    default:
      return sandbox_exchange_is_whole(asked) && asked->owner->options.gzip &&
                     body->length > 1024 && accepts_gzip(connection) && compress_body(body, 0)
                 ? "gzip"
                 : "";
  }
}

/* Adds the fault's line to the head, or behind the chunks. */
static void add_line(const sandbox_exchange *asked, struct MHD_Response *response) {
  char name[FIELD_TEXT_ROOM], *colon;
  memcpy(name, asked->fault.line, sizeof name);
  colon = strchr(name, ':');
  if (colon == NULL) return;
  *colon = '\0';
  colon += 1 + strspn(colon + 1, " ");
  if (asked->send == SEND_TRAILER) MHD_add_response_footer(response, name, colon);
  else MHD_add_response_header(response, name, colon);
}

enum MHD_Result sandbox_exchange_reply(sandbox_exchange *asked, struct MHD_Connection *connection) {
  fl_buffer *body = &asked->reply.body.buffer;
  struct MHD_Response *response;
  sandbox_faulty_body_plan plan;
  enum MHD_Result queued;
  const char *encoding;
  if (asked->drop) {
    if (asked->send == SEND_RESET) reset_connection(connection);
    return MHD_NO;
  }
  encoding = encode_body(asked, connection, body);
  response = make_plan(asked, &plan)
                 ? sandbox_faulty_body_response(connection, asked->owner->timer, body, &plan)
                 : response_from(body);
  if (response == NULL) return MHD_NO;
  add_headers(asked, response);
  add_header(response, "Content-Encoding", encoding);
  if (asked->fault.line[0]) add_line(asked, response);
  queued = MHD_queue_response(connection, (unsigned)asked->reply.status, response);
  MHD_destroy_response(response);
  return queued;
}
