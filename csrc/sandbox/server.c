/*
 * server.c: HTTP, on libmicrohttpd's one thread.
 *
 * A request's way: 1. `open_exchange` with its URI; 2. the headers are there: the route and the fault
 * are chosen; 3. the body is gathered; 4. `work` answers it under the lock, as the fault has it, and
 * writes the log; 5. if the fault wants a pause, the connection is suspended and the timer wakes it;
 * 6. `send` turns the reply into bytes, or drops the connection. Nothing ever waits on this thread.
 */
#include "server.h"

#include "clock.h"
#include "stream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <zlib.h>

/* What a fault does to the work, and to the reply. */
typedef enum { WORK_WHOLE, WORK_NONE, WORK_LATE, WORK_PART, WORK_AFTER_FOREIGN } work_mode;
typedef enum {
  SEND_WHOLE, SEND_NOTHING, SEND_RESET, SEND_STATUS, SEND_HTML, SEND_REDIRECT, SEND_GARBAGE,
  SEND_BAD_GZIP, SEND_STREAM
} send_mode;

static const struct behaviour {
  work_mode work;
  send_mode send;
  int status; /* where the fault gives none; 0 = that of the reply */
} behaviours[FAULT_KINDS] = {
  [FAULT_COMMIT_THEN_DROP] = {WORK_WHOLE, SEND_NOTHING, 0},
  [FAULT_COMMIT_THEN_500] = {WORK_WHOLE, SEND_STATUS, 500},
  [FAULT_COMMIT_LATE] = {WORK_LATE, SEND_NOTHING, 0},
  [FAULT_PARTIAL_COMMIT] = {WORK_PART, SEND_STATUS, 500},
  [FAULT_KEEPALIVE_KILL] = {WORK_WHOLE, SEND_NOTHING, 0},
  [FAULT_READ_LAG] = {WORK_WHOLE, SEND_WHOLE, 0},
  [FAULT_REFUSE] = {WORK_NONE, SEND_NOTHING, 0},
  [FAULT_RESET] = {WORK_NONE, SEND_RESET, 0},
  [FAULT_EMPTY] = {WORK_NONE, SEND_NOTHING, 0},
  [FAULT_GARBAGE] = {WORK_WHOLE, SEND_GARBAGE, 0},
  [FAULT_TRUNCATE] = {WORK_WHOLE, SEND_STREAM, 0},
  [FAULT_STALL] = {WORK_WHOLE, SEND_STREAM, 0},
  [FAULT_LATENCY] = {WORK_WHOLE, SEND_WHOLE, 0},
  [FAULT_SLOW_BODY] = {WORK_WHOLE, SEND_STREAM, 0},
  [FAULT_THROTTLE] = {WORK_NONE, SEND_STATUS, 429},
  [FAULT_STATUS] = {WORK_NONE, SEND_STATUS, 500},
  [FAULT_HTML] = {WORK_NONE, SEND_HTML, 502},
  [FAULT_WRONG_LENGTH] = {WORK_WHOLE, SEND_STREAM, 0},
  [FAULT_BAD_GZIP] = {WORK_WHOLE, SEND_BAD_GZIP, 0},
  [FAULT_HUGE] = {WORK_WHOLE, SEND_STREAM, 0},
  [FAULT_REDIRECT] = {WORK_NONE, SEND_REDIRECT, 302},
  [FAULT_FOREIGN_USE] = {WORK_AFTER_FOREIGN, SEND_WHOLE, 0},
};

/* Lives as long as a TCP connection. */
typedef struct peer {
  int64_t number, requests;
} peer;

typedef struct exchange {
  sandbox *owner;
  peer *from;
  char *uri;       /* as it came */
  fl_slice path, query;
  const char *method;
  sandbox_route route;
  sandbox_fault fault;
  struct behaviour behaviour;
  bool faulty;
  enum { OPENED, GATHERING, READY } stage;
  fl_buffer body;
  bool too_large;
  sandbox_reply reply;
  sandbox_gate_headers headers;
  char etag[24];
  bool authorized, over_limit, drop;
} exchange;

/* --- beginning and end of connections and requests --- */

static void connection_changed(void *context, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code) {
  sandbox *owner = context;
  peer *from = *slot;
  (void)connection;
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    free(from);
    *slot = NULL;
  } else if ((from = calloc(1, sizeof *from)) != NULL) {
    pthread_mutex_lock(&owner->lock);
    from->number = ++owner->connections;
    pthread_mutex_unlock(&owner->lock);
    *slot = from;
  }
}

