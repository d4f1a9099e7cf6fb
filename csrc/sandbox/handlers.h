/*
 * handlers.h: one function an operation, for routes.c, and what they share.
 *
 * A handler appends its `data` to reply->body (which holds the envelope up to there) or refuses;
 * the transaction, the messages and the envelope's end are sandbox_answer's.
 */
#ifndef SANDBOX_HANDLERS_H
#define SANDBOX_HANDLERS_H

#include "query.h"
#include "routes.h"

void sandbox_handle_imports_all(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_imports_data(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_imports_import(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_automations_execute(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_preparations_all(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_preparations_execute(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_reports_all(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_reports_generate(sandbox_call *call, sandbox_reply *reply);
void sandbox_handle_reports_chart_data(sandbox_call *call, sandbox_reply *reply);

/* Runs the automations that wait for data in an import of this one's name. */
void sandbox_run_triggered(sandbox_call *call, const sandbox_import *import);

/* The status and the message of a refusal; the text is formatted. */
void sandbox_refuse(sandbox_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A request's body as a tape over a text of its own. */
typedef struct sandbox_json {
  char *text;
  fl_json_tape tape;
} sandbox_json;

/* False: the body is no JSON, and the reply is the refusal. Free in either case. */
bool sandbox_json_read(fl_slice body, sandbox_json *json, sandbox_reply *reply);
void sandbox_json_free(sandbox_json *json);
/* The node of a member of the root, or 0 for none; a null counts as none. */
uint32_t sandbox_json_member(const sandbox_json *json, const char *name);
/* A string's or a number's text as it stands; data = NULL if node is 0 or of another type. */
fl_slice sandbox_json_text(const sandbox_json *json, uint32_t node);

#endif
