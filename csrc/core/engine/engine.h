/*
 * engine.h: who runs the loop; the one engine of a process.
 *
 * It is started by the first submit and stopped by the last client's close or at exit. After a fork
 * the child abandons what it inherited and starts its own. It knows nothing of Lua. Turns are run
 * by the engine's thread, or by a caller that waits (see engine.c); never by two at once.
 */
#ifndef FL_ENGINE_H
#define FL_ENGINE_H

#include "engine/budget.h"
#include "engine/call.h"
#include "engine/pager.h"

/* What a process needs once, whatever is used first: libcurl, the handlers of exit and fork. NULL,
 * or why it cannot be had. Starts nothing. */
const char *fl_engine_prepare(void);

/* Every client that may submit is counted in from its making to its close. */
void fl_engine_enter(void);
/* The last client to leave stops the engine: its thread is joined, for 2 s at most, and its
 * connections are closed. True for that client: its caller stops the worker too. */
bool fl_engine_leave(void);

/*
 * Hands an item over: a call, a pager, an order. On failure the item stays the caller's and
 * *message (static text) says why: no thread can be had, libcurl is too old, or (FL_INVALID) exit
 * has begun. CLOSE orders are dropped silently when no engine runs, since there is nothing to
 * close. `waiting`: NULL, or the mailbox of a caller that has nothing to do before something is in
 * it. It may then run the turns itself, and mostly finds the outcome there on return; that it does
 * is not promised. `later`: the caller has more to hand over and will call fl_engine_flush; so many
 * items wake the engine only once.
 */
fl_result fl_engine_submit(fl_item *item, fl_mailbox *waiting, bool later, const char **message);
void fl_engine_flush(void);

/* What is believed about the rate budget of a client's service; false: nothing known yet. */
bool fl_engine_quota(const fl_client *client, fl_budget_view *view, fl_time now);

/* Whether an engine runs in this process. */
bool fl_engine_is_running(void);

/* libcurl's version and those of the libraries below it, as libcurl words it. Static text. */
const char *fl_engine_libraries(void);

#endif
