/*
 * pager.h: reads the pages of an import ahead of the reader.
 *
 * A pager requests pages, several at once if it can guess their starts, and delivers them in order.
 * The reader's credit limits the pages that are read ahead. policy/page.h decides what follows a
 * page. A guess is wrong if the server returned fewer rows than expected. The pager then drops it,
 * so that no row is lost or repeated.
 *
 * A pager does no I/O: the loop asks it which calls to make, gives them back when they have ended,
 * and posts the pages that it delivers. Once a pager is submitted, only the engine's thread uses
 * it; the reader sends commands that carry its ticket (FL_ITEM_ADVANCE, FL_ITEM_CANCEL).
 */
#ifndef FL_PAGER_H
#define FL_PAGER_H

#include "engine/call.h"

#define FL_PAGER_AHEAD 16 /* the most pages that are read ahead */

typedef struct fl_pager fl_pager;

typedef struct fl_pager_request {
  fl_slice operation, path, id, api_key;
  fl_slice headers, request_id; /* of every page; see fl_request */
  int64_t start, page_size;
  int64_t limit; /* rows to read at most; INT64_MAX: all */
  int prefetch;  /* pages ahead of the one being read, 0 to FL_PAGER_AHEAD */
  bool trust_short_page;
  fl_time deadline; /* duration for each page, FL_NEVER */
} fl_pager_request;

/* NULL if the path or the id is refused (*code is the reason), or without memory (*code is
 * FL_URL_OK). */
fl_pager *fl_pager_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                       const fl_pager_request *request, int *code);
void fl_pager_free(fl_pager *pager);

fl_item *fl_pager_item(fl_pager *pager);
fl_client *fl_pager_client(fl_pager *pager);
fl_mailbox *fl_pager_mailbox(fl_pager *pager);
uint64_t fl_pager_ticket(const fl_pager *pager);

/* The next call to make, or NULL: no credit, nothing to guess, or the end. Sets *failed if there
 * was no memory for the call: ask again after a pause. After 2 s without memory the pager delivers
 * an error. The deadline of the page counts from `now`. */
fl_call *fl_pager_ask(fl_pager *pager, fl_time now, bool *failed);

/* Returns a call of this pager to it after the call has ended. */
void fl_pager_answer(fl_pager *pager, fl_call *call);

/* The next page for the reader, or NULL. A page with page_end, which an error has too, is the last.
 */
fl_call *fl_pager_deliver(fl_pager *pager);

/* A call under way whose page is not needed, to be stopped, or NULL. Each is returned once, and has
 * to be returned by fl_pager_answer like every call. */
fl_call *fl_pager_obsolete(fl_pager *pager);

/* The reader took a page: the pager gets one more page of credit. */
void fl_pager_advance(fl_pager *pager);

/* Delivers an error, unless the end or an error is delivered already; needs no memory. Calls under
 * way become obsolete. */
void fl_pager_fail(fl_pager *pager, fl_kind kind, const char *words);

/* The reader is gone: calls under way become obsolete, and nothing is delivered any more. */
void fl_pager_stop(fl_pager *pager);

/* True once no call is under way, no page waits to be delivered, and none will come: the pager can
 * be freed. */
bool fl_pager_is_over(const fl_pager *pager);

/* The link of the loop's list of pagers. */
fl_pager **fl_pager_link(fl_pager *pager);

#endif
