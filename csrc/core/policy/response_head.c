/* response_head.c: reads the header lines of a reply, by a table of names and functions. */
#include "policy/response_head.h"

#include "base/ascii.h"
#include "policy/http_date.h"

/* A larger number of requests is nonsense: servers without a limit send the largest integer. */
#define COUNT_CEILING 1000000000
/* A longer Retry-After counts as this. */
#define RETRY_AFTER_CEILING (FL_SECOND * 366 * 24 * 3600)
/* The forms of a Reset by its value: below the first, seconds to wait; then epoch seconds, from
 * 2001 on; then epoch milliseconds, from 2001 to 9999. */
#define FIRST_EPOCH_SECOND 1e9
#define FIRST_EPOCH_MILLISECOND 1e12
#define LAST_EPOCH_MILLISECOND 253402300799999.0

/* --- numbers --- */

/* A plain decimal number without sign or exponent, as 1, 1.5; false for anything else. */
static bool read_decimal(fl_slice text, double *value) {
  double scale = 1;
  size_t i = 0;
  *value = 0;
  for (; i < text.length && fl_ascii_is_digit(text.data[i]); i++)
    *value = *value * 10 + (text.data[i] - '0');
  if (i == 0 || i > 18) return false;
  if (i < text.length && text.data[i] == '.' && i + 1 < text.length) {
    for (i++; i < text.length && fl_ascii_is_digit(text.data[i]); i++)
      *value += (text.data[i] - '0') * (scale /= 10);
  }
  return i == text.length;
}

/* Takes the first element off a list ("100, 100;w=60"). False at its end. */
static bool take_element(fl_slice *list, fl_slice *element) {
  size_t end = 0;
  if (list->data == NULL) return false;
  while (end < list->length && list->data[end] != ',') end++;
  *element = fl_ascii_trim((fl_slice){list->data, end});
  if (end == list->length) *list = (fl_slice){NULL, 0};
  else *list = (fl_slice){list->data + end + 1, list->length - end - 1};
  return true;
}

/* Reads a number of requests, without its parameters ("100;w=60"). NEGATIVE if it is below 0. */
#define NEGATIVE (-1)
static int64_t read_count(fl_slice text) {
  double value;
  size_t end = 0;
  bool negative = text.length > 0 && text.data[0] == '-';
  while (end < text.length && text.data[end] != ';') end++;
  if (!read_decimal(fl_ascii_trim((fl_slice){text.data + negative, end - negative}), &value))
    return FL_UNKNOWN;
  if (value > COUNT_CEILING || value != (double)(int64_t)value) return FL_UNKNOWN;
  return negative && value > 0 ? NEGATIVE : (int64_t)value;
}

/* Reads a number of seconds as a duration. False if it is not a number. */
static bool read_seconds(fl_slice text, fl_time *duration) {
  double seconds;
  size_t digits = 0;
  while (digits < text.length && fl_ascii_is_digit(text.data[digits])) digits++;
  if (digits > 0 && digits == text.length && digits > 18) seconds = 1e18;
  else if (!read_decimal(text, &seconds)) return false;
  *duration = seconds * FL_SECOND > (double)RETRY_AFTER_CEILING
                  ? RETRY_AFTER_CEILING
                  : (fl_time)(seconds * FL_SECOND + 0.5);
  return true;
}

static fl_reset_format reset_format(fl_slice text) {
  double value;
  if (read_decimal(text, &value)) {
    if (value < FIRST_EPOCH_SECOND) return FL_RESET_DELTA;
    if (value < FIRST_EPOCH_MILLISECOND) return FL_RESET_EPOCH;
    return value <= LAST_EPOCH_MILLISECOND ? FL_RESET_EPOCH_MS : FL_RESET_NONSENSE;
  }
  if (fl_http_date_parse(text) == FL_UNKNOWN) return FL_RESET_NONSENSE;
  /* An HTTP-date begins with a weekday. */
  return fl_ascii_is_digit(text.data[0]) ? FL_RESET_ISO : FL_RESET_HTTP_DATE;
}

const char *fl_reset_format_name(fl_reset_format format) {
  static const char *const names[] = {"absent", "delta",     "epoch",   "epoch_ms",
                                      "iso",    "http_date", "nonsense"};
  return names[format];
}

