/*
 * leases.c: a simulation of processes that share a rate limit. It runs the policy of the core
 * itself (policy/lease_pool.h, policy/lease.h, policy/rate_limit.h) against a model of the server
 * and of the place; time is moved by hand in steps of 5 ms.
 *
 *   leases PROCESSES MACHINES LIMIT [skew=SECONDS] [lost=FROM-TO] [foreign=SHARE] [dying=SHARE]
 *          [windows=N] [waiting=CALLS] [interactive] [seed=N]
 *
 * LIMIT is the requests a minute. `skew`: the clocks of machines differ by up to so much. `lost`:
 * the place answers nothing from one second to another. `foreign`: another consumer sends this part
 * of the limit, evenly. `dying`: this part of the processes dies in each window, and others take
 * their place. `waiting`: the calls that each process has waiting at any time. Prints one line:
 *
 *   processes machines limit used refused refused_share fairness wait_p50 wait_p99
 *
 * `used` is the part of the limit that was used in the windows after the first one, foreign use
 * included; `refused` the replies with status 429 in them, `refused_share` their part of all
 * replies; `fairness` the largest number of requests of a process over the smallest, of those that
 * live from beginning to end; `wait` the seconds that a call waited for its start (while every
 * process has calls waiting, this is the number of processes over the rate).
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/lease.h"

#define STEP (5 * FL_MILLISECOND)
#define WINDOW FL_RATE_WINDOW
#define CONCURRENCY 4
#define MOST_CALLS 64 /* waiting times that are kept for each process */

typedef struct flight {
  fl_time at; /* of its arrival at the server, then of the reply; 0: free */
  bool arrived;
  fl_response_head head;
} flight;

typedef struct process {
  fl_rate_limit limit;
  fl_lease lease;
  fl_time skew; /* of its clock */
  flight flights[CONCURRENCY];
  int in_flight;
  fl_time answer_at; /* when the answer arrives; 0: no question is under way */
  bool answered;     /* false: the place is lost */
  fl_lease_grant grant;
  fl_time waiting_since;
  int64_t done;
  bool newcomer;
} process;

static struct options {
  int processes, machines, windows, waiting;
  int64_t limit;
  double skew, lost_from, lost_to, foreign, dying;
  bool interactive;
  uint64_t seed;
} given = {.windows = 6, .waiting = 20, .lost_from = -1, .lost_to = -1, .seed = 1};

static process *processes;
static fl_lease_member *members;
static fl_lease_pool pool;
static fl_time now;
static struct {
  fl_time begin;
  int64_t count;
} server;
static int64_t used, refused, replies;
static double *waits;
static size_t wait_count, wait_room;

static double fraction(void) {
  given.seed ^= given.seed << 13;
  given.seed ^= given.seed >> 7;
  given.seed ^= given.seed << 17;
  return (double)(given.seed >> 11) / 9007199254740992.0;
}

static fl_time between(fl_time low, fl_time high) {
  return low + (fl_time)(fraction() * (double)(high - low));
}

static bool is_measured(void) { return now >= 2 * WINDOW; }

static void keep_wait(fl_time wait) {
  if (!is_measured()) return;
  if (wait_count == wait_room) {
    wait_room = wait_room > 0 ? 2 * wait_room : 4096;
    waits = realloc(waits, wait_room * sizeof *waits);
    if (waits == NULL) exit(1);
  }
  waits[wait_count++] = (double)wait / (double)FL_SECOND;
}

/* --- the server: fixed windows, Reset in whole seconds --- */

static bool serve(void) {
  if (now >= server.begin + WINDOW) {
    server.begin += (now - server.begin) / WINDOW * WINDOW;
    server.count = 0;
  }
  if (server.count >= given.limit) return false;
  server.count++;
  if (is_measured()) used++;
  return true;
}

static void arrive(flight *one) {
  bool good = serve();
  fl_time rest = server.begin + WINDOW - now;
  fl_response_head_init(&one->head);
  one->head.status = good ? 200 : 429;
  one->head.limit = given.limit;
  one->head.remaining = given.limit - server.count;
  one->head.reset = (rest + FL_SECOND - 1) / FL_SECOND * FL_SECOND;
  one->arrived = true;
  one->at = now + between(10 * FL_MILLISECOND, 100 * FL_MILLISECOND);
}

/* --- the place: times by its clock, which is `now` --- */

static fl_time moved(fl_time at, fl_time by) { return at == FL_UNKNOWN || at == 0 ? at : at + by; }

static void ask(process *one, int at, bool leaving) {
  int64_t waiting = leaving ? 0 : given.waiting;
  fl_lease_report report = fl_lease_ask(&one->lease, &one->limit, now + one->skew, waiting,
                                        given.interactive ? waiting : 0, leaving);
  double second = (double)now / (double)FL_SECOND;
  one->answer_at = now + between(FL_MILLISECOND, 10 * FL_MILLISECOND);
  one->answered = second < given.lost_from || second >= given.lost_to;
  if (!one->answered) return;
  report.reset_at = moved(report.reset_at, -one->skew);
  report.blocked_until = moved(report.blocked_until, -one->skew);
  fl_lease_pool_settle(&pool, members, (size_t)given.processes, (size_t)at, &report, now,
                       &one->grant);
  one->grant.reset_at = moved(one->grant.reset_at, one->skew);
  one->grant.blocked_until = moved(one->grant.blocked_until, one->skew);
  one->grant.none_until = moved(one->grant.none_until, one->skew);
}

/* --- processes --- */

