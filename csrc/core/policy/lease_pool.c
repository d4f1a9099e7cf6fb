/*
 * lease_pool.c: divides the requests of a rate limit among the processes that share it.
 *
 * Reports arrive late: the process may have seen the window end, or not yet. A report that names
 * the number of the present window is of it; one with the number of an older window tells only of
 * requests in flight, which the server may count in the present one.
 */
#include "policy/lease_pool.h"

#include "policy/rate_limit.h"

/* Processes that wait ask again after this time: so often, or less often if there are many. */
#define POLL (2 * FL_SECOND)
#define POLL_EACH (30 * FL_MILLISECOND)
#define LONGEST_POLL (10 * FL_SECOND)
/* An active process that is late by this much is dropped. */
#define GRACE (3 * FL_SECOND)
/* While requests are spread, a grant is for this time. */
#define SPAN FL_SECOND
/* Ends of one window lie nearer to each other than this. */
#define SAME_WINDOW (FL_RATE_WINDOW / 2)
/* The end of a window that is believed may be later than the server's by this much. */
#define NEAR_THE_END (5 * FL_SECOND)
/* An end this near to the beginning of the window is that of the window before. */
#define NEAR_THE_BEGIN (5 * FL_SECOND / 2)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static void begin_window(fl_lease_pool *pool, fl_time now, fl_time end, bool guessed) {
  pool->window++;
  pool->began_at = now;
  pool->reset_at = end;
  pool->guessed = guessed;
  pool->granted = pool->favoured = pool->foreign = 0;
}

/* Begins a window if none has begun or the present one has ended. A window that lies in the future
 * shows that the clock of the place was set back. */
static void roll(fl_lease_pool *pool, fl_time now) {
  bool strange =
      pool->began_at > now + FL_SECOND || pool->reset_at > now + FL_RATE_WINDOW + FL_RATE_SLACK;
  if (pool->window > 0 && now < pool->reset_at && !strange) return;
  begin_window(pool, now, now + FL_RATE_WINDOW, true);
}

static void learn_limit(fl_lease_pool *pool, const fl_lease_report *report) {
  /* The limit of a process that was idle may be an old one. */
  if (report->limit == FL_UNKNOWN) return;
  if ((report->assumed || report->leaving) && pool->limit != FL_UNKNOWN) return;
  pool->limit = report->limit;
  pool->assumed = report->assumed;
}

/* Takes the end of the window from the report. False if the report is of an older window. */
static bool learn_window(fl_lease_pool *pool, const fl_lease_report *report, fl_time now) {
  fl_time end = report->reset_at;
  if (report->window != pool->window && report->window != 0) return false;
  if (end == FL_UNKNOWN || report->guessed) return true;
  if (report->window == 0 && end < pool->began_at + NEAR_THE_BEGIN) return false;
  if (end <= now) {
    /* The window has ended before the end that the record names. */
    if (report->window == pool->window) begin_window(pool, now, now + FL_RATE_WINDOW, true);
    return false;
  }
  if (end > pool->reset_at + SAME_WINDOW && now > pool->reset_at - NEAR_THE_END && !pool->guessed)
    begin_window(pool, now, end, false);
  else if (pool->guessed || end < pool->reset_at) pool->reset_at = end;
  pool->guessed = false;
  return true;
}

/* Requests that were taken without a grant look like foreign use until they are reported. */
static void count_taken(fl_lease_pool *pool, fl_lease_member *member, const fl_lease_report *report,
                        bool present) {
  int64_t now_granted = present ? report->taken + report->held + report->urgent : report->in_flight;
  int64_t more = now_granted - (member->window == pool->window ? member->granted : 0);
  int64_t mistaken = least(more, pool->foreign);
  member->window = pool->window;
  member->granted = now_granted;
  pool->granted = most(0, pool->granted + more);
  if (mistaken <= 0) return;
  pool->foreign -= mistaken;
  pool->foreign_total = most(0, pool->foreign_total - mistaken);
}

static void count_foreign(fl_lease_pool *pool, const fl_lease_report *report) {
  int64_t more;
  if (report->seen == FL_UNKNOWN) return;
  more = pool->limit - report->seen - pool->granted - pool->foreign;
  if (more <= 0) return;
  pool->foreign += more;
  pool->foreign_total += more;
}

