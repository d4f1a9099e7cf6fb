/* diagnosis.c: what `flarelight doctor` looks at: the addresses of a host, a server's certificates.
 * Both block. */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "binding.h"
#include "engine/certificates.h"
#include "functions.h"
#include "state.h"

/* Pushes an array of the addresses as texts, each once. */
static void push_addresses(lua_State *L, const struct addrinfo *first) {
  int count = 0;
  lua_newtable(L);
  for (const struct addrinfo *each = first; each != NULL; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) !=
        0)
      continue;
    lua_pushstring(L, text);
    lua_rawseti(L, -2, ++count);
  }
}

typedef struct found_addresses {
  struct addrinfo *first;
} found_addresses;

static int collect(lua_State *L) {
  found_addresses *found = luaL_checkudata(L, 1, "flarelight.addresses");
  if (found->first != NULL) freeaddrinfo(found->first);
  found->first = NULL;
  return 0;
}

/* core.addresses(host) -> array of addresses as texts | nil, message */
static int addresses(lua_State *L) {
  const char *host = fl_lua_check_path(L, 1);
  struct addrinfo hints;
  found_addresses *found = lua_newuserdata(L, sizeof *found);
  int code;
  found->first = NULL;
  fl_lua_new_class(L, "flarelight.addresses", NULL, collect);
  lua_setmetatable(L, -2);
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  code = getaddrinfo(host, NULL, &hints, &found->first);
  if (code != 0) return fl_lua_fail(L, "%s", gai_strerror(code));
  push_addresses(L, found->first);
  return 1;
}

/* Adds a line and its NUL, behind a letter for the place in the chain. */
static void add_line(void *context, int place, const char *line) {
  fl_buffer *text = context;
  static const char *const wanted[] = {"Subject:", "Issuer:", "Expire date:"};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    if (strncmp(line, wanted[i], strlen(wanted[i])) != 0) continue;
    if (fl_buffer_append_byte(text, (char)('A' + (place < 25 ? place : 25))) != FL_OK) return;
    if (fl_buffer_append(text, line, strlen(line) + 1) != FL_OK) return;
  }
}

/*
 * core.certificates{url=, client_cert=, client_key=, proxy=, timeout=} -> array of lines, as
 * "ASubject:CN = …": the letter is the place in the chain | nil, message
 */
static int certificates(lua_State *L) {
  fl_certificates_request request;
  fl_buffer *lines = &fl_lua_state_of(L)->scratch;
  const char *wrong;
  int count = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_checkstack(L, 10, "certificates");
  /* The texts stay on the stack, and so alive. */
  request.url = fl_lua_field(L, 1, "url") == LUA_TSTRING ? lua_tostring(L, -1) : "";
  request.client_cert = fl_lua_field(L, 1, "client_cert") != LUA_TNIL ? lua_tostring(L, -1) : NULL;
  request.client_key = fl_lua_field(L, 1, "client_key") != LUA_TNIL ? lua_tostring(L, -1) : NULL;
  request.proxy = fl_lua_field(L, 1, "proxy") != LUA_TNIL ? lua_tostring(L, -1) : NULL;
  request.timeout = fl_lua_seconds(fl_lua_field_number(L, 1, "timeout", 10));
  lines->length = 0;
  wrong = fl_certificates_read(&request, add_line, lines);
  if (wrong != NULL) return fl_lua_fail(L, "%s", wrong);
  lua_newtable(L);
  for (size_t at = 0; at < lines->length; at += strlen(lines->data + at) + 1) {
    lua_pushstring(L, lines->data + at);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const luaL_Reg fl_lua_diagnosis_functions[] = {
    {"addresses", addresses}, {"certificates", certificates}, {NULL, NULL}};
