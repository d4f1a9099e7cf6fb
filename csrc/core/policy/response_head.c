/*
 * response_head.c: header lines in -> status, Retry-After, rate limit, location, content type.
 *
 * Headers are a table of names and readers. Dates are read by patterns, not by strptime, which
 * would bring the locale in.
 */
#include "policy/response_head.h"

/* Above this a number of requests is nonsense: a million a minute is beyond any tier, and servers
 * without a limit send the largest integer they have. */
#define COUNT_CEILING 1000000000
/* A wait longer than a year is nonsense. */
#define RETRY_AFTER_CEILING (366 * 86400 * FL_SECOND)
/* What tells the forms of a Reset apart: below, seconds to wait; then epoch seconds (from 2001 on);
 * then epoch milliseconds (from 2001 on, to the year 9999). */
#define FIRST_EPOCH_SECOND 1e9
#define FIRST_EPOCH_MILLISECOND 1e12
#define LAST_EPOCH_MILLISECOND 253402300799999.0

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte; }

/* Whether the bytes are the word, in either case. */
static bool same_word(const char *bytes, size_t length, const char *word) {
  for (size_t i = 0; i < length; i++)
    if (lower(bytes[i]) != lower(word[i])) return false; /* a word's own NUL differs too */
  return word[length] == '\0';
}

static fl_slice trim(fl_slice text) {
  while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
    text.data++, text.length--;
  while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL) text.length--;
  return text;
}

/* --- dates --- */

typedef struct date_fields {
  int year, month, day, hour, minute, second;
} date_fields;

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char *const day_names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday"};

static bool read_digits(fl_slice *text, size_t count, int *value) {
  *value = 0;
  if (text->length < count) return false;
  for (; count > 0; count--, text->data++, text->length--) {
    if (!is_digit(text->data[0])) return false;
    *value = *value * 10 + (text->data[0] - '0');
  }
  return true;
}

static size_t day_name_length(fl_slice text, bool whole) {
  for (size_t i = 0; i < sizeof day_names / sizeof day_names[0]; i++) {
    char name[10] = "";
    size_t length = whole ? strlen(day_names[i]) : 3;
    memcpy(name, day_names[i], length);
    if (text.length >= length && same_word(text.data, length, name)) return length;
  }
  return 0;
}

/*
 * Reads the beginning of `text` as the pattern says and leaves the rest: w a short day's name, W a
 * long one, d day, e day with a space for its first digit, b month's name, m month, Y and y years
 * of four and two digits, H M S, G the word GMT; anything else stands for itself, in either case.
 */
static bool read_pattern(fl_slice *text, const char *pattern, date_fields *date) {
  for (; *pattern != '\0'; pattern++) {
    size_t length = 0;
    bool good = true;
    switch (*pattern) {
      case 'w':
      case 'W':
        length = day_name_length(*text, *pattern == 'W');
        good = length > 0;
        break;
      case 'b':
        for (date->month = 1; date->month <= 12; date->month++) {
          char name[4] = "";
          memcpy(name, month_names + 3 * (date->month - 1), 3);
          if (text->length >= 3 && same_word(text->data, 3, name)) break;
        }
        good = date->month <= 12;
        length = 3;
        break;
      case 'e':
      case 'd': {
        bool padded = *pattern == 'e' && text->length > 0 && text->data[0] == ' ';
        if (padded) text->data++, text->length--;
        good = read_digits(text, padded ? 1 : 2, &date->day);
        break;
      }
      case 'm': good = read_digits(text, 2, &date->month); break;
      case 'Y': good = read_digits(text, 4, &date->year); break;
      case 'y':
        good = read_digits(text, 2, &date->year);
        date->year += date->year < 70 ? 2000 : 1900;
        break;
      case 'H': good = read_digits(text, 2, &date->hour); break;
      case 'M': good = read_digits(text, 2, &date->minute); break;
      case 'S': good = read_digits(text, 2, &date->second); break;
      case 'G':
        good = text->length >= 3 && same_word(text->data, 3, "GMT");
        length = 3;
        break;
      default: good = text->length > 0 && lower(text->data[0]) == lower(*pattern); length = 1;
    }
    if (!good) return false;
    text->data += length;
    text->length -= length;
  }
  return true;
}

static bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static fl_time wall_of(const date_fields *date) {
  static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
  int64_t years = date->year - 1, days;
  int month_days;
  if (date->year < 1 || date->month < 1 || date->month > 12 || date->day < 1) return FL_UNKNOWN;
  month_days = before_month[date->month] - before_month[date->month - 1] +
               (date->month == 2 && is_leap(date->year));
  if (date->day > month_days || date->hour > 23 || date->minute > 59 || date->second > 60)
    return FL_UNKNOWN;
  days = years * 365 + years / 4 - years / 100 + years / 400 + before_month[date->month - 1] +
         (date->month > 2 && is_leap(date->year)) + date->day - 1;
  days -= 719162; /* 1970-01-01 */
  return (days * 86400 + date->hour * 3600 + date->minute * 60 + date->second) * FL_SECOND;
}