static void *open_exchange(void *context, const char *uri, struct MHD_Connection *connection) {
  exchange *opened = calloc(1, sizeof *opened);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  if (opened == NULL) return NULL;
  opened->owner = context;
  opened->from = info ? info->socket_context : NULL;
  opened->uri = strdup(uri);
  fl_buffer_init(&opened->body, (size_t)opened->owner->options.max_body_bytes);
  sandbox_reply_init(&opened->reply);
  return opened;
}

static void close_exchange(void *context, struct MHD_Connection *connection, void **slot,
                           enum MHD_RequestTerminationCode code) {
  exchange *closed = *slot;
  (void)context, (void)connection, (void)code;
  if (closed == NULL) return;
  fl_buffer_free(&closed->body);
  sandbox_out_free(&closed->reply.body);
  free(closed->uri);
  free(closed);
  *slot = NULL;
}

/* Paths and queries are taken apart by routes.c, which must see an escaped slash as such. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
  (void)context, (void)connection;
  return strlen(text);
}

static void split_uri(exchange *opened) {
  char *question = strchr(opened->uri, '?');
  opened->query = fl_slice_of(question ? question + 1 : "");
  if (question) *question = '\0';
  opened->path = fl_slice_of(opened->uri);
}

/* --- headers --- */

static const char *header(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool is_secret(const char *name) {
  static const char *const secrets[] = {"x-api-key", "authorization", "cookie"};
  for (size_t index = 0; index < sizeof secrets / sizeof *secrets; index++)
    if (strcasecmp(name, secrets[index]) == 0) return true;
  return false;
}

/* Name NUL value NUL, for the log. */
static enum MHD_Result gather_header(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value) {
  fl_buffer *headers = context;
  size_t begin = headers->length;
  (void)kind;
  if (value == NULL) value = "";
  if (fl_buffer_append(headers, name, strlen(name) + 1) != FL_OK) return MHD_NO;
  for (; begin < headers->length; begin++)
    headers->data[begin] = (char)tolower((unsigned char)headers->data[begin]);
  if (is_secret(name)) value = "<redacted>";
  return fl_buffer_append(headers, value, strlen(value) + 1) == FL_OK ? MHD_YES : MHD_NO;
}

static bool is_json(const char *content_type) {
  static const char wanted[] = "application/json";
  size_t length = sizeof wanted - 1;
  return content_type && strncasecmp(content_type, wanted, length) == 0 &&
         (content_type[length] == '\0' || content_type[length] == ';' ||
          content_type[length] == ' ');
}

/* --- late work --- */

typedef struct late_work {
  sandbox *owner;
  int64_t number; /* in the log */
  sandbox_operation operation;
  char *id, *path, *request_id;
  fl_buffer body;
} late_work;

static void free_late(late_work *work) {
  free(work->id);
  free(work->path);
  free(work->request_id);
  fl_buffer_free(&work->body);
  free(work);
}

static void do_late(void *context, bool ended) {
  late_work *work = context;
  sandbox *owner = work->owner;
  if (!ended) {
    sandbox_reply reply;
    sandbox_call call = {
      .database = owner->database, .options = &owner->options, .tally = &owner->tally,
      .operation = work->operation, .id = fl_slice_of(work->id),
      .body = {work->body.data ? work->body.data : "", work->body.length}, 
      .record_limit = RECORDS_ALL, .late = true,
    };
    sandbox_reply_init(&reply);
    pthread_mutex_lock(&owner->lock);
    sandbox_answer(&call, &reply);
    if (reply.committed) {
      sandbox_log_committed(owner->log, work->number);
      sandbox_log_commit(owner->log, work->number, work->operation, fl_slice_of(work->path),
                         fl_slice_of(work->request_id), call.body);
    }
    pthread_mutex_unlock(&owner->lock);
    sandbox_out_free(&reply.body);
  }
  free_late(work);
}

static void work_later(const exchange *asked, const sandbox_call *call, int64_t number,
                       const char *request_id, double seconds) {
  late_work *work = calloc(1, sizeof *work);
  if (work == NULL) return;
  work->owner = asked->owner;
  work->number = number;
  work->operation = call->operation;
  work->id = strndup(call->id.data ? call->id.data : "", call->id.length);
  work->path = strdup(asked->path.data);
  work->request_id = strdup(request_id ? request_id : "");
  fl_buffer_init(&work->body, FL_BUFFER_UNLIMITED);
  if (!work->id || !work->path || !work->request_id ||
      fl_buffer_append(&work->body, asked->body.data, asked->body.length) != FL_OK ||
      !sandbox_timer_add(asked->owner->timer, (fl_time)(seconds * (double)FL_SECOND), do_late,
                         work))
    free_late(work);
}

/* --- the work --- */

/* The checks before an operation; 0, or the status of the refusal. */
static int check(exchange *asked, struct MHD_Connection *connection, const char **message) {
  sandbox *owner = asked->owner;
  const sandbox_options *options = &owner->options;
  const char *key = header(connection, "X-Api-Key");
  int status = sandbox_gate_admit(options, key, header(connection, "X-Subscription-Id"), message);
  if (status != 0) return status;
  asked->authorized = true;
  if (!sandbox_gate_take(&owner->gate, options, fl_clock_now())) {
    asked->over_limit = true;
    *message = "The rate limit is reached";
    return (int)options->rate_limit_status;
  }
  if (asked->route.operation == OPERATION_NONE) {
    *message = asked->route.status == 405 ? "The path does not take this method"
                                          : "There is no such path";
    return asked->route.status;
  }
  status = sandbox_gate_permit(options, key, asked->route.operation, message);
  if (status != 0) return status;
  if (asked->too_large) {
    *message = "The body is too large";
    return 413;
  }
  if (strcmp(asked->method, "POST") == 0 && !is_json(header(connection, "Content-Type"))) {
    *message = "The Content-Type of a POST is application/json";
    return 400;
  }
  return 0;
}

static void write_log(exchange *asked, struct MHD_Connection *connection, const sandbox_call *call,
                      bool later) {
  sandbox *owner = asked->owner;
  const char *request_id = header(connection, "X-Request-Id");
  fl_slice body = {asked->body.data, asked->body.length};
  sandbox_entry entry = {
    .connection = asked->from ? asked->from->number : 0,
    .time = (double)fl_clock_wall() / (double)FL_SECOND,
    .operation = asked->route.operation,
    .status = asked->drop ? 0 : asked->reply.status,
    .fault = asked->faulty ? asked->fault.kind : FAULT_NONE,
    .committed = asked->reply.committed,
    .authorized = asked->authorized,
  };
  fl_buffer headers;
  fl_slice texts[ENTRY_TEXTS];
  int64_t number;
  fl_buffer_init(&headers, FL_BUFFER_UNLIMITED);
  MHD_get_connection_values(connection, MHD_HEADER_KIND, gather_header, &headers);
  texts[ENTRY_METHOD] = fl_slice_of(asked->method);
  texts[ENTRY_PATH] = asked->path;
  texts[ENTRY_QUERY] = asked->query;
  texts[ENTRY_HEADERS] = (fl_slice){headers.data, headers.length};
  texts[ENTRY_BODY] = body;
  number = sandbox_log_add(owner->log, &entry, texts);
  fl_buffer_free(&headers);
  if (asked->reply.committed)
    sandbox_log_commit(owner->log, number, entry.operation, asked->path,
                       fl_slice_of(request_id), body);
  if (later)
    work_later(asked, call, number, request_id,
               asked->reply.run_later ? owner->options.run_seconds
               : asked->fault.seconds >= 0 ? asked->fault.seconds : 1);
}

/* Replaces the reply by what the fault says. */
static void spoil(exchange *asked) {
  const sandbox_options *options = &asked->owner->options;
  const sandbox_fault *fault = &asked->fault;
  int status = fault->status >= 0 ? (int)fault->status : asked->behaviour.status;
  sandbox_reply *reply = &asked->reply;
  switch (asked->behaviour.send) {
    case SEND_STATUS:
      sandbox_reply_error(options, reply, status,
                          fault->message[0]                      ? fault->message
                          : fault->kind == FAULT_THROTTLE ? "The rate limit is reached"
                                                          : "A fault of the sandbox");
      break;
    case SEND_HTML:
    case SEND_REDIRECT:
      sandbox_out_free(&reply->body);
      sandbox_put(&reply->body, "<html><head><title>");
      sandbox_put_integer(&reply->body, status);
      sandbox_put(&reply->body, "</title></head><body><center><h1>Gateway</h1></center></body></html>\r\n");
      reply->status = status;
      break;
    case SEND_GARBAGE:
      sandbox_out_free(&reply->body);
      sandbox_put(&reply->body, "\x01{\"data\": [1, 2,, \xff\xfe }}}\x02 garbage");
      break;
    default: break;
  }
}

/* A reply's fingerprint (FNV-1a) as its ETag; who has it already gets a 304. */
static void tag(exchange *asked, struct MHD_Connection *connection) {
  const fl_buffer *body = &asked->reply.body.buffer;
  const char *known = header(connection, "If-None-Match");
  uint64_t value = 0xcbf29ce484222325u;
  for (size_t index = 0; index < body->length; index++)
    value = (value ^ (unsigned char)body->data[index]) * 0x100000001b3u;
  snprintf(asked->etag, sizeof asked->etag, "\"%016llx\"", (unsigned long long)value);
  if (known && strcmp(known, asked->etag) == 0) {
    asked->reply.status = 304;
    sandbox_out_free(&asked->reply.body);
  }
}

static void work(exchange *asked, struct MHD_Connection *connection) {
  sandbox *owner = asked->owner;
  const char *message = NULL;
  char id[256] = "";
  work_mode mode = asked->faulty ? asked->behaviour.work : WORK_WHOLE;
  int64_t id_length = asked->route.id.length < sizeof id
                          ? sandbox_unescape(id, asked->route.id)
                          : -1;
  sandbox_call call = {
    .database = owner->database, .options = &owner->options, .tally = &owner->tally,
    .operation = asked->route.operation, .id = {id, id_length < 0 ? 0 : (size_t)id_length},
    .query = asked->query, .body = {asked->body.data ? asked->body.data : "", asked->body.length},
    .record_limit = RECORDS_ALL,
  };
  bool later = false;
  int status = 0;
  pthread_mutex_lock(&owner->lock);
  if (mode == WORK_AFTER_FOREIGN)
    sandbox_gate_spend(&owner->gate, &owner->options, fl_clock_now(), asked->fault.requests);
  if (mode != WORK_NONE) status = check(asked, connection, &message);
  if (mode == WORK_NONE) {
    asked->reply.status = 200;
  } else if (status != 0) {
    sandbox_reply_error(&owner->options, &asked->reply, status, message);
  } else if (mode == WORK_LATE) {
    later = true;
  } else {
    if (mode == WORK_PART)
      call.record_limit = asked->fault.records >= 0 ? asked->fault.records : RECORDS_HALF;
    if (asked->faulty && asked->fault.kind == FAULT_READ_LAG)
      call.hidden_commits = asked->fault.commits >= 0 ? asked->fault.commits : 1;
    if (call.operation == OPERATION_IMPORTS_DATA)
      call.backward = owner->options.row_order == ROW_ORDER_REVERSED ||
                      (owner->options.row_order == ROW_ORDER_ALTERNATING && owner->pages++ % 2);
    sandbox_answer(&call, &asked->reply);
    later = asked->reply.run_later;
  }
  if (asked->faulty) spoil(asked);
  if ((!asked->faulty || asked->behaviour.send == SEND_WHOLE) && owner->options.etag &&
      asked->reply.status == 200 && strcmp(asked->method, "GET") == 0)
    tag(asked, connection);
  asked->drop = asked->faulty && (asked->behaviour.send == SEND_NOTHING ||
                                  asked->behaviour.send == SEND_RESET || asked->fault.drop);
  sandbox_gate_describe(&owner->gate, &owner->options, fl_clock_now(), fl_clock_wall(),
                        &asked->headers);
  write_log(asked, connection, &call, later);
  pthread_mutex_unlock(&owner->lock);
}

/* --- the reply --- */

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
  if (value[0]) MHD_add_response_header(response, name, value);
}

