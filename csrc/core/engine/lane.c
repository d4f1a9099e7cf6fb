/* lane.c: the lists of a client's calls that are ready to start. */
#include "engine/lane.h"

#include "engine/budget.h"

fl_lane *fl_lane_of(const fl_call *call) { return &call->client->lanes[call->interactive]; }

void fl_lane_put(fl_call *call, bool first) {
  fl_lane *lane = fl_lane_of(call);
  call->state = FL_CALL_READY;
  if (first) fl_list_prepend(&lane->calls, &call->item);
  else fl_list_append(&lane->calls, &call->item);
  if (call->deadline != FL_NEVER) lane->with_deadline++;
  fl_budget_count_waiting(call->client->budget, 1, call->interactive);
}

void fl_lane_leave(fl_call *call) {
  fl_lane *lane = fl_lane_of(call);
  if (call->state != FL_CALL_READY) return;
  fl_list_remove(&lane->calls, &call->item);
  if (call->deadline != FL_NEVER) lane->with_deadline--;
  fl_budget_count_waiting(call->client->budget, -1, call->interactive);
}

fl_call *fl_lane_first(const fl_client *client, fl_time now) {
  fl_item *first = NULL;
  for (int i = 0; i < FL_LANES; i++) {
    fl_item *item = client->lanes[i].calls.first;
    if (item == NULL || client->lanes[i].ask_again > now) continue;
    if (first == NULL || item->ticket < first->ticket) first = item;
  }
  return (fl_call *)(void *)first;
}

fl_time fl_lane_ask_again(const fl_client *client) {
  fl_time next = FL_NEVER;
  for (int i = 0; i < FL_LANES; i++)
    if (client->lanes[i].calls.first != NULL && client->lanes[i].ask_again < next)
      next = client->lanes[i].ask_again;
  return next;
}

void fl_lane_ask_at_once(fl_client *client) {
  for (int i = 0; i < FL_LANES; i++) client->lanes[i].ask_again = 0;
}
