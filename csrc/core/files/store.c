/*
 * store.c: the state file over SQLite.
 *
 * Two properties of SQLite shape this file:
 * 1. A connection must not be used across a fork. SQLite also keeps a state of each open file in
 * the process, which would mislead a child that opens the same file. So every connection is closed
 * before a fork, and a fork holds the locks of all stores, one of which a script holds while it
 * runs.
 * 2. The locks of SQLite belong to the process, which loses them when it closes any descriptor of
 * the file. So the file is opened here only to create it.
 */
#include "files/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/owned.h"
#include "base/real_path.h"

#define FOLDER "./"
/* The patience of the first script, at least: processes that start at once all create the file. */
#define FIRST_PATIENCE (2 * FL_SECOND)
#define APPLICATION_ID 0x666c7265 /* "flre" */

struct fl_store {
  const fl_store_schema *schema;
  char *name; /* the path as it was given, for messages */
  char *path; /* without links. SQLite follows a link and has its files beside the target, where the
                 others have to be, too. The two bytes before it are "./", so that the path can be
                 used with "./" in front */
  bool linked; /* a link led to the file */
  atomic_int references;
  pthread_mutex_t lock; /* of the connection */
  bool shared;          /* base/owned.h */
  sqlite3 *database;    /* NULL: not open */
  bool wal;             /* it is in WAL mode */
  dev_t wal_device;     /* of the -wal file; both 0: not known */
  ino_t wal_inode;
  bool damaged;     /* the last script found that a crash of the machine has damaged the file */
  fl_time patience; /* of this script */
  fl_time until;    /* the end of the script's wait for a locked file */
  fl_store *next;
};

/* The locks of stores are taken under this one. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static fl_store *stores;
/* A fork waits: scripts that wait for a locked file stop and start again. */
static atomic_bool forking;
static bool exits, prepared; /* under list_lock: the handlers of exit and of forks are registered */

/* The most events that the history keeps; docs/uploads.md has the number, too. */
#define HISTORY_ROWS "50000"

