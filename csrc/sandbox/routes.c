/* routes.c: the nine endpoints: method and path -> operation -> reply. */
#include "routes.h"

#include "handlers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A path is its first segment, for some an id, and the last segment. */
static const struct endpoint {
  const char *method, *first, *last;
  bool has_id, writes;
  void (*handle)(sandbox_call *call, sandbox_reply *reply);
} endpoints[OPERATION_COUNT] = {
    [OPERATION_IMPORTS_ALL] = {"GET", "Import", "All", false, false, sandbox_handle_imports_all},
    [OPERATION_IMPORTS_DATA] = {"GET", "Import", "Data", true, false, sandbox_handle_imports_data},
    [OPERATION_IMPORTS_IMPORT] = {"POST", "Import", "Data", false, true,
                                  sandbox_handle_imports_import},
    [OPERATION_AUTOMATIONS_EXECUTE] = {"POST", "Automation", "Execute", true, true,
                                       sandbox_handle_automations_execute},
    [OPERATION_PREPARATIONS_ALL] = {"GET", "Preparation", "All", false, false,
                                    sandbox_handle_preparations_all},
    [OPERATION_PREPARATIONS_EXECUTE] = {"POST", "Preparation", "Execute", true, true,
                                        sandbox_handle_preparations_execute},
    [OPERATION_REPORTS_ALL] = {"GET", "Report", "All", false, false, sandbox_handle_reports_all},
    [OPERATION_REPORTS_GENERATE] = {"POST", "Report", "Generate", true, true,
                                    sandbox_handle_reports_generate},
    [OPERATION_REPORTS_CHART_DATA] = {"POST", "Report", "ChartData", false, false,
                                      sandbox_handle_reports_chart_data},
};

static bool is(fl_slice part, const char *text) {
  return strlen(text) == part.length && memcmp(text, part.data, part.length) == 0;
}

sandbox_route sandbox_route_find(const char *method, const char *path) {
  sandbox_route route = {OPERATION_NONE, 404, {NULL, 0}};
  fl_slice parts[3];
  size_t count = 0;
  while (*path == '/') {
    size_t length = strcspn(path + 1, "/");
    if (count == 3) return route;
    parts[count++] = (fl_slice){path + 1, length};
    path += 1 + length;
  }
  for (int index = 0; index < OPERATION_COUNT; index++) {
    const struct endpoint *endpoint = &endpoints[index];
    if (count != (endpoint->has_id ? 3u : 2u) || !is(parts[0], endpoint->first) ||
        !is(parts[count - 1], endpoint->last))
      continue;
    route.status = 405;
    if (strcmp(method, endpoint->method) != 0) continue;
    route.operation = (sandbox_operation)index;
    route.status = 0;
    if (endpoint->has_id) route.id = parts[1];
    break;
  }
  return route;
}

static int hex(char digit) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *found = digit ? strchr(digits, digit) : NULL;
  return found ? (int)((found - digits) % 16) : -1;
}

int64_t sandbox_unescape(char *out, fl_slice text) {
  int64_t length = 0;
  for (size_t index = 0; index < text.length; index++) {
    char byte = text.data[index];
    if (byte == '%') {
      int high = index + 2 < text.length ? hex(text.data[index + 1]) : -1;
      int low = high >= 0 ? hex(text.data[index + 2]) : -1;
      if (low < 0) return -1;
      byte = (char)(high * 16 + low);
      index += 2;
    }
    out[length++] = byte;
  }
  out[length] = '\0';
  return length;
}

static const char opening[] = "{\"data\":";

void sandbox_reply_init(sandbox_reply *reply) {
  memset(reply, 0, sizeof *reply);
  sandbox_json_writer_init(&reply->body);
}

static void put_message(const sandbox_options *options, int status, const char *text,
                        sandbox_json_writer *out) {
  if (options->messages == MESSAGES_OBJECT) {
    sandbox_put(out, "{\"code\":");
    sandbox_put_integer(out, status);
    sandbox_put(out, status == 200 ? ",\"severity\":\"information\",\"message\":"
                                   : ",\"severity\":\"error\",\"message\":");
    sandbox_put_string(out, text);
    sandbox_put(out, "}");
  } else {
    sandbox_put_string(out, text);
  }
}

