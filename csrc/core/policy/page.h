/*
 * page.h: decides what follows a page of rows: the next page, a smaller one, the end, or an error.
 *
 * Pure. docs/contract.md has the rules and their sources, in row 3.
 */
#ifndef FL_PAGE_H
#define FL_PAGE_H

#include "base/base.h"

/* The position of a reader of pages. */
typedef struct fl_page_state {
  int64_t start;       /* of the page asked for */
  int64_t count;       /* asked for */
  bool first;          /* no page has come yet */
  bool last_was_short; /* the page before had fewer rows than asked for */
  bool trust_short_page;
} fl_page_state;

typedef enum fl_page_action {
  FL_PAGE_ROWS,    /* deliver the rows; the state is at the next page */
  FL_PAGE_END,     /* no rows: the end */
  FL_PAGE_LAST,    /* deliver the rows, then the end: a short page that is trusted */
  FL_PAGE_SMALLER, /* ask again from the same start, with the smaller count of the state */
  FL_PAGE_FAIL     /* deliver an error */
} fl_page_action;

/*
 * Decides what follows the reply to the page that `state` describes. `status` is that of the reply;
 * any 2xx counts as 200. `got` is the number of rows in a 2xx, -1 for null data. `start` advances
 * by the rows received, never by `count`. A 400 to the first page halves `count`, down to 100. A
 * 400, a 404, a 416 or null data after a short page is the end; after a full page, or in place of
 * the first page, it is an error. After the end or an error the state is not used again.
 */
fl_page_action fl_page_next(fl_page_state *state, int status, int64_t got);

#endif
