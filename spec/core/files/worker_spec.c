/*
 * worker_spec.c: no job waits while a thread is free, and the last client alone ends the jobs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/worker.h"

#define THREADS 4       /* that the worker starts at most */
#define LONG_SECONDS 60 /* what a job waits for the others, if they do not run */

typedef struct gated_job {
  fl_job job;
  int needs; /* waits until so many jobs are begun, and the gate is open */
} gated_job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int begun, freed, late; /* late: jobs that have not got what they need */
static bool open_gate;

static void run_job(fl_job *job) {
  const int needs = ((gated_job *)(void *)job)->needs;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LONG_SECONDS;
  pthread_mutex_lock(&lock);
  begun++;
  pthread_cond_broadcast(&changed);
  while ((begun < needs || !open_gate) && pthread_cond_timedwait(&changed, &lock, &until) == 0) {}
  if (begun < needs || !open_gate) late++;
  pthread_mutex_unlock(&lock);
}

static void free_job(fl_job *job) {
  free(job);
  pthread_mutex_lock(&lock);
  freed++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static const fl_job_class class = {run_job, free_job};

static void submit(int needs) {
  gated_job *job = calloc(1, sizeof *job);
  assert_non_null(job);
  job->needs = needs;
  fl_job_init(&job->job, &class, 0, NULL);
  fl_worker_submit(&job->job, false);
}

static void reset(bool is_open) {
  pthread_mutex_lock(&lock);
  begun = freed = late = 0;
  open_gate = is_open;
  pthread_mutex_unlock(&lock);
}

static void await(const int *counter, int count) {
  pthread_mutex_lock(&lock);
  while (*counter < count) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void test_a_job_does_not_wait_behind_another(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    reset(true);
    fl_worker_enter();
    submit(0);
    await(&freed, 1);
    usleep(2000); /* its thread becomes idle, and is there for one of the next two */
    submit(3);
    submit(3);
    await(&freed, 3);
    fl_worker_leave();
    assert_int_equal(late, 0);
  }
}

static void *leave(void *context) {
  fl_worker_leave();
  return context;
}

static void test_only_the_last_client_ends_the_jobs(void **state) {
  const int more = 3; /* jobs than threads */
  pthread_t leaving;
  (void)state;
  reset(false);
  fl_worker_enter();
  fl_worker_enter(); /* while the first one leaves the engine */
  for (int i = 0; i < THREADS + more; i++) submit(0);
  await(&begun, THREADS);
  fl_worker_leave();
  pthread_mutex_lock(&lock);
  open_gate = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  await(&freed, THREADS + more);
  assert_int_equal(begun, THREADS + more);

  reset(false);
  for (int i = 0; i < THREADS + more; i++) submit(0);
  await(&begun, THREADS);
  assert_int_equal(pthread_create(&leaving, NULL, leave, NULL), 0);
  await(&freed, more); /* those that wait are dropped while the others run */
  pthread_mutex_lock(&lock);
  open_gate = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  pthread_join(leaving, NULL);
  assert_int_equal(freed, THREADS + more);
  assert_int_equal(begun, THREADS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_job_does_not_wait_behind_another),
      cmocka_unit_test(test_only_the_last_client_ends_the_jobs),
  };
  return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
