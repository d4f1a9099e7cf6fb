/*
 * rate_limit.c: fuzzes the arithmetic of the rate limit with a sequence of events: takes, replies,
 * refusals, time. The counts stay in step with a count of our own, no wait is longer than a window
 * and its slack or a block, and whoever asks again at the time that was named gets a request.
 */
#include "fuzz.h"

#include <math.h>

#include "policy/rate_limit.h"

#define LONGEST_WAIT (FL_RATE_BLOCK_CEILING + FL_RATE_WINDOW + FL_RATE_SLACK + 2 * FL_SECOND)

static fl_response_head read_head(fuzz_input *input) {
  unsigned flags = fuzz_byte(input);
  fl_response_head head;
  fl_response_head_init(&head);
  head.status = flags & 1 ? 200 : flags & 2 ? 429 : flags & 4 ? 0 : 500;
  head.limit = head.remaining = head.reset = FL_UNKNOWN;
  if (head.status == 0) return head;
  if ((flags & 8) != 0) head.limit = fuzz_number(input) % (FL_RATE_LIMIT_MOST + 1);
  if ((flags & 16) != 0) {
    head.remaining = fuzz_number(input) % (FL_RATE_LIMIT_MOST + 1);
    if (head.limit > 0 && head.remaining > head.limit) head.remaining = head.limit;
  }
  if ((flags & 32) != 0) {
    head.reset_format = flags & 64 ? FL_RESET_DELTA : FL_RESET_EPOCH_MS;
    head.reset = (fl_time)(fuzz_number(input) % 75001) * FL_MILLISECOND;
    if ((flags & 64) != 0) head.reset -= head.reset % FL_SECOND;
    head.reset_assumed = (flags & 128) != 0;
  }
  return head;
}

static void check(const fl_rate_limit *limit, int64_t in_flight, fl_time now) {
  double pace = fl_rate_limit_pace(limit, now);
  HOLDS(limit->in_flight == in_flight);
  HOLDS(limit->older >= 0 && limit->older <= limit->in_flight);
  HOLDS((limit->limit == FL_UNKNOWN) || (limit->limit >= 0 && limit->limit <= FL_RATE_LIMIT_MOST));
  HOLDS(limit->spent >= 0 && limit->foreign >= 0 && limit->favoured >= 0);
  HOLDS(limit->spent_total >= limit->spent || limit->spent_total >= 0);
  HOLDS(!isnan(pace) && !isinf(pace));
}

/* Asks until a request is given, each time at the time that was named. */
static fl_time take(fl_rate_limit *limit, fl_time now, bool interactive) {
  fl_time first = now;
  for (int asked = 0;; asked++) {
    fl_time at = fl_rate_limit_take(limit, now, 1, interactive);
    if (at == 0) return now;
    HOLDS(at > now);
    HOLDS(at - first <= LONGEST_WAIT * 4);
    HOLDS(asked < 20);
    now = at;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fuzz_input input = {bytes, length};
  fl_rate_limit limit;
  int64_t in_flight = 0;
  fl_time now = FL_SECOND;
  fl_rate_limit_init(&limit, fuzz_number(&input) % 10000);
  while (input.left > 0) {
    unsigned event = fuzz_byte(&input);
    fl_time at;
    switch (event % 8) {
      case 0:
      case 1:
        at = fl_rate_limit_take(&limit, now, 1 + fuzz_byte(&input), (event & 8) != 0);
        HOLDS(at == 0 || (at > now && at - now <= LONGEST_WAIT));
        in_flight += at == 0;
        break;
      case 2:
        if (in_flight == 0) break;
        fl_rate_limit_give_back(&limit);
        in_flight--;
        break;
      case 3:
      case 4: {
        fl_response_head head = read_head(&input);
        if (in_flight == 0) break;
        fl_rate_limit_learn(&limit, now, &head);
        in_flight--;
        break;
      }
      case 5: fl_rate_limit_throttled(&limit, now, now + (fl_time)fuzz_number(&input)); break;
      case 6: fl_rate_limit_assume(&limit, fuzz_number(&input)); break;
      case 7: now += (fl_time)fuzz_number(&input); break;
    }
    check(&limit, in_flight, now);
  }
  if (in_flight > 0) return 0; /* requests in flight may use up every window */
  take(&limit, now, false);
  check(&limit, 1, now);
  return 0;
}
