/*
 * response_head.h: reads the header lines of a reply: status, Retry-After, rate limit, location,
 * content type.
 *
 * Pure: the lines and the wall time are arguments. Every value of a server is checked. A
 * nonsensical value is ignored and counted, so that it never causes a long wait.
 */
#ifndef FL_RESPONSE_HEAD_H
#define FL_RESPONSE_HEAD_H

#include "base/base.h"

/* A Reset within the window and some slack is believed; for a later one, a full window is assumed.
 */
#define FL_RATE_WINDOW (60 * FL_SECOND)
#define FL_RATE_SLACK (15 * FL_SECOND)

/* The forms of X-RateLimit-Reset. */
typedef enum fl_reset_format {
  FL_RESET_ABSENT,
  FL_RESET_DELTA,
  FL_RESET_EPOCH,
  FL_RESET_EPOCH_MS,
  FL_RESET_ISO,
  FL_RESET_HTTP_DATE,
  FL_RESET_NONSENSE
} fl_reset_format;

/* The part of the reply to which the next line belongs. */
typedef enum fl_head_part {
  FL_HEAD_BEFORE,  /* a status line is expected */
  FL_HEAD_INTERIM, /* in a head of 1xx: a status line follows its blank line */
  FL_HEAD_INSIDE,  /* in the head of the reply */
  FL_HEAD_ENDED    /* behind its blank line: trailers */
} fl_head_part;

typedef struct fl_response_head {
  fl_head_part part;
  int status;    /* 0 until the status line of the reply came */
  bool switched; /* a 101 came: what follows is no HTTP */
  bool retry_after_known;
  fl_time retry_after; /* duration from the Date of the reply, >= 0; valid after finish */
  int64_t limit;       /* X-RateLimit-Limit; FL_UNKNOWN if absent or nonsense (negative, a fraction,
                             above 10^9) */
  int64_t remaining;   /* X-RateLimit-Remaining, the same; at most a limit above 0 */
  fl_time reset;       /* duration until the reset; FL_UNKNOWN if absent; valid after finish */
  fl_time reset_wall;  /* the same in wall time, by the server's clock; FL_UNKNOWN */
  fl_reset_format reset_format; /* valid after finish */
  bool reset_assumed;           /* the header is nonsense or too late: a full window is assumed */
  fl_time date_wall;            /* the Date of the reply; FL_UNKNOWN if absent */
  int nonsense;                 /* the number of headers above that could not be read */
  char content_type[64];        /* lower case, without parameters; "" if absent; cut to fit */
  char encoding[16];            /* Content-Encoding, lower case; "" if absent; cut to fit */
  bool has_etag;
  char location[512];        /* cut to fit */
  fl_time retry_after_delta; /* the two forms of Retry-After, until finish; FL_UNKNOWN */
  fl_time retry_after_wall;
  bool overdrawn;      /* a Remaining below 0 */
  char reset_text[64]; /* unread, until finish */
} fl_response_head;

void fl_response_head_init(fl_response_head *head);

/*
 * One line as libcurl hands it over, with or without its line end. A status line counts at the
 * beginning and after the blank line of an interim head (1xx), nowhere else: a line that begins
 * with "HTTP/" inside a head is a header. After the blank line of the reply's head nothing counts,
 * so that trailers change nothing. Header names are compared in any case. If a header is repeated,
 * or is a list ("100, 100;w=60"), the first readable value counts, except that the smallest
 * Remaining and the longest Retry-After count. Control characters in kept texts become "?".
 */
void fl_response_head_line(fl_response_head *head, const char *line, size_t length);

/*
 * Computes durations, once all lines are in. `wall_now` is used if the reply has no Date.
 * Retry-After: seconds or a date; a year at most. The form of Reset follows from its value: delta
 * seconds (below 10^9), epoch seconds (below 10^12), epoch milliseconds, ISO 8601, HTTP-date; a
 * time that has passed is 0. If Reset cannot be read, or lies beyond the window and some slack, a
 * full window is assumed. A Remaining below 0 is 0 with a 429, else nonsense.
 */
void fl_response_head_finish(fl_response_head *head, fl_time wall_now);

/* "delta", "epoch", …; "absent" if there was no Reset. */
const char *fl_reset_format_name(fl_reset_format format);

#endif