/* The last part of a window, in which less and less is kept for interactive calls. */
static fl_time tail_of(const fl_lease_pool *pool) {
  fl_time length = pool->reset_at - pool->began_at;
  return least(most(length / 8, 5 * FL_SECOND), length / 2);
}

/* The part of the limit that is kept for interactive calls. Nothing is kept in the second half of
 * the tail, so that the other calls have the time to use it. */
static int64_t kept(const fl_lease_pool *pool, fl_time now) {
  int64_t all = most(0, pool->limit / 10 - pool->favoured);
  double part = (double)(pool->reset_at - now) / (double)most(1, tail_of(pool));
  if (pool->guessed || part >= 1) return all;
  return part <= 0.5 ? 0 : (int64_t)((double)all * (part - 0.5) * 2);
}

/* What other consumers are going to take in this window, at their rate so far. */
static int64_t foreign_to_come(const fl_lease_pool *pool, fl_time now, int64_t left) {
  fl_time gone = most(now - pool->began_at, FL_SECOND), rest = pool->reset_at - now;
  int64_t half = left / 2;
  double theirs = (double)pool->foreign * (double)rest / (double)gone;
  if (left <= 0) return 0;
  return theirs < (double)half ? (int64_t)theirs : half;
}

/* --- shares --- */

typedef struct field {
  const fl_lease_pool *pool;
  const fl_lease_member *members;
  size_t count, self;
  fl_time now;
} field;

static bool is_active(const field *f, size_t at) {
  const fl_lease_member *member = &f->members[at];
  return at == f->self || (member->demand > 0 && member->expires_at > f->now &&
                           member->expires_at < f->now + LONGEST_POLL + 2 * GRACE);
}

static int64_t granted_of(const field *f, size_t at) {
  const fl_lease_member *member = &f->members[at];
  return member->window == f->pool->window ? member->granted : 0;
}

/* The requests that raise each active process to `level`. */
static int64_t cost_of(const field *f, int64_t level) {
  int64_t cost = 0;
  for (size_t i = 0; i < f->count; i++)
    if (is_active(f, i)) cost += most(0, level - granted_of(f, i));
  return cost;
}

/* Whether a process has waited longer than `self` for its last grant. */
static bool is_before(const field *f, size_t at) {
  const fl_lease_member *one = &f->members[at], *self = &f->members[f->self];
  if (one->granted_at != self->granted_at) return one->granted_at < self->granted_at;
  return at < f->self;
}

/* The share of `self` in `usable` requests: the level that all active processes can reach, less
 * what it has got. The requests that are too few for another level go to those that have waited
 * longest. */
static int64_t share_of(const field *f, int64_t usable) {
  int64_t low = 0, high = usable, odd, own = granted_of(f, f->self), before = 0;
  if (usable <= 0) return 0;
  for (size_t i = 0; i < f->count; i++)
    if (is_active(f, i)) high = most(high, granted_of(f, i) + usable);
  while (low < high) {
    int64_t middle = low + (high - low + 1) / 2;
    if (cost_of(f, middle) <= usable) low = middle;
    else high = middle - 1;
  }
  if (own > low) return 0;
  odd = usable - cost_of(f, low);
  for (size_t i = 0; i < f->count; i++)
    before += i != f->self && is_active(f, i) && granted_of(f, i) <= low && is_before(f, i);
  return low - own + (before < odd);
}

/* --- grants --- */

typedef struct crowd {
  int64_t active, demand;
} crowd;

static crowd crowd_of(const field *f, int64_t own_demand) {
  crowd found = {0, 0};
  for (size_t i = 0; i < f->count; i++) {
    if (!is_active(f, i)) continue;
    found.active++;
    found.demand += i == f->self ? own_demand : f->members[i].demand;
  }
  return found;
}

static void grant_spread(const fl_lease_pool *pool, const fl_lease_report *report, int64_t share,
                         fl_time now, fl_lease_grant *grant) {
  int64_t whole = share + report->held, wanted;
  fl_time rest = pool->reset_at - now;
  /* The window of the server ends up to a second before the end that is believed. */
  if (!pool->guessed && rest > 3 * FL_SECOND) rest -= FL_SECOND;
  if (whole == 0) return;
  grant->spacing = most(rest / whole, 1);
  wanted = rest <= SPAN ? whole : (int64_t)((double)whole * (double)SPAN / (double)rest);
  grant->common = least(share, most(0, most(1, wanted) - report->held));
}

