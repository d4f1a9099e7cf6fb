/*
 * loop.h: the turns of the engine: takes what was submitted, starts what is due, lets the network
 * work, posts what has ended. Never blocks but in fl_loop_sleep.
 *
 * A loop owns every call and pager from the turn that takes it until the call or page is posted to
 * its mailbox. It has no lock: one thread at a time runs its turns and sleeps in it (engine.c says
 * which); fl_loop_wake alone may be called from any other.
 */
#ifndef FL_LOOP_H
#define FL_LOOP_H

#include "engine/budget.h"
#include "engine/mailbox.h"

typedef struct fl_loop fl_loop;

/* NULL without memory. `serial`: no other loop of this process or its parents has it. */
fl_loop *fl_loop_new(uint64_t serial, fl_budget_registry *budgets);

/* One turn, beginning with the items that were submitted (may be NULL), which the loop then owns.
 */
void fl_loop_turn(fl_loop *loop, fl_item *items);

/* Whether another turn would have something to do: a call is under way or waits. */
bool fl_loop_is_busy(const fl_loop *loop);

/* Milliseconds until the next turn is due if nothing happens before. */
int fl_loop_sleep_time(const fl_loop *loop);

/* Waits for a socket, a wake-up, a signal or the time. True if a socket is ready. */
bool fl_loop_sleep(fl_loop *loop, int milliseconds);
void fl_loop_wake(fl_loop *loop);

/* Every call that is under way or in `items` ends with kind closed, and is posted. */
void fl_loop_close(fl_loop *loop, fl_item *items);

/* Closes the connections and frees everything; after fl_loop_close. */
void fl_loop_free(fl_loop *loop);

#endif
