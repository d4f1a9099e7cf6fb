/*
 * connection.c: one connection to PostgreSQL, and its failures in words. See postgres.h.
 *
 * libpq reads the URL, PGPASSWORD and ~/.pgpass, and does TLS as the URL says. The password is in
 * no message: a message that holds it is replaced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* The first lines of a message in one line. */
static void flatten(const char *text, char *words, size_t size) {
  size_t length = 0;
  for (; *text != '\0' && length + 1 < size; text++) {
    char byte = *text == '\n' || *text == '\t' ? ' ' : *text;
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

/* libpq gives no SQLSTATE for a connection that was refused. */
static fl_store_code code_of_refusal(PGconn *link, const char *words) {
  const bool settled = PQconnectionNeedsPassword(link) || strstr(words, "password") != NULL ||
                       strstr(words, "authentication") != NULL ||
                       strstr(words, "does not exist") != NULL || strstr(words, "pg_hba") != NULL ||
                       strstr(words, "certificate") != NULL;
  return settled ? FL_STORE_CONFIG : FL_STORE_IO;
}

fl_store_code fl_postgres_fail(fl_postgres_connection *self, PGresult *result,
                               fl_store_error *error) {
  const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  const char *text = state != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  const char *password = PQpass(self->link);
  fl_store_code code;
  char words[400];
  flatten(text != NULL ? text : PQerrorMessage(self->link), words, sizeof words);
  if (password != NULL && password[0] != '\0' && strstr(words, password) != NULL)
    snprintf(words, sizeof words, "PostgreSQL refused the connection");
  if (words[0] == '\0') snprintf(words, sizeof words, "the connection was lost");
  code = state != NULL ? code_of(state) : code_of_refusal(self->link, words);
  PQclear(result);
  return fl_postgres_fail_with(self, error, code, words);
}

fl_store_code fl_postgres_command(fl_postgres_connection *self, const char *sql,
                                  fl_store_error *error) {
  PGresult *result = PQexec(self->link, sql);
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
 * its session. Commits wait for the disk, whatever the server's default is. */
static const char session[] =
    "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '10s';"
    " SET statement_timeout = '30s'; SET search_path = flarelight, pg_catalog;"
    " SET standard_conforming_strings = on;"
    " SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";

fl_store_code fl_postgres_connect(fl_postgres_connection *self, fl_store_error *error) {
  /* A later word wins, so the URL may set the timeouts. */
  const char *const names[] = {"connect_timeout", "tcp_user_timeout",          "dbname",
                               "client_encoding", "fallback_application_name", NULL};
  char seconds[16], milliseconds[16];
  const char *const values[] = {seconds, milliseconds, self->url, "UTF8", "flarelight", NULL};
  fl_store_code code;
  if (self->link != NULL && self->process != (int)getpid()) fl_postgres_disconnect(self);
  if (self->link != NULL && is_alive(self->link)) return FL_STORE_OK;
  fl_postgres_disconnect(self);
  self->process = (int)getpid();
  snprintf(seconds, sizeof seconds, "%d", self->patience);
  snprintf(milliseconds, sizeof milliseconds, "%d", self->patience * 1500);
  self->link = PQconnectdbParams(names, values, 1);
  if (self->link == NULL)
    return fl_postgres_fail_with(self, error, FL_STORE_NO_MEMORY, "not enough memory");
  PQsetNoticeReceiver(self->link, ignore_notice, NULL);
  code = PQstatus(self->link) == CONNECTION_OK ? fl_postgres_command(self, session, error)
                                               : fl_postgres_fail(self, NULL, error);
  if (code == FL_STORE_OK) code = fl_postgres_check_schema(self, error);
  if (code != FL_STORE_OK) fl_postgres_disconnect(self);
  return code;
}
