/* pause.c: suspends one connection, while the others continue. */
#include "pause.h"

static void resume(void *context, bool ended) {
  (void)ended;
  MHD_resume_connection(context);
}

bool sandbox_pause(struct MHD_Connection *connection, sandbox_timer *timer, fl_time delay) {
  /* Suspends first: an alarm that fires before the suspension would resume nothing. */
  MHD_suspend_connection(connection);
  if (sandbox_timer_add(timer, delay, resume, connection)) return true;
  MHD_resume_connection(connection);
  return false;
}