static void begin(int at) {
  process *one = &processes[at];
  memset(one, 0, sizeof *one);
  memset(&members[at], 0, sizeof members[at]);
  fl_rate_limit_init(&one->limit, 0);
  one->skew = (fl_time)(given.skew * FL_SECOND * (at % given.machines + 1) / given.machines);
  one->waiting_since = now;
  one->newcomer = now > 0;
}

static void end_flights(process *one) {
  for (int i = 0; i < CONCURRENCY; i++) {
    flight *each = &one->flights[i];
    if (each->at == 0 || each->at > now) continue;
    if (!each->arrived) {
      arrive(each);
      continue;
    }
    each->at = 0;
    one->in_flight--;
    fl_rate_limit_learn(&one->limit, now + one->skew, &each->head);
    if (is_measured()) replies++;
    if (each->head.status == 429) {
      if (is_measured()) refused++;
      fl_rate_limit_throttled(&one->limit, now + one->skew,
                              now + one->skew + each->head.reset + FL_SECOND);
    } else {
      one->done++;
    }
  }
}

static void start_calls(process *one) {
  while (one->in_flight < CONCURRENCY) {
    int slot = 0;
    if (fl_lease_take(&one->lease, &one->limit, now + one->skew, given.waiting,
                      given.interactive) != 0)
      return;
    while (one->flights[slot].at != 0) slot++;
    one->flights[slot] =
        (flight){.at = now + between(10 * FL_MILLISECOND, 100 * FL_MILLISECOND), .arrived = false};
    one->in_flight++;
    keep_wait(now - one->waiting_since);
    one->waiting_since = now;
  }
}

static void step(int at) {
  process *one = &processes[at];
  fl_time local = now + one->skew;
  if (one->answer_at != 0 && one->answer_at <= now) {
    one->answer_at = 0;
    fl_lease_learn(&one->lease, &one->limit, local, one->answered ? &one->grant : NULL);
  }
  end_flights(one);
  start_calls(one);
  if (one->answer_at == 0 && fl_lease_due(&one->lease, &one->limit, local, given.waiting,
                                          given.interactive ? given.waiting : 0) <= local)
    ask(one, at, false);
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

static void run(void) {
  fl_time end = (given.windows + 2) * WINDOW, foreign_at = 0;
  server.begin = -(fl_time)(fraction() * (double)WINDOW);
  pool.limit = FL_UNKNOWN;
  for (int i = 0; i < given.processes; i++) begin(i);
  for (now = 0; now < end; now += STEP) {
    for (int i = 0; i < given.processes; i++) step(i);
    if (given.foreign > 0 && now >= foreign_at) {
      serve();
      foreign_at = now + (fl_time)((double)WINDOW / ((double)given.limit * given.foreign) *
                                   (0.5 + fraction()));
    }
    if (given.dying > 0 && now % WINDOW == WINDOW / 2)
      for (int i = 0; i < given.processes; i++)
        if (fraction() < given.dying) begin(i);
  }
}

static void report(void) {
  int64_t most = 0, least = INT64_MAX;
  for (int i = 0; i < given.processes; i++) {
    if (processes[i].newcomer) continue;
    if (processes[i].done > most) most = processes[i].done;
    if (processes[i].done < least) least = processes[i].done;
  }
  if (wait_count > 0) qsort(waits, wait_count, sizeof *waits, compare);
  printf("%d %d %lld %.4f %lld %.5f %.3f %.2f %.2f\n", given.processes, given.machines,
         (long long)given.limit, (double)used / (double)(given.limit * given.windows),
         (long long)refused, replies > 0 ? (double)refused / (double)replies : 0,
         least > 0 && least != INT64_MAX ? (double)most / (double)least : 0,
         wait_count > 0 ? waits[wait_count / 2] : 0,
         wait_count > 0 ? waits[wait_count * 99 / 100] : 0);
}

static bool read_option(const char *text) {
  char name[16];
  double one, two;
  if (sscanf(text, "lost=%lf-%lf", &given.lost_from, &given.lost_to) == 2) return true;
  if (strcmp(text, "interactive") == 0) return given.interactive = true;
  if (sscanf(text, "%15[a-z]=%lf", name, &one) != 2) return false;
  two = one;
  if (strcmp(name, "skew") == 0) given.skew = one;
  else if (strcmp(name, "foreign") == 0) given.foreign = one;
  else if (strcmp(name, "dying") == 0) given.dying = one;
  else if (strcmp(name, "windows") == 0) given.windows = (int)one;
  else if (strcmp(name, "waiting") == 0) given.waiting = (int)one;
  else if (strcmp(name, "seed") == 0) given.seed = (uint64_t)two;
  else return false;
  return true;
}

int main(int count, char **words) {
  bool good = count >= 4;
  for (int i = 4; i < count; i++) good = good && read_option(words[i]);
  if (good) {
    given.processes = atoi(words[1]);
    given.machines = atoi(words[2]);
    given.limit = atoll(words[3]);
  }
  if (!good || given.processes < 1 || given.machines < 1 || given.limit < 1 || given.seed == 0) {
    fputs(
        "usage: leases PROCESSES MACHINES LIMIT [skew=SECONDS] [lost=FROM-TO] [foreign=SHARE] "
        "[dying=SHARE] [windows=N] [waiting=CALLS] [interactive] [seed=N]\n",
        stderr);
    return 2;
  }
  given.seed = given.seed * 2654435761u + 88172645463325252u;
  processes = calloc((size_t)given.processes, sizeof *processes);
  members = calloc((size_t)given.processes, sizeof *members);
  if (processes == NULL || members == NULL) return 1;
  run();
  report();
  return 0;
}
