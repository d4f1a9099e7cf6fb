/*
 * pager.c: reads pages ahead of the reader. The slots hold the calls in the order of their starts.
 * The first slot is the page that comes next; the slots after it are guesses, which that page
 * confirms or refutes.
 */
#include "engine/pager.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/page.h"

/* Without memory for the next page, the pager tries for this long. */
#define MEMORY_PATIENCE (2 * FL_SECOND)

typedef struct slot {
  fl_call *call;
  int64_t start, count;
  bool answered;
} slot;

struct fl_pager {
  fl_item item;
  fl_pager *next;
  fl_client *client;
  fl_mailbox *mailbox;
  char *operation, *path, *id, *api_key, *request_id; /* one block behind the struct */
  fl_slice headers;                                   /* the same */
  bool has_id;
  int64_t stop_at; /* the first row that is not wanted */
  fl_time deadline;

  fl_page_state state; /* of the page in the first slot; without slots, of the next to ask for */
  int64_t last_got;    /* rows of the page before; 0 at first */
  int64_t stride;      /* the expected rows of each page; 0: not known, so no guesses */
  int guesses; /* the number of guesses at a time: 1 after a wrong guess, doubled by a right one */
  int credit, prefetch;
  slot slots[FL_PAGER_AHEAD + 1];
  int used;

  fl_call *dropped[FL_PAGER_AHEAD + 1]; /* obsolete, and not returned by fl_pager_obsolete yet */
  int dropped_count;
  fl_call *spare;      /* made at the beginning, for fl_pager_fail; NULL once it is used */
  fl_time short_since; /* since when there is no memory for the next page; 0: there is memory */
  int under_way;       /* calls that have not come back, obsolete ones included */
  fl_list deliverable;
  bool over; /* the last page is delivered, or the reader is gone */
};

static char *place(char **cursor, fl_slice text) {
  char *start = *cursor;
  if (text.length > 0) memcpy(start, text.data, text.length);
  start[text.length] = '\0';
  *cursor += text.length + 1;
  return start;
}

static fl_call *make_call(fl_pager *pager, int64_t start, int64_t count, fl_time now, int *code) {
  char query[80];
  fl_request request = {0};
  fl_call *call;
  int length = snprintf(query, sizeof query, "?start=%" PRId64 "&count=%" PRId64, start, count);
  request.operation = fl_slice_of(pager->operation);
  request.method = FL_LITERAL("GET");
  request.path = fl_slice_of(pager->path);
  if (pager->has_id) request.id = fl_slice_of(pager->id);
  request.query = (fl_slice){query, (size_t)length};
  request.api_key = fl_slice_of(pager->api_key);
  request.headers = pager->headers;
  request.request_id = fl_slice_of(pager->request_id);
  request.deadline = fl_time_after(now, pager->deadline);
  call = fl_call_new(pager->client, pager->mailbox, fl_item_next_ticket(), &request, code);
  if (call == NULL) return NULL;
  call->pager = pager;
  call->page_start = start;
  call->page_count = count;
  return call;
}

static void free_item(fl_item *item) { fl_pager_free((fl_pager *)(void *)item); }

fl_pager *fl_pager_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                       const fl_pager_request *request, int *code) {
  fl_pager *pager = calloc(1, sizeof *pager + request->operation.length + request->path.length +
                                  request->id.length + request->api_key.length +
                                  request->headers.length + request->request_id.length + 6);
  char *cursor;
  *code = 0;
  if (pager == NULL) return NULL;
  cursor = (char *)(pager + 1);
  pager->operation = place(&cursor, request->operation);
  pager->path = place(&cursor, request->path);
  pager->id = place(&cursor, request->id);
  pager->api_key = place(&cursor, request->api_key);
  pager->request_id = place(&cursor, request->request_id);
  pager->headers = (fl_slice){place(&cursor, request->headers), request->headers.length};
  pager->has_id = request->id.data != NULL;
  pager->item.type = FL_ITEM_PAGER;
  pager->item.free = free_item;
  pager->item.ticket = ticket;
  pager->client = fl_client_retain(client);
  fl_buffer_pool_count_pagers(&client->pool, 1);
  pager->mailbox = fl_mailbox_retain(mailbox);
  pager->deadline = request->deadline;
  pager->stop_at =
      request->limit > INT64_MAX - request->start ? INT64_MAX : request->start + request->limit;
  pager->prefetch = request->prefetch > FL_PAGER_AHEAD ? FL_PAGER_AHEAD : request->prefetch;
  pager->guesses = FL_PAGER_AHEAD;
  pager->credit = pager->prefetch > 0 ? pager->prefetch : 1;
  pager->state.start = request->start;
  pager->state.count = request->page_size;
  pager->state.first = true;
  pager->state.trust_short_page = request->trust_short_page;
  /* Makes a call now, so that a wrong path or id is refused here, where the caller sees the error.
   */
  pager->spare = make_call(pager, request->start, request->page_size, 0, code);
  if (pager->spare != NULL) return pager;
  fl_pager_free(pager);
  return NULL;
}

