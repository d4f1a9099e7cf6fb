/*
 * page.h: reads the JSON of a reply: the envelope, the rows of a page, and the decision that
 * follows a page.
 *
 * Pure. docs/contract.md has the rules and their sources, in rows 2 and 3.
 */
#ifndef FL_PAGE_H
#define FL_PAGE_H

#include "codec/json_scan.h"

typedef struct fl_envelope {
  bool found;        /* the root is an object with a member "data" */
  uint32_t data;     /* node of "data" (the last, if repeated); 0 = absent */
  uint32_t messages; /* node of "messages"; 0 = absent */
} fl_envelope;

fl_envelope fl_envelope_of(const fl_json_tape *tape, const char *text);

/* Whether `data` is an object with a member `id` that is a number or a string not empty. */
bool fl_envelope_has_id(const fl_json_tape *tape, const char *text, const fl_envelope *envelope);

/*
 * The messages as one readable text, joined by "; ": a string as it is, an object by its member
 * `message` or `text`. Other values are left out. A single string or object is read like an array
 * of one. Control characters become spaces. Writes at most `size` bytes with the NUL, cut between
 * two characters. Returns the length.
 */
size_t fl_envelope_text(const fl_json_tape *tape, const char *text, uint32_t messages, char *out,
                        size_t size);

typedef enum fl_rows_code {
  FL_ROWS_OK = 0,
  FL_ROWS_NULL,   /* data is null */
  FL_ROWS_STRANGE /* neither an array nor an object whose one array member is "records" */
} fl_rows_code;

/* Finds the array of rows in `data`: itself, or its member "records". *rows is its node. */
fl_rows_code fl_page_rows(const fl_json_tape *tape, const char *text, uint32_t data,
                          uint32_t *rows);

/* Describes data that holds no rows, for an error: "an object with the members id, names (an
 * array)", "a string". Names eight members at most. Cuts like fl_envelope_text, and returns the
 * length. */
size_t fl_page_describe(const fl_json_tape *tape, const char *text, uint32_t data, char *out,
                        size_t size);

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
