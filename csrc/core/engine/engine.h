/*
 * engine.h: the one engine of a process: a loop, and the threads that run its turns.
 *
 * The first submit starts the engine; the close of the last client, or exit, stops it. After a fork
 * the child leaves the inherited engine alone and starts its own. Turns are run by the engine's own
 * thread, or by a caller that waits for an outcome (see engine.c); never by two threads at once.
 */
#ifndef FL_ENGINE_H
#define FL_ENGINE_H

#include "engine/budget.h"
#include "engine/call.h"
#include "engine/pager.h"

/* Initialises libcurl and registers the handlers of exit and fork, once a process. Starts nothing.
 * Returns NULL, or a text about the failure. */
const char *fl_engine_prepare(void);

/* Registers the handlers of forks alone, once a process. They have to be registered before those of
 * worker.c, whose threads post to mailboxes under their lock: the handlers before a fork run in the
 * reverse order. False without memory; the next call tries again. */
bool fl_engine_prepare_forks(void);

/* Counts the clients: called when one is made. */
void fl_engine_enter(void);
/* The last client to leave stops the engine: its thread is joined, for 2 s at most, and its
 * connections are closed. */
void fl_engine_leave(void);

/*
 * Hands an item over: a call, a pager, a command. On failure the caller keeps the item, and
 * *message (static text) names the reason: no thread can be started, libcurl is too old, or
 * (FL_INVALID) exit has begun. If no engine runs, a command is freed, since it has nothing to act
 * on.
 * `waiting`: NULL, or the mailbox on which the caller is going to block. Such a caller may run the
 * turns itself. It usually finds the outcome in its mailbox on return, but has to check.
 * `later`: the caller submits more items and then calls fl_engine_flush, so that many items wake
 * the engine once.
 */
fl_result fl_engine_submit(fl_item *item, fl_mailbox *waiting, bool later, const char **message);
void fl_engine_flush(void);

/* The rate budget of a client's service, as this process believes it to be. False if nothing is
 * known yet. */
bool fl_engine_quota(const fl_client *client, fl_budget_view *view, fl_time now);

/* Whether an engine runs in this process. */
bool fl_engine_is_running(void);

/* libcurl's own description of its version and its libraries. Static text. */
const char *fl_engine_libraries(void);

#endif
