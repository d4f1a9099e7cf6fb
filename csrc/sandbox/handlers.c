/* handlers.c: runs the handler of a call, in one transaction if it may change something. */
#include "handlers.h"

#define HANDLER(operation, name, method, path, writes, handler) \
  [OPERATION_##operation] = {writes, sandbox_handlers_##handler},
static const struct handler {
  bool writes;
  void (*handle)(sandbox_call *call, sandbox_reply *reply);
} handlers[OPERATION_COUNT] = {SANDBOX_OPERATIONS(HANDLER)};
#undef HANDLER

void sandbox_handlers_answer(sandbox_call *call, sandbox_reply *reply) {
  const struct handler *handler = &handlers[call->operation];
  bool kept = true;
  sandbox_reply_open(reply);
  if (handler->writes && !sandbox_database_begin(call->database)) {
    sandbox_reply_error(call->options, reply, 500, sandbox_database_error(call->database));
    return;
  }
  handler->handle(call, reply);
  if (reply->body.failed) {
    reply->keep = false;
    sandbox_reply_refuse(reply, 500, "The reply cannot be written");
  }
  if (handler->writes) {
    kept = (reply->status == 200 || reply->keep) && sandbox_database_commit(call->database);
    if (!kept && reply->status == 200)
      sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
    if (!kept) sandbox_database_rollback(call->database);
    reply->committed = kept && !reply->run_later && call->run_end != RUN_IS_LOST;
    if (reply->committed && sandbox_routes_starts_run(call->operation))
      call->tally->starts[call->operation]++;
  }
  if (reply->status == 200) sandbox_reply_close(call->options, reply);
  else sandbox_reply_error(call->options, reply, reply->status, reply->message);
}
