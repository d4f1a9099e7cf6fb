/*
 * client.c: the client userdata: settings, submitting calls and pagers, quota and counters.
 *
 * Relies on the Lua side to check the names and types of options. Checks by the rules of the core:
 * ids, paths, and whether a body has a form in JSON.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/command.h"
#include "engine/engine.h"
#include "engine/outcome.h"
#include "files/lease_store.h"
#include "files/worker.h"
#include "functions.h"
#include "policy/url.h"
#include "reply.h"
#include "state.h"
#include "write.h"

#define CLASS "flarelight.client"
#define LARGEST INT64_C(9007199254740992) /* start and page size: 2^53 */

typedef struct client_box {
  fl_client *client;   /* NULL once it is closed */
  fl_command *closing; /* made in advance, since closing must not fail */
  bool entered;
} client_box;

/* --- making --- */

/* The value stays on the stack, and so alive, until the settings are copied. NULL if the setting is
 * not given. */
static const char *text_setting(lua_State *L, const char *name) {
  return fl_lua_field(L, 1, name) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

static fl_time time_setting(lua_State *L, const char *name, double otherwise) {
  return fl_lua_seconds(fl_lua_field_number(L, 1, name, otherwise));
}

static void close_box(client_box *box) {
  fl_client *client = box->client;
  const char *message;
  if (client == NULL) return;
  box->client = NULL;
  if (box->closing != NULL) fl_engine_submit(&box->closing->item, NULL, false, &message);
  box->closing = NULL;
  fl_client_release(client);
  if (!box->entered) return;
  box->entered = false;
  fl_engine_leave();
  fl_worker_leave(); /* the engine may give the worker jobs until it has stopped */
}

static int client_close(lua_State *L) {
  close_box(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static client_box *check_open(lua_State *L) {
  client_box *box = luaL_checkudata(L, 1, CLASS);
  return box->client != NULL ? box : NULL;
}

/* returns nil, kind, message, from which the Lua side makes an error */
static int refuse(lua_State *L, const char *kind, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, kind);
  lua_pushstring(L, message);
  return 3;
}

/* returns nil, "misuse" and the message on top of the stack, which the Lua side raises */
static int misuse(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushliteral(L, "misuse");
  lua_insert(L, -2);
  return 3;
}

/* --- ids --- */

/*
 * An id as text: a string as it is, a whole number as its digits (never 1.0 or 1e+15), the digits
 * of a flarelight.integer. False, with a message pushed, for any other value.
 */
static bool read_id(lua_State *L, int index, char digits[32], fl_slice *id) {
  switch (lua_type(L, index)) {
    case LUA_TSTRING: id->data = lua_tolstring(L, index, &id->length); return true;
    case LUA_TNUMBER: {
      double number;
#if FL_LUA_HAS_INTEGERS
      if (lua_isinteger(L, index)) {
        id->length = (size_t)snprintf(digits, 32, "%lld", (long long)lua_tointeger(L, index));
        id->data = digits;
        return true;
      }
#endif
      number = (double)lua_tonumber(L, index);
      if (number == floor(number) && fabs(number) <= 9007199254740992.0) {
        id->length = (size_t)snprintf(digits, 32, "%lld", (long long)number);
        id->data = digits;
        return true;
      }
      lua_pushliteral(L, "id: a number must be whole and within 2^53; give larger ids as strings");
      return false;
    }
    case LUA_TTABLE: {
      bool integer = false;
      if (lua_getmetatable(L, index)) {
        fl_lua_state_push_integer_metatable(L);
        integer = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
      }
      if (integer) {
        lua_rawgeti(L, index, 1);
        id->data = NULL;
        /* A number would be converted, and nothing would keep the new string. */
        if (lua_type(L, -1) == LUA_TSTRING) id->data = lua_tolstring(L, -1, &id->length);
        lua_pop(L, 1); /* the table keeps it */
        if (id->data != NULL) return true;
      }
      break;
    }
    default: break;
  }
  lua_pushfstring(L, "id: should be a string or a whole number, but is a %s",
                  luaL_typename(L, index));
  return false;
}

/* --- submitting --- */

/* Checks the arguments that calls and pagers have in common. Returns 0, or the number of results
 * that the caller has to return. */
static int begin(lua_State *L, client_box **box, fl_lua_state **state, char digits[32],
                 fl_slice *id) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  *box = check_open(L);
  if (*box == NULL) return refuse(L, "closed", "the client is closed");
  *state = fl_lua_state_of(L);
  if (fl_lua_state_mailbox(*state) == NULL) return refuse(L, "network", strerror(errno));
  *id = (fl_slice){NULL, 0};
  if (fl_lua_field(L, 2, "id") != LUA_TNIL && !read_id(L, 3, digits, id)) return misuse(L);
  return 0;
}

static int refuse_url(lua_State *L, int code, bool has_id) {
  if (code == FL_URL_OK) return luaL_error(L, "not enough memory");
  /* An id can only break these rules, since all other characters are encoded. */
  if (has_id && code == FL_URL_DOTS)
    lua_pushliteral(L, "id: is \".\" or \"..\", which no path segment can be");
  else if (has_id && code == FL_URL_CONTROL) lua_pushliteral(L, "id: holds a control character");
  else lua_pushfstring(L, "%s: %s", has_id ? "id" : "path", fl_url_describe((fl_url_code)code));
  return misuse(L);
}

/* `waiting`: the mailbox of a caller that blocks from now on, or NULL. */
static int hand_over(lua_State *L, fl_item *item, fl_mailbox *waiting) {
  const uint64_t ticket = item->ticket;
  const char *message;
  const fl_result result = fl_engine_submit(item, waiting, fl_lua_state_of(L)->corked, &message);
  if (result != FL_OK) {
    fl_item_free(item);
    return refuse(L, result == FL_INVALID ? "closed" : "network", message);
  }
  lua_pushnumber(L, (lua_Number)ticket);
  return 1;
}

/* Reads the members of the table at 2 that do not depend on the time. The texts belong to it. */
static void read_request(lua_State *L, fl_request *request) {
  request->operation = fl_lua_field_text(L, 2, "operation");
  request->method = fl_lua_field_text(L, 2, "method");
  request->path = fl_lua_field_text(L, 2, "path");
  request->query = fl_lua_field_text(L, 2, "query");
  request->api_key = fl_lua_field_text(L, 2, "api_key");
  request->headers = fl_lua_field_text(L, 2, "headers");
  request->request_id = fl_lua_field_text(L, 2, "request_id");
  request->raw = fl_lua_field_flag(L, 2, "raw");
  request->keeps_text = fl_lua_field_flag(L, 2, "keeps_text");
  request->conditional = fl_lua_field_flag(L, 2, "conditional");
  request->write = fl_lua_field_flag(L, 2, "write");
  request->repeatable = fl_lua_field_flag(L, 2, "repeatable");
  request->expects_id = fl_lua_field_flag(L, 2, "expects_id");
  request->expects_rows = fl_lua_field_flag(L, 2, "expects_rows");
  request->interactive = fl_lua_field_flag(L, 2, "interactive");
}

/*
 * client:submit{operation=, method=, path=, id=, query=, body=, has_body=, body_text=, api_key=,
 * headers=, request_id=, write=, repeatable=, expects_id=, expects_rows=, raw=, keeps_text=,
 * conditional=, interactive=, deadline=, permit=, waits=, ticket=} -> ticket | nil, kind, message.
 * `headers`: lines, each with a NUL behind it. `body_text`: the body as JSON text, instead of
 * `body`. `permit`: the store whose locks must still be held when the request of a write is sent.
 * `waits`: the caller blocks until it has the outcome. `ticket`: of core.ticket.
 */
static int client_submit(lua_State *L) {
  client_box *box;
  fl_lua_state *state;
  char digits[32];
  fl_request request = {0};
  fl_call *call;
  bool waits;
  uint64_t ticket;
  double deadline;
  int code, count = begin(L, &box, &state, digits, &request.id);
  if (count != 0) return count;

  read_request(L, &request);
  waits = fl_lua_field_flag(L, 2, "waits");
  ticket = (uint64_t)fl_lua_field_whole(L, 2, "ticket", 0, LARGEST);
  if (ticket < state->first_ticket) ticket = fl_item_next_ticket();
  deadline = fl_lua_field_number(L, 2, "deadline", -1);
  /* The store stays on the stack, and so alive. */
  if (request.write && fl_lua_field(L, 2, "permit") == LUA_TUSERDATA)
    request.permit = fl_lua_store_permit(L, lua_gettop(L));
  if (fl_lua_field_flag(L, 2, "has_body")) {
    fl_slice text = fl_lua_field_text(L, 2, "body_text");
    state->scratch.length = 0;
    if (text.data != NULL) {
      if (fl_buffer_append(&state->scratch, text.data, text.length) != FL_OK)
        return luaL_error(L, "not enough memory");
    } else {
      fl_lua_field(L, 2, "body");
      if (!fl_lua_write_value(L, -1, &state->scratch, "", false)) return misuse(L);
    }
    request.body = &state->scratch;
  }
  lua_checkstack(L, 5);
  /* No Lua call from here to hand_over, so nothing can leak. */
  request.deadline = deadline < 0 ? FL_NEVER : fl_lua_seconds(deadline);
  if (request.deadline != FL_NEVER) request.deadline += fl_clock_now();
  call = fl_call_new(box->client, state->mailbox, ticket, &request, &code);
  if (call == NULL) return refuse_url(L, code, request.id.data != NULL);
  return hand_over(L, &call->item, waits ? state->mailbox : NULL);
}

/* Gives a call a reply that another call has had. False if it is no good reply for this one. */
static bool answer(fl_call *call, fl_slice head, fl_slice text) {
  const char *line = head.data, *end = head.data + head.length;
  while (line < end) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    const char *next = newline != NULL ? newline + 1 : end;
    fl_response_head_line(&call->head, line, (size_t)(next - line));
    line = next;
  }
  fl_response_head_finish(&call->head, fl_clock_wall());
  if (fl_buffer_append(&call->head_lines, head.data, head.length) != FL_OK ||
      fl_buffer_append(&call->text, text.data, text.length) != FL_OK)
    return false;
  call->kind = fl_outcome_of_reply(call).kind;
  return call->kind == FL_KIND_NONE;
}