/* Each script migrates the schema from the version before. */
static const char *const migrations[FL_STORE_VERSION] = {
    "CREATE TABLE uploads ("
    " token TEXT PRIMARY KEY,"
    " key TEXT,"              /* the caller's name for it */
    " service TEXT NOT NULL," /* base URL and subscription */
    " state TEXT NOT NULL,"   /* planned | running | done */
    " kind TEXT NOT NULL,"    /* of the source: file | array | iterator */
    " path TEXT, size INTEGER, modified TEXT, inode TEXT," /* of the file, when the upload began */
    " columns TEXT,"          /* of a CSV file: names and types, JSON */
    " options TEXT NOT NULL," /* the caller's options, JSON */
    " import TEXT,"           /* the import's id, JSON; null until it is known */
    " name TEXT,"
    " rows_start INTEGER,"                         /* the number of rows in it before, once known */
    " batch_records INTEGER NOT NULL,"             /* largest batch, smaller after a 413 */
    " comparison TEXT NOT NULL DEFAULT 'unknown'," /* exact | loose | unverifiable */
    " checked INTEGER NOT NULL DEFAULT 0,"         /* 1: it was observed that an update appends */
    " started REAL NOT NULL, ended REAL,"
    " failure TEXT,"               /* the error at which it last stopped */
    " result TEXT) WITHOUT ROWID;" /* of an upload that is done, JSON */
    "CREATE UNIQUE INDEX uploads_by_key ON uploads (service, key) WHERE key IS NOT NULL;"
    "CREATE TABLE batches ("
    " token TEXT NOT NULL REFERENCES uploads ON DELETE CASCADE,"
    " number INTEGER NOT NULL,"                        /* from 1, without gaps */
    " first INTEGER NOT NULL, count INTEGER NOT NULL," /* records, from 1 */
    " line INTEGER,"                                   /* of the file */
    " rows_before INTEGER NOT NULL,"                   /* in the import */
    " sha256 TEXT NOT NULL,"                           /* of the records as a JSON array */
    " last INTEGER NOT NULL,"                          /* 1: it is the last batch */
    " state TEXT NOT NULL,"                            /* sent | acknowledged | rejected */
    " import TEXT," /* of update = import_per_batch: the batch's own import, JSON */
    " reject TEXT," /* the line of the rejects file */
    " PRIMARY KEY (token, number)) WITHOUT ROWID;",
    "CREATE TABLE exports ("
    " service TEXT NOT NULL, import TEXT NOT NULL, path TEXT NOT NULL,"
    " options TEXT NOT NULL," /* the options that decide the content of the file, JSON */
    " known TEXT,"            /* of the file: rows, size, position, digest of the last row; JSON */
    " coming TEXT,"           /* the same of the new file that is going to replace it */
    " ended REAL NOT NULL,"
    " PRIMARY KEY (service, import, path)) WITHOUT ROWID;",
    "ALTER TABLE uploads ADD COLUMN series TEXT;"           /* the caller's name for it */
    "ALTER TABLE uploads ADD COLUMN series_number INTEGER;" /* its number in the series, by the time
                                                               of its beginning */
    "ALTER TABLE uploads ADD COLUMN shape TEXT;"            /* columns, types and records, JSON */
    "CREATE INDEX uploads_by_series ON uploads (service, series, series_number)"
    " WHERE series IS NOT NULL;",
    /* Blocks of api:once, and the writes that were made inside and whose block has not ended. */
    "CREATE TABLE blocks ("
    " service TEXT NOT NULL, key TEXT NOT NULL,"
    " state TEXT NOT NULL,"                 /* running | stopped | done */
    " holder INTEGER, began REAL NOT NULL," /* the process that began it last, and when */
    " started REAL NOT NULL, ended REAL,"   /* the first time; when it was done */
    " failure TEXT,"                        /* the error at which it last stopped */
    " result TEXT,"                         /* {data, meta}, JSON */
    " PRIMARY KEY (service, key)) WITHOUT ROWID;"
    "CREATE TABLE writes ("
    " service TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,"
    " operation TEXT NOT NULL, target TEXT NOT NULL, sha256 TEXT NOT NULL," /* of the body */
    " request_id TEXT NOT NULL, repeatable INTEGER NOT NULL,"
    " state TEXT NOT NULL," /* sent | applied | in_doubt */
    " sent REAL NOT NULL,"
    " note TEXT,"  /* of a wait: what was seen before the start, JSON */
    " reply TEXT," /* {data, meta} of one that is applied, JSON */
    " PRIMARY KEY (service, key, number),"
    " FOREIGN KEY (service, key) REFERENCES blocks ON DELETE CASCADE) WITHOUT ROWID;"
    /* What happened to an upload or a block, for people. */
    "CREATE TABLE history ("
    " number INTEGER PRIMARY KEY, service TEXT NOT NULL, subject TEXT NOT NULL, at REAL NOT NULL,"
    " event TEXT NOT NULL, detail TEXT NOT NULL);"
    "CREATE INDEX history_by_subject ON history (service, subject);"
    "CREATE TRIGGER history_bound AFTER INSERT ON history BEGIN"
    " DELETE FROM history WHERE number <= NEW.number - " HISTORY_ROWS "; END;",
};

static const fl_store_schema state_schema = {"state file", FL_STORE_VERSION, migrations,
                                             10 * FL_SECOND, true};

static bool stat_companion(const fl_store *self, const char *ending, struct stat *status) {
  char *name = sqlite3_mprintf("%s%s", self->path, ending);
  bool found = name != NULL && stat(name, status) == 0;
  sqlite3_free(name);
  return found;
}

/* --- failures --- */

/* The words of the message, behind the path. */
__attribute__((format(printf, 4, 5))) static fl_store_code fail(fl_store *self,
                                                                fl_store_error *error,
                                                                fl_store_code code,
                                                                const char *words, ...) {
  va_list values;
  int used = snprintf(error->message, sizeof error->message, "%s: ", self->name);
  size_t start = used < (int)sizeof error->message ? (size_t)used : sizeof error->message - 1;
  va_start(values, words);
  vsnprintf(error->message + start, sizeof error->message - start, words, values);
  va_end(values);
  error->code = code;
  return code;
}

