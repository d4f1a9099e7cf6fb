/*
 * worker.c: a pool of threads that take jobs from one list.
 *
 * One lock covers everything. It is held around a fork, and never while a job runs. The pool is one
 * allocation, which a forked child abandons. The number of clients is counted here as well as in
 * the engine: the engine takes some time to stop, and a client that is made meanwhile uses the
 * pool.
 */
#include "files/worker.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/process.h"

#define MOST_THREADS 4
#define STOP_BOUND 2 /* seconds */

typedef struct pool {
  uint64_t process; /* fl_process_generation */
  fl_list waiting;
  fl_job *running[MOST_THREADS];
  pthread_t threads[MOST_THREADS];
  bool ended[MOST_THREADS];
  int count, idle;
  bool stop;
  pthread_cond_t changed;
} pool;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pool *current;
static bool prepared, ending;
static atomic_int clients; /* counted down under the lock, so that no job comes between */

static void free_item(fl_item *item) { fl_job_free((fl_job *)(void *)item); }

void fl_job_init(fl_job *job, const fl_job_class *class, uint64_t ticket, fl_mailbox *mailbox) {
  job->item.next = NULL;
  job->item.type = FL_ITEM_JOB;
  job->item.free = free_item;
  job->item.ticket = ticket;
  job->class = class;
  job->dropped = false;
  job->mailbox = mailbox != NULL ? fl_mailbox_retain(mailbox) : NULL;
}

void fl_job_free(fl_job *job) {
  if (job->mailbox != NULL) fl_mailbox_release(job->mailbox);
  job->class->free(job);
}

/* Under the lock, which it leaves to free a job: that may take other locks, which a fork holds. */
static void post_outcome(fl_job *job) {
  fl_mailbox *mailbox = job->mailbox;
  if (mailbox == NULL) {
    pthread_mutex_unlock(&lock);
    fl_job_free(job);
    pthread_mutex_lock(&lock);
    return;
  }
  job->mailbox = NULL;
  fl_mailbox_post(mailbox, &job->item);
  fl_mailbox_release(mailbox);
}

typedef struct place {
  pool *pool;
  int number;
} place;

