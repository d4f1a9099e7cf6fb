/*
 * plain_locale.c: the locale C for one thread, whatever the host's locale is. See postgres.h.
 */
#include "postgres.h"

fl_postgres_locale fl_postgres_plain_locale(void) {
  fl_postgres_locale locale = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
  if (locale.plain != (locale_t)0) locale.before = uselocale(locale.plain);
  return locale;
}

void fl_postgres_leave_locale(fl_postgres_locale locale) {
  if (locale.plain == (locale_t)0) return;
  uselocale(locale.before);
  freelocale(locale.plain);
}
