/*
 * options.h: the options of a sandbox: its address, its keys, its limits, the switches for
 * behaviour that the service's documentation leaves open (docs/contract.md), and the definitions of
 * preparations, reports and automations.
 *
 * SANDBOX_OPTIONS is the one list of the options that have a plain value. The structure, the
 * defaults, the reading of Lua tables and the checks of the Lua side are generated from it. The
 * options do not change while the server runs, so every thread may read them without a lock. The
 * structure owns its strings.
 */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include "field.h"

/* The values of the choices, in the order of their names in the list. */
enum { RETRY_AFTER_NONE, RETRY_AFTER_SECONDS, RETRY_AFTER_HTTP_DATE };
typedef enum {
  RESET_DELTA,
  RESET_EPOCH,
  RESET_EPOCH_MS,
  RESET_ISO,
  RESET_HTTP_DATE,
  RESET_ABSENT,
  RESET_NONSENSE
} sandbox_reset_format;
typedef enum { IDS_NUMBER, IDS_STRING, IDS_UUID } sandbox_ids;
enum { ROWS_BARE, ROWS_RECORDS };
enum { OVER_CAP_CUT, OVER_CAP_400 };
enum { PAST_END_EMPTY, PAST_END_400, PAST_END_404, PAST_END_NULL };
enum { ROW_ORDER_KEPT, ROW_ORDER_REVERSED, ROW_ORDER_ALTERNATING, ROW_ORDER_SHUFFLED };
enum { START_HONOURED, START_IGNORED, START_CLAMPED, START_REPEATED, START_SHUFFLED };
enum { UPDATE_APPEND, UPDATE_REPLACE };
typedef enum { VALUES_VERBATIM, VALUES_NORMALIZED, VALUES_TEXT } sandbox_values;
enum { REJECTED_DROPPED, REJECTED_KEEPS_GOOD };
enum { MESSAGES_STRING, MESSAGES_OBJECT };
typedef enum {
  RUN_SHOWS_RESULT,
  RUN_SHOWS_STATUS,
  RUN_SHOWS_UPDATED,
  RUN_SHOWS_NOTHING
} sandbox_run_shows;

/*
 * TEXT(name, default), WHOLE and NUMBER(name, default, least, most), FLAG(name, default),
 * CHOICE(name, default and others…).
 */
/* clang-format off */
#define SANDBOX_OPTIONS(TEXT, WHOLE, NUMBER, FLAG, CHOICE) \
  TEXT(address, "127.0.0.1") \
  WHOLE(port, 0, 0, 65535) \
  TEXT(database, ":memory:") \
  TEXT(certificate, NULL) /* PEM text; requires private_key \ */ \
  TEXT(private_key, NULL) \
  TEXT(subscription_id, "00000000-0000-4000-8000-000000000001") \
  WHOLE(denied_status, 403, 400, 499) \
  \
  WHOLE(rate_limit, 6000, 0, 0x1p31) /* requests a window; 0 = none, and no headers */ \
  NUMBER(rate_window, 60, 0.001, 86400) /* seconds */ \
  FLAG(rate_limit_headers, true) \
  WHOLE(rate_limit_status, 429, 400, 599) \
  CHOICE(retry_after, "none", "seconds", "http_date") /* of a reply over the limit */ \
  CHOICE(reset_format, "delta", "epoch", "epoch_ms", "iso", "http_date", "absent", "nonsense") \
  NUMBER(clock_skew, 0, -1e9, 1e9) /* seconds that the server's clock is ahead */ \
  \
  CHOICE(ids, "number", "string", "uuid") \
  CHOICE(rows, "bare", "records") \
  WHOLE(count_cap, 0, 0, 0x1p31) /* 0 = none */ \
  CHOICE(over_cap, "cut", "400") \
  CHOICE(past_end, "empty", "400", "404", "null") \
  CHOICE(start_mode, "honoured", "ignored", "clamped", "repeated", "shuffled") \
  CHOICE(row_order, "kept", "reversed", "alternating", "shuffled") \
  TEXT(update_key, "id") \
  CHOICE(update, "append", "replace") \
  CHOICE(values, "verbatim", "normalized", "text") \
  NUMBER(visible_after, 0, 0, 86400) /* seconds until pages contain a batch \ */ \
  TEXT(added_member, NULL) \
  CHOICE(rejected_batch, "dropped", "keeps_good") \
  FLAG(list_descriptions, true) \
  CHOICE(messages, "string", "object") \
  TEXT(notice, NULL) /* a message in every 200 \ */ \
  NUMBER(run_seconds, 0, 0, 86400) /* the time that Execute and Generate take after their reply \ */ \
  CHOICE(run_shows, "result", "status", "updatedAt", "nothing") /* the sign of a run in lists \ */ \
  FLAG(gzip, false) \
  FLAG(etag, false) \
  \
  WHOLE(max_connections, 1000, 1, 1000000) \
  WHOLE(connection_timeout, 60, 1, 86400) /* seconds without a byte \ */ \
  WHOLE(max_body_bytes, 0x1p28, 1, 0x1p30) \
  WHOLE(max_query_rows, 1000000, 1, 0x1p31) \
  WHOLE(max_query_steps, 1000000000, 10000, 0x1p40) \
  NUMBER(max_query_seconds, 10, 0.001, 86400) \
  WHOLE(log_requests, 100000, 0, 0x1p31) \
  WHOLE(log_bytes, 0x1p26, 0, 0x1p40) \
  WHOLE(log_body_bytes, 65536, 0, 0x1p30)
