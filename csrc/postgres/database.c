/*
 * database.c: the state in PostgreSQL: transactions, and locks as rows with a lease. See
 * files/database.h and postgres.h.
 *
 * Transactions that write run one after another in the whole database, under an advisory lock, as
 * those of a state file do. A lock is a row with a fence, a number that no other lock ever had. It
 * lapses 30 s after its holder last renewed it: a thread does that while locks are held, and so
 * does each transaction, which changes nothing if another holder has taken over one of the locks.
 * So a process that was paused for longer cannot record a batch. A batch that it had recorded
 * before is not sent: its permit (base/permit.h) ends a second before the lease, and before the
 * last lock is released.
 *
 * A database that is `apart` does without all of this: its locks are the server's advisory locks,
 * which end with the connection.
 *
 * One mutex guards the connection and the locks. A forked child has neither.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "postgres.h"

#define RENEWAL (FL_POSTGRES_LEASE / 3) /* seconds */
#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#define LAPSES "clock_timestamp() + interval '" NUMBER(FL_POSTGRES_LEASE) " s'"

struct fl_database_lock {
  int64_t fence; /* of a database that is apart: the number of the advisory lock */
  int process;   /* that took it */
  fl_database_lock *next, *next_leaving;
};

typedef struct postgres_database postgres_database;
struct postgres_database {
  fl_database base;
  atomic_int references;
  pthread_mutex_t mutex;
  pthread_cond_t changed; /* the list of locks */
  fl_postgres_connection connection;
  fl_database_lock *locks;
  _Atomic(fl_database_lock *) leaving; /* to be released; not under the mutex */
  fl_database_lock *left; /* released while the server could not be reached: their rows are left */
  bool renewing;          /* the thread runs */
  bool apart;             /* see fl_database_functions */
  postgres_database *next;
};

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static postgres_database *databases;
static bool prepared; /* under list_mutex */

static postgres_database *of(fl_database *base) { return (postgres_database *)(void *)base; }

/* The waits are not changed by the wall clock where the system can do that. */
#if defined(_POSIX_CLOCK_SELECTION) && _POSIX_CLOCK_SELECTION > 0
#define CLOCK_OF_WAITS CLOCK_MONOTONIC
#else
#define CLOCK_OF_WAITS CLOCK_REALTIME
#endif

static void init_changed(pthread_cond_t *changed) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#if defined(_POSIX_CLOCK_SELECTION) && _POSIX_CLOCK_SELECTION > 0
  pthread_condattr_setclock(&attributes, CLOCK_OF_WAITS);
#endif
  pthread_cond_init(changed, &attributes);
  pthread_condattr_destroy(&attributes);
}

/* --- forks --- */

static void before_fork(void) { pthread_mutex_lock(&list_mutex); }
static void after_fork(void) { pthread_mutex_unlock(&list_mutex); }

static void in_child(void) {
  for (postgres_database *each = databases; each != NULL; each = each->next) {
    pthread_mutex_init(&each->mutex, NULL);
    init_changed(&each->changed);
    each->locks = each->left = NULL;
    atomic_store(&each->leaving, NULL);
    each->renewing = false;
    fl_permit_set(each->base.permit, 0);
  }
  pthread_mutex_unlock(&list_mutex);
}

/* Registers the handlers, once. False without memory. */
static bool prepare(void) {
  bool result;
  pthread_mutex_lock(&list_mutex);
  if (!prepared) prepared = pthread_atfork(before_fork, after_fork, in_child) == 0;
  result = prepared;
  pthread_mutex_unlock(&list_mutex);
  return result;
}

/* --- transactions; under the mutex --- */

/* The fences of the locks as an array in PostgreSQL's words, "{1,2}", and their number. */
static fl_result list_fences(const fl_database_lock *locks, fl_buffer *out, int *count) {
  char number[32];
  fl_result result = fl_buffer_append_byte(out, '{');
  *count = 0;
  for (const fl_database_lock *each = locks; each != NULL && result == FL_OK; each = each->next) {
    snprintf(number, sizeof number, "%s%" PRId64, *count > 0 ? "," : "", each->fence);
    result = fl_buffer_append_text(out, number);
    ++*count;
  }
  if (result == FL_OK) result = fl_buffer_append_byte(out, '}');
  return result == FL_OK ? fl_buffer_append_byte(out, '\0') : result;
}

