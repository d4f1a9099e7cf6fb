/*
 * host.c: a Lua interpreter in which allocations fail, for spec/memory.
 *
 *   host SCRIPT FIRST LAST STEP ON SOURCE [ARGUMENT ...]
 *
 * Runs the script in a new Lua state for each n from FIRST to LAST in steps of STEP, until the
 * script returns false. The script calls memory.arm(): from then on the n-th allocation fails, and
 * with ON = 1 each one after it (of Lua: each that needs more memory than the state had then; after
 * memory.arm(true) each one).
 * memory.disarm() ends that, and returns how many allocations were counted and how many of them
 * failed. SOURCE names the allocations that count: "core" (C code of flarelight, linked with
 * --wrap), "lua", "sqlite", or "curl".
 *
 * Blocks of the core are kept in a set. memory.blocks() returns their number, so that the script's
 * driver finds leaks. A run that takes longer than a minute ends the process with SIGALRM.
 */
#include <curl/curl.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_RUN 60 /* seconds */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool armed, goes_on, all;
static long n, counted, failed;
static size_t in_use, limit; /* bytes of Lua */
static const char *source;

/* Whether this allocation fails. */
static bool fails(const char *of) {
  bool result = false;
  if (strcmp(source, of) != 0) return false;
  pthread_mutex_lock(&lock);
  if (armed) {
    counted++;
    result = counted == n || (goes_on && counted > n);
    failed += result;
  }
  pthread_mutex_unlock(&lock);
  if (result) errno = ENOMEM; /* as malloc does */
  return result;
}

/* The same for Lua's `more` bytes. From the n-th allocation on the state may not grow, but it may
 * use what it frees: without any memory Lua cannot even call a function. */
static bool fails_in_lua(size_t more) {
  bool result = false;
  if (strcmp(source, "lua") != 0 || !armed) return false;
  counted++;
  if (counted == n) limit = in_use;
  if (goes_on) result = counted >= n && (all || in_use + more > limit);
  else result = counted == n;
  failed += result;
  return result;
}

/* --- the set of the core's blocks: open addressing, a removed block leaves a mark --- */

#define PLACES 65536
static char removed;
static void *places[PLACES];
static long blocks;

static size_t place_of(const void *block) { return ((uintptr_t)block >> 4) * 40503 % PLACES; }

static void *keep(void *block) {
  size_t i = place_of(block);
  if (block == NULL) return NULL;
  pthread_mutex_lock(&lock);
  while (places[i] != NULL && places[i] != &removed) i = (i + 1) % PLACES;
  places[i] = block;
  blocks++;
  pthread_mutex_unlock(&lock);
  return block;
}

static void drop(const void *block) {
  size_t i = place_of(block), seen = 0;
  if (block == NULL) return;
  pthread_mutex_lock(&lock);
  while (places[i] != NULL && places[i] != block && seen++ < PLACES) i = (i + 1) % PLACES;
  if (places[i] == block) { /* other blocks are of a library */
    places[i] = &removed;
    blocks--;
  }
  pthread_mutex_unlock(&lock);
}

/* The module finds these functions in the program. */
#pragma GCC visibility push(default)
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);
void __wrap_free(void *block);
#pragma GCC visibility pop

void *__wrap_malloc(size_t size) { return fails("core") ? NULL : keep(malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) {
  return fails("core") ? NULL : keep(calloc(count, size));
}
void *__wrap_realloc(void *block, size_t size) {
  if (fails("core")) return NULL;
  drop(block);
  return keep(realloc(block, size));
}
char *__wrap_strdup(const char *text) { return fails("core") ? NULL : keep(strdup(text)); }
char *__wrap_strndup(const char *text, size_t most) {
  return fails("core") ? NULL : keep(strndup(text, most));
}
void __wrap_free(void *block) {
  drop(block);
  free(block);
}

/* --- the libraries --- */

static void *curl_malloc(size_t size) { return fails("curl") ? NULL : malloc(size); }
static void *curl_realloc(void *block, size_t size) {
  return fails("curl") ? NULL : realloc(block, size);
}
static char *curl_strdup(const char *text) { return fails("curl") ? NULL : strdup(text); }
static void *curl_calloc(size_t count, size_t size) {
  return fails("curl") ? NULL : calloc(count, size);
}

static sqlite3_mem_methods sqlite_own;
static void *sqlite_malloc(int size) { return fails("sqlite") ? NULL : sqlite_own.xMalloc(size); }
static void *sqlite_realloc(void *block, int size) {
  return fails("sqlite") ? NULL : sqlite_own.xRealloc(block, size);
}

static void prepare_libraries(void) {
  sqlite3_mem_methods methods;
  curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
                       curl_calloc);
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_own);
  methods = sqlite_own;
  methods.xMalloc = sqlite_malloc;
  methods.xRealloc = sqlite_realloc;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

/* To shrink never fails: Lua relies on it. Of a new block the old size is a type. */
static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  (void)context;
  if (block == NULL) old_size = 0;
  if (new_size == 0) {
    in_use -= old_size;
    free(block);
    return NULL;
  }
  if (new_size > old_size && fails_in_lua(new_size - old_size)) return NULL;
  in_use += new_size - old_size;
  return realloc(block, new_size);
}

/* --- for the script --- */

static int arm(lua_State *L) {
  all = lua_toboolean(L, 1);
  pthread_mutex_lock(&lock);
  counted = failed = 0;
  armed = true;
  pthread_mutex_unlock(&lock);
  return 0;
}

static int disarm(lua_State *L) {
  pthread_mutex_lock(&lock);
  armed = false;
  pthread_mutex_unlock(&lock);
  lua_pushinteger(L, counted);
  lua_pushinteger(L, failed);
  return 2;
}

static int count_blocks(lua_State *L) {
  lua_pushinteger(L, blocks);
  return 1;
}

static const luaL_Reg functions[] = {
    {"arm", arm}, {"disarm", disarm}, {"blocks", count_blocks}, {NULL, NULL}};

static void run(char **arguments, int count, bool *more) {
  lua_State *L = lua_newstate(allocate, NULL);
  bool good;
  if (L == NULL) exit(4); /* LuaJIT without GC64 has no allocators */
  luaL_openlibs(L);
  lua_createtable(L, 0, 4);
  for (const luaL_Reg *each = functions; each->name != NULL; each++) {
    lua_pushcfunction(L, each->func);
    lua_setfield(L, -2, each->name);
  }
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
  lua_setglobal(L, "memory");
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setglobal(L, "arg");
  good = luaL_loadfile(L, arguments[-6]) == 0 && lua_pcall(L, 0, 1, 0) == 0;
  armed = false;
  if (good) *more = lua_toboolean(L, -1);
  else printf("n = %ld: %s\n", n, lua_tostring(L, -1));
  lua_close(L);
}

int main(int count, char **arguments) {
  bool more = true;
  if (count < 7) return 2;
  goes_on = strcmp(arguments[5], "1") == 0;
  source = arguments[6];
  prepare_libraries();
  for (n = atol(arguments[2]); more && n <= atol(arguments[3]); n += atol(arguments[4])) {
    alarm(LONGEST_RUN);
    printf("begin %ld\n", n);
    fflush(stdout);
    run(&arguments[7], count - 7, &more);
    printf("blocks %ld\n", blocks);
  }
  alarm(0);
  return more ? 0 : 3; /* 3: there are no more allocations */
}
