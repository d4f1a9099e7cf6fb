/*
 * worker.h: slow work (files, the state file) on threads beside the engine.
 *
 * A job is an item. It is handed over here, run once, and posted to the mailbox of its Lua state
 * under its ticket, as the outcome of a call is. Jobs run at the same time and in any order: a
 * caller that needs an order submits a job after the one before has ended. Threads start as they
 * are needed, a few at most, and stop with the engine: at the last client's close, or at exit.
 * After a fork the child starts its own; outcomes of the parent's jobs never arrive in the child.
 */
#ifndef FL_WORKER_H
#define FL_WORKER_H

#include "engine/mailbox.h"

typedef struct fl_job fl_job;

typedef struct fl_job_class {
  void (*run)(fl_job *job);  /* on any thread; the outcome stays in the job */
  void (*free)(fl_job *job); /* everything but the mailbox */
} fl_job_class;

/* The head of a larger struct. */
struct fl_job {
  fl_item item;
  const fl_job_class *class;
  fl_mailbox *mailbox; /* a reference, until the outcome is posted; NULL: the outcome is dropped */
};

/* Makes an item of the job and retains the mailbox. NULL: the job is freed when it has run. */
void fl_job_init(fl_job *job, const fl_job_class *class, uint64_t ticket, fl_mailbox *mailbox);
void fl_job_free(fl_job *job);

/* Hands a job over. `in_place`: the caller waits for the outcome anyway, so the job runs in this
 * call; it also does where no thread can be had. */
void fl_worker_submit(fl_job *job, bool in_place);

/* The owner of the mailbox goes: the outcomes of its jobs are dropped. */
void fl_worker_close_mailbox(const fl_mailbox *mailbox);

/* Lets the jobs under way end, drops the others, and stops the threads; waits 2 s at most. */
void fl_worker_stop(void);

#endif