/* Deletes the rows of released locks. What fails is tried again later, and lapses by itself. */
static void delete_left(postgres_database *self) {
  fl_buffer fences;
  PGresult *result = NULL;
  int count;
  if (self->left == NULL) return;
  fl_buffer_init(&fences, FL_BUFFER_UNLIMITED);
  if (list_fences(self->left, &fences, &count) == FL_OK) {
    const char *const values[] = {fences.data};
    result = fl_postgres_query(&self->connection,
                               "DELETE FROM flarelight.locks WHERE fence = ANY ($1::bigint[])", 1,
                               values);
  }
  fl_buffer_free(&fences);
  while (PQresultStatus(result) == PGRES_COMMAND_OK && self->left != NULL) {
    fl_database_lock *next = self->left->next;
    free(self->left);
    self->left = next;
  }
  PQclear(result);
}

/* Without the connection the lock has ended already. */
static void release_advisory(postgres_database *self, const fl_database_lock *held) {
  char number[32];
  const char *const values[] = {number};
  snprintf(number, sizeof number, "%" PRId64, held->fence);
  PQclear(fl_postgres_query(&self->connection, "SELECT pg_advisory_unlock($1)", 1, values));
}

static void settle_leaving(postgres_database *self) {
  fl_database_lock *held = atomic_exchange(&self->leaving, NULL);
  while (held != NULL) {
    fl_database_lock **link = &self->locks, *next = held->next_leaving;
    if (self->apart) {
      release_advisory(self, held);
      free(held);
    } else {
      while (*link != held) link = &(*link)->next;
      *link = held->next;
      held->next = self->left;
      self->left = held;
      if (self->locks == NULL) fl_permit_set(self->base.permit, 0);
      pthread_cond_signal(&self->changed);
    }
    held = next;
  }
}

static fl_store_code reach(postgres_database *self, fl_store_error *error) {
  fl_store_code code;
  settle_leaving(self);
  code = fl_postgres_connect(&self->connection, error);
  if (code == FL_STORE_OK) delete_left(self);
  return code;
}

/* The leases of all locks were renewed by a transaction that began at `asked` and has ended. The
 * clocks of server and machine may run at different rates, so a second is left. */
static void permit_from(postgres_database *self, fl_time asked) {
  fl_permit_set(self->base.permit, asked + (FL_POSTGRES_LEASE - 1) * FL_SECOND);
}

/* Renews all locks. FL_STORE_LOST if another holder has one of them. After the end of the
 * transaction permit_from has to be called. */
static fl_store_code renew_locks(postgres_database *self, fl_store_error *error) {
  fl_buffer fences;
  fl_store_code code = FL_STORE_OK;
  int count;
  if (self->locks == NULL) return FL_STORE_OK;
  fl_buffer_init(&fences, FL_BUFFER_UNLIMITED);
  if (list_fences(self->locks, &fences, &count) != FL_OK) {
    code = fl_postgres_fail_with(&self->connection, error, FL_STORE_NO_MEMORY, "not enough memory");
  } else {
    const char *const values[] = {fences.data};
    PGresult *result = fl_postgres_query(&self->connection,
                                         "UPDATE flarelight.locks SET lapses = " LAPSES
                                         " WHERE fence = ANY ($1::bigint[])",
                                         1, values);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
      code = fl_postgres_fail(&self->connection, result, error);
    } else {
      const bool whole = strtol(PQcmdTuples(result), NULL, 10) == count;
      PQclear(result);
      if (!whole) {
        fl_permit_set(self->base.permit, 0);
        code = fl_postgres_fail_with(
            &self->connection, error, FL_STORE_LOST,
            "this process gave no sign of life for more than " NUMBER(
                FL_POSTGRES_LEASE) " s, and another one has taken over its work");
      }
    }
  }
  fl_buffer_free(&fences);
  return code;
}

static fl_store_code write_script(postgres_database *self, const fl_buffer *script, bool relaxed,
                                  fl_buffer *rows, int *columns, fl_store_error *error) {
  const fl_time asked = fl_clock_elapsed();
  char begin[120];
  fl_store_code code;
  snprintf(begin, sizeof begin, "BEGIN%s%s", relaxed ? "; SET LOCAL synchronous_commit = off" : "",
           self->apart ? "" : "; SELECT pg_advisory_xact_lock(1718383205)");
  code = fl_postgres_command(&self->connection, begin, error);
  if (code == FL_STORE_OK) code = renew_locks(self, error);
  if (code == FL_STORE_OK)
    code = fl_postgres_run_script(&self->connection, script, rows, columns, error);
  if (code == FL_STORE_OK) code = fl_postgres_command(&self->connection, "COMMIT", error);
  if (code == FL_STORE_OK && self->locks != NULL) permit_from(self, asked);
  return code;
}

