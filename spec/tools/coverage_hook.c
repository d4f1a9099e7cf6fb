/*
 * coverage_hook.c: luaopen_coverage_hook notes each line of the module that a Lua runs, in all of
 * its coroutines. For spec/tools/coverage, which lets every Lua 5.4 that the specs start call it
 * first (LUA_INIT).
 *
 * Each file of the module has a file of bytes in the folder COVERAGE_HITS, one byte a line, which
 * all processes map and write into. So a process that is killed counts, too. Its name is the path
 * below COVERAGE_ROOT, with "%" for "/".
 */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_LINES 65536
#define KNOWN 65536 /* sources, by their address */

typedef struct known {
  const void *address; /* of the source's name in Lua, which may come to name another source */
  char *source;
  unsigned char *lines; /* NULL: not a file of the module */
} known;

static known sources[KNOWN];
static const char *folder, *root;

/* The path below the root, for a file of the module; NULL for any other source. */
static const char *path_of(const char *source) {
  if (*source++ != '@') return NULL;
  if (strncmp(source, root, strlen(root)) == 0) source += strlen(root);
  return strncmp(source, "lua/flarelight", 14) == 0 || strncmp(source, "bin/", 4) == 0 ? source
                                                                                       : NULL;
}

static unsigned char *map(const char *path) {
  char name[1024];
  void *lines;
  int descriptor;
  int length = snprintf(name, sizeof name, "%s/", folder);
  snprintf(name + length, sizeof name - (size_t)length, "%s", path);
  for (char *at = name + length; *at != '\0'; at++)
    if (*at == '/') *at = '%';
  descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return NULL;
  lines = ftruncate(descriptor, MOST_LINES) == 0
              ? mmap(NULL, MOST_LINES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
              : MAP_FAILED;
  close(descriptor);
  return lines != MAP_FAILED ? lines : NULL;
}

/* The place of a source in the table: its own, or a free one; NULL if the table is full. */
static known *place_of(const char *source) {
  size_t first = ((size_t)source >> 4) % KNOWN;
  for (size_t n = 0; n < KNOWN; n++) {
    known *place = &sources[(first + n) % KNOWN];
    if (place->source == NULL || place->address == source) return place;
  }
  return NULL;
}

static unsigned char *lines_of(const char *source) {
  known *place = place_of(source);
  if (place == NULL) return NULL;
  if (place->source == NULL || strcmp(place->source, source) != 0) {
    const char *path = path_of(source);
    free(place->source);
    *place = (known){source, strdup(source), path != NULL ? map(path) : NULL};
  }
  return place->lines;
}

static void hook(lua_State *L, lua_Debug *event) {
  unsigned char *lines;
  if (lua_getinfo(L, "S", event) == 0) return;
  lines = lines_of(event->source);
  if (lines != NULL && event->currentline > 0 && event->currentline < MOST_LINES)
    lines[event->currentline] = 1;
}

int luaopen_coverage_hook(lua_State *L) {
  folder = getenv("COVERAGE_HITS");
  root = getenv("COVERAGE_ROOT");
  /* New coroutines get the hook of their creator. */
  if (folder != NULL && root != NULL) lua_sethook(L, hook, LUA_MASKLINE, 0);
  return 0;
}