/* Interactive calls are not spread, up to a tenth of the limit. Each process may take an equal part
 * of it at a time. */
static int64_t urgent_of(const fl_lease_pool *pool, const fl_lease_report *report, int64_t active,
                         int64_t left) {
  int64_t tenth = most(0, pool->limit / 10 - pool->favoured);
  int64_t wanted = least(report->wanted_urgent - report->urgent, most(1, tenth / active));
  return most(0, least(wanted, least(tenth, left)));
}

static void count_granted(fl_lease_pool *pool, fl_lease_member *member, int64_t count) {
  pool->granted += count;
  member->granted += count;
}

static int64_t usable_of(const fl_lease_pool *pool, fl_time now) {
  int64_t left = pool->limit - pool->granted - pool->foreign;
  return left - foreign_to_come(pool, now, left) - kept(pool, now);
}

static void give(fl_lease_pool *pool, fl_lease_member *members, size_t count, size_t self,
                 const fl_lease_report *report, fl_time now, fl_lease_grant *grant) {
  const field f = {pool, members, count, self, now};
  const crowd all = crowd_of(&f, report->demand);
  int64_t left = pool->limit - pool->granted - pool->foreign, usable = usable_of(pool, now);
  fl_time tail = pool->reset_at - tail_of(pool);
  bool spread = all.demand > usable || left < pool->limit / 5;
  grant->active = all.active;
  grant->ask_again = least(most(POLL, all.active * POLL_EACH), LONGEST_POLL);
  if (now >= tail) grant->ask_again = least(grant->ask_again, FL_SECOND);
  if (spread) {
    grant->urgent = urgent_of(pool, report, all.active, left);
    pool->favoured += grant->urgent;
    count_granted(pool, &members[self], grant->urgent);
    usable = usable_of(pool, now);
    if (report->demand > grant->urgent)
      grant_spread(pool, report, share_of(&f, usable), now, grant);
  } else {
    int64_t wanted = most(least(report->demand, usable / 8), usable / (4 * (all.active + 1)));
    wanted = most(1, wanted) - report->held;
    grant->common = least(share_of(&f, usable), most(0, wanted));
  }
  count_granted(pool, &members[self], grant->common);
  if (grant->common + grant->urgent > 0) members[self].granted_at = now;
  left = pool->limit - pool->granted - pool->foreign;
  if (left <= 0) grant->none_until = pool->reset_at;
  else if (usable <= 0 && now < tail) grant->none_until = tail;
  grant->may_favour = left > 0 && pool->limit / 10 > pool->favoured;
}

void fl_lease_pool_settle(fl_lease_pool *pool, fl_lease_member *members, size_t count, size_t self,
                          const fl_lease_report *report, fl_time now, fl_lease_grant *grant) {
  fl_lease_member *member = &members[self];
  memset(grant, 0, sizeof *grant);
  grant->ask_again = POLL;
  learn_limit(pool, report);
  pool->blocked_until = most(pool->blocked_until, report->blocked_until);
  pool->blocked_until = least(pool->blocked_until, now + FL_RATE_BLOCK_CEILING);
  if (pool->limit != FL_UNKNOWN) {
    bool present;
    roll(pool, now);
    present = learn_window(pool, report, now);
    count_taken(pool, member, report, present);
    if (present && !(report->window == 0 && report->guessed)) count_foreign(pool, report);
    if (!report->leaving) give(pool, members, count, self, report, now, grant);
  }
  member->demand = report->leaving ? 0 : report->demand;
  member->expires_at = report->leaving ? now : now + grant->ask_again + GRACE;
  if (pool->limit != FL_UNKNOWN) grant->left = most(0, pool->limit - pool->granted - pool->foreign);
  grant->limit = pool->limit;
  grant->assumed = pool->assumed;
  grant->window = pool->window;
  grant->reset_at = pool->reset_at;
  grant->guessed = pool->guessed;
  grant->blocked_until = pool->blocked_until;
  grant->foreign_total = pool->foreign_total;
}
