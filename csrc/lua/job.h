/*
 * job.h: jobs of the worker, submitted by Lua. Submitting a job returns a ticket. Later the mailbox
 * holds a userdata under this ticket, whose method `outcome` returns the results of the job, once.
 */
#ifndef FL_JOB_H
#define FL_JOB_H

#include "binding.h"
#include "files/worker.h"

/* `push` pushes the outcome and returns the number of values. The job is freed afterwards. */
typedef struct fl_lua_job_class {
  fl_job_class base;
  int (*push)(lua_State *L, fl_job *job);
} fl_lua_job_class;

/* Pushes a userdata for an ended job. The caller stores the job in it. */
fl_job **fl_lua_job_push(lua_State *L);

/* The mailbox for a job; also reserves room on the stack. Call it before the job is allocated,
 * since nothing may raise between the allocation and fl_lua_job_submit. */
fl_mailbox *fl_lua_job_mailbox(lua_State *L);

/* Submits a job and pushes its ticket. Returns 1. Raises nothing. */
int fl_lua_job_submit(lua_State *L, fl_job *job, const fl_lua_job_class *class, fl_mailbox *mailbox,
                      bool in_place);

#endif
