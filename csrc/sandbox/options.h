/*
 * options.h: what a sandbox was started with: its door, its limits, the switches for what the
 * service's documentation leaves open (docs/contract.md), and the definitions of what it can run.
 *
 * Values only, fixed once the server runs, so that every thread may read them without a lock.
 * Strings belong to the structure.
 */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include "base/base.h"

typedef enum { IDS_NUMBER, IDS_STRING, IDS_UUID } sandbox_ids;
typedef enum { ROWS_BARE, ROWS_RECORDS } sandbox_rows_shape;
typedef enum { PAST_END_EMPTY, PAST_END_400, PAST_END_404, PAST_END_NULL } sandbox_past_end;
typedef enum { OVER_CAP_CUT, OVER_CAP_400 } sandbox_over_cap;
typedef enum { ROW_ORDER_KEPT, ROW_ORDER_REVERSED, ROW_ORDER_ALTERNATING } sandbox_row_order;
typedef enum { UPDATE_APPEND, UPDATE_REPLACE } sandbox_update;
typedef enum { VALUES_VERBATIM, VALUES_NORMALIZED, VALUES_TEXT } sandbox_values;
typedef enum { REJECTED_DROPPED, REJECTED_KEEPS_GOOD } sandbox_rejected;
typedef enum { MESSAGES_STRING, MESSAGES_OBJECT } sandbox_messages;
typedef enum {
  RESET_DELTA,
  RESET_EPOCH,
  RESET_EPOCH_MS,
  RESET_ISO,
  RESET_HTTP_DATE,
  RESET_ABSENT,
  RESET_NONSENSE
} sandbox_reset_format;

typedef struct sandbox_key {
  char *key;
  uint32_t allowed; /* a bit an operation */
} sandbox_key;

typedef struct sandbox_step {
  bool report; /* else a preparation */
  char *id;
} sandbox_step;

/* A preparation, a report or an automation; members that its kind does not have are NULL or 0. */
typedef struct sandbox_definition {
  char *id;
  bool id_is_number; /* how lists show it */
  char *name;
  char *sql;         /* preparation, report */
  char *target;      /* preparation: the name of the import it makes */
  char *preparation; /* report: reads that preparation's query instead of its own */
  char *labels;      /* report: the column of labels; NULL = the first */
  char *chart_type;
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

typedef struct sandbox_options {
  char *address;
  int64_t port;
  char *database;
  char *certificate, *private_key; /* PEM text; both or neither */

  char *subscription_id;
  sandbox_key *keys;
  size_t key_count;
  uint32_t features; /* a bit an operation that is switched on */
  int64_t denied_status;

  int64_t rate_limit; /* requests a window; 0 = none, and no headers */
  double rate_window; /* seconds */
  bool rate_limit_headers;
  int64_t rate_limit_status;
  char *retry_after; /* "seconds" | "http_date" | NULL: what a reply over the limit carries */
  sandbox_reset_format reset_format;
  double clock_skew; /* seconds that the server's clock is ahead */

  sandbox_ids ids;
  sandbox_rows_shape rows;
  int64_t count_cap; /* 0 = none */
  sandbox_over_cap over_cap;
  sandbox_past_end past_end;
  sandbox_row_order row_order;
  char *update_key;
  sandbox_update update;
  sandbox_values values;
  double visible_after; /* seconds until a batch shows in pages */
  char *added_member;
  char **required_columns;
  size_t required_column_count;
  sandbox_rejected rejected_batch;
  bool list_descriptions;
  sandbox_messages messages;
  char *notice;       /* a message that every 200 carries */
  double run_seconds; /* how long Execute and Generate take behind their reply */
  bool gzip, etag;

  int64_t max_body_bytes, max_query_rows, max_query_steps;
  int64_t log_requests, log_bytes, log_body_bytes;

  sandbox_definitions defined[DEFINED_COUNT];
} sandbox_options;

/* Frees what the structure owns, not the structure. */
void sandbox_options_free(sandbox_options *options);

/* NULL if none has this id. */
const sandbox_definition *sandbox_options_definition(const sandbox_options *options,
                                                     sandbox_defined kind, fl_slice id);

#endif
