/*
 * engine.c: runs the turns of the loop, on the engine's thread or on the thread of a blocking
 * caller.
 *
 * Handing a call to a thread and being woken by it costs two thread switches, more than a small
 * call takes by itself. So a caller that blocks runs the turns itself if no other thread does. Once
 * it has its outcome, the engine's thread continues with the rest. `driven` is true while a thread
 * runs the turns, `kicked` while there is work for the engine's thread. Both are under state_lock.
 *
 * Locks, in the order in which they are taken: global_lock, turn_lock, the lock of wakeup.c; and
 * global_lock, state_lock. Relies on one fact: `exit` calls the handler first that was registered
 * last.
 */
#include "engine/engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/wakeup.h"
#include "base/clock.h"
#include "engine/loop.h"
#include "base/process.h"
#include "base/tls_exit.h"
#include "engine/transfer.h"

#define STOP_BOUND 2 /* seconds that a stop waits for the thread */

typedef struct fl_engine {
  uint64_t process; /* fl_process_generation */
  fl_loop *loop;
  fl_queue inbox;
  fl_budget_registry budgets;
  pthread_t thread;
  atomic_bool stop;

  pthread_mutex_t state_lock;
  pthread_cond_t changed;
  bool driven, kicked;
  fl_time ask_at;   /* no thread drives: when a place has to be asked; FL_NEVER */
  fl_time waits_to; /* the thread waits until this time; FL_NEVER */
  bool unseen;      /* items were submitted since the last kick */
  bool stopped;     /* the thread does not use this struct any more */
} fl_engine;

/* --- the one engine of the process --- */

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static fl_engine *current;
static uint64_t engines_started;
static int clients;
static bool prepared;       /* curl_global_init and atexit are done */
static bool exits_prepared; /* the first handler of exit is registered */
static bool forks_prepared; /* the handlers of forks are registered */
static bool ending;         /* exit has begun: no engine is started any more */

/* Held during a turn, and around a fork: otherwise the child could inherit a lock of libcurl, the
 * TLS library or the resolver that was held by a thread which the child does not have. */
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- running the turns --- */

/*
 * Runs turns. For the engine's thread (mailbox NULL): until nothing is left to do. For a caller:
 * until its mailbox holds an item, or a signal arrives that its host may want to handle.
 */
static void drive(fl_engine *engine, fl_mailbox *mailbox) {
  for (;;) {
    fl_time began;
    bool busy;
    int sleep;
    pthread_mutex_lock(&turn_lock);
    fl_loop_turn(engine->loop, fl_queue_take(&engine->inbox));
    busy = fl_loop_is_busy(engine->loop);
    sleep = fl_loop_sleep_time(engine->loop);
    pthread_mutex_unlock(&turn_lock);
    /* Outside of the turn, since a fork holds the lock of the worker while it waits for turns. */
    fl_budget_registry_ask(&engine->budgets, fl_clock_now());
    if (atomic_load(&engine->stop)) return;
    if (mailbox == NULL) {
      if (!busy) return;
      fl_loop_sleep(engine->loop, sleep);
      continue;
    }
    if (!fl_mailbox_is_empty(mailbox)) return;
    began = fl_clock_now();
    if (!fl_loop_sleep(engine->loop, sleep) && sleep > 0 &&
        fl_clock_now() - began < sleep * FL_MILLISECOND)
      return;
  }
}

/* Under state_lock: wakes the thread that drives, or else the engine's thread, so that it takes the
 * items of the inbox. */
static void kick(fl_engine *engine) {
  engine->unseen = false;
  if (engine->driven) {
    fl_loop_wake(engine->loop);
  } else if (!engine->kicked) {
    engine->kicked = true;
    pthread_cond_broadcast(&engine->changed);
  }
}