static void *work(void *context) {
  place here = *(place *)context;
  pool *own = here.pool;
  free(context);
  pthread_mutex_lock(&lock);
  for (;;) {
    fl_job *job;
    while (own->waiting.first == NULL && !own->stop) {
      own->idle++;
      pthread_cond_wait(&own->changed, &lock);
      own->idle--;
    }
    if (own->stop) break;
    job = (fl_job *)(void *)fl_list_pop(&own->waiting);
    own->running[here.number] = job;
    pthread_mutex_unlock(&lock);
    job->class->run(job);
    pthread_mutex_lock(&lock);
    own->running[here.number] = NULL;
    post_outcome(job);
  }
  own->ended[here.number] = true;
  pthread_cond_broadcast(&own->changed);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

/* Under the lock: the pool of this process, or NULL. The pool of a parent process is abandoned. */
static pool *own_pool(void) {
  if (current != NULL && current->process != fl_process_generation()) current = NULL;
  return current;
}

static void stop_at_exit(void);

/* Under the lock. NULL without memory, or if the process is ending. */
static pool *make_pool(void) {
  pool *made = own_pool();
  if (made != NULL || ending) return made;
  if (!prepared) {
    if (atexit(stop_at_exit) != 0 || pthread_atfork(before_fork, after_fork, after_fork) != 0)
      return NULL;
    prepared = true;
  }
  made = calloc(1, sizeof *made);
  if (made == NULL) return NULL;
  made->process = fl_process_generation();
  pthread_cond_init(&made->changed, NULL);
  current = made;
  return made;
}

/* Under the lock: whether there is an idle thread for one job more than those that wait. A thread
 * that was woken for one of them counts as idle until it runs. */
static bool has_idle(const pool *own) {
  int left = own->idle;
  for (const fl_item *item = own->waiting.first; item != NULL && left > 0; item = item->next)
    left--;
  return left > 0;
}

/* Under the lock: starts another thread if none is idle. False if there is no thread. */
static bool start_thread(pool *own) {
  sigset_t all, before;
  place *here;
  int failed;
  if (has_idle(own) || own->count == MOST_THREADS) return true;
  here = malloc(sizeof *here);
  if (here == NULL) return own->count > 0;
  *here = (place){own, own->count};
  /* This thread blocks all signals, so that the host's threads handle them. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&own->threads[own->count], NULL, work, here);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed == 0) own->count++;
  else free(here);
  return own->count > 0;
}

void fl_worker_submit(fl_job *job, bool in_place) {
  pool *own;
  pthread_mutex_lock(&lock);
  own = in_place ? NULL : make_pool();
  if (own == NULL || !start_thread(own)) {
    pthread_mutex_unlock(&lock);
    job->class->run(job);
    pthread_mutex_lock(&lock);
    post_outcome(job);
  } else {
    fl_list_append(&own->waiting, &job->item);
    pthread_cond_signal(&own->changed);
  }
  pthread_mutex_unlock(&lock);
}

static void drop_outcome(fl_job *job, const fl_mailbox *mailbox) {
  if (job == NULL || job->mailbox != mailbox) return;
  fl_mailbox_release(job->mailbox);
  job->mailbox = NULL;
}

void fl_worker_close_mailbox(const fl_mailbox *mailbox) {
  pool *own;
  pthread_mutex_lock(&lock);
  own = own_pool();
  if (own != NULL) {
    for (fl_item *item = own->waiting.first; item != NULL; item = item->next)
      drop_outcome((fl_job *)(void *)item, mailbox);
    for (int i = 0; i < own->count; i++) drop_outcome(own->running[i], mailbox);
  }
  pthread_mutex_unlock(&lock);
}

static bool all_ended(const pool *own) {
  for (int i = 0; i < own->count; i++)
    if (!own->ended[i]) return false;
  return true;
}

/* Under the lock: takes the pool away from new jobs, drops those that wait, and lets its threads
 * end. Returns it for join_threads; NULL if there is none. */
static pool *detach(void) {
  pool *own = own_pool();
  fl_item *item;
  current = NULL;
  if (own == NULL) return NULL;
  own->stop = true;
  /* A caller may wait for them, as the upload whose function has closed the client. */
  while ((item = fl_list_pop(&own->waiting)) != NULL) {
    fl_job *job = (fl_job *)(void *)item;
    job->dropped = true;
    post_outcome(job);
  }
  pthread_cond_broadcast(&own->changed);
  return own;
}

/* Waits for the threads of a pool, for STOP_BOUND at most, and frees it. */
static void join_threads(pool *own) {
  struct timespec until;
  bool ended;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += STOP_BOUND;
  pthread_mutex_lock(&lock);
  while (!all_ended(own) && pthread_cond_timedwait(&own->changed, &lock, &until) == 0) {}
  ended = all_ended(own);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < own->count; i++) {
    if (ended) pthread_join(own->threads[i], NULL);
    else pthread_detach(own->threads[i]);
  }
  if (!ended) return; /* a late thread is abandoned together with the pool */
  pthread_cond_destroy(&own->changed);
  free(own);
}

static void stop_at_exit(void) {
  pool *own;
  pthread_mutex_lock(&lock);
  ending = true;
  own = detach();
  pthread_mutex_unlock(&lock);
  if (own != NULL) join_threads(own);
}

void fl_worker_enter(void) { atomic_fetch_add(&clients, 1); }

void fl_worker_leave(void) {
  pool *own = NULL;
  pthread_mutex_lock(&lock);
  if (atomic_fetch_sub(&clients, 1) == 1) own = detach();
  pthread_mutex_unlock(&lock);
  if (own != NULL) join_threads(own);
}
