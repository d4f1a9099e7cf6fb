/*
 * outcome.c: the outcome of an attempt. Scans the reply into a tape, checks that it has the form
 * that the operation expects, and covers the API key wherever the reply repeats it.
 */
#include "engine/outcome.h"

#include <stdio.h>

#include "policy/envelope.h"
#include "policy/redact.h"

#define EXCERPT (sizeof((fl_call *)NULL)->excerpt - 1)

/* The messages of a success are redacted, too, since callers print them. */
static void redact_messages(fl_call *call) {
  uint32_t at = call->envelope.messages, end = at ? fl_json_next(&call->tape, at) : 0;
  for (; at < end; at++)
    if (call->tape.nodes[at].type == FL_JSON_STRING)
      fl_redact(call->api_key, call->text.data + call->tape.nodes[at].offset,
                call->tape.nodes[at].value.size.length, false);
}

/* Copies the first bytes of the reply into the excerpt. Returns their number. */
static size_t keep_excerpt(fl_call *call) {
  size_t length = call->text.length < EXCERPT ? call->text.length : EXCERPT;
  if (length > 0) memcpy(call->excerpt, call->text.data, length);
  call->excerpt[length] = '\0';
  return length;
}

/* `broken`: the connection broke before the end of the reply. */
static void redact_excerpt(fl_call *call, size_t length, bool broken) {
  fl_redact(call->api_key, call->excerpt, length, broken || length < call->text.length);
}

/* The words behind "operation: STATUS" in messages. */
static const struct {
  int status;
  const char *words;
} statuses[] = {
    {400, "Bad Request"},         {401, "Unauthorized"},          {403, "Forbidden"},
    {404, "Not Found"},           {408, "Request Timeout"},       {413, "Content Too Large"},
    {429, "Too Many Requests"},   {500, "Internal Server Error"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"},
};

static const char *words_of_status(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status) return statuses[i].words;
  return status >= 300 && status < 400 ? "redirects are not followed" : "";
}

/* The target of a redirect, for the message: a wrong base URL is its usual cause. Without the user
 * and the query, which may hold a secret of the server. */
static void describe_target(const fl_call *call, char *text, size_t capacity) {
  char location[sizeof call->head.location];
  const char *end, *slashes, *host = location, *rest;
  /* Covered before it is cut: the key may hold a "#". */
  memcpy(location, call->head.location, sizeof location);
  fl_redact_text(call->api_key, location, sizeof location);
  end = location + strcspn(location, "?#");
  slashes = strstr(location, "//");
  text[0] = '\0';
  if (call->head.status < 300 || call->head.status >= 400 || end == location) return;
  if (slashes != NULL && slashes < end && (slashes == location || slashes[-1] == ':'))
    host = slashes + 2;
  rest = host;
  for (const char *at = host; host > location && at < end && *at != '/'; at++)
    if (*at == '@') rest = at + 1;
  snprintf(text, capacity, " (to %.*s%.*s)", (int)(host - location), location, (int)(end - rest),
           rest);
}

static void set_status_message(fl_call *call) {
  char said[400] = "", target[sizeof call->head.location + 8];
  const char *words = words_of_status(call->head.status);
  if (call->envelope.messages != 0)
    fl_envelope_text(&call->tape, call->text.data, call->envelope.messages, said, sizeof said);
  describe_target(call, target, sizeof target);
  snprintf(call->message, sizeof call->message, "%s: %d%s%s%.280s%s%s", call->operation,
           call->head.status, *words ? " " : "", words, target, *said ? ": " : "", said);
}

static void drop_byte_order_mark(fl_buffer *text) {
  size_t mark = fl_json_mark_length(text->data, text->length);
  if (mark == 0) return;
  text->length -= mark;
  memmove(text->data, text->data + mark, text->length + 1);
}

/* Scans the reply. False if it is not JSON: the text is then unchanged, and the message describes
 * the error. */
static bool scan_reply(fl_call *call) {
  bool no_content = call->head.status == 204 || call->head.status == 304;
  fl_json_error error = {FL_JSON_EMPTY, 0};
  fl_json_code code = FL_JSON_EMPTY;
  size_t kept;
  drop_byte_order_mark(&call->text);
  /* No Content, Not Modified: a complete reply without data. */
  if (no_content && call->text.length == 0) fl_buffer_append_text(&call->text, "{\"data\":null}");
  /* Copied before the scan, which unescapes strings in place. */
  kept = keep_excerpt(call);
  if (call->text.length > 0)
    code = (call->client->settings.replace_invalid ? fl_json_scan_replacing : fl_json_scan)(
        call->text.data, call->text.length, &call->tape, &error);
  if (code == FL_JSON_OK) call->envelope = fl_envelope_of(&call->tape, call->text.data);
  if (call->envelope.found) call->excerpt[0] = '\0';
  else redact_excerpt(call, kept, false);
  if (code == FL_JSON_MANY) {
    snprintf(call->message, sizeof call->message,
             "%s: the reply (%zu bytes) has more than %lu values: the memory for them would pass "
             "max_response_bytes (%zu)",
             call->operation, call->text.length, (unsigned long)call->tape.most,
             call->client->settings.max_response_bytes);
    return false;
  }
  if (code != FL_JSON_OK) {
    call->tape.count = 0;
    snprintf(call->message, sizeof call->message,
             "%s: the reply (%s%s%zu bytes) is not JSON: %s at byte %zu", call->operation,
             call->head.content_type, *call->head.content_type ? ", " : "", call->text.length,
             fl_json_describe(code), error.position + 1);
    return false;
  }
  redact_messages(call);
  return true;
}