/* Under state_lock. */
static void stop_driving(fl_engine *engine, bool busy) {
  engine->driven = false;
  engine->ask_at = fl_budget_registry_next_ask(&engine->budgets, fl_clock_now());
  if (engine->ask_at < engine->waits_to) pthread_cond_broadcast(&engine->changed);
  if (busy || !fl_queue_is_empty(&engine->inbox)) kick(engine);
  else if (atomic_load(&engine->stop)) pthread_cond_broadcast(&engine->changed);
}

/* Under state_lock: waits for a change, or until a place has to be asked. */
static void wait_for_work(fl_engine *engine) {
  struct timespec until;
  fl_time now = fl_clock_now(), wait;
  engine->waits_to = engine->driven ? FL_NEVER : engine->ask_at;
  if (engine->waits_to == FL_NEVER) {
    pthread_cond_wait(&engine->changed, &engine->state_lock);
    return;
  }
  wait = engine->waits_to > now ? engine->waits_to - now : 0;
  clock_gettime(CLOCK_REALTIME, &until);
  wait += until.tv_nsec / 1000;
  until.tv_sec += (time_t)(wait / FL_SECOND);
  until.tv_nsec = (long)(wait % FL_SECOND) * 1000;
  pthread_cond_timedwait(&engine->changed, &engine->state_lock, &until);
  if (!engine->driven && fl_clock_now() >= engine->ask_at) engine->kicked = true;
}

static void *run(void *context) {
  fl_engine *engine = context;
#ifdef __linux__
  pthread_setname_np(pthread_self(), "flarelight"); /* for debuggers and top */
#endif
  pthread_mutex_lock(&engine->state_lock);
  for (;;) {
    while (engine->driven || !(engine->kicked || atomic_load(&engine->stop))) wait_for_work(engine);
    engine->waits_to = 0;
    if (atomic_load(&engine->stop)) break;
    engine->kicked = false;
    engine->driven = true;
    pthread_mutex_unlock(&engine->state_lock);
    drive(engine, NULL);
    pthread_mutex_lock(&engine->state_lock);
    stop_driving(engine, false);
  }
  pthread_mutex_unlock(&engine->state_lock);
  pthread_mutex_lock(&turn_lock);
  fl_loop_close(engine->loop, fl_queue_take(&engine->inbox));
  fl_loop_free(engine->loop);
  pthread_mutex_unlock(&turn_lock);
  fl_budget_registry_leave(&engine->budgets, fl_clock_now());
  pthread_mutex_lock(&engine->state_lock);
  engine->stopped = true;
  pthread_cond_broadcast(&engine->changed);
  pthread_mutex_unlock(&engine->state_lock);
  return NULL;
}

/*
 * Runs turns on the thread of a caller, which may_drive has allowed. The TLS library writes to
 * sockets in ways that raise SIGPIPE; the engine's thread blocks that signal, a caller's may not.
 */
static void drive_for(fl_engine *engine, fl_mailbox *mailbox) {
  sigset_t pipe_alone, before, pending;
  bool was_pending, busy;
  sigemptyset(&pipe_alone);
  sigaddset(&pipe_alone, SIGPIPE);
  sigpending(&pending);
  was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_alone, &before);
  fl_mailbox_set_quiet(mailbox, true);
  drive(engine, mailbox);
  fl_mailbox_set_quiet(mailbox, false);
  sigpending(&pending);
  if (!was_pending && sigismember(&pending, SIGPIPE) == 1) {
    int taken;
    sigwait(&pipe_alone, &taken);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  busy = fl_loop_is_busy(engine->loop);
  pthread_mutex_lock(&engine->state_lock);
  stop_driving(engine, busy);
  pthread_mutex_unlock(&engine->state_lock);
}

/* --- start and stop --- */

static void free_engine(fl_engine *engine) {
  fl_item_free_chain(fl_queue_take(&engine->inbox));
  fl_budget_registry_free(&engine->budgets);
  fl_queue_destroy(&engine->inbox);
  pthread_mutex_destroy(&engine->state_lock);
  pthread_cond_destroy(&engine->changed);
  free(engine);
}

