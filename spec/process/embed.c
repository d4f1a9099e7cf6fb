/*
 * embed.c: a program that embeds Lua, for the process specs.
 *
 *   embed TIMES SCRIPT [TIMES SCRIPT ...] [-- ARGUMENT ...]
 *
 * One thread for each pair: it opens a Lua state, runs the script with the arguments, closes the
 * state, so many times. TIMES 0 stands for a thread that goes on until the process ends; the first
 * pair runs on the main thread. The exit status is 0 if no script raised.
 *
 * Scripts find two functions. `fail_memory(n)`: the n-th allocation of the state from now on fails,
 * and all after it; `fail_memory(0)` ends that, and answers whether one has failed. `at_exit(f)`: f
 * is called by a handler at exit that was registered before any other.
 *
 * Built with PRELOAD it has the module linked in.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_THREADS 8

typedef struct memory {
  long left; /* allocations until they fail; 0: they do not */
  bool failed;
} memory;

typedef struct work {
  const char *script;
  int times;
  char **arguments;
  int argument_count;
} work;

static atomic_int failures;
static lua_State *at_exit_state;

#ifdef PRELOAD
int luaopen_flarelight_core(lua_State *L);
#endif

static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  memory *limits = context;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  /* To shrink never fails: Lua relies on it. Of a new block the old size is a type. */
  if (limits->left > 0 && (block == NULL || new_size > old_size)) {
    if (limits->left == 1) {
      limits->failed = true;
      return NULL;
    }
    limits->left--;
  }
  return realloc(block, new_size);
}

static int fail_memory(lua_State *L) {
  void *context;
  memory *limits;
  lua_getallocf(L, &context);
  limits = context;
  lua_pushboolean(L, limits->failed);
  limits->left = (long)luaL_checkinteger(L, 1);
  limits->failed = false;
  return 1;
}

static int set_at_exit(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "spec.at_exit");
  at_exit_state = L;
  return 0;
}

static void run_at_exit(void) {
  if (at_exit_state == NULL) return;
  lua_getfield(at_exit_state, LUA_REGISTRYINDEX, "spec.at_exit");
  if (lua_pcall(at_exit_state, 0, 0, 0) != 0) {
    fprintf(stderr, "at exit: %s\n", lua_tostring(at_exit_state, -1));
    _Exit(1);
  }
}

static bool run_once(const work *task) {
  memory *limits = calloc(1, sizeof *limits); /* not here: a state may be used at exit */
  lua_State *L = limits ? lua_newstate(allocate, limits) : NULL;
  bool good;
  if (L == NULL) return false;
  luaL_openlibs(L);
  lua_register(L, "fail_memory", fail_memory);
  lua_register(L, "at_exit", set_at_exit);
#ifdef PRELOAD
  lua_getglobal(L, "package");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_flarelight_core);
  lua_setfield(L, -2, "flarelight.core");
  lua_pop(L, 2);
#endif
  lua_createtable(L, task->argument_count, 0);
  for (int i = 0; i < task->argument_count; i++) {
    lua_pushstring(L, task->arguments[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setglobal(L, "arg");
  good = luaL_loadfile(L, task->script) == 0 && lua_pcall(L, 0, 0, 0) == 0;
  if (!good) fprintf(stderr, "%s: %s\n", task->script, lua_tostring(L, -1));
  if (at_exit_state == L) return good;
  lua_close(L);
  free(limits);
  return good;
}

static void *run(void *context) {
  const work *task = context;
  for (int i = 0; task->times == 0 || i < task->times; i++)
    if (!run_once(task)) failures++;
  return NULL;
}

int main(int count, char **arguments) {
  static work works[MOST_THREADS];
  pthread_t threads[MOST_THREADS];
  int work_count = 0, rest = 1;
  while (rest + 1 < count && strcmp(arguments[rest], "--") != 0 && work_count < MOST_THREADS) {
    works[work_count].times = atoi(arguments[rest]);
    works[work_count++].script = arguments[rest + 1];
    rest += 2;
  }
  if (rest < count) rest++;
  if (work_count == 0) {
    fprintf(stderr, "usage: %s TIMES SCRIPT [TIMES SCRIPT ...] [-- ARGUMENT ...]\n", arguments[0]);
    return 2;
  }
  atexit(run_at_exit);
  for (int i = 0; i < work_count; i++) {
    works[i].arguments = arguments + rest;
    works[i].argument_count = count - rest;
    if (i > 0 && pthread_create(&threads[i], NULL, run, &works[i]) != 0) return 2;
  }
  run(&works[0]);
  for (int i = 1; i < work_count; i++)
    if (works[i].times > 0) pthread_join(threads[i], NULL);
  return failures > 0;
}
