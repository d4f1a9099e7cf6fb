/* routes.c: finds the operation of a request. */
#include "routes.h"

#define NAME(operation, name, ...) [OPERATION_##operation] = name,
const char *const sandbox_routes_names[OPERATION_COUNT] = {SANDBOX_OPERATIONS(NAME)};
#undef NAME

#define ROUTE(operation, name, method, path, ...) [OPERATION_##operation] = {method, path},
static const struct {
  const char *method, *path;
} routes[OPERATION_COUNT] = {SANDBOX_OPERATIONS(ROUTE)};
#undef ROUTE

sandbox_operation sandbox_routes_operation(const char *name) {
  for (int index = 0; index < OPERATION_COUNT; index++)
    if (strcmp(name, sandbox_routes_names[index]) == 0) return (sandbox_operation)index;
  return OPERATION_NONE;
}

/* Whether the path fits the pattern. *id is the segment of the path at the place of {id} in the
 * pattern. */
static bool fits(const char *path, const char *pattern, fl_slice *id) {
  while (*pattern) {
    if (*pattern == '{') {
      *id = (fl_slice){path, strcspn(path, "/")};
      path += id->length;
      pattern += sizeof "{id}" - 1;
    } else if (*pattern++ != *path++) {
      return false;
    }
  }
  return *path == '\0';
}

sandbox_route sandbox_routes_find(const char *method, const char *path) {
  sandbox_route route = {OPERATION_NONE, 404, {NULL, 0}};
  for (int index = 0; index < OPERATION_COUNT; index++) {
    fl_slice id = {NULL, 0};
    if (!fits(path, routes[index].path, &id)) continue;
    route.status = 405;
    if (strcmp(method, routes[index].method) == 0)
      return (sandbox_route){(sandbox_operation)index, 0, id};
  }
  return route;
}

static int hex(char digit) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *found = digit ? strchr(digits, digit) : NULL;
  return found ? (int)((found - digits) % 16) : -1;
}

int64_t sandbox_routes_unescape(char *out, fl_slice text) {
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
