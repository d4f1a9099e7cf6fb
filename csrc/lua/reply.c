/*
 * reply.c: calls that have ended, as data and meta or as an error; events as tables.
 *
 * Members have the names that docs/api.md gives. Durations are seconds, points in time are seconds
 * since the Unix epoch.
 */
#include "reply.h"

#include <string.h>

#include "head.h"
#include "policy/redact.h"
#include "push.h"
#include "state.h"

#define CLASS "flarelight.reply"

static void set_string(lua_State *L, const char *name, const char *value) {
  if (value == NULL || *value == '\0') return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, fl_time value) {
  lua_pushnumber(L, (lua_Number)value / (lua_Number)FL_SECOND);
  lua_setfield(L, -2, name);
}

/* The messages of the reply, unchanged; an empty array if there are none. */
static void set_messages(lua_State *L, const fl_call *call, const fl_push *push) {
  uint32_t at = call->envelope.messages;
  if (at != 0 && call->tape.nodes[at].type != FL_JSON_NULL) {
    fl_push_value(L, push, at);
  } else {
    lua_newtable(L);
    lua_pushvalue(L, push->array_metatable);
    lua_setmetatable(L, -2);
  }
  lua_setfield(L, -2, "messages");
}

static void set_rate_limit(lua_State *L, const fl_response_head *head) {
  if (head->limit == FL_UNKNOWN && head->remaining == FL_UNKNOWN && head->reset_wall == FL_UNKNOWN)
    return;
  lua_createtable(L, 0, 4);
  if (head->reset_format != FL_RESET_ABSENT)
    set_string(L, "format", fl_reset_format_name(head->reset_format));
  if (head->limit != FL_UNKNOWN) set_integer(L, "limit", head->limit);
  if (head->remaining != FL_UNKNOWN) set_integer(L, "remaining", head->remaining);
  if (head->reset_wall != FL_UNKNOWN) set_time(L, "reset", head->reset_wall);
  lua_setfield(L, -2, "rate_limit");
}

/* The attempts that were followed by another, as `retries`. Absent if the first one was the last.
 */
static void set_retries(lua_State *L, const fl_call *call) {
  if (call->retry_count == 0) return;
  lua_createtable(L, call->retry_count, 0);
  for (int i = 0; i < call->retry_count; i++) {
    const fl_call_retry *retry = &call->retries[i];
    lua_createtable(L, 0, 4);
    if (retry->status != 0) set_integer(L, "status", retry->status);
    set_string(L, "kind", fl_kind_name(retry->kind));
    set_string(L, "reason", retry->reason);
    set_time(L, "delay", retry->delay);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "retries");
}

/* Sets the members that meta and errors have in common, in the table on top. */
static void set_common(lua_State *L, const fl_call *call, const fl_push *push) {
  if (call->head.status != 0) set_integer(L, "status", call->head.status);
  set_integer(L, "attempts", call->retry.attempts);
  set_time(L, "elapsed", call->elapsed);
  if (call->waited_for_budget > 0) set_time(L, "waited", call->waited_for_budget);
  set_retries(L, call);
  set_string(L, "request_id", call->request_id);
  set_string(L, "fate", fl_fate_name(call->fate));
  set_messages(L, call, push);
  set_rate_limit(L, &call->head);
  if (call->head.date_wall != FL_UNKNOWN) set_time(L, "date", call->head.date_wall);
}

/* Pushes the reply as it came: `{ status =, headers =, body = }`. */
static void push_raw(lua_State *L, fl_call *call, const fl_buffer *body) {
  lua_createtable(L, 0, 3);
  set_integer(L, "status", call->head.status);
  fl_lua_head_push(L, fl_lua_head_of(call));
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, body->length > 0 ? body->data : "", body->length);
  lua_setfield(L, -2, "body");
}

static void push_error(lua_State *L, fl_call *call, const fl_push *push) {
  lua_createtable(L, 0, 16);
  fl_lua_state_push_error_metatable(L);
  lua_setmetatable(L, -2);
  set_common(L, call, push);
  set_string(L, "kind", fl_kind_name(call->kind));
  set_string(L, "message", call->message);
  /* A path that the caller chose may hold the key. */
  fl_redact(call->api_key, call->operation, strlen(call->operation), false);
  fl_redact(call->api_key, call->path, strlen(call->path), false);
  set_string(L, "operation", call->operation);
  set_string(L, "method", call->method);
  set_string(L, "path", call->path);
  set_string(L, "location", call->head.location);
  set_string(L, "body", call->excerpt);
  if (call->head.status != 0) {
    fl_lua_head_push(L, fl_lua_head_of(call));
    lua_setfield(L, -2, "headers");
  }
  if (call->raw && call->head.status != 0) {
    push_raw(L, call, &call->raw_text);
    lua_setfield(L, -2, "reply");
  }
  if (call->head.retry_after_known) set_time(L, "retry_after", call->head.retry_after);
  if (call->retry_at_wall != FL_UNKNOWN) set_time(L, "retry_at", call->retry_at_wall);
}

static void push_meta(lua_State *L, fl_call *call, const fl_push *push) {
  lua_createtable(L, 0, 16);
  set_common(L, call, push);
  set_string(L, "encoding", call->head.encoding);
  if (call->head.has_etag) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "etag");
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "cached");
  fl_lua_head_set(L, call);
}

void fl_lua_reply_push_meta(lua_State *L, fl_call *call) {
  fl_push push = {
      .tape = &call->tape, .text = call->text.data, .text_end = fl_buffer_end(&call->text)};
  luaL_checkstack(L, 20, "reply");
  fl_push_begin(L, &push);
  if (call->kind == FL_KIND_NONE) push_meta(L, call, &push);
  else push_error(L, call, &push);
}

