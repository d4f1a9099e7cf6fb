/*
 * reply.h: the reply to a request, as it is written: a status and the service's envelope,
 * {"data": …, "messages": […]}.
 *
 * Relies on json_writer.h and on the options that shape messages. Touched by one thread at a time.
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
  bool committed;                /* something was changed for good */
  bool run_later; /* the call is to be answered once more, `late`, after `run_seconds` */
} sandbox_reply;

void sandbox_reply_init(sandbox_reply *reply);

/* Begins the envelope of a 200: the caller appends the data to `body`. */
void sandbox_reply_open(sandbox_reply *reply);
/* Ends the envelope after the data, with the message that the status has. */
void sandbox_reply_close(const sandbox_options *options, sandbox_reply *reply);

/* Notes the status and the message of a refusal; the text is formatted. */
void sandbox_reply_refuse(sandbox_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes the body the envelope of an error, whatever it held before. */
void sandbox_reply_error(const sandbox_options *options, sandbox_reply *reply, int status,
                         const char *message);

#endif
