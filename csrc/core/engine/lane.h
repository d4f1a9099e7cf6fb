/*
 * lane.h: the lanes of a client: its calls that are ready to start, in order. Interactive calls
 * have a lane of their own, since the rate budget keeps a part for them.
 *
 * A call in a lane has the state FL_CALL_READY and counts among the waiting calls of its budget.
 * The engine's thread only.
 */
#ifndef FL_LANE_H
#define FL_LANE_H

#include "engine/call.h"

/* The lane of a call, whether it is in it or not. */
fl_lane *fl_lane_of(const fl_call *call);

/* Puts a call at the end of its lane, or at the front. */
void fl_lane_put(fl_call *call, bool first);

/* Takes a call out of its lane, if it is there. The caller sets its next state. */
void fl_lane_leave(fl_call *call);

/* The next call to start: of the first calls of the lanes that may ask the budget now, the one
 * submitted earliest. NULL if there is none. */
fl_call *fl_lane_first(const fl_client *client, fl_time now);

/* The time at which to ask the budget again for a call of the client: the earliest time of its
 * lanes that hold calls. FL_NEVER if no lane holds a call. */
fl_time fl_lane_ask_again(const fl_client *client);

/* From now on the lanes may ask the budget at once. */
void fl_lane_ask_at_once(fl_client *client);

#endif