/* Reset as a duration from `date`, or FL_UNKNOWN. */
static fl_time read_reset(fl_slice text, fl_time date) {
  double value = 0;
  fl_time at = 0;
  read_decimal(text, &value);
  switch (reset_format(text)) {
    case FL_RESET_DELTA: return (fl_time)(value * FL_SECOND + 0.5);
    case FL_RESET_EPOCH: at = (fl_time)(value * FL_SECOND + 0.5); break;
    case FL_RESET_EPOCH_MS: at = (fl_time)(value * FL_MILLISECOND + 0.5); break;
    case FL_RESET_ISO:
    case FL_RESET_HTTP_DATE: at = fl_http_date_parse(text); break;
    case FL_RESET_ABSENT:
    case FL_RESET_NONSENSE: return FL_UNKNOWN;
  }
  return at > date ? at - date : 0;
}

/* --- lines --- */

/* Copies a text without control characters, cut between characters. */
static void copy_text(char *out, size_t size, fl_slice text) {
  size_t length = text.length < size ? text.length : size - 1;
  if (length < text.length)
    while (length > 0 && ((unsigned char)text.data[length] & 0xc0) == 0x80) length--;
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text.data[i];
    out[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
  }
  out[length] = '\0';
}

/* If there are several limits, the first readable one counts. */
static void take_limit(fl_response_head *head, fl_slice value) {
  fl_slice first;
  take_element(&value, &first);
  int64_t count = read_count(first);
  if (count < 0) head->nonsense++;
  else if (head->limit == FL_UNKNOWN) head->limit = count;
}

/* If there are several numbers, the smallest counts. */
static void take_remaining(fl_response_head *head, fl_slice value) {
  fl_slice element;
  while (take_element(&value, &element)) {
    int64_t count = read_count(element);
    if (count == NEGATIVE) head->overdrawn = true;
    else if (count == FL_UNKNOWN) head->nonsense++;
    else if (head->remaining == FL_UNKNOWN || count < head->remaining) head->remaining = count;
  }
}

static void keep_latest(fl_time *kept, fl_time value) {
  if (*kept == FL_UNKNOWN || value > *kept) *kept = value;
}

/* If there are several waits, the longest counts. A date holds a comma, so it is tried before the
 * list. */
static void take_retry_after(fl_response_head *head, fl_slice value) {
  fl_time at = fl_http_date_parse(value), duration;
  fl_slice element;
  if (at != FL_UNKNOWN) {
    keep_latest(&head->retry_after_wall, at);
    return;
  }
  while (take_element(&value, &element))
    if (read_seconds(element, &duration)) keep_latest(&head->retry_after_delta, duration);
    else head->nonsense++;
}

/* Kept as text until the Date is known. If there are several, the first readable one counts. */
static void take_reset(fl_response_head *head, fl_slice value) {
  /* Every date lies before FL_NEVER, so FL_UNKNOWN means only that the text cannot be read. */
  if (head->reset_text[0] != '\0') {
    bool good = read_reset(value, FL_NEVER) != FL_UNKNOWN;
    bool had_good = read_reset(fl_slice_of(head->reset_text), FL_NEVER) != FL_UNKNOWN;
    if (!good || !had_good) head->nonsense++;
    if (!good || had_good) return;
  }
  /* Marks a header without a value as present. */
  copy_text(head->reset_text, sizeof head->reset_text, value.length > 0 ? value : FL_LITERAL("?"));
}
static void take_date(fl_response_head *head, fl_slice value) {
  fl_time date = fl_http_date_parse(value);
  if (date == FL_UNKNOWN) head->nonsense++;
  else if (head->date_wall == FL_UNKNOWN) head->date_wall = date;
}
static void take_location(fl_response_head *head, fl_slice value) {
  if (head->location[0] == '\0') copy_text(head->location, sizeof head->location, value);
}
static void take_word(char *out, size_t size, fl_slice value) {
  size_t end = 0;
  if (out[0] != '\0') return;
  while (end < value.length && value.data[end] != ';' && value.data[end] != ',') end++;
  copy_text(out, size, fl_ascii_trim((fl_slice){value.data, end}));
  for (; *out != '\0'; out++) *out = fl_ascii_lower(*out);
}
static void take_content_type(fl_response_head *head, fl_slice value) {
  take_word(head->content_type, sizeof head->content_type, value);
}
static void take_encoding(fl_response_head *head, fl_slice value) {
  take_word(head->encoding, sizeof head->encoding, value);
}
static void take_etag(fl_response_head *head, fl_slice value) { head->has_etag = value.length > 0; }

#define NAMED(name) (name), sizeof(name) - 1

