/* http_date_spec.c: every form of a date, and what only looks like one. */
#include "policy/http_date.h"

#include "check.h"

/* Sun, 06 Nov 1994 08:49:37 GMT, and a day in the age of the service. */
#define FIRST_DATE (784111777 * FL_SECOND)
#define DATE_TEXT "Wed, 15 May 2024 12:00:00 GMT"
#define DATE (1715774400 * FL_SECOND)

static void reads_dates(void **state) {
  static const struct {
    const char *text;
    fl_time wall;
  } cases[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", FIRST_DATE},
      {"Sunday, 06-Nov-94 08:49:37 GMT", FIRST_DATE},
      {"Sun Nov  6 08:49:37 1994", FIRST_DATE},
      {"Wed May 15 12:00:00 2024", DATE},
      {"  sun, 06 nov 1994 08:49:37 gmt \r\n", FIRST_DATE},
      {DATE_TEXT, DATE},
      {"Wednesday, 15-May-24 12:00:00 GMT", DATE},
      {"2024-05-15T12:00:00Z", DATE},
      {"2024-05-15t12:00:00z", DATE},
      {"2024-05-15 12:00:00Z", DATE},
      {"2024-05-15T12:00:00.5Z", DATE + FL_SECOND / 2},
      {"2024-05-15T12:00:00.1234567Z", DATE + 123456},
      {"2024-05-15T14:30:00+02:30", DATE},
      {"2024-05-15T14:00:00+0200", DATE},
      {"2024-05-15T07:00:00-05", DATE},
      {"2024-05-15T07:00:00.250-05:00", DATE + FL_SECOND / 4},
      {"1970-01-01T00:00:00Z", 0},
      {"2000-02-29T00:00:00Z", 951782400 * FL_SECOND},
      {"2024-03-01T00:00:00Z", 1709251200 * FL_SECOND},
      {"2024-12-31T23:59:60Z", 1735689600 * FL_SECOND},
      {"2100-03-01T00:00:00Z", 4107542400 * FL_SECOND},
      {"1969-12-31T23:59:59Z", -FL_SECOND},
      {"", FL_UNKNOWN},
      {"now", FL_UNKNOWN},
      {"2024-05-15T12:00:00", FL_UNKNOWN},
      {"2024-05-15T12:00:00.Z", FL_UNKNOWN},
      {"2024-05-15", FL_UNKNOWN},
      {"2024-05-15T12:00:00ZZ", FL_UNKNOWN},
      {"2024-05-15T12:00:00+2", FL_UNKNOWN},
      {"2024-05-15T12:00:00+24:00", FL_UNKNOWN},
      {"2024-05-15T24:00:00Z", FL_UNKNOWN},
      {"2024-05-15T12:60:00Z", FL_UNKNOWN},
      {"2024-05-15T12:00:61Z", FL_UNKNOWN},
      {"2024-13-15T12:00:00Z", FL_UNKNOWN},
      {"2024-00-15T12:00:00Z", FL_UNKNOWN},
      {"2024-05-00T12:00:00Z", FL_UNKNOWN},
      {"2024-04-31T12:00:00Z", FL_UNKNOWN},
      {"2023-02-29T12:00:00Z", FL_UNKNOWN},
      {"2100-02-29T12:00:00Z", FL_UNKNOWN},
      {"0000-01-01T00:00:00Z", FL_UNKNOWN},
      {"Wed, 15 May 2024 12:00:00", FL_UNKNOWN},
      {"Wed, 15 May 2024 12:00:00 CET", FL_UNKNOWN},
      {"Wed, 15 Mai 2024 12:00:00 GMT", FL_UNKNOWN},
      {"Wex, 15 May 2024 12:00:00 GMT", FL_UNKNOWN},
      {"Wed, 15 May 2024 12:00:0x GMT", FL_UNKNOWN},
      {"Wed, 15 May 2024 12:00:00 GMT!", FL_UNKNOWN},
      {"-024-05-15T12:00:00Z", FL_UNKNOWN},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    check_number(cases[i].text, fl_http_date_parse(fl_slice_of(cases[i].text)), cases[i].wall);
    for (size_t length = 0; length < strlen(cases[i].text); length++) {
      /* Whatever is cut off, no byte past the slice is read: run under a memory checker. */
      char copy[64];
      memcpy(copy, cases[i].text, length);
      (void)fl_http_date_parse((fl_slice){copy, length});
    }
  }
}

/* Every name and every length of a month, in each form. */
static void reads_every_day(void **state) {
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t day = 19358; /* 2023-01-01, a Sunday, in days since 1970 */
  int weekday = 0;
  (void)state;
  for (int year = 2023; year <= 2024; year++)
    for (int month = 0; month < 12; month++) {
      int last = lengths[month] + (month == 1 && year == 2024);
      for (int date = 1; date <= last + 1; date++) {
        char texts[4][64];
        const char *name = days[weekday], *of = months[month];
        snprintf(texts[0], 64, "%.3s, %02d %s %d 00:00:00 GMT", name, date, of, year);
        snprintf(texts[1], 64, "%s, %02d-%s-%02d 00:00:00 GMT", name, date, of, year % 100);
        snprintf(texts[2], 64, "%.3s %s %2d 00:00:00 %d", name, of, date, year);
        snprintf(texts[3], 64, "%d-%02d-%02dT00:00:00Z", year, month + 1, date);
        for (int form = 0; form < 4; form++)
          check_number(texts[form], fl_http_date_parse(fl_slice_of(texts[form])),
                       date > last ? FL_UNKNOWN : day * 86400 * FL_SECOND);
        if (date > last) break;
        day++;
        weekday = (weekday + 1) % 7;
      }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reads_dates),
                                     cmocka_unit_test(reads_every_day)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
