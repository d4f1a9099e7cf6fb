/*
 * exchange_work.c: carries out a request: chooses its fault, checks it, carries out the operation
 * now or later, and writes the log.
 */
#include "exchange.h"

#include "base/clock.h"
#include "late_work.h"

#include <stdio.h>
#include <strings.h>

static bool is_json(const char *content_type) {
  static const char wanted[] = "application/json";
  size_t length = sizeof wanted - 1;
  return content_type && strncasecmp(content_type, wanted, length) == 0 &&
         (content_type[length] == '\0' || content_type[length] == ';' ||
          content_type[length] == ' ');
}

/* The checks of the headers; 0, or the status of the refusal. */
static int check_headers(const sandbox_options *options, struct MHD_Connection *connection,
                         const char **message) {
  int status = sandbox_admission_check_form(
      options, sandbox_header(connection, "Host"), sandbox_header(connection, "Content-Length"),
      sandbox_header(connection, "Transfer-Encoding"), message);
  if (status != 0) return status;
  return sandbox_admission_check(options, sandbox_header(connection, "X-Api-Key"),
                                 sandbox_header(connection, "X-Subscription-Id"), message);
}

bool sandbox_exchange_is_admitted(const sandbox_exchange *asked,
                                  struct MHD_Connection *connection) {
  const char *message;
  return check_headers(&asked->owner->options, connection, &message) == 0;
}

/* The checks before an operation; 0, or the status of the refusal. */
static int check(sandbox_exchange *asked, struct MHD_Connection *connection, const char **message) {
  sandbox *owner = asked->owner;
  const sandbox_options *options = &owner->options;
  const char *key = sandbox_header(connection, "X-Api-Key");
  int status = check_headers(options, connection, message);
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

/* Replaces the reply by the reply of the fault. */
static void spoil(sandbox_exchange *asked) {
  const sandbox_options *options = &asked->owner->options;
  const sandbox_fault *fault = &asked->fault;
  int status = (int)fault->status;
  sandbox_reply *reply = &asked->reply;
  switch (asked->send) {
    case SEND_STATUS:
      sandbox_reply_error(options, reply, status,
                          fault->message[0]            ? fault->message
                          : fault->kind->status == 429 ? "The rate limit is reached"
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
    case SEND_BOM:
      if (fl_buffer_append(&reply->body.buffer, "\xef\xbb\xbf", 3) == FL_OK) {
        char *bytes = reply->body.buffer.data;
        memmove(bytes + 3, bytes, reply->body.buffer.length - 3);
        memcpy(bytes, "\xef\xbb\xbf", 3);
      }
      break;
    case SEND_GARBAGE:
      sandbox_json_writer_free(&reply->body);
      sandbox_json_put(&reply->body, "\x01{\"data\": [1, 2,, \xff\xfe }}}\x02 garbage");
      break;
    default: break;
  }
}

/* Sets the ETag: a hash (FNV-1a) of the body. A caller that names it in If-None-Match gets a 304.
 */
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

/* Carries out the operation, changed by the request's fault. */
static void carry_out(sandbox_exchange *asked, sandbox_call *call) {
  sandbox *owner = asked->owner;
  if (asked->work == WORK_PART)
    call->record_limit = asked->fault.records >= 0 ? asked->fault.records : RECORDS_HALF;
  if (asked->work == WORK_LAGGING) call->hidden_commits = asked->fault.commits;
  if (sandbox_routes_starts_run(call->operation)) {
    if (asked->work == WORK_FAILING_RUN) call->run_end = RUN_FAILS;
    if (asked->work == WORK_LOST_RUN) call->run_end = RUN_IS_LOST;
    call->run_message = asked->fault.message;
  }
  if (call->operation == OPERATION_IMPORTS_DATA) call->page = owner->pages++;
  sandbox_handlers_answer(call, &asked->reply);
}

/* Fills in the reply. Returns whether there is work left to do later. */
static bool work_now(sandbox_exchange *asked, struct MHD_Connection *connection,
                     sandbox_call *call) {
  sandbox *owner = asked->owner;
  const char *message = NULL;
  int status;
  asked->reply.status = 200;
  if (asked->work == WORK_NONE) return false;
  if (asked->work == WORK_AFTER_FOREIGN)
    sandbox_admission_spend(&owner->admission, &owner->options, fl_clock_now(),
                            asked->fault.requests);
  status = check(asked, connection, &message);
  if (status != 0) sandbox_reply_error(&owner->options, &asked->reply, status, message);
  else if (asked->work == WORK_LATE) return true;
  else carry_out(asked, call);
  return asked->reply.run_later;
}

static void work_later(const sandbox_exchange *asked, struct MHD_Connection *connection,
                       const sandbox_call *call, int64_t number) {
  const sandbox_late_work work = {
      .number = number,
      .operation = call->operation,
      .id = call->id,
      .body = call->body,
      .path = asked->path.data,
      .request_id = sandbox_header(connection, "X-Request-Id"),
      .run_end = call->run_end,
      .run_message = call->run_message,
  };
  sandbox_late_work_add(
      asked->owner, &work,
      asked->reply.run_later ? asked->owner->options.run_seconds : asked->fault.seconds);
}

void sandbox_exchange_work(sandbox_exchange *asked, struct MHD_Connection *connection) {
  sandbox *owner = asked->owner;
  char id[256] = "";
  int64_t number, id_length = asked->route.id.length < sizeof id
                                  ? sandbox_routes_unescape(id, asked->route.id)
                                  : -1;
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
  bool later;
  /* Late commits that are due come first, so that every later request sees them. */
  sandbox_timer_catch_up(owner->timer);
  pthread_mutex_lock(&owner->lock);
  later = work_now(asked, connection, &call);
  spoil(asked);
  if (sandbox_exchange_is_whole(asked) && owner->options.etag && asked->reply.status == 200 &&
      strcmp(asked->method, "GET") == 0)
    tag(asked, connection);
  asked->drop = asked->send == SEND_NOTHING || asked->send == SEND_NOTHING_LATE ||
                asked->send == SEND_RESET || asked->fault.drop;
  sandbox_admission_describe(&owner->admission, &owner->options, fl_clock_now(), fl_clock_wall(),
                             &asked->headers);
  number = sandbox_exchange_log(asked, connection);
  if (later) work_later(asked, connection, &call, number);
  pthread_mutex_unlock(&owner->lock);
}

void sandbox_exchange_meet_fault(sandbox_exchange *asked, struct MHD_Connection *connection,
                                 bool reused) {
  sandbox *owner = asked->owner;
  pthread_mutex_lock(&owner->lock);
  if (sandbox_faults_pick(&owner->faults, asked->route.operation, reused, &asked->fault)) {
    asked->work = asked->fault.late ? WORK_LATE : asked->fault.kind->work;
    asked->send = asked->fault.kind->send;
  }
  if (asked->work == WORK_UNREAD) {
    asked->drop = true;
    sandbox_exchange_log(asked, connection);
  }
  pthread_mutex_unlock(&owner->lock);
}
