/*
 * connection.c: one connection to PostgreSQL, and its failures in words. See postgres.h.
 *
 * libpq reads the URL, PGPASSWORD and ~/.pgpass, and does TLS as the URL says. The password is in
 * no message: a message that holds it is replaced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tls_exit.h"
#include "postgres.h"

fl_store_code fl_postgres_fail_with(const fl_postgres_connection *self, fl_store_error *error,
                                    fl_store_code code, const char *words) {
  error->code = code;
  snprintf(error->message, sizeof error->message, "%s: %s", self->place, words);
  return code;
}

static const char *option_of(const PQconninfoOption *options, const char *name) {
  for (; options->keyword != NULL; options++)
    if (strcmp(options->keyword, name) == 0 && options->val != NULL) return options->val;
  return "";
}

/* "postgresql://host:port/database", without user, password and options. NULL without memory. */
static char *place_of(const PQconninfoOption *options) {
  const char *host = option_of(options, "host"), *port = option_of(options, "port"),
             *database = option_of(options, "dbname");
  size_t size = strlen(host) + strlen(port) + strlen(database) + 32;
  char *place = malloc(size);
  if (place != NULL)
    snprintf(place, size, "postgresql://%s%s%s/%s", host, port[0] != '\0' ? ":" : "", port,
             database);
  return place;
}

/* Whether an @ stands elsewhere than between user and host. libpq would take a part of a password
 * with such characters as the host or the database, and show it. */
static bool is_ambiguous(const char *url) {
  const char *rest = strstr(url, "://"), *at;
  if (rest == NULL) return true;
  rest += 3;
  at = strchr(rest, '@');
  return at != NULL && (strcspn(rest, "/?#") < (size_t)(at - rest) || strchr(at + 1, '@') != NULL);
}

bool fl_postgres_prepare(fl_postgres_connection *self, const char *url, int patience,
                         fl_store_error *error) {
  char *message = NULL;
  long timeout;
  PQconninfoOption *options = is_ambiguous(url) ? NULL : PQconninfoParse(url, &message);
  *self = (fl_postgres_connection){.patience = patience};
  error->code = FL_STORE_CONFIG;
  if (options == NULL) {
    /* libpq's message may repeat a part of the URL, and so of the password. */
    if (message != NULL) PQfreemem(message);
    snprintf(
        error->message, sizeof error->message,
        "is no URL of PostgreSQL: postgresql://user@host:port/database?option=value, where other "
        "characters than letters, digits and -._~ are written as %%40");
    return false;
  }
  timeout = strtol(option_of(options, "connect_timeout"), NULL, 10);
  if (timeout > 0 && timeout < patience) self->patience = (int)timeout;
  self->wait = 3 * self->patience + 1;
  self->place = place_of(options);
  PQconninfoFree(options);
  self->url = strdup(url);
  if (self->url != NULL && self->place != NULL) return true;
  fl_postgres_free(self);
  error->code = FL_STORE_NO_MEMORY;
  return false;
}

void fl_postgres_free(fl_postgres_connection *self) {
  fl_postgres_disconnect(self);
  free(self->url);
  free(self->place);
}

void fl_postgres_disconnect(fl_postgres_connection *self) {
  if (self->link == NULL) return;
  /* libpq would end the parent's session. The memory of the link is lost to the child. */
  if (self->process != (int)getpid()) close(PQsocket(self->link));
  else PQfinish(self->link);
  self->link = NULL;
}

/* --- failures --- */

#define LOCATION "LOCATION:" /* in the server's source: of no use to a user */

/* A message in one line. */
static void flatten(const char *text, char *words, size_t size) {
  size_t length = 0;
  for (; *text != '\0' && length + 1 < size; text++) {
    const char byte = *text == '\n' || *text == '\t' ? ' ' : *text;
    if (*text == '\n' && strncmp(text + 1, LOCATION, sizeof LOCATION - 1) == 0) {
      text += strcspn(text + 1, "\n");
      continue;
    }
    if (byte == ' ' && (length == 0 || words[length - 1] == ' ')) continue;
    words[length++] = byte;
  }
  while (length > 0 && words[length - 1] == ' ') length--;
  words[length] = '\0';
}

static bool begins(const char *state, const char *class) {
  return strncmp(state, class, strlen(class)) == 0;
}

/* The kind of a failure by its SQLSTATE: what an administrator has to change is `config`. */
static fl_store_code code_of(const char *state) {
  static const char *const settled[] = {"28", "3D", "3F", "42501", "42P01", "42703", "0A", "22021"};
  for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
    if (begins(state, settled[i])) return FL_STORE_CONFIG;
  return FL_STORE_IO;
}

/* The SQLSTATE in a message of the verbosity VERBOSE, "FATAL:  28P01: words", where FATAL may be of
 * any language; NULL if it has none, as libpq's own messages. */
static const char *state_in(const char *text) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (text = strstr(text, ":  "); text != NULL; text = strstr(text + 3, ":  "))
    if (strspn(text + 3, digits) == 5 && begins(text + 8, ": ")) return text + 3;
  return NULL;
}

/* libpq gives the SQLSTATE of a server that refuses a connection only within the words. What libpq
 * itself refuses (a value of the URL, a certificate, a way to log in) has no code: there its words
 * count, which are English under the locale C. */
