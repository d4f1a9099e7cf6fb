/*
 * query.c: sends statements and waits for their results, for a time that is bounded also if the
 * server keeps the connection and says nothing. See postgres.h.
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "postgres.h"

/* Whether the socket is ready before `until`. A process that was paused looks once more. */
static bool is_ready(PGconn *link, short events, fl_time until) {
  for (;;) {
    struct pollfd watched = {.fd = PQsocket(link), .events = events, .revents = 0};
    const fl_time left = until - fl_clock_elapsed();
    const int milliseconds = left > 0 ? (int)(left / FL_MILLISECOND) + 1 : 0;
    const int ready = poll(&watched, 1, milliseconds);
    if (ready > 0) return true;
    if (ready == 0 && milliseconds == 0) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

/* Sends what libpq has in its buffers. False if the server did not take it in time. Other failures
 * are told by the result. */
static bool flush(PGconn *link, fl_time until) {
  while (PQflush(link) == 1) {
    if (!is_ready(link, POLLIN | POLLOUT, until)) return false;
    if (PQconsumeInput(link) == 0) break;
  }
  return true;
}

/* The last result, as PQexec returns it. False if it did not come in time. */
static bool receive(PGconn *link, fl_time until, PGresult **last) {
  for (;;) {
    PGresult *next;
    while (PQisBusy(link)) {
      if (!is_ready(link, POLLIN, until)) return false;
      if (PQconsumeInput(link) == 0) break; /* PQgetResult tells why, and does not wait */
    }
    next = PQgetResult(link);
    if (next == NULL) return true;
    PQclear(*last);
    *last = next;
  }
}

PGresult *fl_postgres_query(fl_postgres_connection *self, const char *sql, int count,
                            const char *const *values) {
  const fl_time until = fl_clock_elapsed() + self->wait * FL_SECOND;
  PGresult *result = NULL;
  int sent;
  if (self->link == NULL) return NULL;
  /* Without values several statements may be sent. */
  sent = count == 0 ? PQsendQuery(self->link, sql)
                    : PQsendQueryParams(self->link, sql, count, NULL, values, NULL, NULL, 0);
  if (sent == 0) return NULL;
  if (flush(self->link, until) && receive(self->link, until, &result)) return result;
  PQclear(result);
  /* The answer may still come, and would be taken for that of the next question. */
  fl_postgres_disconnect(self);
  self->silent = true;
  return NULL;
}