int fl_lua_reply_push_outcome(lua_State *L, fl_call *call, bool null_as_nil) {
  fl_push push = {.tape = &call->tape,
                  .text = call->text.data,
                  .text_end = fl_buffer_end(&call->text),
                  .null_as_nil = null_as_nil};
  luaL_checkstack(L, 20, "reply");
  fl_push_begin(L, &push);
  if (call->kind != FL_KIND_NONE) {
    lua_pushnil(L);
    lua_pushstring(L, call->message);
    push_error(L, call, &push);
    return 3;
  }
  if (call->raw) push_raw(L, call, &call->text);
  else fl_push_value(L, &push, call->envelope.data);
  push_meta(L, call, &push);
  return 2;
}

void fl_lua_reply_push_event(lua_State *L, const fl_event *event) {
  static const char *const names[] = {"start", "wait", "retry", "done"};
  lua_createtable(L, 0, 12);
  set_string(L, "name", names[event->name]);
  set_integer(L, "client", (int64_t)event->client);
  set_string(L, "operation", event->operation);
  set_string(L, "method", event->method);
  set_string(L, "path", event->path);
  set_string(L, "request_id", event->request_id);
  set_string(L, "reason", event->reason);
  set_integer(L, "attempt", event->attempt);
  set_time(L, "elapsed", event->elapsed);
  if (event->name != FL_EVENT_START && event->status != 0) set_integer(L, "status", event->status);
  if (event->kind != FL_KIND_NONE) set_string(L, "kind", fl_kind_name(event->kind));
  if (event->name == FL_EVENT_DONE) set_string(L, "fate", fl_fate_name(event->fate));
  if (event->name == FL_EVENT_WAIT || event->name == FL_EVENT_RETRY)
    set_time(L, "delay", event->delay);
}

/* --- the userdata: an ended call whose outcome has not been taken --- */

typedef struct reply_box {
  fl_call *call; /* NULL: its outcome was taken */
  bool kept;     /* the outcome can be taken many times */
} reply_box;

static void end_call(reply_box *box) {
  if (box->call != NULL) fl_call_free(box->call);
  box->call = NULL;
}

static int collect(lua_State *L) {
  end_call(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static reply_box *check_reply(lua_State *L) {
  reply_box *box = luaL_checkudata(L, 1, CLASS);
  if (box->call == NULL) luaL_error(L, "the outcome of a call can be taken once");
  return box;
}

/* reply:outcome(null_as_nil) -> data, meta | nil, message, err; once, unless the reply is kept */
static int take_outcome(lua_State *L) {
  reply_box *box = check_reply(L);
  int count = fl_lua_reply_push_outcome(L, box->call, lua_toboolean(L, 2));
  if (!box->kept) end_call(box);
  return count;
}

/* reply:headers() -> a table of the headers, names in lower case. The outcome stays. */
static int take_headers(lua_State *L) {
  fl_lua_head_push(L, fl_lua_head_of(check_reply(L)->call));
  return 1;
}

/* reply:keep() -> status of a call that succeeded, or nil; bytes of memory that the reply holds.
 * From now on the outcome can be taken many times. The API key is overwritten. */
static int keep(lua_State *L) {
  reply_box *box = check_reply(L);
  fl_call *call = box->call;
  fl_lua_head_of(call); /* covers the key in it, which is known now */
  fl_wipe(call->api_key, strlen(call->api_key));
  fl_buffer_free(&call->body);
  fl_buffer_free(&call->raw_text);
  box->kept = true;
  if (call->kind == FL_KIND_NONE) lua_pushinteger(L, call->head.status);
  else lua_pushnil(L);
  fl_lua_push_count(L, (int64_t)(sizeof *call + call->text.capacity + call->head_lines.capacity +
                                 call->tape.capacity * sizeof *call->tape.nodes));
  return 2;
}

/* reply:text() -> the head and the text of a good reply that keeps its text, for client:answered;
 * nothing if it holds the API key, or keeps none. Before reply:keep(), which forgets the key. */
static int take_text(lua_State *L) {
  fl_call *call = check_reply(L)->call;
  fl_buffer *covered = &fl_lua_state_of(L)->scratch;
  fl_slice head;
  if (call->kind != FL_KIND_NONE || call->raw_text.length == 0) return 0;
  covered->length = 0;
  if (fl_buffer_append(covered, call->raw_text.data, call->raw_text.length) != FL_OK)
    return luaL_error(L, "not enough memory");
  fl_redact(call->api_key, covered->data, covered->length, false);
  if (memcmp(covered->data, call->raw_text.data, covered->length) != 0) return 0;
  head = fl_lua_head_of(call);
  lua_pushlstring(L, head.data != NULL ? head.data : "", head.length);
  lua_pushlstring(L, covered->data, covered->length);
  return 2;
}

/* reply:fate() -> the fate of a write, without taking the outcome | nil. Lua has these strings, so
 * that none is allocated. */
static int fate(lua_State *L) {
  const reply_box *box = luaL_checkudata(L, 1, CLASS);
  const char *name = box->call != NULL ? fl_fate_name(box->call->fate) : NULL;
  if (name == NULL) return 0;
  lua_pushstring(L, name);
  return 1;
}

static const luaL_Reg methods[] = {
    {"outcome", take_outcome}, {"keep", keep}, {"headers", take_headers},
    {"text", take_text},       {"fate", fate}, {NULL, NULL}};

fl_call **fl_lua_reply_push(lua_State *L) {
  reply_box *box = lua_newuserdata(L, sizeof *box);
  *box = (reply_box){NULL, false};
  fl_lua_new_class(L, CLASS, methods, collect);
  lua_setmetatable(L, -2);
  return &box->call;
}
