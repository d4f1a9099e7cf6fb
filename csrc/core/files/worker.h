/*
 * worker.h: slow work (files, the state file) on threads beside the engine.
 *
 * A job is an item. It is submitted here, run once, and posted to the mailbox of its Lua state
 * under its ticket, like the outcome of a call. Jobs run concurrently and in any order. A caller
 * that needs an order submits a job after the job before has ended. A few threads are started on
 * demand, and stop with the engine: at the last client's close, or at exit. After a fork the child
 * starts its own; outcomes of the parent's jobs never arrive in the child.
 */
#ifndef FL_WORKER_H
#define FL_WORKER_H

#include "engine/mailbox.h"

typedef struct fl_job fl_job;

typedef struct fl_job_class {
  void (*run)(fl_job *job);  /* called on any thread; leaves the outcome in the job */
  void (*free)(fl_job *job); /* frees everything but the mailbox */
} fl_job_class;

/* The head of a larger struct. */
struct fl_job {
  fl_item item;
  const fl_job_class *class;
  fl_mailbox *mailbox; /* a reference, until the outcome is posted; NULL: the outcome is dropped */
  bool dropped;        /* posted without an outcome: the worker has stopped before it was run */
};

/* Initialises the head of a job and retains the mailbox. Without a mailbox (NULL) the job is freed
 * when it has run. */
void fl_job_init(fl_job *job, const fl_job_class *class, uint64_t ticket, fl_mailbox *mailbox);
void fl_job_free(fl_job *job);

/* Submits a job. `in_place`: the caller blocks until the outcome anyway, so the job runs in this
 * call. It also runs in this call if no thread can be started. */
void fl_worker_submit(fl_job *job, bool in_place);

/* Drops the outcomes of the jobs of a mailbox whose owner is closing. */
void fl_worker_close_mailbox(const fl_mailbox *mailbox);

/* Counts the clients: called when one is made. */
void fl_worker_enter(void);
/* Called when a client has left the engine. The last one stops the threads: the jobs that wait are
 * posted as dropped, and those under way are waited for, for 2 s at most. A dropped job without a
 * mailbox is freed here, which may take the time of its release. A client that is made meanwhile
 * has its jobs done. */
void fl_worker_leave(void);

#endif
