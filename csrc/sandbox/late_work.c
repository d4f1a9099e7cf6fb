/* late_work.c: carries out a request some time after it was received. */
#include "late_work.h"

#include <stdlib.h>

typedef struct late_work {
  sandbox *owner;
  int64_t number; /* in the log */
  sandbox_operation operation;
  char *id, *path, *request_id, *run_message;
  sandbox_run_end run_end;
  fl_buffer body;
} late_work;

static void free_late(late_work *work) {
  free(work->id);
  free(work->path);
  free(work->request_id);
  free(work->run_message);
  fl_buffer_free(&work->body);
  free(work);
}

static void carry_out(void *context, bool ended) {
  late_work *work = context;
  sandbox *owner = work->owner;
  if (!ended) {
    sandbox_reply reply;
    sandbox_call call = {
        .database = owner->database,
        .options = &owner->options,
        .tally = &owner->tally,
        .operation = work->operation,
        .id = fl_slice_of(work->id),
        .body = {work->body.data ? work->body.data : "", work->body.length},
        .record_limit = RECORDS_ALL,
        .late = true,
        .run_end = work->run_end,
        .run_message = work->run_message,
    };
    sandbox_reply_init(&reply);
    pthread_mutex_lock(&owner->lock);
    sandbox_handlers_answer(&call, &reply);
    if (reply.committed) {
      sandbox_request_log_mark_committed(owner->log, work->number);
      sandbox_request_log_add_commit(owner->log, work->number, work->operation,
                                     fl_slice_of(work->path), fl_slice_of(work->request_id),
                                     call.body);
    } else {
      call.run_message = reply.message;
      sandbox_handlers_runs_note_failure(&call);
    }
    pthread_mutex_unlock(&owner->lock);
    sandbox_json_writer_free(&reply.body);
  }
  free_late(work);
}

void sandbox_late_work_add(sandbox *owner, const sandbox_late_work *given, double seconds) {
  late_work *work = calloc(1, sizeof *work);
  if (work == NULL) return;
  work->owner = owner;
  work->number = given->number;
  work->operation = given->operation;
  work->id = strndup(given->id.data ? given->id.data : "", given->id.length);
  work->path = strdup(given->path);
  work->request_id = strdup(given->request_id ? given->request_id : "");
  work->run_message = strdup(given->run_message ? given->run_message : "");
  work->run_end = given->run_end;
  fl_buffer_init(&work->body, FL_BUFFER_UNLIMITED);
  if (!work->id || !work->path || !work->request_id || !work->run_message ||
      fl_buffer_append(&work->body, given->body.data, given->body.length) != FL_OK ||
      !sandbox_timer_add(owner->timer, (fl_time)(seconds * (double)FL_SECOND), carry_out, work))
    free_late(work);
}