/* Compresses the body in place; false leaves it as it is. */
static bool compress_body(fl_buffer *body) {
  z_stream zip = {0};
  fl_buffer packed;
  bool done = false;
  /* 15 + 16: the largest window, in gzip's format. */
  if (deflateInit2(&zip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  fl_buffer_init(&packed, body->ceiling);
  if (fl_buffer_reserve(&packed, deflateBound(&zip, body->length)) == FL_OK) {
    zip.next_in = (Bytef *)body->data;
    zip.avail_in = (uInt)body->length;
    zip.next_out = (Bytef *)packed.data;
    zip.avail_out = (uInt)packed.capacity;
    done = deflate(&zip, Z_FINISH) == Z_STREAM_END;
    packed.length = zip.total_out;
  }
  deflateEnd(&zip);
  if (done) {
    fl_buffer_free(body);
    *body = packed;
  } else {
    fl_buffer_free(&packed);
  }
  return done;
}

static bool accepts_gzip(struct MHD_Connection *connection) {
  const char *accepted = header(connection, "Accept-Encoding");
  return accepted && strstr(accepted, "gzip");
}

/* The plan of a fault that meddles with how the body goes out. */
static sandbox_stream_plan plan_of(const exchange *asked) {
  const sandbox_fault *fault = &asked->fault;
  uint64_t length = asked->reply.body.buffer.length;
  fl_time pause = (fl_time)((fault->seconds >= 0 ? fault->seconds : 1) * (double)FL_SECOND);
  sandbox_stream_plan plan = {.length = length, .end = length};
  switch (fault->kind) {
    case FAULT_TRUNCATE: plan.end = length / 2; break;
    case FAULT_STALL:
      plan.pause = pause;
      plan.pause_at = fault->after_head ? 0 : length / 2;
      break;
    case FAULT_SLOW_BODY:
      plan.piece = fault->bytes > 0 ? (size_t)fault->bytes : 64;
      plan.pause = fault->seconds >= 0 ? pause : 50 * FL_MILLISECOND;
      break;
    case FAULT_WRONG_LENGTH: plan.length = length + (uint64_t)(fault->bytes > 0 ? fault->bytes : 16); break;
    case FAULT_HUGE:
      plan.filler = true;
      plan.end = fault->bytes >= 64 ? (uint64_t)fault->bytes : (uint64_t)1 << 30;
      plan.length = fault->chunked ? MHD_SIZE_UNKNOWN : plan.end;
      break;
    default: break;
  }
  return plan;
}

static struct MHD_Response *response_from(fl_buffer *body) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
  if (response) fl_buffer_init(body, body->ceiling);
  return response;
}

static void add_headers(const exchange *asked, struct MHD_Response *response) {
  const sandbox_options *options = &asked->owner->options;
  send_mode mode = asked->faulty ? asked->behaviour.send : SEND_WHOLE;
  const sandbox_fault *fault = &asked->fault;
  char text[HTTP_DATE];
  add_header(response, "Content-Type", mode == SEND_HTML || mode == SEND_REDIRECT
                                           ? "text/html"
                                           : "application/json; charset=utf-8");
  if (asked->authorized || asked->faulty) {
    add_header(response, "X-RateLimit-Limit", asked->headers.limit);
    if (asked->faulty && fault->remaining >= 0) {
      snprintf(text, sizeof text, "%lld", (long long)fault->remaining);
      add_header(response, "X-RateLimit-Remaining", text);
    } else {
      add_header(response, "X-RateLimit-Remaining", asked->headers.remaining);
    }
    add_header(response, "X-RateLimit-Reset", asked->headers.reset);
  }
  if (asked->faulty && fault->retry_after[0])
    add_header(response, "Retry-After", fault->retry_after);
  else if (asked->over_limit)
    add_header(response, "Retry-After", asked->headers.retry_after);
  if (mode == SEND_REDIRECT)
    add_header(response, "Location", fault->location[0] ? fault->location : "/elsewhere");
  add_header(response, "ETag", asked->etag);
  if (options->clock_skew != 0) {
    sandbox_http_date(text,
                      fl_clock_wall() + (fl_time)(options->clock_skew * (double)FL_SECOND));
    add_header(response, "Date", text);
  }
}

/* A reset that the other side sees at once: Linux sends it when a connection is dissolved; elsewhere
 * it comes with the close. */
static void reset_connection(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (info == NULL) return;
  setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
#ifdef __linux__
  connect(info->connect_fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
#endif
}

static enum MHD_Result send_reply(exchange *asked, struct MHD_Connection *connection) {
  const sandbox_options *options = &asked->owner->options;
  send_mode mode = asked->faulty ? asked->behaviour.send : SEND_WHOLE;
  fl_buffer *body = &asked->reply.body.buffer;
  struct MHD_Response *response;
  enum MHD_Result queued;
  const char *encoding = "";
  if (asked->drop) {
    if (mode == SEND_RESET) reset_connection(connection);
    return MHD_NO;
  }
  if (mode == SEND_BAD_GZIP ||
      (mode == SEND_WHOLE && options->gzip && body->length > 1024 && accepts_gzip(connection) &&
       compress_body(body)))
    encoding = "gzip";
  if (mode == SEND_BAD_GZIP && compress_body(body)) /* a good beginning, then nonsense */
    memset(body->data + 10, 0xff, body->length - 10);
  if (mode == SEND_STREAM) {
    sandbox_stream_plan plan = plan_of(asked);
    response = sandbox_stream_response(connection, asked->owner->timer, body, &plan);
  } else {
    response = response_from(body);
  }
  if (response == NULL) return MHD_NO;
  add_headers(asked, response);
  add_header(response, "Content-Encoding", encoding);
  queued = MHD_queue_response(connection, (unsigned)asked->reply.status, response);
  MHD_destroy_response(response);
  return queued;
}

/* --- a request --- */

/* The headers are there. False: refused before anything else is read. */
static bool begin(exchange *opened, struct MHD_Connection *connection, const char *method) {
  sandbox *owner = opened->owner;
  bool reused = opened->from && opened->from->requests++ > 0;
  const char *length = header(connection, "Content-Length");
  opened->method = method;
  split_uri(opened);
  opened->route = sandbox_route_find(method, opened->path.data);
  pthread_mutex_lock(&owner->lock);
  opened->faulty =
      sandbox_faults_pick(&owner->faults, opened->route.operation, reused, &opened->fault);
  if (opened->faulty) opened->behaviour = behaviours[opened->fault.kind];
  if (opened->faulty && opened->fault.kind == FAULT_REFUSE) {
    opened->drop = true;
    write_log(opened, connection, NULL, false);
  }
  pthread_mutex_unlock(&owner->lock);
  if (length && !opened->drop) fl_buffer_reserve(&opened->body, strtoul(length, NULL, 10));
  opened->stage = GATHERING;
  return !opened->drop;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **slot) {
  exchange *asked = *slot;
  (void)context, (void)url, (void)version;
  if (asked == NULL || asked->uri == NULL) return MHD_NO;
  if (asked->stage == OPENED) return begin(asked, connection, method) ? MHD_YES : MHD_NO;
  if (*size > 0) {
    if (fl_buffer_append(&asked->body, data, *size) != FL_OK) asked->too_large = true;
    *size = 0;
    return MHD_YES;
  }
  if (asked->stage == GATHERING) {
    asked->stage = READY;
    work(asked, connection);
    if (asked->faulty && asked->fault.kind == FAULT_LATENCY) {
      double seconds = asked->fault.seconds >= 0 ? asked->fault.seconds : 1;
      if (sandbox_suspend(connection, asked->owner->timer, (fl_time)(seconds * (double)FL_SECOND)))
        return MHD_YES;
      return MHD_NO;
    }
  }
  return send_reply(asked, connection);
}

/* --- start --- */

static bool make_address(const sandbox_options *options, struct sockaddr_storage *address) {
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, options->address, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)options->port);
  } else if (inet_pton(AF_INET6, options->address, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)options->port);
  } else {
    return false;
  }
  return true;
}

