/*
 * http_date.c: reads dates by patterns. strptime would depend on the locale.
 */
#include "policy/http_date.h"

#include "base/ascii.h"

typedef struct date_fields {
  int year, month, day, hour, minute, second;
} date_fields;

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char *const day_names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday"};

static size_t day_name_length(fl_slice text, bool whole) {
  for (size_t i = 0; i < sizeof day_names / sizeof day_names[0]; i++) {
    char name[10] = "";
    size_t length = whole ? strlen(day_names[i]) : 3;
    memcpy(name, day_names[i], length);
    if (text.length >= length && fl_ascii_is_word(text.data, length, name)) return length;
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
          memcpy(name, month_names + (ptrdiff_t)3 * (date->month - 1), 3);
          if (text->length >= 3 && fl_ascii_is_word(text->data, 3, name)) break;
        }
        good = date->month <= 12;
        length = 3;
        break;
      case 'e':
      case 'd': {
        bool padded = *pattern == 'e' && text->length > 0 && text->data[0] == ' ';
        if (padded) text->data++, text->length--;
        good = fl_ascii_read_digits(text, padded ? 1 : 2, &date->day);
        break;
      }
      case 'm': good = fl_ascii_read_digits(text, 2, &date->month); break;
      case 'Y': good = fl_ascii_read_digits(text, 4, &date->year); break;
      case 'y':
        good = fl_ascii_read_digits(text, 2, &date->year);
        date->year += date->year < 70 ? 2000 : 1900;
        break;
      case 'H': good = fl_ascii_read_digits(text, 2, &date->hour); break;
      case 'M': good = fl_ascii_read_digits(text, 2, &date->minute); break;
      case 'S': good = fl_ascii_read_digits(text, 2, &date->second); break;
      case 'G':
        good = text->length >= 3 && fl_ascii_is_word(text->data, 3, "GMT");
        length = 3;
        break;
      default:
        good = text->length > 0 && fl_ascii_lower(text->data[0]) == fl_ascii_lower(*pattern);
        length = 1;
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
  return (((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second) * FL_SECOND;
}

/* Reads the rest of an ISO 8601 time after the seconds: a fraction, then Z or an offset. *add is
 * the duration to add to the wall time. */
static bool read_zone(fl_slice *text, fl_time *add) {
  fl_time unit = FL_SECOND;
  int hours, minutes = 0;
  bool behind;
  *add = 0;
  if (text->length > 0 && (text->data[0] == '.' || text->data[0] == ',')) {
    text->data++, text->length--;
    if (text->length == 0 || !fl_ascii_is_digit(text->data[0])) return false;
    for (; text->length > 0 && fl_ascii_is_digit(text->data[0]); text->data++, text->length--)
      *add += (unit /= 10) * (text->data[0] - '0');
  }
  if (text->length == 0) return false;
  if (fl_ascii_lower(text->data[0]) == 'z') {
    text->data++, text->length--;
    return true;
  }
  behind = text->data[0] == '-';
  if (!behind && text->data[0] != '+') return false;
  text->data++, text->length--;
  if (!fl_ascii_read_digits(text, 2, &hours)) return false;
  if (text->length > 0) {
    if (text->data[0] == ':') text->data++, text->length--;
    if (!fl_ascii_read_digits(text, 2, &minutes)) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  *add += (behind ? 60 : -60) * FL_SECOND * (hours * 60 + minutes);
  return true;
}

fl_time fl_http_date_parse(fl_slice text) {
  static const struct {
    const char *pattern;
    bool zone;
  } forms[] = {
      {"w, d b Y H:M:S G", false}, /* IMF-fixdate */
      {"W, d-b-y H:M:S G", false}, /* RFC 850 */
      {"w b e H:M:S Y", false},    /* asctime */
      {"Y-m-dTH:M:S", true},       {"Y-m-d H:M:S", true},
  };
  text = fl_ascii_trim(text);
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
