/*
 * http_date.h: dates of HTTP headers as wall time. Pure: no locale, no time zone of the machine.
 */
#ifndef FL_HTTP_DATE_H
#define FL_HTTP_DATE_H

#include "base/base.h"

/* An HTTP-date (IMF-fixdate, RFC 850, asctime), or ISO 8601 with Z or an offset. FL_UNKNOWN for
 * anything else. */
fl_time fl_http_date_parse(fl_slice text);

#endif
