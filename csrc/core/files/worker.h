/*
 * worker.h: work that would hold its caller up (files, the state file), done on threads beside the
 * engine.
 *
 * A job is an item: handed over here, run once, and posted to the mailbox of whoever asked, under
 * its ticket, as the outcome of a call is. Jobs may run at the same time and in any order; who
 * needs an order waits for one before asking for the next. Threads are started as they are needed,
 * a few at most, and stopped with the engine, by the last client's close or at exit. After a fork
 * the child starts anew; jobs of the parent never come in the child.
 */
#ifndef FL_WORKER_H
#define FL_WORKER_H

#include "engine/mailbox.h"

typedef struct fl_job fl_job;

typedef struct fl_job_class {
  void (*run)(fl_job *job);  /* on any thread; the outcome stays in the job */
  void (*free)(fl_job *job); /* all of it but the mailbox */
} fl_job_class;

/* The head of a larger struct. */
struct fl_job {
  fl_item item;
  const fl_job_class *class;
  fl_mailbox *mailbox; /* a reference, while somebody is to be told */
};

/* Makes an item of it; the mailbox (NULL: nobody is told, the job is freed) is retained. */
void fl_job_init(fl_job *job, const fl_job_class *class, uint64_t ticket, fl_mailbox *mailbox);
void fl_job_free(fl_job *job);

/* Hands a job over. `in_place`: the caller has nothing to do before it has the outcome, so that it
 * is run here and now; so it is where no thread can be had. */
void fl_worker_submit(fl_job *job, bool in_place);

/* The mailbox's owner goes: jobs of it that have not ended are told to nobody. */
void fl_worker_forget(const fl_mailbox *mailbox);

/* Lets the jobs under way end, drops the others, and stops the threads; waits 2 s at most. */
void fl_worker_stop(void);

#endif
