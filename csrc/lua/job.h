/*
 * job.h: jobs of the worker on their way to Lua: submitting one gives a ticket, under which a
 * userdata comes out of the mailbox whose method `outcome` gives the results of the job, once.
 */
#ifndef FL_JOB_H
#define FL_JOB_H

#include "binding.h"
#include "files/worker.h"

/* `push` pushes the outcome and gives the number of values; the job is freed after it. */
typedef struct fl_lua_job_class {
  fl_job_class base;
  int (*push)(lua_State *L, fl_job *job);
} fl_lua_job_class;

/* Pushes the userdata that owns the ended job to be put into it. */
fl_job **fl_lua_job_push(lua_State *L);

/* The mailbox for a job, and room on the stack, to be asked for before the job is made: nothing may
 * raise between its allocation and fl_lua_job_submit. */
fl_mailbox *fl_lua_job_mailbox(lua_State *L);

/* Hands a job over and pushes its ticket; gives 1. Raises nothing. */
int fl_lua_job_submit(lua_State *L, fl_job *job, const fl_lua_job_class *class, fl_mailbox *mailbox,
                      bool in_place);

#endif