/*
 * client:answered(request) -> a reply as if the request had got the one of its members `head` and
 * `text` (reply:text()); nothing if that is no good reply for it. Sends nothing.
 */
static int client_answered(lua_State *L) {
  client_box *box;
  fl_lua_state *state;
  char digits[32];
  fl_request request = {0};
  fl_slice head, text;
  fl_call **reply;
  bool good;
  int code, count = begin(L, &box, &state, digits, &request.id);
  if (count != 0) return 0;
  read_request(L, &request);
  head = fl_lua_field_text(L, 2, "head");
  text = fl_lua_field_text(L, 2, "text");
  reply = fl_lua_reply_push(L);
  *reply = fl_call_new(box->client, state->mailbox, 0, &request, &code);
  if (*reply == NULL) return 0;
  good = answer(*reply, head, text);
  return good ? 1 : 0;
}

/*
 * client:pages{operation=, path=, id=, api_key=, headers=, request_id=, start=, page_size=,
 * prefetch=, limit=, trust_short_page=, deadline=} -> ticket | nil, kind, message; the pages then
 * arrive under that ticket
 */
static int client_pages(lua_State *L) {
  client_box *box;
  fl_lua_state *state;
  char digits[32];
  fl_pager_request request = {0};
  fl_pager *pager;
  double deadline;
  int code, count = begin(L, &box, &state, digits, &request.id);
  if (count != 0) return count;

  request.operation = fl_lua_field_text(L, 2, "operation");
  request.path = fl_lua_field_text(L, 2, "path");
  request.api_key = fl_lua_field_text(L, 2, "api_key");
  request.headers = fl_lua_field_text(L, 2, "headers");
  request.request_id = fl_lua_field_text(L, 2, "request_id");
  request.start = fl_lua_field_whole(L, 2, "start", 0, LARGEST);
  request.page_size = fl_lua_field_whole(L, 2, "page_size", 5000, LARGEST);
  request.prefetch = (int)fl_lua_field_whole(L, 2, "prefetch", 2, INT_MAX);
  request.limit = fl_lua_field_whole(L, 2, "limit", INT64_MAX, INT64_MAX);
  request.trust_short_page = fl_lua_field_flag(L, 2, "trust_short_page");
  deadline = fl_lua_field_number(L, 2, "deadline", -1);
  request.deadline = deadline < 0 ? FL_NEVER : fl_lua_seconds(deadline);
  lua_checkstack(L, 5);
  pager = fl_pager_new(box->client, state->mailbox, fl_item_next_ticket(), &request, &code);
  if (pager == NULL) return refuse_url(L, code, request.id.data != NULL);
  return hand_over(L, fl_pager_item(pager), NULL);
}

