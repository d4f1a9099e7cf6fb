/*
 * module.c: luaopen_flarelight_ini_core: reads a configuration file with libinih.
 *
 * A module of its own, since only programs that name an environment need libinih. It links no file
 * of the core. Lua owns all memory: libinih is called between no allocation and its owner, and its
 * callbacks call no Lua.
 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES 1048576
#define NAME_ROOM 64 /* libinih cuts sections and names to 50 bytes */

typedef struct entry {
  char section[NAME_ROOM], name[NAME_ROOM];
  size_t value; /* offset in `values` */
  int line;
} entry;

/* The text, and the entries that were found in it. All of it is one userdata. */
typedef struct reading {
  const char *at, *end;
  entry *entries;
  char *values;
  size_t count, most, used;
  int line;      /* that was read last */
  int long_line; /* that is longer than libinih reads, or 0 */
} reading;

int luaopen_flarelight_ini_core(lua_State *L);

/* As fgets. */
static char *read_line(char *buffer, int size, void *context) {
  reading *self = context;
  const char *stop;
  size_t length;
  if (self->at == self->end || self->long_line != 0) return NULL;
  stop = memchr(self->at, '\n', (size_t)(self->end - self->at));
  stop = stop != NULL ? stop + 1 : self->end;
  length = (size_t)(stop - self->at);
  self->line++;
  if (length > (size_t)size - 1) {
    self->long_line = self->line;
    return NULL;
  }
  memcpy(buffer, self->at, length);
  buffer[length] = '\0';
  self->at = stop;
  return buffer;
}

static void copy_name(char *to, const char *from) {
  size_t length = strlen(from);
  if (length >= NAME_ROOM) length = NAME_ROOM - 1;
  memcpy(to, from, length);
  to[length] = '\0';
}

static int add_entry(void *context, const char *section, const char *name, const char *value) {
  reading *self = context;
  entry *made = &self->entries[self->count];
  size_t room = strlen(value) + 1;
  if (self->count == self->most) return 0;
  copy_name(made->section, section);
  copy_name(made->name, name);
  memcpy(self->values + self->used, value, room);
  made->value = self->used;
  made->line = self->line;
  self->used += room;
  self->count++;
  return 1;
}

static void push_entry(lua_State *L, const reading *self, const entry *found) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, found->section);
  lua_setfield(L, -2, "section");
  lua_pushstring(L, found->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, self->values + found->value);
  lua_setfield(L, -2, "value");
  lua_pushinteger(L, found->line);
  lua_setfield(L, -2, "line");
}

/* ini_core.parse(text) -> array of { section, name, value, line } | nil, what is wrong, for a
 * message behind the name of the file. The message shows nothing of the text. */
static int parse(lua_State *L) {
  size_t length, lines = 1;
  const char *text = luaL_checklstring(L, 1, &length);
  reading *self;
  int wrong;
  for (size_t i = 0; i < length; i++) lines += text[i] == '\n';
  /* Values lie within their lines, so all of them with their ends fit into length + lines. */
  self = lua_newuserdata(L, sizeof *self + lines * sizeof(entry) + length + lines);
  memset(self, 0, sizeof *self);
  self->at = text;
  self->end = text + length;
  self->most = lines;
  self->entries = (entry *)(void *)(self + 1);
  self->values = (char *)(self->entries + lines);
  wrong = ini_parse_stream(read_line, self, add_entry, self);
  lua_settop(L, 2);
  if (self->long_line != 0 || wrong != 0) {
    lua_pushnil(L);
    if (self->long_line != 0) lua_pushfstring(L, ", line %d is too long", self->long_line);
    else if (wrong > 0)
      lua_pushfstring(L, ", line %d is neither a [section] nor name = value", wrong);
    else lua_pushliteral(L, " cannot be read");
    return 2;
  }
  lua_newtable(L);
  for (size_t i = 0; i < self->count; i++) {
    push_entry(L, self, &self->entries[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

static int fail(lua_State *L, int descriptor, const char *message) {
  if (descriptor >= 0) close(descriptor);
  lua_pushnil(L);
  lua_pushfstring(L, ": %s", message);
  return 2;
}

/* Reads up to `most` bytes. -1 with errno. */
static ssize_t read_up_to(int descriptor, char *bytes, size_t most) {
  size_t length = 0;
  while (length < most) {
    ssize_t count = read(descriptor, bytes + length, most - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    length += (size_t)count;
  }
  return (ssize_t)length;
}

/*
 * ini_core.read(path) -> text, { others_write =, others_read =, foreign = } | nil, what is wrong,
 * for a message behind the path. `foreign`: it belongs neither to this user nor to root. Only a
 * file that is open is judged, so that no other file can take its place in between.
 */
static int read_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char *bytes = lua_newuserdata(L, MOST_BYTES + 1);
  struct stat found;
  ssize_t length;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return fail(L, -1, strerror(errno));
  if (fstat(descriptor, &found) != 0) return fail(L, descriptor, strerror(errno));
  if (!S_ISREG(found.st_mode)) return fail(L, descriptor, "is no file");
  length = read_up_to(descriptor, bytes, MOST_BYTES + 1);
  if (length < 0) return fail(L, descriptor, strerror(errno));
  close(descriptor);
  if (length > MOST_BYTES) return fail(L, -1, "is larger than 1 MiB");
  lua_pushlstring(L, bytes, (size_t)length);
  lua_createtable(L, 0, 3);
  lua_pushboolean(L, (found.st_mode & (S_IWGRP | S_IWOTH)) != 0);
  lua_setfield(L, -2, "others_write");
  lua_pushboolean(L, (found.st_mode & (S_IRGRP | S_IROTH)) != 0);
  lua_setfield(L, -2, "others_read");
  lua_pushboolean(L, found.st_uid != geteuid() && found.st_uid != 0);
  lua_setfield(L, -2, "foreign");
  return 2;
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_flarelight_ini_core(lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, parse);
  lua_setfield(L, -2, "parse");
  lua_pushcfunction(L, read_file);
  lua_setfield(L, -2, "read");
  return 1;
}