/* Joins the thread, but waits no longer than STOP_BOUND. A thread that has not ended by then keeps
 * running, and its memory is not freed. */
static void stop_engine(fl_engine *engine) {
  struct timespec until;
  bool stopped;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += STOP_BOUND;
  pthread_mutex_lock(&engine->state_lock);
  atomic_store(&engine->stop, true);
  if (engine->driven) fl_loop_wake(engine->loop);
  pthread_cond_broadcast(&engine->changed);
  while (!engine->stopped &&
         pthread_cond_timedwait(&engine->changed, &engine->state_lock, &until) == 0) {}
  stopped = engine->stopped;
  pthread_mutex_unlock(&engine->state_lock);
  if (stopped) {
    pthread_join(engine->thread, NULL);
    free_engine(engine);
  } else {
    pthread_detach(engine->thread);
  }
}

/* Under global_lock: the engine of this process, or NULL. The engine of a parent process is not
 * touched, since its thread is not in this process. */
static fl_engine *own_engine(void) {
  if (current != NULL && current->process != fl_process_generation()) current = NULL;
  return current;
}

/* Under global_lock. Transfers ownership to the caller. */
static fl_engine *take_current(void) {
  fl_engine *engine = own_engine();
  current = NULL;
  return engine;
}

static void stop_at_exit(void) {
  fl_engine *engine;
  pthread_mutex_lock(&global_lock);
  ending = true;
  engine = take_current();
  pthread_mutex_unlock(&global_lock);
  if (engine != NULL) stop_engine(engine);
  fl_wakeup_stop();
}

static void before_fork(void) {
  pthread_mutex_lock(&global_lock);
  pthread_mutex_lock(&turn_lock);
  fl_wakeup_before_fork();
}

static void after_fork(void) {
  fl_wakeup_after_fork();
  pthread_mutex_unlock(&turn_lock);
  pthread_mutex_unlock(&global_lock);
}

/* Under global_lock. */
static bool register_forks(void) {
  if (!forks_prepared) forks_prepared = pthread_atfork(before_fork, after_fork, after_fork) == 0;
  return forks_prepared;
}

bool fl_engine_prepare_forks(void) {
  bool result;
  pthread_mutex_lock(&global_lock);
  result = register_forks();
  pthread_mutex_unlock(&global_lock);
  return result;
}

static const char *prepare_process(void) {
  static const char no_exit_handler[] = "no exit handler could be registered";
  const char *missing;
  if (prepared) return NULL;
  fl_keep_tls_at_exit();
  /* Before curl_global_init, so that an exit that begins meanwhile waits for it; and after it, so
   * that it runs before the handler of a TLS library that has one of its own. */
  exits_prepared = exits_prepared || atexit(stop_at_exit) == 0;
  if (!exits_prepared) return no_exit_handler;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return "libcurl could not be initialised";
  missing = fl_transfer_check_library();
  if (missing != NULL) return missing;
  if (!register_forks()) return "no handler of forks could be registered";
  if (atexit(stop_at_exit) != 0) return no_exit_handler;
  prepared = true;
  return NULL;
}

/* The answer of a place, from any thread. */
static void post_answer(fl_item *item) {
  const char *message;
  if (fl_engine_submit(item, NULL, false, &message) != FL_OK) fl_item_free(item);
}

