/* timer.c: a sorted list of alarms, and a thread that sleeps in poll until the first is due. */
#include "timer.h"

#include "base/clock.h"
#include "base/descriptor.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct alarm_entry {
  struct alarm_entry *next;
  fl_time at;
  sandbox_alarm alarm;
  void *context;
} alarm_entry;

struct sandbox_timer {
  pthread_mutex_t firing; /* held from taking an alarm until it has fired; taken before `lock` */
  pthread_mutex_t lock;
  pthread_t thread;
  int wake[2]; /* a pipe: a byte when the first alarm changed or the timer stops */
  alarm_entry *first;
  bool stopped;
};

/* Takes the first alarm if it is due. If not, *timeout is the time to sleep, -1 for no limit. */
static alarm_entry *take_due(sandbox_timer *timer, int *timeout) {
  alarm_entry *entry;
  fl_time now = fl_clock_now(), left;
  pthread_mutex_lock(&timer->lock);
  entry = timer->first;
  if (entry == NULL) {
    *timeout = -1;
  } else if (timer->stopped || entry->at <= now) {
    timer->first = entry->next;
  } else {
    left = (entry->at - now + FL_MILLISECOND - 1) / FL_MILLISECOND;
    *timeout = left > INT_MAX ? INT_MAX : (int)left;
    entry = NULL;
  }
  pthread_mutex_unlock(&timer->lock);
  return entry;
}

static bool is_stopped(sandbox_timer *timer) {
  bool stopped;
  pthread_mutex_lock(&timer->lock);
  stopped = timer->stopped;
  pthread_mutex_unlock(&timer->lock);
  return stopped;
}

/* Fires the first alarm if it is due. If not, *timeout is the time to sleep, -1 for no limit. */
static bool fire(sandbox_timer *timer, int *timeout) {
  alarm_entry *entry;
  pthread_mutex_lock(&timer->firing);
  entry = take_due(timer, timeout);
  if (entry) entry->alarm(entry->context, is_stopped(timer));
  pthread_mutex_unlock(&timer->firing);
  free(entry);
  return entry != NULL;
}

void sandbox_timer_catch_up(sandbox_timer *timer) {
  int timeout;
  while (fire(timer, &timeout)) continue;
}

static void *keep_time(void *context) {
  sandbox_timer *timer = context;
  for (;;) {
    struct pollfd wake = {timer->wake[0], POLLIN, 0};
    char bytes[64];
    int timeout = -1;
    if (fire(timer, &timeout)) continue;
    if (is_stopped(timer)) return NULL;
    if (poll(&wake, 1, timeout) > 0 && read(timer->wake[0], bytes, sizeof bytes) < 0) continue;
  }
}

sandbox_timer *sandbox_timer_start(void) {
  sandbox_timer *timer = calloc(1, sizeof *timer);
  if (timer == NULL) return NULL;
  if (fl_descriptor_pipe(timer->wake) == 0) {
    pthread_mutex_init(&timer->firing, NULL);
    pthread_mutex_init(&timer->lock, NULL);
    if (pthread_create(&timer->thread, NULL, keep_time, timer) == 0) return timer;
    pthread_mutex_destroy(&timer->firing);
    pthread_mutex_destroy(&timer->lock);
    close(timer->wake[0]);
    close(timer->wake[1]);
  }
  free(timer);
  return NULL;
}

/* A full pipe wakes the thread, too. */
static void ring(sandbox_timer *timer) {
  ssize_t written = write(timer->wake[1], "", 1);
  (void)written;
}

bool sandbox_timer_add(sandbox_timer *timer, fl_time delay, sandbox_alarm alarm, void *context) {
  alarm_entry *entry = malloc(sizeof *entry), **place;
  bool added;
  if (entry == NULL) return false;
  *entry = (alarm_entry){NULL, fl_clock_now() + delay, alarm, context};
  pthread_mutex_lock(&timer->lock);
  added = !timer->stopped;
  if (added) {
    for (place = &timer->first; *place && (*place)->at <= entry->at;) place = &(*place)->next;
    entry->next = *place;
    *place = entry;
    if (place == &timer->first) ring(timer);
  }
  pthread_mutex_unlock(&timer->lock);
  if (!added) free(entry);
  return added;
}

void sandbox_timer_stop(sandbox_timer *timer) {
  pthread_mutex_lock(&timer->lock);
  timer->stopped = true;
  ring(timer);
  pthread_mutex_unlock(&timer->lock);
  pthread_join(timer->thread, NULL);
}

void sandbox_timer_free(sandbox_timer *timer) {
  if (timer == NULL) return;
  pthread_mutex_destroy(&timer->firing);
  pthread_mutex_destroy(&timer->lock);
  close(timer->wake[0]);
  close(timer->wake[1]);
  free(timer);
}
