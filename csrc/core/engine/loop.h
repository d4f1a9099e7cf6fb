/*
 * loop.h: the turns of the engine: takes the items that were submitted, starts the calls that are
 * due, sends and receives, and posts the calls that have ended. Only fl_loop_sleep blocks.
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

/* One turn. Takes ownership of `items`, the items that were submitted (NULL: none). */
void fl_loop_turn(fl_loop *loop, fl_item *items);

/* Whether a call is under way or waits, so that more turns are needed. */
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
