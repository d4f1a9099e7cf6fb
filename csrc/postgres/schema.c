/*
 * schema.c: the tables of the state in PostgreSQL. See postgres.h.
 *
 * They are those of the state file (csrc/core/files/store.c, which describes the columns), with
 * PostgreSQL's types, and the locks. Whoever comes first makes them, under an advisory lock.
 */
#include <stdio.h>
#include <stdlib.h>

#include "postgres.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

static const char begin[] = "BEGIN; SELECT pg_advisory_xact_lock(1718383205)";

/* Version 2: the shares of rate limits (csrc/core/files/lease_store.c). */
#define BUDGETS                                                                            \
  "CREATE TABLE flarelight.services (service text PRIMARY KEY, requests bigint,"           \
  " assumed bigint NOT NULL, \"window\" bigint NOT NULL, began_at bigint NOT NULL,"        \
  " reset_at bigint NOT NULL, guessed bigint NOT NULL, granted bigint NOT NULL,"           \
  " favoured bigint NOT NULL, foreign_use bigint NOT NULL, foreign_total bigint NOT NULL," \
  " blocked_until bigint NOT NULL);"                                                       \
  "CREATE TABLE flarelight.members (service text NOT NULL, member bigint NOT NULL,"        \
  " \"window\" bigint NOT NULL, granted bigint NOT NULL, demand bigint NOT NULL,"          \
  " granted_at bigint NOT NULL, expires_at bigint NOT NULL, machine text NOT NULL,"        \
  " process bigint NOT NULL, waiting bigint NOT NULL, spent bigint NOT NULL,"              \
  " spacing bigint NOT NULL, PRIMARY KEY (service, member));"

/* Version 3: the shared replies of caches, as in csrc/core/files/cache_file.c, and the mark of
 * writes. Replies need not survive a crash of the server, so they are not logged. */
#define CACHE                                                                                \
  "CREATE SEQUENCE flarelight.write_marks; SELECT nextval('flarelight.write_marks');"        \
  "CREATE TABLE flarelight.salt (value text NOT NULL);"                                      \
  "INSERT INTO flarelight.salt VALUES (gen_random_uuid()::text || gen_random_uuid()::text);" \
  "CREATE UNLOGGED TABLE flarelight.replies (place text PRIMARY KEY, mark text NOT NULL,"    \
  " began double precision NOT NULL, bytes bigint NOT NULL, request_id text NOT NULL,"       \
  " head text NOT NULL, text text NOT NULL);"

static const char schema[] =
    "CREATE TABLE flarelight.version (number bigint NOT NULL);"
    "INSERT INTO flarelight.version VALUES (" NUMBER(FL_POSTGRES_SCHEMA_VERSION) ");"
    "CREATE TABLE flarelight.uploads (token text PRIMARY KEY, key text, service text NOT NULL,"
    " state text NOT NULL, kind text NOT NULL, path text, size bigint, modified text, inode text,"
    " columns text, options text NOT NULL, import text, name text, rows_start bigint,"
    " batch_records bigint NOT NULL, comparison text NOT NULL DEFAULT 'unknown',"
    " checked bigint NOT NULL DEFAULT 0, started double precision NOT NULL,"
    " ended double precision, failure text, result text, series text, series_number bigint,"
    " shape text);"
    "CREATE UNIQUE INDEX uploads_by_key ON flarelight.uploads (service, key)"
    " WHERE key IS NOT NULL;"
    "CREATE INDEX uploads_by_series ON flarelight.uploads (service, series, series_number)"
    " WHERE series IS NOT NULL;"
    "CREATE TABLE flarelight.batches ("
    " token text NOT NULL REFERENCES flarelight.uploads ON DELETE CASCADE, number bigint NOT NULL,"
    " first bigint NOT NULL, count bigint NOT NULL, line bigint, rows_before bigint NOT NULL,"
    " sha256 text NOT NULL, last bigint NOT NULL, state text NOT NULL, import text, reject text,"
    " PRIMARY KEY (token, number));"
    "CREATE TABLE flarelight.exports (service text NOT NULL, import text NOT NULL,"
    " path text NOT NULL, options text NOT NULL, known text, coming text,"
    " ended double precision NOT NULL, PRIMARY KEY (service, import, path));"
    "CREATE TABLE flarelight.blocks (service text NOT NULL, key text NOT NULL,"
    " state text NOT NULL, holder bigint, began double precision NOT NULL,"
    " started double precision NOT NULL, ended double precision, failure text, result text,"
    " PRIMARY KEY (service, key));"
    "CREATE TABLE flarelight.writes (service text NOT NULL, key text NOT NULL,"
    " number bigint NOT NULL, operation text NOT NULL, target text NOT NULL,"
    " sha256 text NOT NULL, request_id text NOT NULL, repeatable bigint NOT NULL,"
    " state text NOT NULL, sent double precision NOT NULL, note text, reply text,"
    " PRIMARY KEY (service, key, number),"
    " FOREIGN KEY (service, key) REFERENCES flarelight.blocks ON DELETE CASCADE);"
    "CREATE TABLE flarelight.history (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " service text NOT NULL, subject text NOT NULL, at double precision NOT NULL,"
    " event text NOT NULL, detail text NOT NULL);"
    "CREATE INDEX history_by_subject ON flarelight.history (service, subject);"
    "CREATE FUNCTION flarelight.bound_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " DELETE FROM flarelight.history WHERE number <= NEW.number - 50000; RETURN NULL; END $$;"
    "CREATE TRIGGER history_bound AFTER INSERT ON flarelight.history"
    " FOR EACH ROW EXECUTE FUNCTION flarelight.bound_history();"
    "CREATE SEQUENCE flarelight.fences;"
    "CREATE TABLE flarelight.locks (name text PRIMARY KEY, holder text NOT NULL,"
    " fence bigint NOT NULL, lapses timestamptz NOT NULL);" BUDGETS CACHE;