struct MHD_Daemon *sandbox_server_start(sandbox *owner, char **error) {
  const sandbox_options *options = &owner->options;
  struct sockaddr_storage address;
  const union MHD_DaemonInfo *info;
  struct MHD_Daemon *daemon;
  unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}};
  if (!make_address(options, &address)) {
    *error = strdup("the address is neither an IPv4 nor an IPv6 address");
    return NULL;
  }
  if (address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
  if (options->certificate) {
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
      *error = strdup("this libmicrohttpd has no TLS");
      return NULL;
    }
    flags |= MHD_USE_TLS;
    tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, options->certificate};
    tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, options->private_key};
    tls[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
  }
  errno = 0;
  daemon = MHD_start_daemon(
      flags, (uint16_t)options->port, NULL, NULL, answer, owner, MHD_OPTION_SOCK_ADDR, &address,
      MHD_OPTION_URI_LOG_CALLBACK, open_exchange, owner, MHD_OPTION_NOTIFY_COMPLETED,
      close_exchange, owner, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, owner,
      MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, owner, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)128 * 1024, MHD_OPTION_ARRAY, tls,
      MHD_OPTION_END);
  if (daemon == NULL) {
    char text[160];
    snprintf(text, sizeof text, "cannot listen on %s port %lld: %s", options->address,
             (long long)options->port,
             errno ? strerror(errno) : "libmicrohttpd refuses the address or the certificate");
    *error = strdup(text);
    return NULL;
  }
  info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  owner->port = info ? info->port : (int)options->port;
  return daemon;
}
