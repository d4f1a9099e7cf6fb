/*
 * loop.h: the turns of the engine. Asks policy, does I/O, never blocks but in fl_loop_sleep.
 *
 * A loop owns every call and pager from the moment it is handed in until it is posted to its
 * mailbox. It has no lock of its own: one thread at a time runs its turns and sleeps in it
 * (engine.h says which); fl_loop_wake alone may be called from any other.
 */
#ifndef FL_LOOP_H
#define FL_LOOP_H

#include "engine/budget.h"
#include "engine/call.h"

typedef struct fl_loop fl_loop;

/* NULL without memory. `serial`: no other loop of this process or its parents has it. */
fl_loop *fl_loop_new(uint64_t serial, fl_budget_registry *budgets);

/* One turn, beginning with the items that came in (may be NULL). Their memory is the loop's. */
void fl_loop_turn(fl_loop *loop, fl_item *items);

/* Whether there is something that further turns would bring on: calls under way or waiting. */
bool fl_loop_is_busy(const fl_loop *loop);

/* Milliseconds until the next turn is due if nothing happens before. */
int fl_loop_sleep_time(const fl_loop *loop);

/* Waits for a socket, a wake-up, a signal or the time. True if a socket has something. */
bool fl_loop_sleep(fl_loop *loop, int milliseconds);
void fl_loop_wake(fl_loop *loop);

/* Everything that is under way or in `items` ends with kind closed, and those who wait are told. */
void fl_loop_close(fl_loop *loop, fl_item *items);

/* Closes the connections and gives everything back; after fl_loop_close. */
void fl_loop_free(fl_loop *loop);

#endif
