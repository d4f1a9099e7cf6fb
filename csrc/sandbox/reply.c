/* reply.c: a reply in the service's envelope: data and messages. */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>

void sandbox_reply_init(sandbox_reply *reply) {
  memset(reply, 0, sizeof *reply);
  sandbox_json_writer_init(&reply->body);
}

static void put_message(const sandbox_options *options, int status, const char *text,
                        sandbox_json_writer *out) {
  if (options->messages == MESSAGES_OBJECT) {
    sandbox_json_put(out, "{\"code\":");
    sandbox_json_put_integer(out, status);
    sandbox_json_put(out, status == 200 ? ",\"severity\":\"information\",\"message\":"
                                        : ",\"severity\":\"error\",\"message\":");
    sandbox_json_put_string(out, text);
    sandbox_json_put(out, "}");
  } else {
    sandbox_json_put_string(out, text);
  }
}

void sandbox_reply_open(sandbox_reply *reply) {
  reply->status = 200;
  sandbox_json_put(&reply->body, "{\"data\":");
}

void sandbox_reply_close(const sandbox_options *options, sandbox_reply *reply) {
  const char *message = reply->status == 200 ? options->notice : reply->message;
  sandbox_json_put(&reply->body, ",\"messages\":[");
  if (message) put_message(options, reply->status, message, &reply->body);
  sandbox_json_put(&reply->body, "]}");
}

void sandbox_reply_error(const sandbox_options *options, sandbox_reply *reply, int status,
                         const char *message) {
  sandbox_json_writer_free(&reply->body);
  sandbox_reply_open(reply);
  reply->status = status;
  if (message != reply->message) snprintf(reply->message, SANDBOX_MESSAGE, "%s", message);
  sandbox_json_put(&reply->body, "null");
  sandbox_reply_close(options, reply);
}

void sandbox_reply_refuse(sandbox_reply *reply, int status, const char *format, ...) {
  va_list arguments;
  reply->status = status;
  va_start(arguments, format);
  vsnprintf(reply->message, SANDBOX_MESSAGE, format, arguments);
  va_end(arguments);
}