static fl_store_code fail_memory(fl_store *self, fl_store_error *error) {
  return fail(self, error, FL_STORE_NO_MEMORY, "not enough memory");
}

static fl_store_code fail_busy(fl_store *self, fl_store_error *error) {
  bool in_seconds = self->patience >= FL_SECOND;
  return fail(self, error, FL_STORE_IO, "the %s is locked by another program for more than %lld %s",
              self->schema->name,
              (long long)(self->patience / (in_seconds ? FL_SECOND : FL_MILLISECOND)),
              in_seconds ? "s" : "ms");
}

/* The words of SQLite and of the system about a failure. */
static fl_store_code fail_plainly(fl_store *self, fl_store_error *error, int result) {
  int reason = self->database != NULL ? sqlite3_system_errno(self->database) : 0;
  return fail(self, error, FL_STORE_IO, "the %s cannot be used: %s%s%s", self->schema->name,
              self->database != NULL ? sqlite3_errmsg(self->database) : sqlite3_errstr(result),
              reason != 0 ? ": " : "", reason != 0 ? strerror(reason) : "");
}

/* Whether the file begins with zeros and has a -wal file: a crash of the machine leaves zeros of
 * blocks that were not written. SQLite takes such a file for that of another program. No connection
 * to it can be open, so closing it releases no lock. */
static bool begins_with_zeros(const fl_store *self) {
  static const char zeros[16];
  char head[sizeof zeros];
  struct stat wal;
  int descriptor = stat_companion(self, "-wal", &wal)
                       ? open(self->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW)
                       : -1;
  bool result = descriptor >= 0 && read(descriptor, head, sizeof head) == (ssize_t)sizeof head &&
                memcmp(head, zeros, sizeof head) == 0;
  if (descriptor >= 0) close(descriptor);
  return result;
}