static void close_envelope(const sandbox_options *options, sandbox_reply *reply) {
  const char *message = reply->status == 200 ? options->notice : reply->message;
  sandbox_put(&reply->body, ",\"messages\":[");
  if (message) put_message(options, reply->status, message, &reply->body);
  sandbox_put(&reply->body, "]}");
}

void sandbox_reply_error(const sandbox_options *options, sandbox_reply *reply, int status,
                         const char *message) {
  sandbox_json_writer_free(&reply->body);
  reply->status = status;
  if (message != reply->message) snprintf(reply->message, SANDBOX_MESSAGE, "%s", message);
  sandbox_put(&reply->body, opening);
  sandbox_put(&reply->body, "null");
  close_envelope(options, reply);
}

void sandbox_refuse(sandbox_reply *reply, int status, const char *format, ...) {
  va_list arguments;
  reply->status = status;
  va_start(arguments, format);
  vsnprintf(reply->message, SANDBOX_MESSAGE, format, arguments);
  va_end(arguments);
}

void sandbox_answer(sandbox_call *call, sandbox_reply *reply) {
  const struct endpoint *endpoint = &endpoints[call->operation];
  bool kept = true;
  reply->status = 200;
  sandbox_put(&reply->body, opening);
  if (endpoint->writes && !sandbox_database_begin(call->database)) {
    sandbox_reply_error(call->options, reply, 500, sandbox_database_error(call->database));
    return;
  }
  endpoint->handle(call, reply);
  if (reply->body.failed) {
    reply->keep = false;
    sandbox_refuse(reply, 500, "The reply cannot be written");
  }
  if (endpoint->writes) {
    kept = (reply->status == 200 || reply->keep) && sandbox_database_commit(call->database);
    if (!kept && reply->status == 200)
      sandbox_refuse(reply, 500, "%s", sandbox_database_error(call->database));
    if (!kept) sandbox_database_rollback(call->database);
    reply->committed = kept && !reply->run_later;
  }
  if (reply->status == 200) close_envelope(call->options, reply);
  else sandbox_reply_error(call->options, reply, reply->status, reply->message);
}

bool sandbox_json_read(fl_slice body, sandbox_json *json, sandbox_reply *reply) {
  fl_json_error error;
  fl_json_tape_init(&json->tape);
  json->text = malloc(body.length + 1);
  if (json->text == NULL) {
    sandbox_refuse(reply, 500, "No memory");
    return false;
  }
  if (body.length > 0) memcpy(json->text, body.data, body.length);
  json->text[body.length] = '\0';
  if (fl_json_scan(json->text, body.length, &json->tape, &error) == FL_JSON_OK) return true;
  sandbox_refuse(reply, 400, "The body is not JSON: %s at byte %zu", fl_json_describe(error.code),
                 error.position);
  return false;
}

void sandbox_json_free(sandbox_json *json) {
  fl_json_tape_free(&json->tape);
  free(json->text);
  json->text = NULL;
}

uint32_t sandbox_json_member(const sandbox_json *json, const char *name) {
  uint32_t node = fl_json_member(&json->tape, json->text, 0, fl_slice_of(name));
  return node != 0 && json->tape.nodes[node].type == FL_JSON_NULL ? 0 : node;
}

fl_slice sandbox_json_text(const sandbox_json *json, uint32_t node) {
  const fl_json_node *found = &json->tape.nodes[node];
  fl_slice text = {NULL, 0};
  if (node == 0) return text;
  if (found->type == FL_JSON_STRING) {
    text.data = json->text + found->offset;
    text.length = found->value.size.length;
  } else if (found->type >= FL_JSON_INTEGER && found->type <= FL_JSON_FLOAT) {
    text.data = json->text + found->offset;
    text.length = fl_json_number_length(text.data);
  }
  return text;
}
