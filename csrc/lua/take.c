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

/* The next item, which stays in the list; NULL if there is none. */
static fl_item *next_item(fl_lua_state *state) {
  fl_item *item;
  if (state->taken.first == NULL && state->mailbox != NULL && fl_mailbox_is_ours(state->mailbox))
    for (item = fl_mailbox_take(state->mailbox); item != NULL;) {
      fl_item *next = item->next;
      fl_list_append(&state->taken, item);
      item = next;
    }
  return state->taken.first;
}

/*
 * core.take() -> ticket, "call" | "page" | "event", value; nothing when the mailbox is empty. A job
 * is returned as a "call", since its value has the method `outcome`, too. Each userdata is made
 * before the item leaves the list, so the item is not lost if memory runs out.
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
  lua_pushstring(L, item->type == FL_ITEM_EVENT  ? "event"
                    : item->type == FL_ITEM_PAGE ? "page"
                                                 : "call");
  if (item->type == FL_ITEM_EVENT) {
    fl_lua_reply_push_event(L, (fl_event *)(void *)item);
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

const luaL_Reg fl_lua_take_functions[] = {{"take", take}, {NULL, NULL}};
