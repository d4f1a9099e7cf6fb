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
 * NULL, or a text that says what is missing. */
const char *fl_engine_prepare(void);

/* Counts the clients: called when one is made. */
void fl_engine_enter(void);
/* The last client to leave stops the engine: its thread is joined, for 2 s at most, and its
 * connections are closed. True for that client: its caller stops the worker too. */
bool fl_engine_leave(void);

/*
 * Hands an item over: a call, a pager, a command. On failure the item stays the caller's and
 * *message (static text) says why: no thread can be started, libcurl is too old, or (FL_INVALID)
 * exit has begun. A command is freed where no engine runs, since there is nothing to act on.
 * `waiting`: NULL, or the mailbox of a caller that would only wait until an item is in it. That
 * caller may then run the turns itself and usually finds the outcome on return, but has to check.
 * `later`: the caller submits more items and then calls fl_engine_flush, so that many items wake
 * the engine once.
 */
fl_result fl_engine_submit(fl_item *item, fl_mailbox *waiting, bool later, const char **message);
void fl_engine_flush(void);

/* The belief about the rate budget of a client's service; false: nothing is known yet. */
bool fl_engine_quota(const fl_client *client, fl_budget_view *view, fl_time now);

/* Whether an engine runs in this process. */
bool fl_engine_is_running(void);

/* libcurl's own description of its version and its libraries. Static text. */
const char *fl_engine_libraries(void);

#endif