/* Ends a transaction that has failed. */
static void roll_back(postgres_database *self) {
  fl_store_error ignored;
  if (PQtransactionStatus(self->connection.link) == PQTRANS_IDLE) return;
  if (fl_postgres_command(&self->connection, "ROLLBACK", &ignored) != FL_STORE_OK)
    fl_postgres_disconnect(&self->connection);
}

static fl_store_code run(fl_database *base, const fl_buffer *script, bool relaxed, fl_buffer *rows,
                         int *columns, fl_store_error *error) {
  postgres_database *self = of(base);
  fl_store_code code;
  *columns = 0;
  rows->length = 0;
  pthread_mutex_lock(&self->mutex);
  code = reach(self, error);
  if (code == FL_STORE_OK) {
    code = fl_postgres_only_reads(script)
               ? fl_postgres_run_script(&self->connection, script, rows, columns, error)
               : write_script(self, script, relaxed, rows, columns, error);
    if (code != FL_STORE_OK) roll_back(self);
  }
  pthread_mutex_unlock(&self->mutex);
  return code;
}

/* Runs a script and the one that follows from its rows. */
static fl_store_code exchange_scripts(postgres_database *self, const fl_buffer *script,
                                      fl_store_follow *follow, void *context,
                                      fl_store_error *error) {
  fl_buffer rows, second;
  fl_store_code code;
  int columns = 0;
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&second, FL_BUFFER_UNLIMITED);
  code = fl_postgres_run_script(&self->connection, script, &rows, &columns, error);
  if (code == FL_STORE_OK) {
    fl_result written = follow(context, &rows, columns, &second);
    if (written != FL_OK)
      code = fl_postgres_fail_with(
          &self->connection, error, written == FL_NO_MEMORY ? FL_STORE_NO_MEMORY : FL_STORE_IO,
          written == FL_NO_MEMORY ? "not enough memory" : "a later question was settled before");
  }
  if (code == FL_STORE_OK)
    code = fl_postgres_run_script(&self->connection, &second, &rows, &columns, error);
  fl_buffer_free(&rows);
  fl_buffer_free(&second);
  return code;
}

/* Exchanges run one after another, under an advisory lock of their own, so that no journal waits
 * for them. What a crash of the server loses of them is of use for a minute only. */
static fl_store_code exchange(fl_database *base, const fl_buffer *script, fl_store_follow *follow,
                              void *context, fl_store_error *error) {
  postgres_database *self = of(base);
  fl_store_code code;
  char begin[200];
  snprintf(begin, sizeof begin,
           "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '%ds';"
           " SET LOCAL statement_timeout = '%ds'; SELECT pg_advisory_xact_lock(1718383206)",
           self->connection.patience, self->connection.patience);
  pthread_mutex_lock(&self->mutex);
  code = reach(self, error);
  if (code == FL_STORE_OK) {
    /* The server ends the statement first, unless it does not answer at all. */
    const int usual = self->connection.wait;
    self->connection.wait = self->connection.patience + 1;
    code = fl_postgres_command(&self->connection, begin, error);
    if (code == FL_STORE_OK) code = exchange_scripts(self, script, follow, context, error);
    if (code == FL_STORE_OK) code = fl_postgres_command(&self->connection, "COMMIT", error);
    if (code != FL_STORE_OK) roll_back(self);
    self->connection.wait = usual;
    /* The tables may be gone: the next connection looks at the schema again. */
    if (code == FL_STORE_CONFIG) fl_postgres_disconnect(&self->connection);
  }
  pthread_mutex_unlock(&self->mutex);
  return code;
}

/* --- locks --- */

static void release(fl_database *base);

static fl_database *retain(fl_database *self) {
  atomic_fetch_add(&of(self)->references, 1);
  return self;
}

/* Waits until it is time to renew the locks, or there are none. Each release of a lock wakes this
 * thread. */
