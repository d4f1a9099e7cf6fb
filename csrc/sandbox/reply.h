/*
 * reply.h: builds the reply to a request: a status and the service's envelope, {"data": …,
 * "messages": […]}.
 *
 * Relies on json_writer.h, and on the options about messages. One thread at a time uses a reply.
 */
#ifndef SANDBOX_REPLY_H
#define SANDBOX_REPLY_H

#include "json_writer.h"
#include "options.h"

#define SANDBOX_MESSAGE 512

typedef struct sandbox_reply {
  int status;
  sandbox_json_writer body;
  char message[SANDBOX_MESSAGE]; /* of a refusal */
  bool keep;                     /* commit although the status is not 200 */
  bool committed;                /* the request changed the database, and was committed */
  bool run_later; /* the call has to be handled again after `run_seconds`, with `late` set */
} sandbox_reply;

void sandbox_reply_init(sandbox_reply *reply);

/* Begins the envelope of a 200. The caller then appends the data to `body`. */
void sandbox_reply_open(sandbox_reply *reply);
/* Ends the envelope after the data, with the status's message. */
void sandbox_reply_close(const sandbox_options *options, sandbox_reply *reply);

/* Sets the status and the message of a refusal. `text` is a format of printf. */
void sandbox_reply_refuse(sandbox_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes the body the envelope of an error, whatever it held before. */
void sandbox_reply_error(const sandbox_options *options, sandbox_reply *reply, int status,
                         const char *message);

#endif