fl_outcome fl_outcome_of_reply(fl_call *call) {
  fl_outcome outcome = {0};
  bool unmodified = call->conditional && call->head.status == 304;
  bool good = unmodified || (call->head.status >= 200 && call->head.status < 300);
  uint32_t rows;
  outcome.ending = FL_ENDING_REPLY;
  outcome.status = unmodified ? 200 : call->head.status; /* for the policy: a success */
  outcome.kind = fl_kind_of_status(outcome.status);
  if (call->raw) fl_redact(call->api_key, call->text.data, call->text.length, false);
  if (good && call->raw) {
    outcome.kind = FL_KIND_NONE;
    call->message[0] = '\0';
    return outcome;
  }
  if (!good) {
    if (call->raw) fl_buffer_append(&call->raw_text, call->text.data, call->text.length);
    scan_reply(call);
    set_status_message(call);
    return outcome;
  }
  if (call->keeps_text) {
    call->raw_text.length = 0;
    if (fl_buffer_append(&call->raw_text, call->text.data, call->text.length) != FL_OK)
      fl_buffer_free(&call->raw_text); /* nothing is kept */
  }
  outcome.kind = FL_KIND_PROTOCOL;
  if (!scan_reply(call)) {
    outcome.ending = FL_ENDING_LOST;
  } else if (!call->envelope.found) {
    outcome.ending = FL_ENDING_UNUSABLE_REPLY;
    snprintf(call->message, sizeof call->message,
             "%s: the reply is JSON but not the envelope {\"data\": ..., \"messages\": [...]}",
             call->operation);
  } else if (call->expects_id &&
             !fl_envelope_has_id(&call->tape, call->text.data, &call->envelope)) {
    outcome.ending = FL_ENDING_LOST;
    snprintf(call->message, sizeof call->message, "%s: the reply has no data.id", call->operation);
  } else if (call->expects_rows &&
             fl_envelope_rows(&call->tape, call->text.data, call->envelope.data, &rows) ==
                 FL_ROWS_STRANGE) {
    outcome.ending = FL_ENDING_UNUSABLE_REPLY;
    fl_call_set_no_rows_message(call);
  } else {
    outcome.kind = FL_KIND_NONE;
    call->message[0] = '\0';
  }
  return outcome;
}

/* The outcome of an attempt that was sent and got no complete reply. */
static void set_lost(fl_call *call, const fl_failure *failure, fl_outcome *outcome) {
  const char *detail = failure->detail;
  outcome->ending = FL_ENDING_LOST;
  /* libcurl calls a reply that is not HTTP an unsupported protocol. */
  if (outcome->kind == FL_KIND_CONFIG) outcome->kind = FL_KIND_PROTOCOL;
  if (failure->repeated) {
    outcome->kind = FL_KIND_NETWORK;
    detail = "the connection closed before a reply came";
  }
  snprintf(call->message, sizeof call->message, "%s: no whole reply after the request was sent: %s",
           call->operation, detail);
  redact_excerpt(call, keep_excerpt(call), true);
}

fl_outcome fl_outcome_of_failure(fl_call *call, const fl_failure *failure) {
  fl_outcome outcome = {0};
  outcome.kind = failure->kind;
  outcome.status = call->head.status;
  if (failure->too_large) {
    outcome.ending = FL_ENDING_UNUSABLE_REPLY;
    outcome.kind = FL_KIND_PROTOCOL;
    snprintf(call->message, sizeof call->message,
             "%s: the reply is larger than max_response_bytes (%zu)", call->operation,
             call->client->settings.max_response_bytes);
  } else if (failure->no_memory) {
    outcome.ending = FL_ENDING_UNUSABLE_REPLY;
    fl_call_set_message(call, "no memory for the reply");
  } else if (!failure->sent) {
    outcome.ending = failure->permanent ? FL_ENDING_NOT_SENDABLE : FL_ENDING_UNSENT;
    snprintf(call->message, sizeof call->message, "%s: nothing was sent: %s", call->operation,
             failure->detail);
  } else {
    set_lost(call, failure, &outcome);
  }
  return outcome;
}