/* core.path(template, id) -> the path that a call of them requests; nothing if they are refused */
static int path(lua_State *L) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  fl_slice path_template, id = {NULL, 0};
  fl_url_code code;
  char digits[32];
  path_template.data = luaL_checklstring(L, 1, &path_template.length);
  lua_settop(L, 2);
  if (!lua_isnil(L, 2) && !read_id(L, 2, digits, &id)) return 0;
  scratch->length = 0;
  if (fl_url_append_path(scratch, (fl_slice){"", 0}, path_template, id, &code) != FL_OK) return 0;
  lua_pushlstring(L, scratch->data, scratch->length);
  return 1;
}

/* --- quota and counters --- */

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, int64_t value) {
  fl_lua_push_count(L, value);
  lua_setfield(L, -2, name);
}

static void set_place(lua_State *L, const fl_lease_place *place) {
  lua_pushstring(L, place != NULL ? place->name : "memory");
  lua_setfield(L, -2, "place");
}

/* client:quota() -> table; unknown members are absent */
static int client_quota(lua_State *L) {
  client_box *box = check_open(L);
  fl_budget_view view;
  fl_time now = fl_clock_now();
  lua_createtable(L, 0, 10);
  if (box == NULL || !fl_engine_quota(box->client, &view, now)) {
    set_count(L, "waiting", 0);
    set_count(L, "spent", 0);
    set_count(L, "foreign", 0);
    set_place(L, box != NULL ? box->client->settings.leases : NULL);
    return 1;
  }
  lua_pushstring(L, view.place != NULL ? view.place : "memory");
  lua_setfield(L, -2, "place");
  set_count(L, "waiting", view.waiting);
  set_count(L, "spent", view.belief.spent_total);
  set_count(L, "foreign", view.foreign);
  if (view.belief.limit != FL_UNKNOWN) {
    set_count(L, "limit", view.belief.limit);
    set_count(L, "remaining", view.remaining > 0 ? view.remaining : 0);
  }
  if (view.belief.reset_at != FL_UNKNOWN && view.belief.reset_at > now) {
    fl_time in = view.belief.reset_at - now;
    set_number(L, "reset", (double)(fl_clock_wall() + in) / (double)FL_SECOND);
    set_number(L, "reset_in", (double)in / (double)FL_SECOND);
  }
  /* Requests a second while calls are spread; absent while calls start at once. */
  if (view.pace >= 0) set_number(L, "pace", view.pace);
  return 1;
}