/* What follows the seconds in ISO 8601: a fraction, then Z or an offset, as what to add to the
 * wall. */
static bool read_zone(fl_slice *text, fl_time *add) {
  fl_time unit = FL_SECOND;
  int hours, minutes = 0;
  bool behind;
  *add = 0;
  if (text->length > 0 && (text->data[0] == '.' || text->data[0] == ',')) {
    text->data++, text->length--;
    if (text->length == 0 || !is_digit(text->data[0])) return false;
    for (; text->length > 0 && is_digit(text->data[0]); text->data++, text->length--)
      *add += (unit /= 10) * (text->data[0] - '0');
  }
  if (text->length == 0) return false;
  if (lower(text->data[0]) == 'z') {
    text->data++, text->length--;
    return true;
  }
  behind = text->data[0] == '-';
  if (!behind && text->data[0] != '+') return false;
  text->data++, text->length--;
  if (!read_digits(text, 2, &hours)) return false;
  if (text->length > 0) {
    if (text->data[0] == ':') text->data++, text->length--;
    if (!read_digits(text, 2, &minutes)) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  *add += (behind ? 1 : -1) * (hours * 3600 + minutes * 60) * FL_SECOND;
  return true;
}

fl_time fl_parse_date(fl_slice text) {
  static const struct {
    const char *pattern;
    bool zone;
  } forms[] = {
      {"w, d b Y H:M:S G", false}, /* IMF-fixdate */
      {"W, d-b-y H:M:S G", false}, /* RFC 850 */
      {"w b e H:M:S Y", false},    /* asctime */
      {"Y-m-dTH:M:S", true},       {"Y-m-d H:M:S", true},
  };
  text = trim(text);
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    date_fields date = {0, 0, 0, 0, 0, 0};
    fl_slice rest = text;
    fl_time add = 0, wall;
    if (!read_pattern(&rest, forms[i].pattern, &date)) continue;
    if (forms[i].zone && !read_zone(&rest, &add)) continue;
    wall = wall_of(&date);
    if (rest.length == 0) return wall == FL_UNKNOWN ? FL_UNKNOWN : wall + add;
  }
  return FL_UNKNOWN;
}

/* --- numbers --- */

/* A plain decimal number without sign or exponent, as 1, 1.5; false for anything else. */
static bool read_decimal(fl_slice text, double *value) {
  double scale = 1;
  size_t i = 0;
  *value = 0;
  for (; i < text.length && is_digit(text.data[i]); i++)
    *value = *value * 10 + (text.data[i] - '0');
  if (i == 0 || i > 18) return false;
  if (i < text.length && text.data[i] == '.' && i + 1 < text.length) {
    for (i++; i < text.length && is_digit(text.data[i]); i++)
      *value += (text.data[i] - '0') * (scale /= 10);
  }
  return i == text.length;
}

/* A number of requests. Of a list, and before parameters ("100, 100;w=60"), the first. */
static int64_t read_count(fl_slice text) {
  double value;
  size_t end = 0;
  while (end < text.length && text.data[end] != ',' && text.data[end] != ';') end++;
  if (!read_decimal(trim((fl_slice){text.data, end}), &value)) return FL_UNKNOWN;
  return value > COUNT_CEILING || value != (double)(int64_t)value ? FL_UNKNOWN : (int64_t)value;
}

/* Retry-After as a duration from `date`, or FL_UNKNOWN. */
static fl_time read_retry_after(fl_slice text, fl_time date) {
  double seconds;
  fl_time at, wait;
  if (read_decimal(text, &seconds))
    return seconds * FL_SECOND > (double)RETRY_AFTER_CEILING ? FL_UNKNOWN
                                                             : (fl_time)(seconds * FL_SECOND + 0.5);
  at = fl_parse_date(text);
  if (at == FL_UNKNOWN) return FL_UNKNOWN;
  wait = at > date ? at - date : 0;
  return wait > RETRY_AFTER_CEILING ? FL_UNKNOWN : wait;
}

static fl_reset_format reset_format(fl_slice text) {
  double value;
  if (read_decimal(text, &value)) {
    if (value < FIRST_EPOCH_SECOND) return FL_RESET_DELTA;
    if (value < FIRST_EPOCH_MILLISECOND) return FL_RESET_EPOCH;
    return value <= LAST_EPOCH_MILLISECOND ? FL_RESET_EPOCH_MS : FL_RESET_NONSENSE;
  }
  if (fl_parse_date(text) == FL_UNKNOWN) return FL_RESET_NONSENSE;
  /* An HTTP-date begins with a weekday. */
  return is_digit(text.data[0]) ? FL_RESET_ISO : FL_RESET_HTTP_DATE;
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
    case FL_RESET_HTTP_DATE: at = fl_parse_date(text); break;
    case FL_RESET_ABSENT:
    case FL_RESET_NONSENSE: return FL_UNKNOWN;
  }
  return at > date ? at - date : 0;
}