void fl_pager_free(fl_pager *pager) {
  fl_item *item;
  while ((item = fl_list_pop(&pager->deliverable)) != NULL) fl_item_free(item);
  if (pager->spare != NULL) fl_call_free(pager->spare);
  for (int i = 0; i < pager->used; i++)
    if (pager->slots[i].answered) fl_call_free(pager->slots[i].call);
  fl_wipe(pager->api_key, strlen(pager->api_key));
  fl_buffer_pool_count_pagers(&pager->client->pool, -1);
  fl_client_release(pager->client);
  fl_mailbox_release(pager->mailbox);
  free(pager);
}

fl_item *fl_pager_item(fl_pager *pager) { return &pager->item; }
fl_client *fl_pager_client(fl_pager *pager) { return pager->client; }
fl_mailbox *fl_pager_mailbox(fl_pager *pager) { return pager->mailbox; }
uint64_t fl_pager_ticket(const fl_pager *pager) { return pager->item.ticket; }
fl_pager **fl_pager_link(fl_pager *pager) { return &pager->next; }
bool fl_pager_is_over(const fl_pager *pager) {
  return pager->over && pager->under_way == 0 && pager->deliverable.first == NULL;
}
void fl_pager_advance(fl_pager *pager) { pager->credit++; }

/* Drops the slots from `from` on. Their calls under way become obsolete. */
static void drop_slots(fl_pager *pager, int from) {
  for (int i = from; i < pager->used; i++) {
    slot *guess = &pager->slots[i];
    pager->credit++;
    if (guess->answered) fl_call_free(guess->call);
    else pager->dropped[pager->dropped_count++] = guess->call;
  }
  pager->used = from;
}

void fl_pager_stop(fl_pager *pager) {
  fl_item *item;
  pager->over = true;
  drop_slots(pager, 0);
  while ((item = fl_list_pop(&pager->deliverable)) != NULL) fl_item_free(item);
}

fl_call *fl_pager_obsolete(fl_pager *pager) {
  if (pager->dropped_count == 0) return NULL;
  return pager->dropped[--pager->dropped_count];
}

static void hand_over(fl_pager *pager, fl_call *call, bool last) {
  call->item.type = FL_ITEM_PAGE;
  call->item.ticket = pager->item.ticket;
  call->page_end = last;
  fl_list_append(&pager->deliverable, &call->item);
  if (last) {
    pager->over = true;
    drop_slots(pager, 0);
  }
}

void fl_pager_fail(fl_pager *pager, fl_kind kind, const char *words) {
  fl_call *call = pager->spare;
  if (pager->over) return;
  pager->spare = NULL;
  call->kind = kind;
  fl_call_set_message(call, words);
  hand_over(pager, call, true);
}

/* Handles the lack of memory for the next page. If other pages are under way, the reader waits for
 * them. Otherwise the page is requested again, and after MEMORY_PATIENCE the reader gets an error.
 */
static void wait_for_memory(fl_pager *pager, fl_time now, bool *failed) {
  if (pager->used > 0) return;
  if (pager->short_since == 0) pager->short_since = now;
  *failed = now - pager->short_since < MEMORY_PATIENCE;
  if (*failed) return;
  fl_pager_fail(pager, FL_KIND_NETWORK, "no memory for the request");
}