/* Pushes the latency of an operation: count, sum in seconds, and the buckets with the number of
 * attempts up to each bound, as Prometheus counts them. */
static void push_latency(lua_State *L, fl_latency *entry) {
  int64_t sum = 0;
  lua_createtable(L, 0, 3);
  set_number(L, "sum", (double)atomic_load(&entry->sum) / (double)FL_SECOND);
  lua_createtable(L, FL_LATENCY_BOUNDS + 1, 0);
  for (int i = 0; i <= FL_LATENCY_BOUNDS; i++) {
    sum += atomic_load(&entry->buckets[i]);
    lua_createtable(L, 0, 2);
    set_number(L, "le",
               i < FL_LATENCY_BOUNDS ? (double)fl_latency_bounds[i] / (double)FL_SECOND : HUGE_VAL);
    set_count(L, "count", sum);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "buckets");
  set_count(L, "count", sum); /* so that it is the count of the last bucket */
}

/* client:stats() -> table */
static int client_stats(lua_State *L) {
  client_box *box = check_open(L);
  fl_client_counters *counters;
  lua_createtable(L, 0, 8);
  if (box == NULL) return 1;
  counters = &box->client->counters;
  set_count(L, "calls", atomic_load(&counters->calls));
  set_count(L, "attempts", atomic_load(&counters->attempts));
  set_count(L, "retries", atomic_load(&counters->retries));
  set_count(L, "bytes_in", atomic_load(&counters->bytes_in));
  set_count(L, "bytes_out", atomic_load(&counters->bytes_out));
  set_count(L, "connections", atomic_load(&counters->connections));
  lua_newtable(L);
  for (int kind = 1; kind < FL_KIND_COUNT; kind++) {
    long long count = atomic_load(&counters->errors[kind]);
    if (count > 0) set_count(L, fl_kind_name((fl_kind)kind), count);
  }
  lua_setfield(L, -2, "errors");
  lua_newtable(L);
  for (fl_latency *entry = atomic_load(&counters->latency); entry != NULL; entry = entry->next) {
    push_latency(L, entry);
    lua_setfield(L, -2, entry->operation);
  }
  lua_setfield(L, -2, "latency");
  return 1;
}