static const char *start_engine(void) {
  sigset_t all, before;
  fl_engine *engine;
  int failed;
  const char *message = prepare_process();
  if (message != NULL) return message;
  engine = calloc(1, sizeof *engine);
  if (engine == NULL) return "no memory for the engine";
  engine->process = fl_process_generation();
  fl_queue_init(&engine->inbox);
  fl_budget_registry_init(&engine->budgets, post_answer);
  engine->ask_at = FL_NEVER;
  pthread_mutex_init(&engine->state_lock, NULL);
  pthread_cond_init(&engine->changed, NULL);
  errno = 0;
  engine->loop = fl_loop_new(++engines_started, &engine->budgets);
  if (engine->loop == NULL) {
    bool full = errno == EMFILE || errno == ENFILE;
    free_engine(engine);
    return full ? "no descriptor for the engine: too many open files" : "no memory for the engine";
  }
  /* This thread blocks all signals, so that the host's threads handle them. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&engine->thread, NULL, run, engine);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed != 0) {
    fl_loop_free(engine->loop);
    free_engine(engine);
    return "no thread could be started";
  }
  current = engine;
  return NULL;
}

/* --- the interface --- */

const char *fl_engine_prepare(void) {
  const char *message;
  pthread_mutex_lock(&global_lock);
  message = prepare_process();
  pthread_mutex_unlock(&global_lock);
  return message;
}

void fl_engine_enter(void) {
  pthread_mutex_lock(&global_lock);
  clients++;
  pthread_mutex_unlock(&global_lock);
}

void fl_engine_leave(void) {
  fl_engine *engine = NULL;
  pthread_mutex_lock(&global_lock);
  if (--clients == 0) engine = take_current();
  pthread_mutex_unlock(&global_lock);
  if (engine != NULL) stop_engine(engine);
}

/* Under state_lock: lets the caller run the turns, unless the engine's thread runs them or has been
 * woken to run them. Taking over from that thread would cost a thread switch, which driving is
 * meant to save. */
static bool may_drive(fl_engine *engine) {
  if (engine->driven || engine->kicked || atomic_load(&engine->stop)) return false;
  engine->driven = true;
  return true;
}

fl_result fl_engine_submit(fl_item *item, fl_mailbox *waiting, bool later, const char **message) {
  bool closing = item->type == FL_ITEM_CLOSE_CLIENT || item->type == FL_ITEM_CLOSE_MAILBOX ||
                 item->type == FL_ITEM_CANCEL || item->type == FL_ITEM_ADVANCE ||
                 item->type == FL_ITEM_LEASE;
  fl_engine *engine;
  bool driving = false, refused;
  *message = NULL;
  pthread_mutex_lock(&global_lock);
  if (own_engine() == NULL && closing) {
    fl_item_free(item);
    pthread_mutex_unlock(&global_lock);
    return FL_OK;
  }
  refused = current == NULL && ending;
  if (current == NULL) *message = refused ? "the process is ending" : start_engine();
  engine = current;
  if (*message == NULL) {
    bool was_empty = fl_queue_post(&engine->inbox, item);
    pthread_mutex_lock(&engine->state_lock);
    driving = waiting != NULL && may_drive(engine);
    if (driving) engine->unseen = false;
    else if (later) engine->unseen |= was_empty;
    else if (was_empty || engine->unseen) kick(engine);
    pthread_mutex_unlock(&engine->state_lock);
  }
  pthread_mutex_unlock(&global_lock);
  if (*message != NULL) return refused ? FL_INVALID : FL_SYSTEM;
  if (driving) drive_for(engine, waiting);
  return FL_OK;
}

void fl_engine_flush(void) {
  pthread_mutex_lock(&global_lock);
  if (own_engine() != NULL) {
    pthread_mutex_lock(&current->state_lock);
    if (current->unseen) kick(current);
    pthread_mutex_unlock(&current->state_lock);
  }
  pthread_mutex_unlock(&global_lock);
}

bool fl_engine_quota(const fl_client *client, fl_budget_view *view, fl_time now) {
  bool known = false;
  pthread_mutex_lock(&global_lock);
  if (own_engine() != NULL)
    known = fl_budget_look(&current->budgets, client->settings.base_url,
                           client->settings.subscription_id, now, view);
  pthread_mutex_unlock(&global_lock);
  return known;
}

bool fl_engine_is_running(void) {
  bool running;
  pthread_mutex_lock(&global_lock);
  running = own_engine() != NULL;
  pthread_mutex_unlock(&global_lock);
  return running;
}

const char *fl_engine_libraries(void) { return curl_version(); }
