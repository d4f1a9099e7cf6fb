/*
 * spec_process.c: a Lua module with what the process specs need of the system and Lua does not
 * have: fork, wait, signals, and a look at the process's own descriptors and threads. Relies on
 * POSIX; counts threads only where /proc is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 1024

int luaopen_spec_process(lua_State *L);

static void nap(double seconds) {
  struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}

/* sleep(seconds) */
static int process_sleep(lua_State *L) {
  nap((double)luaL_checknumber(L, 1));
  return 0;
}

static int process_pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/* fork() -> 0 in the child, the child's id in the parent */
static int process_fork(lua_State *L) {
  pid_t child = fork();
  if (child < 0) return luaL_error(L, "fork: %s", strerror(errno));
  lua_pushinteger(L, (lua_Integer)child);
  return 1;
}

/* leave(status): ends the process without any handler */
static int process_leave(lua_State *L) { _exit((int)luaL_checkinteger(L, 1)); }

/* wait(pid, seconds) -> "exit", status | "signal", number | "hang": it was killed for it */
static int process_wait(lua_State *L) {
  pid_t child = (pid_t)luaL_checkinteger(L, 1);
  double left = (double)luaL_checknumber(L, 2);
  int status;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (left <= 0) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      lua_pushliteral(L, "hang");
      return 1;
    }
    nap(0.005);
    left -= 0.005;
  }
  lua_pushstring(L, WIFEXITED(status) ? "exit" : "signal");
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return 2;
}

/* descriptors() -> {[number] = whether it is close-on-exec} */
static int process_descriptors(lua_State *L) {
  lua_newtable(L);
  for (int number = 0; number < MOST_DESCRIPTORS; number++) {
    int flags = fcntl(number, F_GETFD);
    if (flags < 0) continue;
    lua_pushboolean(L, flags & FD_CLOEXEC);
    lua_rawseti(L, -2, number);
  }
  return 1;
}

/* threads() -> how many the process has; nothing where that cannot be told */
static int process_threads(lua_State *L) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  if (tasks == NULL) return 0;
  for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks))
    if (entry->d_name[0] != '.') count++;
  closedir(tasks);
  lua_pushinteger(L, count);
  return 1;
}

/* signals() -> the handlers, flags and the mask of the process as one string, to be compared */
static int process_signals(lua_State *L) {
  luaL_Buffer out;
  sigset_t mask;
  luaL_buffinit(L, &out);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  for (int number = 1; number < 32; number++) {
    struct sigaction action;
    char line[64];
    memset(&action, 0, sizeof action);
    if (sigaction(number, NULL, &action) != 0) continue;
    snprintf(line, sizeof line, "%d %p %x %d\n", number, (void *)(size_t)action.sa_handler,
             (unsigned)action.sa_flags, sigismember(&mask, number));
    luaL_addstring(&out, line);
  }
  luaL_pushresult(&out);
  return 1;
}

static const struct {
  const char *name;
  lua_CFunction function;
} functions[] = {{"sleep", process_sleep},     {"pid", process_pid},
                 {"fork", process_fork},       {"leave", process_leave},
                 {"wait", process_wait},       {"descriptors", process_descriptors},
                 {"threads", process_threads}, {"signals", process_signals}};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_spec_process(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    lua_pushcfunction(L, functions[i].function);
    lua_setfield(L, -2, functions[i].name);
  }
  return 1;
}