static const struct {
  const char *name;
  size_t length;
  void (*take)(fl_response_head *head, fl_slice value);
} headers[] = {
    {NAMED("date"), take_date},
    {NAMED("content-type"), take_content_type},
    {NAMED("content-encoding"), take_encoding},
    {NAMED("etag"), take_etag},
    {NAMED("location"), take_location},
    {NAMED("retry-after"), take_retry_after},
    {NAMED("x-ratelimit-limit"), take_limit},
    {NAMED("x-ratelimit-remaining"), take_remaining},
    {NAMED("x-ratelimit-reset"), take_reset},
};

void fl_response_head_init(fl_response_head *head) {
  memset(head, 0, sizeof *head);
  head->limit = head->remaining = FL_UNKNOWN;
  head->reset = head->reset_wall = head->date_wall = FL_UNKNOWN;
  head->retry_after_delta = head->retry_after_wall = FL_UNKNOWN;
}

static int read_status(fl_slice line) {
  size_t space = 0;
  int status;
  while (space < line.length && line.data[space] != ' ') space++;
  line = fl_ascii_trim((fl_slice){line.data + space, line.length - space});
  if (!fl_ascii_read_digits(&line, 3, &status) || (line.length > 0 && line.data[0] != ' '))
    return 0;
  return status >= 200 ? status : 0;
}

static bool is_switch(fl_slice line) {
  size_t space = 0;
  while (space < line.length && line.data[space] != ' ') space++;
  line = fl_ascii_trim((fl_slice){line.data + space, line.length - space});
  return line.length >= 3 && memcmp(line.data, "101", 3) == 0 &&
         (line.length == 3 || line.data[3] == ' ');
}

/* False if the headers of the line's head do not count. */
static bool take_line_of_head(fl_response_head *head, fl_slice line) {
  switch (head->part) {
    case FL_HEAD_BEFORE:
      if (line.length < 5 || !fl_ascii_is_word(line.data, 5, "HTTP/")) return false;
      fl_response_head_init(head);
      head->status = read_status(line);
      head->switched = is_switch(line);
      head->part = head->status != 0 ? FL_HEAD_INSIDE : FL_HEAD_INTERIM;
      return false;
    case FL_HEAD_INTERIM:
      if (line.length == 0) head->part = FL_HEAD_BEFORE;
      return false;
    case FL_HEAD_INSIDE:
      if (line.length == 0) head->part = FL_HEAD_ENDED;
      return line.length > 0;
    case FL_HEAD_ENDED: break;
  }
  return false;
}

void fl_response_head_line(fl_response_head *head, const char *line, size_t length) {
  fl_slice value;
  size_t colon = 0;
  if (!take_line_of_head(head, fl_ascii_trim((fl_slice){line, length}))) return;
  while (colon < length && line[colon] != ':') colon++;
  if (colon == length) return;
  value = fl_ascii_trim((fl_slice){line + colon + 1, length - colon - 1});
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
    if (headers[i].length == colon && fl_ascii_is_word(line, colon, headers[i].name)) {
      headers[i].take(head, value);
      return;
    }
}

void fl_response_head_finish(fl_response_head *head, fl_time wall_now) {
  fl_time date = head->date_wall != FL_UNKNOWN ? head->date_wall : wall_now;
  if (head->retry_after_wall != FL_UNKNOWN) {
    fl_time wait = head->retry_after_wall > date ? head->retry_after_wall - date : 0;
    keep_latest(&head->retry_after_delta, wait > RETRY_AFTER_CEILING ? RETRY_AFTER_CEILING : wait);
  }
  head->retry_after_known = head->retry_after_delta != FL_UNKNOWN;
  if (head->retry_after_known) head->retry_after = head->retry_after_delta;
  if (head->reset_text[0] != '\0') {
    head->reset_format = reset_format(fl_slice_of(head->reset_text));
    head->reset = read_reset(fl_slice_of(head->reset_text), date);
    if (head->reset == FL_UNKNOWN || head->reset > FL_RATE_WINDOW + FL_RATE_SLACK) {
      head->reset = FL_RATE_WINDOW;
      head->reset_assumed = true;
      head->nonsense++;
    }
    head->reset_wall = date + head->reset;
  }
  /* In a 429, a Remaining below 0 means that the budget is spent. In other replies, some servers
   * mean "no limit". */
  if (head->overdrawn && head->remaining == FL_UNKNOWN && head->status == 429) head->remaining = 0;
  else if (head->overdrawn) head->nonsense++;
  if (head->limit != FL_UNKNOWN && head->limit > 0 && head->remaining > head->limit) {
    head->remaining = head->limit;
    head->nonsense++;
  }
}
