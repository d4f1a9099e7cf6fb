/*
 * lease_store.c: shares of rate limits in tables.
 *
 * A question is one transaction: it reads the records of the service and of its processes, lets
 * policy/lease_pool.c settle the question, and writes both records. The times in the tables are
 * microseconds since the Unix epoch, by the clock of the database. The statements are those of
 * SQLite and of PostgreSQL.
 */
#include "files/lease_store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "files/worker.h"

#define KEPT (120 * FL_SECOND) /* the record of a process is deleted so long after it expired */

static const char *const migrations[] = {
    "CREATE TABLE services ("
    " service TEXT PRIMARY KEY," /* base URL and subscription */
    " requests INTEGER,"         /* the limit: requests a window; null if it is not known */
    " assumed INTEGER NOT NULL," /* 1: the limit is an option of a client */
    " window INTEGER NOT NULL, began_at INTEGER NOT NULL, reset_at INTEGER NOT NULL,"
    " guessed INTEGER NOT NULL," /* 1: no reply has named the end of this window */
    " granted INTEGER NOT NULL, favoured INTEGER NOT NULL,"
    " foreign_use INTEGER NOT NULL, foreign_total INTEGER NOT NULL,"
    " blocked_until INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE members ("
    " service TEXT NOT NULL, member INTEGER NOT NULL,"
    " window INTEGER NOT NULL, granted INTEGER NOT NULL, demand INTEGER NOT NULL,"
    " granted_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,"
    " machine TEXT NOT NULL, process INTEGER NOT NULL,"
    " waiting INTEGER NOT NULL, spent INTEGER NOT NULL,"
    " spacing INTEGER NOT NULL," /* between two requests; 0: at once */
    " PRIMARY KEY (service, member)) WITHOUT ROWID;",
};

const fl_store_schema fl_lease_file_schema = {"budget file", 1, migrations, 2 * FL_SECOND, false};

typedef struct lease_store {
  fl_lease_place base;
  atomic_int references;
  fl_database *database;
  uint64_t left_before; /* the ticket of the last question of an engine that ended; only used within
                           a transaction, of which a database has one at a time */
} lease_store;

typedef struct question_job {
  fl_job job;
  lease_store *place;
  fl_lease_question question;
  fl_lease_answer *answer;
  char *service; /* in the same allocation */
} question_job;

/* --- the records --- */

static int64_t take_integer(const fl_buffer *rows, size_t *place) {
  fl_script_value value = fl_script_read(rows, place);
  return value.type == FL_SCRIPT_INTEGER ? value.integer : FL_UNKNOWN;
}

/* The statement behind the expression of the time. It has a row also if the service has none. */
#define READ                                                                          \
  " AS now, requests, assumed, s.\"window\", began_at, reset_at, guessed, s.granted," \
  " favoured, foreign_use, foreign_total, blocked_until,"                             \
  " m.member, m.\"window\", m.granted, demand, granted_at, expires_at"                \
  " FROM (SELECT 1 AS one) AS always LEFT JOIN services AS s ON s.service = ?"        \
  " LEFT JOIN members AS m ON m.service = s.service"

static void read_pool(const fl_buffer *rows, size_t *place, fl_lease_pool *pool) {
  pool->limit = take_integer(rows, place);
  pool->assumed = take_integer(rows, place) == 1;
  pool->window = take_integer(rows, place);
  pool->began_at = take_integer(rows, place);
  pool->reset_at = take_integer(rows, place);
  pool->guessed = take_integer(rows, place) == 1;
  pool->granted = take_integer(rows, place);
  pool->favoured = take_integer(rows, place);
  pool->foreign = take_integer(rows, place);
  pool->foreign_total = take_integer(rows, place);
  pool->blocked_until = take_integer(rows, place);
}

typedef struct records {
  fl_time now; /* by the clock of the database; FL_UNKNOWN: that of this machine */
  fl_lease_pool pool;
  fl_lease_member *members;
  size_t count, self;
} records;

