/*
 * exchange_work.c: what is done for a request: the fault it meets, the checks, the operation, now
 * or later, and the log.
 */
#include "exchange.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const sandbox_behaviour behaviours[FAULT_KINDS] = {
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
    [FAULT_HANG] = {WORK_NONE, SEND_NOTHING, 0},
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

/* --- late --- */

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
        .database = owner->database,
        .options = &owner->options,
        .tally = &owner->tally,
        .operation = work->operation,
        .id = fl_slice_of(work->id),
        .body = {work->body.data ? work->body.data : "", work->body.length},
        .record_limit = RECORDS_ALL,
        .late = true,
    };
    sandbox_reply_init(&reply);
    pthread_mutex_lock(&owner->lock);
    sandbox_handlers_answer(&call, &reply);
    if (reply.committed) {
      sandbox_request_log_mark_committed(owner->log, work->number);
      sandbox_request_log_add_commit(owner->log, work->number, work->operation,
                                     fl_slice_of(work->path), fl_slice_of(work->request_id),
                                     call.body);
    }
    pthread_mutex_unlock(&owner->lock);
    sandbox_json_writer_free(&reply.body);
  }
  free_late(work);
}

static void work_later(const sandbox_exchange *asked, const sandbox_call *call, int64_t number,
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

/* --- now --- */

/* The checks before an operation; 0, or the status of the refusal. */
static int check(sandbox_exchange *asked, struct MHD_Connection *connection, const char **message) {
  sandbox *owner = asked->owner;
  const sandbox_options *options = &owner->options;
  const char *key = sandbox_header(connection, "X-Api-Key");
  int status = sandbox_admission_check(options, key,
                                       sandbox_header(connection, "X-Subscription-Id"), message);
  if (status != 0) return status;
  asked->authorized = true;
  if (!sandbox_admission_take(&owner->admission, options, fl_clock_now())) {
    asked->over_limit = true;
    *message = "The rate limit is reached";
    return (int)options->rate_limit_status;
  }
  if (asked->route.operation == OPERATION_NONE) {
    *message =
        asked->route.status == 405 ? "The path does not take this method" : "There is no such path";
    return asked->route.status;
  }
  status = sandbox_admission_permit(options, key, asked->route.operation, message);
  if (status != 0) return status;
  if (asked->too_large) {
    *message = "The body is too large";
    return 413;
  }
  if (strcmp(asked->method, "POST") == 0 && !is_json(sandbox_header(connection, "Content-Type"))) {
    *message = "The Content-Type of a POST is application/json";
    return 400;
  }
  return 0;
}

static void write_log(sandbox_exchange *asked, struct MHD_Connection *connection,
                      const sandbox_call *call, bool later) {
  sandbox *owner = asked->owner;
  const char *request_id = sandbox_header(connection, "X-Request-Id");
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
  number = sandbox_request_log_add(owner->log, &entry, texts);
  fl_buffer_free(&headers);
  if (asked->reply.committed)
    sandbox_request_log_add_commit(owner->log, number, entry.operation, asked->path,
                                   fl_slice_of(request_id), body);
  if (later)
    work_later(asked, call, number, request_id,
               asked->reply.run_later      ? owner->options.run_seconds
               : asked->fault.seconds >= 0 ? asked->fault.seconds
                                           : 1);
}

/* Replaces the reply by what the fault says. */
static void spoil(sandbox_exchange *asked) {
  const sandbox_options *options = &asked->owner->options;
  const sandbox_fault *fault = &asked->fault;
  int status = fault->status >= 0 ? (int)fault->status : asked->behaviour.status;
  sandbox_reply *reply = &asked->reply;
  switch (asked->behaviour.send) {
    case SEND_STATUS:
      sandbox_reply_error(options, reply, status,
                          fault->message[0]               ? fault->message
                          : fault->kind == FAULT_THROTTLE ? "The rate limit is reached"
                                                          : "A fault of the sandbox");
      break;
    case SEND_HTML:
    case SEND_REDIRECT:
      sandbox_json_writer_free(&reply->body);
      sandbox_json_put(&reply->body, "<html><head><title>");
      sandbox_json_put_integer(&reply->body, status);
      sandbox_json_put(&reply->body, "</title></head><body><h1>Gateway</h1></body></html>\r\n");
      reply->status = status;
      break;
    case SEND_GARBAGE:
      sandbox_json_writer_free(&reply->body);
      sandbox_json_put(&reply->body, "\x01{\"data\": [1, 2,, \xff\xfe }}}\x02 garbage");
      break;
    default: break;
  }
}

/* A reply's fingerprint (FNV-1a) as its ETag; who has it already gets a 304. */
static void tag(sandbox_exchange *asked, struct MHD_Connection *connection) {
  const fl_buffer *body = &asked->reply.body.buffer;
  const char *known = sandbox_header(connection, "If-None-Match");
  uint64_t value = 0xcbf29ce484222325u;
  for (size_t index = 0; index < body->length; index++)
    value = (value ^ (unsigned char)body->data[index]) * 0x100000001b3u;
  snprintf(asked->etag, sizeof asked->etag, "\"%016llx\"", (unsigned long long)value);
  if (known && strcmp(known, asked->etag) == 0) {
    asked->reply.status = 304;
    sandbox_json_writer_free(&asked->reply.body);
  }
}

void sandbox_exchange_work(sandbox_exchange *asked, struct MHD_Connection *connection) {
  sandbox *owner = asked->owner;
  const char *message = NULL;
  char id[256] = "";
  sandbox_work_mode mode = asked->faulty ? asked->behaviour.work : WORK_WHOLE;
  int64_t id_length =
      asked->route.id.length < sizeof id ? sandbox_routes_unescape(id, asked->route.id) : -1;
  sandbox_call call = {
      .database = owner->database,
      .options = &owner->options,
      .tally = &owner->tally,
      .operation = asked->route.operation,
      .id = {id, id_length < 0 ? 0 : (size_t)id_length},
      .query = asked->query,
      .body = {asked->body.data ? asked->body.data : "", asked->body.length},
      .record_limit = RECORDS_ALL,
  };
  bool later = false;
  int status = 0;
  /* Whoever asks after a late commit's time sees it, on the slowest machine. */
  sandbox_timer_catch_up(owner->timer);
  pthread_mutex_lock(&owner->lock);
  if (mode == WORK_AFTER_FOREIGN)
    sandbox_admission_spend(&owner->admission, &owner->options, fl_clock_now(),
                            asked->fault.requests);
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
    sandbox_handlers_answer(&call, &asked->reply);
    later = asked->reply.run_later;
  }
  if (asked->faulty) spoil(asked);
  if ((!asked->faulty || asked->behaviour.send == SEND_WHOLE) && owner->options.etag &&
      asked->reply.status == 200 && strcmp(asked->method, "GET") == 0)
    tag(asked, connection);
  asked->drop = asked->faulty && (asked->behaviour.send == SEND_NOTHING ||
                                  asked->behaviour.send == SEND_RESET || asked->fault.drop);
  sandbox_admission_describe(&owner->admission, &owner->options, fl_clock_now(), fl_clock_wall(),
                             &asked->headers);
  write_log(asked, connection, &call, later);
  pthread_mutex_unlock(&owner->lock);
}

void sandbox_exchange_meet_fault(sandbox_exchange *asked, struct MHD_Connection *connection,
                                 bool reused) {
  sandbox *owner = asked->owner;
  pthread_mutex_lock(&owner->lock);
  asked->faulty =
      sandbox_faults_pick(&owner->faults, asked->route.operation, reused, &asked->fault);
  if (asked->faulty) asked->behaviour = behaviours[asked->fault.kind];
  if (asked->faulty && asked->fault.kind == FAULT_HANG && asked->fault.late)
    asked->behaviour.work = WORK_LATE;
  if (asked->faulty && asked->fault.kind == FAULT_REFUSE) {
    asked->drop = true;
    write_log(asked, connection, NULL, false);
  }
  pthread_mutex_unlock(&owner->lock);
}
