/*
 * trace.c: traces as tables. lua/flarelight/trace.lua makes lines of them. Durations are seconds;
 * a duration of 0 means that the attempt did not reach that step, and is absent.
 */
#include "trace.h"

static void set_time(lua_State *L, const char *name, fl_time value) {
  if (value <= 0) return;
  lua_pushnumber(L, (lua_Number)value / (lua_Number)FL_SECOND);
  lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, int64_t value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
  if (*value == '\0') return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

void fl_lua_trace_push(lua_State *L, const fl_trace *trace) {
  const fl_trace_figures *figures = &trace->figures;
  luaL_checkstack(L, 4, "trace");
  lua_createtable(L, 0, 20);
  set_count(L, "client", (int64_t)trace->client);
  set_count(L, "attempt", trace->attempt);
  set_text(L, "operation", trace->operation);
  set_text(L, "request_id", trace->request_id);
  lua_pushlstring(L, trace->text, trace->length);
  lua_setfield(L, -2, "head");
  if (!trace->ended) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "ended");
  set_count(L, "head_sent", figures->head_sent);
  set_count(L, "body_sent", figures->body_sent);
  set_count(L, "head_received", figures->head_received);
  set_count(L, "body_received", figures->body_received);
  set_time(L, "name_lookup", figures->name_lookup);
  set_time(L, "connect", figures->connect);
  set_time(L, "tls", figures->tls);
  set_time(L, "first_byte", figures->first_byte);
  set_time(L, "total", figures->total);
  lua_pushboolean(L, figures->reused);
  lua_setfield(L, -2, "reused");
  set_text(L, "address", figures->address);
  set_text(L, "error", trace->error);
}