/* Reads the records. The one of this process is made if it is missing. */
static fl_result read_records(const fl_buffer *rows, int columns, uint64_t member, records *found) {
  size_t place = 0, room = 16;
  bool present = false;
  *found = (records){.now = FL_UNKNOWN, .pool = {.limit = FL_UNKNOWN}};
  found->members = calloc(room, sizeof *found->members);
  if (found->members == NULL) return FL_NO_MEMORY;
  for (int i = 0; i < columns; i++) fl_script_read(rows, &place);
  while (place < rows->length) {
    fl_lease_member *each;
    int64_t name;
    found->now = take_integer(rows, &place);
    read_pool(rows, &place, &found->pool);
    if (found->pool.window == FL_UNKNOWN) found->pool = (fl_lease_pool){.limit = FL_UNKNOWN};
    if (found->count + 2 > room) {
      each = realloc(found->members, 2 * room * sizeof *each);
      if (each == NULL) return FL_NO_MEMORY;
      found->members = each;
      room *= 2;
    }
    each = &found->members[found->count];
    name = take_integer(rows, &place);
    each->window = take_integer(rows, &place);
    each->granted = take_integer(rows, &place);
    each->demand = take_integer(rows, &place);
    each->granted_at = take_integer(rows, &place);
    each->expires_at = take_integer(rows, &place);
    if (name == FL_UNKNOWN) continue; /* the service has no record, or no processes */
    if (name == (int64_t)member) {
      found->self = found->count;
      present = true;
    }
    found->count++;
  }
  if (!present) {
    found->self = found->count++;
    memset(&found->members[found->self], 0, sizeof *found->members);
  }
  return FL_OK;
}

static void add(fl_buffer *script, const int64_t *values, size_t count) {
  for (size_t i = 0; i < count; i++) fl_script_integer(script, values[i]);
}

static void write_pool(fl_buffer *script, const char *service, const fl_lease_pool *pool) {
  const int64_t values[] = {pool->assumed,       pool->window,       pool->began_at, pool->reset_at,
                            pool->guessed,       pool->granted,      pool->favoured, pool->foreign,
                            pool->foreign_total, pool->blocked_until};
  fl_script_statement(
      script,
      FL_LITERAL("INSERT INTO services VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT (service) DO UPDATE SET requests = excluded.requests,"
                 " assumed = excluded.assumed, \"window\" = excluded.\"window\","
                 " began_at = excluded.began_at, reset_at = excluded.reset_at,"
                 " guessed = excluded.guessed, granted = excluded.granted,"
                 " favoured = excluded.favoured, foreign_use = excluded.foreign_use,"
                 " foreign_total = excluded.foreign_total,"
                 " blocked_until = excluded.blocked_until"),
      1);
  fl_script_text(script, fl_slice_of(service));
  if (pool->limit == FL_UNKNOWN) fl_script_null(script);
  else fl_script_integer(script, pool->limit);
  add(script, values, sizeof values / sizeof *values);
}

static void write_member(fl_buffer *script, const question_job *self, const fl_lease_member *own,
                         const fl_lease_grant *grant) {
  char machine[256] = "";
  const int64_t before[] = {(int64_t)self->question.member,
                            own->window,
                            own->granted,
                            own->demand,
                            own->granted_at,
                            own->expires_at};
  const int64_t behind[] = {(int64_t)getpid(), self->question.waiting, self->question.spent,
                            grant->spacing};
  gethostname(machine, sizeof machine - 1);
  fl_script_statement(
      script,
      FL_LITERAL("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT (service, member) DO UPDATE SET \"window\" = excluded.\"window\","
                 " granted = excluded.granted, demand = excluded.demand,"
                 " granted_at = excluded.granted_at, expires_at = excluded.expires_at,"
                 " machine = excluded.machine, process = excluded.process,"
                 " waiting = excluded.waiting, spent = excluded.spent, spacing = excluded.spacing"),
      1);
  fl_script_text(script, fl_slice_of(self->service));
  add(script, before, sizeof before / sizeof *before);
  fl_script_text(script, fl_slice_of(machine));
  add(script, behind, sizeof behind / sizeof *behind);
}

/* --- questions --- */

static fl_time moved(fl_time at, fl_time by) { return at == FL_UNKNOWN || at == 0 ? at : at + by; }