/* clang-format on */

typedef struct sandbox_key {
  char *key;
  uint32_t allowed; /* a bit an operation */
} sandbox_key;

typedef struct sandbox_step {
  bool report; /* else a preparation */
  char *id;
} sandbox_step;

/* A preparation, a report or an automation. The members of other kinds are NULL or 0. */
typedef struct sandbox_definition {
  char *id;
  bool id_is_number; /* lists show the id as a number */
  char *name;
  char *sql;         /* preparation, report */
  char *target;      /* preparation: the name of the import that it makes */
  char *preparation; /* report: uses that preparation's query instead of its own */
  char *labels;      /* report: the column of labels; NULL = the first */
  char *chart_type;
  bool played;   /* preparation, report: runs nothing; its stored result is given again */
  char **series; /* report: columns; none = all but the labels */
  size_t series_count;
  sandbox_step *steps; /* automation */
  size_t step_count;
  char *on_import;  /* automation: also runs when an import of this name sends events */
  bool api_trigger; /* automation: whether Execute may start it */
} sandbox_definition;

typedef enum {
  DEFINED_PREPARATIONS,
  DEFINED_REPORTS,
  DEFINED_AUTOMATIONS,
  DEFINED_COUNT
} sandbox_defined;

typedef struct sandbox_definitions {
  sandbox_definition *list;
  size_t count;
} sandbox_definitions;

#define SANDBOX_TEXT(name, ...) char *name;
#define SANDBOX_WHOLE(name, ...) int64_t name;
#define SANDBOX_NUMBER(name, ...) double name;
#define SANDBOX_FLAG(name, ...) bool name;
#define SANDBOX_CHOICE(name, ...) unsigned name;
typedef struct sandbox_options {
  SANDBOX_OPTIONS(SANDBOX_TEXT, SANDBOX_WHOLE, SANDBOX_NUMBER, SANDBOX_FLAG, SANDBOX_CHOICE)
  sandbox_key *keys;
  size_t key_count;
  uint32_t features; /* a bit an operation that is switched on */
  char **required_columns;
  size_t required_column_count;
  sandbox_definitions defined[DEFINED_COUNT];
} sandbox_options;
#undef SANDBOX_TEXT
#undef SANDBOX_WHOLE
#undef SANDBOX_NUMBER
#undef SANDBOX_FLAG
#undef SANDBOX_CHOICE

extern const sandbox_field sandbox_options_fields[]; /* the list as a table */

/* Frees the memory that the structure owns, but not the structure. */
void sandbox_options_free(sandbox_options *options);

/* NULL if none has this id. */
const sandbox_definition *sandbox_options_definition(const sandbox_options *options,
                                                     sandbox_defined kind, fl_slice id);

#endif
