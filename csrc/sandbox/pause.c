/* pause.c: suspends a connection; the others go on. */
#include "pause.h"

static void resume(void *context, bool ended) {
  (void)ended;
  MHD_resume_connection(context);
}

bool sandbox_pause(struct MHD_Connection *connection, sandbox_timer *timer, fl_time delay) {
  /* Suspended first: an alarm that fired before would find nothing to resume. */
  MHD_suspend_connection(connection);
  if (sandbox_timer_add(timer, delay, resume, connection)) return true;
  MHD_resume_connection(connection);
  return false;
}