fl_call *fl_pager_ask(fl_pager *pager, fl_time now, bool *failed) {
  int64_t start = pager->state.start, count;
  slot *place_of;
  int code;
  *failed = false;
  /* Obsolete calls count until they have ended, so that the number of requests under way is
   * bounded. */
  if (pager->over || pager->credit <= 0 || pager->under_way > FL_PAGER_AHEAD) return NULL;
  if (pager->used > 0) {
    slot *last = &pager->slots[pager->used - 1];
    if (pager->stride == 0 || pager->used > pager->guesses) return NULL;
    start = last->start + pager->stride;
  }
  if (start >= pager->stop_at) return NULL;
  count = pager->state.count;
  if (count > pager->stop_at - start) count = pager->stop_at - start;
  place_of = &pager->slots[pager->used];
  place_of->call = make_call(pager, start, count, now, &code);
  if (place_of->call == NULL) {
    wait_for_memory(pager, now, failed);
    return NULL;
  }
  pager->short_since = 0;
  place_of->start = start;
  place_of->count = count;
  place_of->answered = false;
  pager->used++;
  pager->credit--;
  pager->under_way++;
  return place_of->call;
}

static void protocol_error(fl_call *call) {
  call->kind = FL_KIND_PROTOCOL;
  fl_call_set_no_rows_message(call);
}

/* The number of rows of a successful reply; -1 for null. Sets a protocol error if the data is
 * neither. */
static int64_t count_rows(fl_call *call) {
  switch (fl_envelope_rows(&call->tape, call->text.data, call->envelope.data, &call->rows)) {
    case FL_ROWS_OK: return call->tape.nodes[call->rows].value.size.length;
    case FL_ROWS_NULL: return -1;
    case FL_ROWS_STRANGE: break;
  }
  protocol_error(call);
  return 0;
}

/* Takes the answered page out of the first slot. Delivers it or requests it again, and keeps or
 * drops the guesses. */
static void settle_first(fl_pager *pager) {
  fl_call *call = pager->slots[0].call;
  int64_t got = 0, asked = pager->slots[0].count, before = pager->state.start;
  bool answered_by_status = call->kind == FL_KIND_NONE || call->kind == FL_KIND_INVALID_REQUEST ||
                            call->kind == FL_KIND_NOT_FOUND || call->kind == FL_KIND_HTTP;
  fl_page_action action = FL_PAGE_FAIL;

  if (call->kind == FL_KIND_NONE) got = count_rows(call);
  /* A limit may have made the request smaller than the page size. */
  pager->state.count = asked;
  if (answered_by_status && call->kind != FL_KIND_PROTOCOL)
    action = fl_page_next(&pager->state, call->kind == FL_KIND_NONE ? 200 : call->head.status, got);

  memmove(&pager->slots[0], &pager->slots[1], (size_t)(pager->used - 1) * sizeof(slot));
  pager->used--;
  switch (action) {
    case FL_PAGE_ROWS:
    case FL_PAGE_LAST:
      call->page_rows = got;
      /* Guesses begin with a page that is full or as long as the one before it. */
      pager->stride = got == asked || got == pager->last_got ? got : 0;
      pager->last_got = got;
      if (pager->used > 0 && pager->slots[0].start != before + got) {
        drop_slots(pager, 0);
        pager->guesses = 1;
      } else if (pager->used > 0 && pager->guesses < FL_PAGER_AHEAD) {
        pager->guesses *= 2;
      }
      hand_over(pager, call, action == FL_PAGE_LAST || before + got >= pager->stop_at);
      break;
    case FL_PAGE_END:
      call->kind = FL_KIND_NONE;
      call->page_rows = 0;
      hand_over(pager, call, true);
      break;
    case FL_PAGE_SMALLER:
      fl_call_free(call);
      drop_slots(pager, 0);
      pager->credit++;
      break;
    case FL_PAGE_FAIL:
      if (call->kind == FL_KIND_NONE) protocol_error(call);
      hand_over(pager, call, true);
      break;
  }
}

void fl_pager_answer(fl_pager *pager, fl_call *call) {
  int i;
  pager->under_way--;
  for (i = 0; i < pager->used && pager->slots[i].call != call; i++) {}
  if (i == pager->used) { /* its slot was dropped */
    for (int j = 0; j < pager->dropped_count; j++)
      if (pager->dropped[j] == call) pager->dropped[j] = pager->dropped[--pager->dropped_count];
    fl_call_free(call);
    return;
  }
  pager->slots[i].answered = true;
  while (pager->used > 0 && pager->slots[0].answered && !pager->over) settle_first(pager);
}

fl_call *fl_pager_deliver(fl_pager *pager) {
  return (fl_call *)(void *)fl_list_pop(&pager->deliverable);
}
