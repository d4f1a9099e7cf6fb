/*
 * take.c: takes items out of the mailbox as Lua values: replies, pages, events, ended jobs.
 */
#include "engine/call.h"
#include "engine/engine.h"
#include "functions.h"
#include "job.h"
#include "page.h"
#include "reply.h"
#include "state.h"
#include "trace.h"

/* Moves the items that have arrived to the list. */
static void fill(fl_lua_state *state) {
  fl_item *item = fl_mailbox_take(state->mailbox);
  while (item != NULL) {
    fl_item *next = item->next;
    fl_list_append(&state->taken, item);
    item = next;
  }
}

static bool has_mailbox(const fl_lua_state *state) {
  return state->mailbox != NULL && fl_mailbox_is_ours(state->mailbox);
}

/* The next item, which stays in the list; NULL if there is none. */
static fl_item *next_item(fl_lua_state *state) {
  if (state->taken.first == NULL && has_mailbox(state)) fill(state);
  return state->taken.first;
}

/*
 * core.take() -> ticket, "call" | "page" | "event" | "trace", value; nothing when the mailbox is
 * empty. A job is returned as a "call", since its value has the method `outcome`, too. Each
 * userdata is made before the item leaves the list, so the item is not lost if memory runs out.
 */
static int take(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  fl_item *item;
  if (state->corked) { /* left set by an error in a task */
    state->corked = false;
    fl_engine_flush();
  }
  item = next_item(state);
  if (item == NULL) return 0;
  lua_pushnumber(L, (lua_Number)item->ticket);
  lua_pushstring(L, item->type == FL_ITEM_EVENT   ? "event"
                    : item->type == FL_ITEM_TRACE ? "trace"
                    : item->type == FL_ITEM_PAGE  ? "page"
                                                  : "call");
  if (item->type == FL_ITEM_EVENT) {
    fl_lua_reply_push_event(L, (fl_event *)(void *)item);
    fl_item_free(fl_list_pop(&state->taken));
  } else if (item->type == FL_ITEM_TRACE) {
    fl_lua_trace_push(L, (fl_trace *)(void *)item);
    fl_item_free(fl_list_pop(&state->taken));
  } else if (item->type == FL_ITEM_JOB) {
    fl_job **held = fl_lua_job_push(L);
    *held = (fl_job *)(void *)fl_list_pop(&state->taken);
  } else {
    fl_call **held = item->type == FL_ITEM_PAGE ? &fl_lua_page_push(L)->call : fl_lua_reply_push(L);
    *held = (fl_call *)(void *)fl_list_pop(&state->taken);
  }
  return 3;
}

/* The fate of the write under this ticket; NULL if its outcome is not in the list. */
static const char *find_fate(const fl_lua_state *state, uint64_t ticket) {
  for (const fl_item *item = state->taken.first; item != NULL; item = item->next)
    if (item->type == FL_ITEM_CALL && item->ticket == ticket)
      return fl_fate_name(((const fl_call *)(const void *)item)->fate);
  return NULL;
}

/*
 * core.fate(ticket, blocks) -> the fate of a write whose outcome has arrived and is not taken; nil
 * if it has not arrived. `blocks`: waits for it; a signal ends the wait. For a caller without
 * memory: allocates nothing, since Lua has the strings.
 */
static int fate(lua_State *L) {
  fl_lua_state *state = fl_lua_state_of(L);
  const uint64_t ticket = fl_lua_check_ticket(L, 1);
  const bool blocks = lua_toboolean(L, 2);
  const char *name = NULL;
  if (!has_mailbox(state) || ticket < state->first_ticket) return 0;
  if (state->corked) fl_engine_flush();
  do {
    fill(state);
    name = find_fate(state, ticket);
  } while (name == NULL && blocks && fl_mailbox_wait(state->mailbox, FL_NEVER));
  if (name == NULL) return 0;
  lua_pushstring(L, name);
  return 1;
}

const luaL_Reg fl_lua_take_functions[] = {{"take", take}, {"fate", fate}, {NULL, NULL}};
