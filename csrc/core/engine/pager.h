/*
 * pager.h: pages ahead of the reader.
 *
 * A pager asks for the pages of an import, several at once where it may guess their starts, and
 * gives them to its reader in order, as many ahead as there is credit. What follows a page is
 * page.h's to say: a guess that turns out wrong (the server gave fewer rows than it was asked for)
 * is dropped, so that no row is lost or repeated.
 *
 * It does no I/O: the engine asks it which calls to make, brings them back when they have ended,
 * and posts what it delivers. Once submitted, only the engine's thread touches it; the reader
 * speaks to it by orders that carry its ticket (FL_ITEM_ADVANCE, FL_ITEM_CANCEL).
 */
#ifndef FL_PAGER_H
#define FL_PAGER_H

#include "engine/call.h"

#define FL_PAGER_AHEAD 16 /* the most pages that are asked for at once */

typedef struct fl_pager fl_pager;

typedef struct fl_pager_request {
  fl_slice operation, path, id, api_key;
  int64_t start, page_size;
  int64_t limit; /* rows to read at most; INT64_MAX: all */
  int prefetch;  /* pages ahead of the one being read, 0 to FL_PAGER_AHEAD */
  bool trust_short_page;
  fl_time deadline; /* duration for each page, FL_NEVER */
} fl_pager_request;

/* NULL: *code (an fl_url_code) tells what is wrong with the id or the path, or there is no memory.
 */
fl_pager *fl_pager_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                       const fl_pager_request *request, int *code);
void fl_pager_free(fl_pager *pager);

fl_item *fl_pager_item(fl_pager *pager);
fl_client *fl_pager_client(fl_pager *pager);
fl_mailbox *fl_pager_mailbox(fl_pager *pager);
uint64_t fl_pager_ticket(const fl_pager *pager);

/* The next call to make, or NULL: no credit, nothing to guess, or the end. *failed is set where
 * memory ran out. `now` fixes the page's deadline. */
fl_call *fl_pager_ask(fl_pager *pager, fl_time now, bool *failed);

/* A call of this pager has ended; the pager owns it again. */
void fl_pager_answer(fl_pager *pager, fl_call *call);

/* The next page for the reader, with its outcome set, or NULL. After one with page_end or an error
 * nothing comes any more. */
fl_call *fl_pager_deliver(fl_pager *pager);

/* A call under way that is of no use any more, or NULL; each is named once. It still comes back
 * through fl_pager_answer. */
fl_call *fl_pager_obsolete(fl_pager *pager);

/* The reader took a page. */
void fl_pager_advance(fl_pager *pager);

/* Nobody wants the rest: whatever is under way becomes obsolete and nothing is delivered. */
void fl_pager_stop(fl_pager *pager);

/* True once nothing is under way or to be delivered, and nothing will be: it can be freed. */
bool fl_pager_is_over(const fl_pager *pager);

/* Links of the engine's list of pagers. */
fl_pager **fl_pager_link(fl_pager *pager);

#endif