/* --- lines --- */

/* Printable, in one line, cut at a character's edge. */
static void copy_text(char *out, size_t room, fl_slice text) {
  size_t length = text.length < room ? text.length : room - 1;
  if (length < text.length)
    while (length > 0 && ((unsigned char)text.data[length] & 0xc0) == 0x80) length--;
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text.data[i];
    out[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
  }
  out[length] = '\0';
}

static void take_count(fl_response_head *head, int64_t *count, fl_slice value) {
  int64_t read = read_count(value);
  if (read == FL_UNKNOWN) head->nonsense++;
  else if (*count == FL_UNKNOWN) *count = read;
}

/* Kept as it came until the Date is known; of several the first that can be read at all. */
static void take_time(fl_response_head *head, char (*kept)[64], fl_slice value,
                      fl_time (*reader)(fl_slice, fl_time)) {
  /* Against the end of time every date has passed, so that only what cannot be read is unknown. */
  if ((*kept)[0] != '\0') {
    bool good = reader(value, FL_NEVER) != FL_UNKNOWN;
    bool had_good = reader(fl_slice_of(*kept), FL_NEVER) != FL_UNKNOWN;
    if (!good || !had_good) head->nonsense++;
    if (!good || had_good) return;
  }
  /* A header without a value is there all the same. */
  copy_text(*kept, sizeof *kept, value.length > 0 ? value : FL_LITERAL("?"));
}

static void take_limit(fl_response_head *head, fl_slice value) {
  take_count(head, &head->limit, value);
}
static void take_remaining(fl_response_head *head, fl_slice value) {
  take_count(head, &head->remaining, value);
}
static void take_retry_after(fl_response_head *head, fl_slice value) {
  take_time(head, &head->retry_after_text, value, read_retry_after);
}
static void take_reset(fl_response_head *head, fl_slice value) {
  take_time(head, &head->reset_text, value, read_reset);
}
static void take_date(fl_response_head *head, fl_slice value) {
  fl_time date = fl_parse_date(value);
  if (date == FL_UNKNOWN) head->nonsense++;
  else if (head->date_wall == FL_UNKNOWN) head->date_wall = date;
}
static void take_location(fl_response_head *head, fl_slice value) {
  if (head->location[0] == '\0') copy_text(head->location, sizeof head->location, value);
}
static void take_word(char *out, size_t room, fl_slice value) {
  size_t end = 0;
  if (out[0] != '\0') return;
  while (end < value.length && value.data[end] != ';' && value.data[end] != ',') end++;
  copy_text(out, room, trim((fl_slice){value.data, end}));
  for (; *out != '\0'; out++) *out = lower(*out);
}
static void take_content_type(fl_response_head *head, fl_slice value) {
  take_word(head->content_type, sizeof head->content_type, value);
}
static void take_encoding(fl_response_head *head, fl_slice value) {
  take_word(head->encoding, sizeof head->encoding, value);
}
static void take_etag(fl_response_head *head, fl_slice value) { head->has_etag = value.length > 0; }

#define NAMED(name) name, sizeof name - 1

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
}

static int read_status(fl_slice line) {
  size_t space = 0;
  int status;
  while (space < line.length && line.data[space] != ' ') space++;
  line = trim((fl_slice){line.data + space, line.length - space});
  if (!read_digits(&line, 3, &status) || (line.length > 0 && line.data[0] != ' ')) return 0;
  return status >= 200 ? status : 0;
}

void fl_response_head_line(fl_response_head *head, const char *line, size_t length) {
  fl_slice text = {line, length}, value;
  size_t colon = 0;
  if (length >= 5 && same_word(line, 5, "HTTP/")) {
    fl_response_head_init(head);
    head->status = read_status(trim(text));
    return;
  }
  if (head->status == 0) return;
  while (colon < length && line[colon] != ':') colon++;
  if (colon == length) return;
  value = trim((fl_slice){line + colon + 1, length - colon - 1});
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
    if (headers[i].length == colon && same_word(line, colon, headers[i].name)) {
      headers[i].take(head, value);
      return;
    }
}

void fl_response_head_finish(fl_response_head *head, fl_time wall_now) {
  fl_time date = head->date_wall != FL_UNKNOWN ? head->date_wall : wall_now;
  if (head->retry_after_text[0] != '\0') {
    fl_time wait = read_retry_after(fl_slice_of(head->retry_after_text), date);
    head->retry_after_known = wait != FL_UNKNOWN;
    if (head->retry_after_known) head->retry_after = wait;
    else head->nonsense++;
  }
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
  if (head->limit != FL_UNKNOWN && head->limit > 0 && head->remaining > head->limit) {
    head->remaining = head->limit;
    head->nonsense++;
  }
}