static void await_renewal(postgres_database *self) {
  const fl_time due = fl_clock_elapsed() + RENEWAL * FL_SECOND;
  for (fl_time left; self->locks != NULL && (left = due - fl_clock_elapsed()) > 0;) {
    struct timespec until;
    clock_gettime(CLOCK_OF_WAITS, &until);
    until.tv_sec += (time_t)(left / FL_SECOND) + 1;
    pthread_cond_timedwait(&self->changed, &self->mutex, &until);
  }
}

static void *renew(void *context) {
  postgres_database *self = context;
  fl_store_error ignored;
  pthread_mutex_lock(&self->mutex);
  while (self->locks != NULL) {
    await_renewal(self);
    /* A failure is told by the next transaction. */
    if (self->locks != NULL && reach(self, &ignored) == FL_STORE_OK) {
      const fl_time asked = fl_clock_elapsed();
      if (renew_locks(self, &ignored) == FL_STORE_OK) permit_from(self, asked);
    }
  }
  self->renewing = false;
  pthread_mutex_unlock(&self->mutex);
  release(&self->base);
  return NULL;
}

/* Without a thread the transactions alone renew the locks. */
static void start_renewing(postgres_database *self) {
  sigset_t all, before;
  pthread_t thread;
  if (self->renewing) return;
  /* This thread blocks all signals, so that the host's threads handle them. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  retain(&self->base);
  self->renewing = pthread_create(&thread, NULL, renew, self) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (self->renewing) pthread_detach(thread);
  else atomic_fetch_sub(&self->references, 1); /* never the last one */
}

static fl_store_code take_row(postgres_database *self, const char *name, fl_database_lock **taken,
                              fl_store_error *error) {
  char machine[256] = "", holder[300];
  const char *values[2] = {name, holder};
  PGresult *result;
  gethostname(machine, sizeof machine - 1);
  snprintf(holder, sizeof holder, "%s, process %d", machine, (int)getpid());
  result = fl_postgres_query(&self->connection,
                             "INSERT INTO flarelight.locks (name, holder, fence, lapses)"
                             " VALUES ($1, $2, nextval('flarelight.fences'), " LAPSES
                             ")"
                             " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
                             " fence = excluded.fence, lapses = excluded.lapses"
                             " WHERE locks.lapses < clock_timestamp() RETURNING fence",
                             2, values);
  if (PQresultStatus(result) != PGRES_TUPLES_OK)
    return fl_postgres_fail(&self->connection, result, error);
  if (PQntuples(result) == 1) {
    (*taken)->fence = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
  } else {
    free(*taken);
    *taken = NULL;
  }
  PQclear(result);
  return FL_STORE_OK;
}

/* Takes an advisory lock of the session. Its number is a hash of the name: two names with the same
 * one exclude each other, too. */
static fl_store_code take_advisory(postgres_database *self, const char *name,
                                   fl_database_lock **taken, fl_store_error *error) {
  const char *const values[] = {name};
  PGresult *result = fl_postgres_query(&self->connection,
                                       "SELECT hashtextextended($1, 0) AS number,"
                                       " pg_try_advisory_lock(hashtextextended($1, 0)) AS taken",
                                       1, values);
  if (PQresultStatus(result) != PGRES_TUPLES_OK)
    return fl_postgres_fail(&self->connection, result, error);
  (*taken)->fence = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
  if (PQgetvalue(result, 0, 1)[0] != 't') {
    free(*taken);
    *taken = NULL;
  }
  PQclear(result);
  return FL_STORE_OK;
}

/* Keeps a lock and its lease, which was asked for at `asked`. */
static void keep_lease(postgres_database *self, fl_database_lock *taken, fl_time asked) {
  if (self->locks == NULL) permit_from(self, asked);
  taken->next = self->locks;
  self->locks = taken;
  start_renewing(self);
}

/* The name as a C string; NULL if it holds a zero byte or without memory, with the error. */
static char *name_of(postgres_database *self, fl_slice name, fl_store_error *error) {
  char *copy = memchr(name.data, 0, name.length) == NULL ? malloc(name.length + 1) : NULL;
  if (copy != NULL) {
    memcpy(copy, name.data, name.length);
    copy[name.length] = '\0';
  } else {
    fl_postgres_fail_with(&self->connection, error, FL_STORE_CONFIG,
                          "PostgreSQL cannot keep a text that holds a zero byte");
  }
  return copy;
}

