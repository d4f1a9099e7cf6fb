/*
 * postgres.h: the parts of flarelight.postgres_core: the state of clients in PostgreSQL, over
 * libpq.
 *
 * The module links base/buffer and files/script of the core, and keeps to files/database.h. All of
 * its tables are in the schema `flarelight` of the database.
 */
#ifndef FL_POSTGRES_H
#define FL_POSTGRES_H

#include <libpq-fe.h>
#include <locale.h>

#include "files/database.h"
#include "files/script.h"

#define FL_POSTGRES_SCHEMA_VERSION 3
/* Seconds for which a lock is kept for a holder that gives no sign of life. */
#define FL_POSTGRES_LEASE 30

/* --- dialect.c: pure --- */

/* Appends a statement of the state file in PostgreSQL's words: `?` and `?7` become `$1` and `$7`. A
 * zero byte ends it. */
fl_result fl_postgres_translate(fl_slice sql, fl_buffer *out);

/* Whether a script changes nothing: all its statements begin with SELECT. */
bool fl_postgres_only_reads(const fl_buffer *script);

/* --- plain_locale.c --- */

typedef struct fl_postgres_locale {
  locale_t plain, before;
} fl_postgres_locale;

/* Gives this thread the locale C, in which numbers have a point and libpq's words are English; and
 * gives it back the one it had. Without memory nothing changes. */
fl_postgres_locale fl_postgres_plain_locale(void);
void fl_postgres_leave_locale(fl_postgres_locale locale);

/* --- connection.c --- */

typedef struct fl_postgres_connection {
  char *url;
  char *place;  /* host, port and database, for messages */
  PGconn *link; /* NULL: not connected */
  int patience; /* seconds after which a server that does not answer is given up at connecting;
                   the least of what was asked for and of the URL's connect_timeout */
  int wait;     /* seconds that a statement may take; see fl_postgres_query */
  bool silent;  /* the last statement got no answer in that time */
  int process;  /* that connected; a forked child must not use the link */
} fl_postgres_connection;

/* False without memory, or with `error` if the URL does not parse. */
bool fl_postgres_prepare(fl_postgres_connection *self, const char *url, int patience,
                         fl_store_error *error);
void fl_postgres_free(fl_postgres_connection *self);

/* Connects, and makes or checks the schema. FL_STORE_OK also if it is connected already. */
fl_store_code fl_postgres_connect(fl_postgres_connection *self, fl_store_error *error);
/* Ends the connection. In a forked child only its descriptor is closed. */
void fl_postgres_disconnect(fl_postgres_connection *self);

/* Writes the failure of a statement, and frees its result; NULL: the connection was lost. */
fl_store_code fl_postgres_fail(fl_postgres_connection *self, PGresult *result,
                               fl_store_error *error);
fl_store_code fl_postgres_fail_with(const fl_postgres_connection *self, fl_store_error *error,
                                    fl_store_code code, const char *words);

/* Runs commands without values. FL_STORE_OK, or the failure. */
fl_store_code fl_postgres_command(fl_postgres_connection *self, const char *sql,
                                  fl_store_error *error);

/* --- query.c --- */

/* Runs a statement with `count` values, or several statements without values, and waits for the
 * last result: NULL if the connection was lost. A server that has not answered after `wait` seconds
 * is disconnected, since its answer might come later. The caller frees the result. */
PGresult *fl_postgres_query(fl_postgres_connection *self, const char *sql, int count,
                            const char *const *values);

/* --- schema.c --- */

/* Makes the schema or checks its version. */
fl_store_code fl_postgres_check_schema(fl_postgres_connection *self, fl_store_error *error);

/* --- script.c --- */

/* Runs the statements of a script in the open transaction. FL_STORE_GUARD if one changed an
 * unexpected number of rows. `rows` and `columns` as of fl_store_run. */
fl_store_code fl_postgres_run_script(fl_postgres_connection *self, const fl_buffer *script,
                                     fl_buffer *rows, int *columns, fl_store_error *error);

/* --- database.c --- */

fl_database *fl_postgres_open(const char *url, int patience, bool apart, fl_store_error *error);

#endif