/* migrations[n]: from version n + 1 to the next. */
static const char *const migrations[] = {BUDGETS "UPDATE flarelight.version SET number = 2",
                                         CACHE "UPDATE flarelight.version SET number = 3"};

/* Asks for one number. */
static fl_store_code ask(fl_postgres_connection *self, const char *sql, long *number,
                         fl_store_error *error) {
  PGresult *result = fl_postgres_query(self, sql, 0, NULL);
  if (PQresultStatus(result) != PGRES_TUPLES_OK) return fl_postgres_fail(self, result, error);
  *number = PQntuples(result) > 0 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
  PQclear(result);
  return FL_STORE_OK;
}

#define TABLES                                                     \
  "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = " \
  "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'flarelight')"

/* Under the advisory lock: makes the tables unless another process was first. */
static fl_store_code make(fl_postgres_connection *self, fl_store_error *error) {
  long tables = 0, own = 0;
  fl_store_code code = ask(self, TABLES, &tables, error);
  if (code == FL_STORE_OK) code = ask(self, TABLES " AND relname = 'version'", &own, error);
  if (code != FL_STORE_OK || own > 0) return code;
  if (tables > 0)
    return fl_postgres_fail_with(
        self, error, FL_STORE_CONFIG,
        "the schema flarelight has tables of another program; name another "
        "database");
  code = ask(self, "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'flarelight'",
             &own, error);
  /* A schema that an administrator has made for this user is used. */
  if (code == FL_STORE_OK && own == 0)
    code = fl_postgres_command(self, "CREATE SCHEMA flarelight", error);
  return code == FL_STORE_OK ? fl_postgres_command(self, schema, error) : code;
}

static const char read_version[] = "SELECT number FROM flarelight.version";

/* Brings an older schema up to date, under the advisory lock. *version is the new one. */
static fl_store_code migrate(fl_postgres_connection *self, long *version, fl_store_error *error) {
  fl_store_code code = fl_postgres_command(self, begin, error);
  if (code == FL_STORE_OK) code = ask(self, read_version, version, error);
  while (code == FL_STORE_OK && *version >= 1 && *version < FL_POSTGRES_SCHEMA_VERSION) {
    code = fl_postgres_command(self, migrations[*version - 1], error);
    ++*version;
  }
  return code == FL_STORE_OK ? fl_postgres_command(self, "COMMIT", error) : code;
}

fl_store_code fl_postgres_check_schema(fl_postgres_connection *self, fl_store_error *error) {
  long own = 0, version = 0;
  char words[200];
  fl_store_code code = ask(self, TABLES " AND relname = 'version'", &own, error);
  if (code == FL_STORE_OK && own == 0) {
    code = fl_postgres_command(self, begin, error);
    if (code == FL_STORE_OK) code = make(self, error);
    if (code == FL_STORE_OK) code = fl_postgres_command(self, "COMMIT", error);
  }
  if (code == FL_STORE_OK) code = ask(self, read_version, &version, error);
  if (code == FL_STORE_OK && version >= 1 && version < FL_POSTGRES_SCHEMA_VERSION)
    code = migrate(self, &version, error);
  if (code != FL_STORE_OK || version == FL_POSTGRES_SCHEMA_VERSION) return code;
  if (version > FL_POSTGRES_SCHEMA_VERSION)
    snprintf(
        words, sizeof words,
        "the schema flarelight has version %ld, of a newer flarelight; this one knows version %d",
        version, FL_POSTGRES_SCHEMA_VERSION);
  else
    snprintf(words, sizeof words, "the schema flarelight is of another program: it has no version");
  return fl_postgres_fail_with(self, error, FL_STORE_CONFIG, words);
}