/* client:number() -> the number that names the client in events */
static int client_number(lua_State *L) {
  client_box *box = check_open(L);
  if (box == NULL) return 0;
  lua_pushnumber(L, (lua_Number)box->client->number);
  return 1;
}

static const luaL_Reg methods[] = {{"submit", client_submit}, {"answered", client_answered},
                                   {"pages", client_pages},   {"quota", client_quota},
                                   {"stats", client_stats},   {"number", client_number},
                                   {"close", client_close},   {NULL, NULL}};

#define PATIENCE 2 /* seconds that a question about the rate limit waits for its server */

/* The shares of the rate limit in PostgreSQL, over a connection of their own, so that they do not
 * wait for the journal. */
static fl_lease_place *open_leases(lua_State *L, const char *url) {
  const fl_database_functions *functions = fl_database_installed();
  fl_store_error error;
  fl_database *database;
  fl_lease_place *place = NULL;
  if (functions == NULL) luaL_error(L, "core.use_postgres was not called");
  database = functions->open(url, PATIENCE, false, &error);
  if (database == NULL && error.code != FL_STORE_NO_MEMORY) luaL_error(L, "%s", error.message);
  if (database != NULL) place = fl_lease_database_new(database, "postgresql");
  if (place == NULL) luaL_error(L, "not enough memory");
  return place;
}

/* core.client(settings) -> client */
static int new_client(lua_State *L) {
  fl_client_settings settings = {0};
  client_box *box;
  const char *state, *database;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_checkstack(L, 20, "settings");
  box = lua_newuserdata(L, sizeof *box);
  memset(box, 0, sizeof *box);
  fl_lua_new_class(L, CLASS, methods, client_close);
  lua_setmetatable(L, 2);
  settings.connect_timeout = time_setting(L, "connect_timeout", 10);
  settings.read_timeout = time_setting(L, "read_timeout", 60);
  settings.write_timeout = time_setting(L, "write_timeout", 300);
  settings.rate_limit = fl_lua_field_whole(L, 1, "rate_limit", 0, INT64_MAX);
  settings.max_response_bytes =
      (size_t)fl_lua_field_whole(L, 1, "max_response_bytes", 268435456, INT64_MAX / 4);
  settings.max_concurrency = (int)fl_lua_field_whole(L, 1, "max_concurrency", 8, INT_MAX);
  settings.events = fl_lua_field_flag(L, 1, "events");
  settings.debug = fl_lua_field_flag(L, 1, "debug");
  settings.replace_invalid = fl_lua_field_flag(L, 1, "replace_invalid");
  settings.tls_1_3 = fl_lua_field_flag(L, 1, "tls_1_3");
  settings.retry = (fl_retry_policy)FL_RETRY_POLICY_DEFAULT;
  settings.retry.max_attempts = (int)fl_lua_field_whole(L, 1, "max_attempts", 4, INT_MAX);
  settings.base_url = text_setting(L, "base_url");
  settings.subscription_id = text_setting(L, "subscription_id");
  settings.user_agent = text_setting(L, "user_agent");
  settings.ca_file = text_setting(L, "ca_file");
  settings.client_cert = text_setting(L, "client_cert");
  settings.client_key = text_setting(L, "client_key");
  settings.proxy = text_setting(L, "proxy");
  state = text_setting(L, "state_path");
  database = text_setting(L, "database");
  if (settings.base_url == NULL || settings.subscription_id == NULL || settings.user_agent == NULL)
    return luaL_error(L, "base_url, subscription_id and user_agent are needed");
  if (database != NULL) {
    settings.leases = open_leases(L, database);
  } else if (state != NULL) {
    settings.leases = fl_lease_file_new(state, fl_lua_field_flag(L, 1, "shared_files"));
    if (settings.leases == NULL) return luaL_error(L, "not enough memory");
  }
  box->client = fl_client_new(&settings);
  if (settings.leases != NULL) settings.leases->release(settings.leases);
  if (box->client == NULL) return luaL_error(L, "not enough memory");
  box->closing = fl_command_new(FL_ITEM_CLOSE_CLIENT, 0, box->client, NULL);
  if (box->closing == NULL) return luaL_error(L, "not enough memory");
  fl_engine_enter();
  fl_worker_enter();
  box->entered = true;
  lua_pushvalue(L, 2);
  return 1;
}

const luaL_Reg fl_lua_client_functions[] = {{"client", new_client}, {"path", path}, {NULL, NULL}};