static fl_store_code fail_sqlite(fl_store *self, fl_store_error *error, int result) {
  const char *name = self->schema->name;
  self->damaged = (result & 0xff) == SQLITE_CORRUPT ||
                  ((result & 0xff) == SQLITE_NOTADB && begins_with_zeros(self));
  if (self->damaged) return fail(self, error, FL_STORE_IO, "the %s is damaged", name);
  switch (result & 0xff) {
    case SQLITE_NOMEM: return fail_memory(self, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return fail_busy(self, error);
    case SQLITE_NOTADB:
      return fail(self, error, FL_STORE_IO, "is no %s: it is no SQLite database", name);
    case SQLITE_READONLY:
      return fail(self, error, FL_STORE_IO, "the %s cannot be written to", name);
    case SQLITE_FULL:
      return fail(self, error, FL_STORE_IO, "the %s cannot grow: the disk is full", name);
    default: return fail_plainly(self, error, result);
  }
}

/* --- opening --- */

static int wait_for_lock(void *context, int tries) {
  const fl_store *self = context;
  (void)tries;
  if (fl_clock_now() >= self->until || atomic_load(&forking)) return 0;
  sqlite3_sleep(10);
  return 1;
}

/* Whether the file was deleted or replaced since it was opened. */
static bool has_moved(fl_store *self) {
  int moved = 0;
  sqlite3_file_control(self->database, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

/* Whether the file was moved elsewhere and a link is in its place: others have their locks there.
 */
static bool is_link(const fl_store *self) {
  struct stat status;
  return lstat(self->path, &status) == 0 && S_ISLNK(status.st_mode);
}

static void delete_companion(const fl_store *self, const char *ending) {
  char *name = sqlite3_mprintf("%s%s", self->path, ending);
  if (name != NULL) unlink(name);
  sqlite3_free(name);
}

static void close_database(fl_store *self) {
  struct stat wal;
  bool moved;
  int keep = 1;
  if (self->database == NULL) return;
  moved = has_moved(self);
  /* SQLite deletes the -wal file by its name, which may be that of the next file by now. If it is
   * still this one's, it must not stay beside the next file, which would take over what it holds.
   */
  if (moved) sqlite3_file_control(self->database, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
  sqlite3_close(self->database);
  self->database = NULL;
  if (moved && stat_companion(self, "-wal", &wal) && wal.st_dev == self->wal_device &&
      wal.st_ino == self->wal_inode) {
    delete_companion(self, "-wal");
    delete_companion(self, "-shm");
  }
}

/* The files of SQLite beside the state file: it would take over what they hold. */
static const char *const companions[] = {"-wal", "-shm", "-journal"};

/* Refuses files that another user may change, as they are before SQLite opens them. */
static fl_store_code check_owner(fl_store *self, const struct stat *status, fl_store_error *error) {
  const char *fault = fl_owned_fault(status, self->shared);
  for (size_t i = 0; fault == NULL && i < sizeof companions / sizeof *companions; i++) {
    char *name = sqlite3_mprintf("%s%s", self->path, companions[i]);
    if (name == NULL) return fail_memory(self, error);
    fault = fl_owned_fault_at(name, self->shared);
    sqlite3_free(name);
    if (fault == NULL) continue;
    return fail(self, error, FL_STORE_IO, "the file with the ending %s%s is refused: %s",
                companions[i], self->linked ? " beside its target" : "", fault);
  }
  if (fault == NULL) return FL_STORE_OK;
  return fail(self, error, FL_STORE_IO, "the %s is refused: %s", self->schema->name, fault);
}

/* Looks at the file that is there. A link at this path is one that came later: the files beside its
 * target are not those that this process uses. */
static fl_store_code check_file(fl_store *self, fl_store_error *error) {
  struct stat status;
  bool there = lstat(self->path, &status) == 0;
  if (there && S_ISLNK(status.st_mode)) {
    there = stat(self->path, &status) == 0;
    if (there)
      return fail(self, error, FL_STORE_IO,
                  "is a symbolic link that was not followed when the client was made; a new client "
                  "follows it");
    if (errno != ENOENT) return fail(self, error, FL_STORE_IO, "%s", strerror(errno));
  } else if (there) {
    if (S_ISREG(status.st_mode)) return check_owner(self, &status, error);
    if (!S_ISDIR(status.st_mode)) return fail(self, error, FL_STORE_IO, "is no regular file");
    return fail(self, error, FL_STORE_IO, "is a directory, and no %s", self->schema->name);
  } else if (errno != ENOENT || !self->linked) {
    return fail(self, error, FL_STORE_IO, "%s", strerror(errno));
  }
  return fail(self, error, FL_STORE_IO, FL_STORE_NO_TARGET);
}

/* Creates the file if it is missing, so that only its owner (or its group) can ever read it. The
 * missing target of a link is not made: it may be on a disk that is not mounted, and a new state
 * file would not know the earlier uploads. */
static fl_store_code create_file(fl_store *self, fl_store_error *error) {
  struct stat status;
  mode_t mode = self->shared ? 0660 : 0600;
  int descriptor, reason;
  bool good;
  if (self->linked) return check_file(self, error);
  descriptor = open(self->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode);
  if (descriptor < 0)
    return errno == EEXIST ? check_file(self, error)
                           : fail(self, error, FL_STORE_IO, "%s", strerror(errno));
  good = fchmod(descriptor, mode) == 0 && fstat(descriptor, &status) == 0;
  reason = errno;
  close(descriptor);
  return good ? check_owner(self, &status, error)
              : fail(self, error, FL_STORE_IO, "%s", strerror(reason));
}

static int read_number(fl_store *self, const char *sql, int64_t *number) {
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(self->database, sql, -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  if (result == SQLITE_ROW) {
    *number = sqlite3_column_int64(statement, 0);
    result = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  return result;
}

static int execute(fl_store *self, const char *sql) {
  return sqlite3_exec(self->database, sql, NULL, NULL, NULL);
}

/* One transaction, so that only one of several processes that find an empty file creates the
 * schema. */
static fl_store_code migrate(fl_store *self, fl_store_error *error) {
  int64_t version = 0, application = 0, tables = 0;
  char sql[120];
  int result = execute(self, "BEGIN IMMEDIATE");
  if (result == SQLITE_OK) result = read_number(self, "PRAGMA user_version", &version);
  if (result == SQLITE_OK) result = read_number(self, "PRAGMA application_id", &application);
  if (result == SQLITE_OK)
    result = read_number(self, "SELECT count(*) FROM sqlite_master", &tables);
  if (result != SQLITE_OK) return fail_sqlite(self, error, result);
  if (application != APPLICATION_ID && (version != 0 || tables != 0))
    return fail(self, error, FL_STORE_CONFIG, "is no %s: it is the database of another program",
                self->schema->name);
  if (version < 0) {
    if (!self->schema->durable) return fail_sqlite(self, error, SQLITE_CORRUPT);
    return fail(self, error, FL_STORE_CONFIG,
                "is damaged: the number of its version is negative. Restore it from a copy");
  }
  if (version > self->schema->version)
    return fail(self, error, FL_STORE_CONFIG,
                "was written by a newer flarelight (version %lld of the %s; this one knows %d)",
                (long long)version, self->schema->name, self->schema->version);
  for (; result == SQLITE_OK && version < self->schema->version; version++)
    result = execute(self, self->schema->migrations[version]);
  snprintf(sql, sizeof sql, "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
           self->schema->version, APPLICATION_ID);
  if (result == SQLITE_OK) result = execute(self, sql);
  return result == SQLITE_OK ? FL_STORE_OK : fail_sqlite(self, error, result);
}

static fl_store_code is_current(fl_store *self, bool *current, fl_store_error *error) {
  int64_t version = 0, application = 0;
  int result = read_number(self, "PRAGMA user_version", &version);
  if (result == SQLITE_OK) result = read_number(self, "PRAGMA application_id", &application);
  *current = version == self->schema->version && application == APPLICATION_ID;
  return result == SQLITE_OK ? FL_STORE_OK : fail_sqlite(self, error, result);
}

/* SQLite does not read ":memory:", "file:…" and "" as paths, unless a folder stands before them. */
static const char *name_for_sqlite(const fl_store *self) {
  return self->path[0] == '/' ? self->path : self->path - strlen(FOLDER);
}

/* Deletes a file that a crash of the machine has damaged, if it may be made anew. */
static void discard_damaged(fl_store *self) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  if (self->damaged && !self->schema->durable)
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
      delete_companion(self, endings[i]);
  self->damaged = false;
}

static int switch_to_wal(fl_store *self) {
  sqlite3_stmt *statement = NULL;
  int result =
      sqlite3_prepare_v2(self->database, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  if (result == SQLITE_ROW) {
    const char *mode = (const char *)sqlite3_column_text(statement, 0);
    self->wal = mode != NULL && strcmp(mode, "wal") == 0;
    result = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  return result;
}

/* The -wal file is there once the database was read in this mode. */
static void note_wal(fl_store *self) {
  struct stat wal;
  int64_t version;
  self->wal_device = 0;
  self->wal_inode = 0;
  if (!self->wal || read_number(self, "PRAGMA user_version", &version) != SQLITE_OK ||
      !stat_companion(self, "-wal", &wal))
    return;
  self->wal_device = wal.st_dev;
  self->wal_inode = wal.st_ino;
}

static fl_store_code open_once(fl_store *self, bool *busy, fl_store_error *error) {
  bool current = false;
  fl_store_code code;
  int result;
  *busy = false;
  code = create_file(self, error);
  if (code != FL_STORE_OK) return code;
  result =
      sqlite3_open_v2(name_for_sqlite(self), &self->database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
  if (result == SQLITE_OK) result = sqlite3_busy_handler(self->database, wait_for_lock, self);
  if (result == SQLITE_OK)
    result =
        execute(self, self->schema->durable ? "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"
                                            : "PRAGMA synchronous = OFF");
  code = result == SQLITE_OK ? is_current(self, &current, error) : fail_sqlite(self, error, result);
  /* Only a file known to be a state file is changed. If WAL is not available, the rollback
   * journal is as safe. */
  if (code == FL_STORE_OK && !current) code = migrate(self, error);
  if (code == FL_STORE_OK) {
    result = switch_to_wal(self);
    if (result != SQLITE_OK) code = fail_sqlite(self, error, result);
    else note_wal(self);
  }
  if (code != FL_STORE_OK) {
    result = self->database != NULL ? sqlite3_errcode(self->database) : SQLITE_OK;
    *busy = (result & 0xff) == SQLITE_BUSY;
    close_database(self);
    discard_damaged(self);
  }
  return code;
}

/* When several processes open a new file at once, one switches it to WAL while another reads.
 * Waiting would be a deadlock, so SQLite returns busy without calling the busy handler. Closing
 * the connection and opening it again resolves this. */
static fl_store_code open_database(fl_store *self, fl_store_error *error) {
  fl_store_code code;
  bool busy;
  if (self->database != NULL && (has_moved(self) || is_link(self))) {
    close_database(self);
    if (self->schema->durable)
      return fail(self, error, FL_STORE_IO,
                  "the %s was deleted or replaced while this process had it open",
                  self->schema->name);
  }
  if (self->database != NULL) return FL_STORE_OK;
  do code = open_once(self, &busy, error);
  while (code != FL_STORE_OK && busy && wait_for_lock(self, 0));
  return code;
}

/* --- running --- */

static int bind(sqlite3_stmt *statement, int index, const fl_script_value *value) {
  switch (value->type) {
    case FL_SCRIPT_INTEGER: return sqlite3_bind_int64(statement, index, value->integer);
    case FL_SCRIPT_REAL: return sqlite3_bind_double(statement, index, value->real);
    case FL_SCRIPT_TEXT:
      return sqlite3_bind_text64(statement, index, value->text.data, value->text.length,
                                 SQLITE_STATIC, SQLITE_UTF8);
    default: return sqlite3_bind_null(statement, index);
  }
}

static fl_result put_column(fl_buffer *rows, sqlite3_stmt *statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return fl_script_integer(rows, sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: return fl_script_real(rows, sqlite3_column_double(statement, column));
    case SQLITE_NULL: return fl_script_null(rows);
    default: {
      const char *text = (const char *)sqlite3_column_text(statement, column);
      fl_slice slice = {text, (size_t)sqlite3_column_bytes(statement, column)};
      return text == NULL ? FL_NO_MEMORY : fl_script_text(rows, slice);
    }
  }
}

static int step_through(sqlite3_stmt *statement, fl_buffer *rows, int *columns) {
  fl_result put_result = FL_OK;
  int result = SQLITE_ROW;
  *columns = sqlite3_column_count(statement);
  rows->length = 0;
  for (int i = 0; i < *columns && put_result == FL_OK; i++)
    put_result = fl_script_text(rows, fl_slice_of(sqlite3_column_name(statement, i)));
  while (put_result == FL_OK && result == SQLITE_ROW) {
    result = sqlite3_step(statement);
    for (int i = 0; i < *columns && put_result == FL_OK && result == SQLITE_ROW; i++)
      put_result = put_column(rows, statement, i);
  }
  return put_result == FL_OK ? result : SQLITE_NOMEM;
}

/* One statement with its values; *value is the next statement, or the end. */
static int run_statement(fl_store *self, const fl_buffer *script, size_t *place,
                         fl_script_value *value, fl_buffer *rows, int *columns, bool *kept) {
  const int64_t changes = value->integer;
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(self->database, value->text.data, (int)value->text.length,
                                  &statement, NULL);
  for (int index = 1;; index++) {
    *value = fl_script_read(script, place);
    if (value->type == FL_SCRIPT_END || value->type == FL_SCRIPT_STATEMENT) break;
    if (result == SQLITE_OK) result = bind(statement, index, value);
  }
  if (result == SQLITE_OK) result = step_through(statement, rows, columns);
  sqlite3_finalize(statement);
  if (result == SQLITE_DONE) {
    *kept = changes < 0 || sqlite3_changes(self->database) == changes;
    return SQLITE_OK;
  }
  return result;
}

static int run_statements(fl_store *self, const fl_buffer *script, fl_buffer *rows, int *columns,
                          bool *kept) {
  size_t place = 0;
  fl_script_value value = fl_script_read(script, &place);
  int result = SQLITE_OK;
  while (result == SQLITE_OK && *kept && value.type == FL_SCRIPT_STATEMENT)
    result = run_statement(self, script, &place, &value, rows, columns, kept);
  return result;
}

typedef struct follower {
  fl_store_follow *write; /* NULL: no statements follow */
  void *context;
} follower;

static int run_follower(fl_store *self, const follower *next, fl_buffer *rows, int columns,
                        bool *kept) {
  fl_buffer script, none;
  int result;
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&none, FL_BUFFER_UNLIMITED);
  result = next->write(next->context, rows, columns, &script) == FL_OK ? SQLITE_OK : SQLITE_NOMEM;
  if (result == SQLITE_OK) result = run_statements(self, &script, &none, &columns, kept);
  fl_buffer_free(&script);
  fl_buffer_free(&none);
  return result;
}

static fl_store_code run_once(fl_store *self, const fl_buffer *script, bool relaxed,
                              const follower *next, fl_buffer *rows, int *columns,
                              fl_store_error *error) {
  bool kept = true;
  int result = relaxed ? execute(self, "PRAGMA synchronous = NORMAL") : SQLITE_OK;
  if (result == SQLITE_OK) result = execute(self, "BEGIN IMMEDIATE");
  if (result == SQLITE_OK) result = run_statements(self, script, rows, columns, &kept);
  if (result == SQLITE_OK && kept && next->write != NULL)
    result = run_follower(self, next, rows, *columns, &kept);
  if (result == SQLITE_OK && kept) result = execute(self, "COMMIT");
  /* The next script must not be relaxed as well: without this the connection is closed. */
  if (relaxed && result == SQLITE_OK && kept &&
      execute(self, "PRAGMA synchronous = FULL") != SQLITE_OK)
    close_database(self);
  if (result == SQLITE_OK && kept) return FL_STORE_OK;
  if (result == SQLITE_OK)
    fail(self, error, FL_STORE_GUARD, "a row of the %s has changed", self->schema->name);
  else fail_sqlite(self, error, result);
  if (!sqlite3_get_autocommit(self->database)) execute(self, "ROLLBACK");
  /* A failure may leave the connection unusable: the next script opens it anew. */
  if (relaxed || (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY)) close_database(self);
  discard_damaged(self);
  return error->code;
}

/* After a script was interrupted for a fork: the fork gets the lock of the store, and not the
 * script again. */
static void wait_for_fork(void) {
  pthread_mutex_lock(&list_lock);
  pthread_mutex_unlock(&list_lock);
}

static fl_store_code run(fl_store *self, const fl_buffer *script, bool relaxed,
                         const follower *next, fl_buffer *rows, int *columns,
                         fl_store_error *error) {
  fl_store_code code;
  bool again;
  do {
    *columns = 0;
    rows->length = 0;
    pthread_mutex_lock(&self->lock);
    self->until = fl_clock_now() + self->patience;
    code = open_database(self, error);
    if (code == FL_STORE_OK)
      code = run_once(self, script, relaxed && self->wal, next, rows, columns, error);
    again = code == FL_STORE_IO && atomic_load(&forking);
    if (!again) self->patience = self->schema->patience;
    pthread_mutex_unlock(&self->lock);
    if (again) wait_for_fork();
  } while (again);
  return code;
}

fl_store_code fl_store_run(fl_store *self, const fl_buffer *script, bool relaxed, fl_buffer *rows,
                           int *columns, fl_store_error *error) {
  const follower none = {NULL, NULL};
  return run(self, script, relaxed, &none, rows, columns, error);
}

fl_store_code fl_store_exchange(fl_store *self, const fl_buffer *script, fl_store_follow *follow,
                                void *context, fl_store_error *error) {
  const follower next = {follow, context};
  fl_store_code code;
  fl_buffer rows;
  int columns;
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  code = run(self, script, false, &next, &rows, &columns, error);
  fl_buffer_free(&rows);
  return code;
}

/* --- the store --- */

static void before_fork(void) {
  pthread_mutex_lock(&list_lock);
  atomic_store(&forking, true);
  for (fl_store *store = stores; store != NULL; store = store->next) {
    pthread_mutex_lock(&store->lock);
    close_database(store);
  }
  atomic_store(&forking, false);
}

/* In the parent and in the child, where the thread that forked holds the same locks. */
static void after_fork(void) {
  for (fl_store *store = stores; store != NULL; store = store->next)
    pthread_mutex_unlock(&store->lock);
  pthread_mutex_unlock(&list_lock);
}

/* The last connection that is closed moves the -wal file into the state file, which is then whole
 * by itself. A store that a thread still uses is left as it is. */
static void close_at_exit(void) {
  if (pthread_mutex_trylock(&list_lock) != 0) return;
  for (fl_store *store = stores; store != NULL; store = store->next) {
    if (pthread_mutex_trylock(&store->lock) != 0) continue;
    close_database(store);
    pthread_mutex_unlock(&store->lock);
  }
  pthread_mutex_unlock(&list_lock);
}

bool fl_store_prepare(void) {
  bool result;
  pthread_mutex_lock(&list_lock);
  if (!prepared)
    prepared = (exits || (exits = atexit(close_at_exit) == 0)) &&
               pthread_atfork(before_fork, after_fork, after_fork) == 0;
  result = prepared;
  pthread_mutex_unlock(&list_lock);
  return result;
}

fl_store *fl_store_new(const char *path, bool shared) {
  return fl_store_new_of(path, shared, &state_schema);
}

static void free_store(fl_store *self) {
  if (self->path != NULL) free(self->path - strlen(FOLDER));
  free(self->name);
  free(self);
}

static bool set_paths(fl_store *self, const char *path, const char *name) {
  char *room = malloc(strlen(FOLDER) + strlen(path) + 1);
  if (room != NULL) self->path = strcpy(strcpy(room, FOLDER) + strlen(FOLDER), path);
  self->name = strdup(name);
  return self->path != NULL && self->name != NULL;
}

static fl_store *new_store(const char *path, const char *name, bool linked, bool shared,
                           const fl_store_schema *schema) {
  fl_store *self = fl_store_prepare() ? calloc(1, sizeof *self) : NULL;
  if (self == NULL) return NULL;
  if (!set_paths(self, path, name)) {
    free_store(self);
    return NULL;
  }
  self->linked = linked;
  self->schema = schema;
  self->patience = schema->patience > FIRST_PATIENCE ? schema->patience : FIRST_PATIENCE;
  self->shared = shared;
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->lock, NULL);
  pthread_mutex_lock(&list_lock);
  self->next = stores;
  stores = self;
  pthread_mutex_unlock(&list_lock);
  return self;
}

fl_store *fl_store_new_of(const char *path, bool shared, const fl_store_schema *schema) {
  bool linked;
  char *real = fl_real_path(path, &linked);
  fl_store *self = real != NULL ? new_store(real, path, linked, shared, schema) : NULL;
  free(real);
  return self;
}

fl_store *fl_store_new_found(const char *path, const char *name, bool linked, bool shared) {
  return new_store(path, name, linked, shared, &state_schema);
}

fl_store *fl_store_retain(fl_store *self) {
  atomic_fetch_add(&self->references, 1);
  return self;
}

void fl_store_release(fl_store *self) {
  fl_store **link = &stores;
  if (self == NULL || atomic_fetch_sub(&self->references, 1) != 1) return;
  pthread_mutex_lock(&list_lock);
  while (*link != self) link = &(*link)->next;
  *link = self->next;
  close_database(self); /* under the lock of the list, which a fork holds */
  pthread_mutex_unlock(&list_lock);
  pthread_mutex_destroy(&self->lock);
  free_store(self);
}

const char *fl_store_path(const fl_store *self) { return self->path; }
const char *fl_store_name(const fl_store *self) { return self->name; }
bool fl_store_is_linked(const fl_store *self) { return self->linked; }
bool fl_store_is_shared(const fl_store *self) { return self->shared; }