static fl_store_code lock(fl_database *base, fl_slice text, fl_database_lock **taken,
                          fl_store_error *error) {
  postgres_database *self = of(base);
  char *name = name_of(self, text, error);
  fl_store_code code;
  fl_time asked;
  *taken = name != NULL ? calloc(1, sizeof **taken) : NULL;
  if (*taken == NULL) {
    free(name);
    return name != NULL ? FL_STORE_NO_MEMORY : error->code;
  }
  (*taken)->process = (int)getpid();
  pthread_mutex_lock(&self->mutex);
  code = reach(self, error);
  asked = fl_clock_elapsed();
  if (code == FL_STORE_OK)
    code =
        self->apart ? take_advisory(self, name, taken, error) : take_row(self, name, taken, error);
  if (code == FL_STORE_OK && *taken != NULL && !self->apart) keep_lease(self, *taken, asked);
  pthread_mutex_unlock(&self->mutex);
  if (code != FL_STORE_OK) {
    free(*taken);
    *taken = NULL;
  }
  free(name);
  return code;
}

static bool leave(fl_database *base, fl_database_lock *held) {
  postgres_database *self = of(base);
  if (held->process != (int)getpid()) {
    free(held);
    return false;
  }
  held->next_leaving = atomic_load(&self->leaving);
  while (!atomic_compare_exchange_weak(&self->leaving, &held->next_leaving, held)) {}
  return true;
}

static void unlock(fl_database *base, fl_database_lock *held) {
  postgres_database *self = of(base);
  fl_store_error ignored;
  if (held != NULL && !leave(base, held)) return;
  pthread_mutex_lock(&self->mutex);
  if (self->apart) settle_leaving(self);
  else reach(self, &ignored);
  pthread_mutex_unlock(&self->mutex);
}

static fl_store_code is_locked(fl_database *base, fl_slice text, bool *held,
                               fl_store_error *error) {
  postgres_database *self = of(base);
  char *name = name_of(self, text, error);
  const char *const values[] = {name};
  fl_store_code code;
  if (name == NULL) return error->code;
  pthread_mutex_lock(&self->mutex);
  code = reach(self, error);
  if (code == FL_STORE_OK) {
    PGresult *result = fl_postgres_query(&self->connection,
                                         "SELECT 1 FROM flarelight.locks WHERE name = $1"
                                         " AND lapses >= clock_timestamp()",
                                         1, values);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
      code = fl_postgres_fail(&self->connection, result, error);
    } else {
      *held = PQntuples(result) > 0;
      PQclear(result);
    }
  }
  pthread_mutex_unlock(&self->mutex);
  free(name);
  return code;
}

/* --- the database --- */

static void release(fl_database *base) {
  postgres_database *self = of(base);
  postgres_database **link = &databases;
  if (atomic_fetch_sub(&self->references, 1) != 1) return;
  pthread_mutex_lock(&list_mutex);
  while (*link != self) link = &(*link)->next;
  *link = self->next;
  pthread_mutex_unlock(&list_mutex);
  fl_postgres_free(&self->connection);
  while (self->left != NULL) {
    fl_database_lock *next = self->left->next;
    free(self->left);
    self->left = next;
  }
  fl_permit_release(self->base.permit);
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
}

static const fl_database_class postgres_class = {
    .remote = true,
    .run = run,
    .exchange = exchange,
    .now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    .lock = lock,
    .unlock = unlock,
    .leave = leave,
    .is_locked = is_locked,
    .retain = retain,
    .release = release};

fl_database *fl_postgres_open(const char *url, int patience, bool apart, fl_store_error *error) {
  postgres_database *self = calloc(1, sizeof *self);
  if (self == NULL) error->code = FL_STORE_NO_MEMORY;
  if (self == NULL || !fl_postgres_prepare(&self->connection, url, patience, error)) {
    free(self);
    return NULL;
  }
  self->base.permit = fl_permit_new();
  if (self->base.permit == NULL || !prepare()) {
    fl_permit_release(self->base.permit);
    fl_postgres_free(&self->connection);
    free(self);
    error->code = FL_STORE_NO_MEMORY;
    return NULL;
  }
  fl_permit_set(self->base.permit, 0);
  if (apart) self->connection.wait = self->connection.patience + 1;
  self->apart = apart;
  self->base.class = &postgres_class;
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->mutex, NULL);
  init_changed(&self->changed);
  pthread_mutex_lock(&list_mutex);
  self->next = databases;
  databases = self;
  pthread_mutex_unlock(&list_mutex);
  return &self->base;
}