static fl_result settle(void *context, const fl_buffer *rows, int columns, fl_buffer *script) {
  question_job *self = context;
  fl_lease_report report = self->question.report;
  fl_lease_grant *grant = &self->answer->grant;
  fl_time now, ahead;
  records found;
  fl_result result;
  if (self->question.last) self->place->left_before = self->question.ticket;
  else if (self->question.ticket < self->place->left_before) return FL_INVALID;
  result = read_records(rows, columns, self->question.member, &found);
  if (result == FL_OK) result = fl_buffer_reserve(script, 4096);
  if (result != FL_OK) {
    free(found.members);
    return result;
  }
  now = found.now != FL_UNKNOWN ? found.now : fl_clock_wall();
  ahead = now - fl_clock_now();
  report.reset_at = moved(report.reset_at, ahead);
  report.blocked_until = moved(report.blocked_until, ahead);
  fl_lease_pool_settle(&found.pool, found.members, found.count, found.self, &report, now, grant);
  write_pool(script, self->service, &found.pool);
  write_member(script, self, &found.members[found.self], grant);
  fl_script_statement(script, FL_LITERAL("DELETE FROM members WHERE expires_at < ?"), -1);
  result = fl_script_integer(script, now - KEPT);
  grant->reset_at = moved(grant->reset_at, -ahead);
  grant->blocked_until = moved(grant->blocked_until, -ahead);
  grant->none_until = moved(grant->none_until, -ahead);
  free(found.members);
  return result;
}

static void run_question(fl_job *job) {
  question_job *self = (question_job *)(void *)job;
  fl_database *database = self->place->database;
  const char *now = database->class->now != NULL ? database->class->now : "NULL";
  char sql[sizeof "SELECT " READ + 128];
  fl_store_error error;
  fl_buffer script;
  fl_store_code code = FL_STORE_NO_MEMORY;
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  snprintf(sql, sizeof sql, "SELECT %s" READ, now);
  fl_script_statement(&script, fl_slice_of(sql), -1);
  if (fl_script_text(&script, fl_slice_of(self->service)) == FL_OK)
    code = database->class->exchange(database, &script, settle, self, &error);
  fl_buffer_free(&script);
  self->answer->lost = code != FL_STORE_OK;
  self->question.post(&self->answer->item);
  self->answer = NULL;
}

static void release(fl_lease_place *place) {
  lease_store *self = (lease_store *)(void *)place;
  if (atomic_fetch_sub(&self->references, 1) != 1) return;
  self->database->class->release(self->database);
  free(self);
}

static fl_lease_place *retain(fl_lease_place *place) {
  atomic_fetch_add(&((lease_store *)(void *)place)->references, 1);
  return place;
}

static void free_question(fl_job *job) {
  question_job *self = (question_job *)(void *)job;
  release(&self->place->base);
  free(self->answer);
  free(self);
}

static void free_answer(fl_item *item) { free(item); }

static const fl_job_class question_class = {run_question, free_question};

static bool ask(fl_lease_place *place, const fl_lease_question *question, bool in_place) {
  size_t size = strlen(question->base_url) + strlen(question->subscription) + 2;
  question_job *self = calloc(1, sizeof *self + size);
  fl_lease_answer *answer = calloc(1, sizeof *answer);
  if (self == NULL || answer == NULL) {
    free(self);
    free(answer);
    return false;
  }
  answer->item.type = FL_ITEM_LEASE;
  answer->item.ticket = question->ticket;
  answer->item.free = free_answer;
  self->answer = answer;
  self->question = *question;
  self->service = (char *)(self + 1);
  snprintf(self->service, size, "%s %s", question->base_url, question->subscription);
  self->question.base_url = self->question.subscription = NULL;
  self->place = (lease_store *)(void *)retain(place);
  fl_job_init(&self->job, &question_class, question->ticket, NULL);
  fl_worker_submit(&self->job, in_place);
  return true;
}

fl_lease_place *fl_lease_database_new(fl_database *database, const char *name) {
  lease_store *self = calloc(1, sizeof *self);
  if (self == NULL) {
    database->class->release(database);
    return NULL;
  }
  atomic_init(&self->references, 1);
  self->database = database;
  self->base = (fl_lease_place){name, ask, retain, release};
  return &self->base;
}

fl_lease_place *fl_lease_file_new(const char *state, bool shared) {
  size_t size = strlen(state) + sizeof FL_LEASE_FILE_ENDING;
  char *path = malloc(size);
  fl_store *store = NULL;
  fl_database *database = NULL;
  if (path != NULL) {
    snprintf(path, size, "%s%s", state, FL_LEASE_FILE_ENDING);
    store = fl_store_new_of(path, shared, &fl_lease_file_schema);
  }
  free(path);
  if (store != NULL) database = fl_database_of_store(store);
  if (database == NULL) {
    fl_store_release(store);
    return NULL;
  }
  return fl_lease_database_new(database, "state file");
}