static fl_store_code code_of_refusal(PGconn *link, const char *text) {
  static const char *const settled[] = {"certificate",     "private key",     "SSL was required",
                                        "authentication",  "channel binding", " value: \"",
                                        "invalid integer", "service file"};
  const char *state = state_in(text);
  if (state != NULL) return code_of(state);
  if (PQconnectionNeedsPassword(link)) return FL_STORE_CONFIG;
  for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
    if (strstr(text, settled[i]) != NULL) return FL_STORE_CONFIG;
  return FL_STORE_IO;
}

/* Writes a failure in the words of libpq or the server, unless they hold the password. */
static fl_store_code tell(const fl_postgres_connection *self, const char *text, fl_store_code code,
                          fl_store_error *error) {
  const char *password = PQpass(self->link);
  char words[400];
  flatten(text, words, sizeof words);
  if (password != NULL && password[0] != '\0' && strstr(words, password) != NULL)
    snprintf(words, sizeof words, "PostgreSQL refused the connection");
  if (words[0] == '\0' || self->link == NULL)
    snprintf(words, sizeof words, "the connection was lost");
  return fl_postgres_fail_with(self, error, code, words);
}

fl_store_code fl_postgres_fail(fl_postgres_connection *self, PGresult *result,
                               fl_store_error *error) {
  const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  const char *text = state != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  char words[64];
  fl_store_code code;
  if (self->silent) {
    snprintf(words, sizeof words, "the server has not answered for %d s", self->wait);
    self->silent = false;
    return fl_postgres_fail_with(self, error, FL_STORE_IO, words);
  }
  /* Without a code the connection was lost. */
  code = tell(self, text != NULL ? text : PQerrorMessage(self->link),
              state != NULL ? code_of(state) : FL_STORE_IO, error);
  PQclear(result);
  return code;
}

static fl_store_code refuse(const fl_postgres_connection *self, fl_store_error *error) {
  const char *text = PQerrorMessage(self->link);
  return tell(self, text, code_of_refusal(self->link, text), error);
}

fl_store_code fl_postgres_command(fl_postgres_connection *self, const char *sql,
                                  fl_store_error *error) {
  PGresult *result = fl_postgres_query(self, sql, 0, NULL);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    return fl_postgres_fail(self, result, error);
  PQclear(result);
  return FL_STORE_OK;
}

/* --- connecting --- */

/* Reads what the server has sent: the end of the session, if it has ended it. Never blocks. */
static bool is_alive(PGconn *link) {
  return PQconsumeInput(link) == 1 && PQconsumeInput(link) == 1 && PQstatus(link) == CONNECTION_OK;
}

static void ignore_notice(void *context, const PGresult *result) {
  (void)context;
  (void)result;
}

/* A process that is paused inside a transaction must not hold its locks for long: the server ends
 * its session. The session of a machine that is gone ends after 25 s. Commits wait for the disk,
 * whatever the server's default is. */
static const char session[] =
    "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '%ds';"
    " SET statement_timeout = '%ds'; SET search_path = flarelight, pg_catalog;"
    " SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET standard_conforming_strings = on;"
    " SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";

/* Begins the session of a new connection. */
static fl_store_code begin_session(fl_postgres_connection *self, fl_store_error *error) {
  char commands[sizeof session + 24];
  fl_store_code code;
  snprintf(commands, sizeof commands, session, self->patience, 3 * self->patience);
  PQsetErrorVerbosity(self->link, PQERRORS_DEFAULT);
  PQsetNoticeReceiver(self->link, ignore_notice, NULL);
  PQsetnonblocking(self->link, 1);
  code = fl_postgres_command(self, commands, error);
  return code == FL_STORE_OK ? fl_postgres_check_schema(self, error) : code;
}

/* Connects. libpq waits no longer than connect_timeout for each host. */
static fl_store_code open_link(fl_postgres_connection *self, fl_store_error *error) {
  /* A later word wins, so the URL may set the timeouts. */
  const char *const names[] = {"connect_timeout", "tcp_user_timeout",          "dbname",
                               "client_encoding", "fallback_application_name", NULL};
  char seconds[16], milliseconds[16];
  const char *const values[] = {seconds, milliseconds, self->url, "UTF8", "flarelight", NULL};
  fl_keep_tls_at_exit();
  snprintf(seconds, sizeof seconds, "%d", self->patience);
  snprintf(milliseconds, sizeof milliseconds, "%d", self->patience * 1500);
  self->link = PQconnectStartParams(names, values, 1);
  if (self->link == NULL)
    return fl_postgres_fail_with(self, error, FL_STORE_NO_MEMORY, "not enough memory");
  if (PQstatus(self->link) == CONNECTION_BAD) return refuse(self, error);
  /* Only VERBOSE shows the SQLSTATE of a refusal, and a verbosity can be set only on a link that is
   * there. So the connection that was begun is dropped, before a byte is sent, and made again. */
  PQsetErrorVerbosity(self->link, PQERRORS_VERBOSE);
  PQreset(self->link);
  return PQstatus(self->link) == CONNECTION_OK ? begin_session(self, error) : refuse(self, error);
}

fl_store_code fl_postgres_connect(fl_postgres_connection *self, fl_store_error *error) {
  fl_postgres_locale locale;
  fl_store_code code;
  if (self->link != NULL && self->process != (int)getpid()) fl_postgres_disconnect(self);
  if (self->link != NULL && is_alive(self->link)) return FL_STORE_OK;
  fl_postgres_disconnect(self);
  self->process = (int)getpid();
  self->silent = false;
  locale = fl_postgres_plain_locale();
  code = open_link(self, error);
  fl_postgres_leave_locale(locale);
  if (code != FL_STORE_OK) fl_postgres_disconnect(self);
  return code;
}
