/* page.c: the decision that follows a page. */
#include "policy/page.h"

#define SMALLEST_COUNT 100

fl_page_action fl_page_next(fl_page_state *state, int status, int64_t got) {
  bool good = status >= 200 && status < 300;
  if (good && got >= 0) {
    bool is_short = got < state->count;
    state->first = false;
    if (got == 0) return FL_PAGE_END;
    state->start += got;
    state->last_was_short = is_short;
    return is_short && state->trust_short_page ? FL_PAGE_LAST : FL_PAGE_ROWS;
  }
  if (state->first && status == 400 && state->count > SMALLEST_COUNT) {
    state->count = state->count / 2 > SMALLEST_COUNT ? state->count / 2 : SMALLEST_COUNT;
    return FL_PAGE_SMALLER;
  }
  if (state->last_was_short && (good || status == 400 || status == 404 || status == 416))
    return FL_PAGE_END;
  return FL_PAGE_FAIL;
}
