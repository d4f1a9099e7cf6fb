/*
 * call.h: one request and its outcome.
 *
 * A call has one owner at a time: the thread that makes it, then the engine, then the reader of the
 * mailbox. The first part of the struct is the request, which does not change after it is
 * submitted. The second part belongs to the engine. The third part is the outcome.
 */
#ifndef FL_CALL_H
#define FL_CALL_H

#include "base/permit.h"
#include "engine/client.h"
#include "policy/envelope.h"
#include "policy/response_head.h"
#include "policy/timer_heap.h"

/* The arguments of fl_call_new. It copies all of them except the body, which it moves. */
typedef struct fl_request {
  fl_slice operation; /* the name of the operation, as "imports.data" */
  fl_slice method;
  fl_slice path;  /* template, see url.h */
  fl_slice id;    /* data NULL: none */
  fl_slice query; /* encoded already, with its "?"; empty: none */
  fl_slice api_key;
  fl_slice headers;    /* more header lines, "Name: value", a NUL after each; empty: none */
  fl_slice request_id; /* empty: the engine makes one */
  fl_buffer *body;     /* NULL: none; otherwise the buffer is empty afterwards */
  bool write;          /* may change something on the server */
  bool repeatable;     /* a write that the caller allows to be sent again */
  bool expects_id;     /* a 2xx without data.id is no usable reply */
  bool expects_rows;   /* a 2xx whose data is neither rows (see envelope.h) nor null is no usable
                          reply */
  bool raw;            /* a 2xx of any content type is a good reply, and is not parsed */
  bool keeps_text;     /* a copy of the text of a good reply stays in fl_call.raw_text */
  bool conditional;    /* has If-None-Match: a 304 is a good reply, with null as its data */
  bool interactive;    /* may use the last tenth of the rate budget */
  fl_time deadline;    /* point in time; FL_NEVER: none */
  fl_permit *permit;   /* without it nothing is sent; NULL: none is needed. The call retains it */
} fl_request;

#define FL_HEADERS_MOST 64 /* header lines of a caller */
#define FL_REQUEST_ID 129  /* bytes of the longest request id, with its NUL */

/* An attempt after which the call was tried again. */
typedef struct fl_call_retry {
  int status;         /* of the reply; 0: none came */
  fl_kind kind;       /* of the error */
  const char *reason; /* of fl_retry_decision, a literal */
  fl_time delay;      /* until the next attempt, at least */
} fl_call_retry;

#define FL_CALL_RETRIES 4 /* the most that a call keeps: the first ones */

typedef enum fl_call_state {
  FL_CALL_NEW,
  FL_CALL_READY,   /* in a lane of its client */
  FL_CALL_DELAYED, /* waits for its next attempt */
  FL_CALL_RUNNING, /* has a transfer */
  FL_CALL_DONE
} fl_call_state;

typedef struct fl_call {
  fl_item item;

  /* the request */
  fl_client *client;
  fl_mailbox *mailbox;
  char *operation, *method, *url, *path, *api_key; /* in the block that follows the struct */
  fl_slice headers;                                /* the same; see fl_request */
  fl_buffer body;
  bool has_body, write, repeatable, expects_id, expects_rows, raw, keeps_text, conditional;
  bool interactive;
  fl_time deadline;
  fl_permit *permit;      /* see fl_request */
  struct fl_pager *pager; /* the pager that made it, or NULL */

  /* the engine's */
  fl_call_state state;
  struct fl_call *next_indexed; /* chain of the engine's table of calls by ticket */
  fl_timer timer;               /* the next attempt, or the deadline */
  fl_retry_state retry;
  fl_time submitted;
  fl_time ready; /* when it last entered its lane */
  struct fl_transfer *transfer;
  bool fresh_connection; /* an idle connection was closed: each further attempt opens a new one */
  fl_kind stop; /* of a call being stopped: cancelled, closed, timeout; else FL_KIND_NONE */
  bool silent;  /* it has no reader any more: the outcome is freed, not posted */
  bool waited;  /* the event about its wait for the rate budget has been posted */

  /* the outcome */
  fl_kind kind; /* FL_KIND_NONE: success */
  fl_fate fate;
  fl_response_head head;
  fl_buffer head_lines; /* the status line and the header lines of the reply, as they came */
  fl_buffer raw_text; /* of a raw call that failed, and of a call that keeps it: the reply before it
                         was parsed */
  fl_time elapsed;
  fl_time waited_for_budget; /* the part of `elapsed` for which the rate budget held it */
  fl_call_retry retries[FL_CALL_RETRIES];
  int retry_count;       /* of `retries` */
  fl_time retry_at_wall; /* of an error: the earliest time of another attempt, or FL_UNKNOWN */
  fl_buffer text;        /* the reply; the tape's strings are in it */
  fl_json_tape tape;     /* empty if the reply is not JSON */
  fl_envelope envelope;
  char excerpt[1025]; /* the first KiB of a reply that was not the envelope; empty otherwise */
  char message[768];  /* of the error; "" on success */
  char request_id[FL_REQUEST_ID]; /* sent as X-Request-Id, the same over all attempts */

  /* of a page */
  int64_t page_start, page_count, page_rows;
  uint32_t rows; /* the node of the array of rows */
  bool page_end; /* it is the last page */
} fl_call;

/*
 * Makes a call: checks the path and the id (see url.h), copies everything into one allocation, and
 * takes references. NULL if *code is not FL_URL_OK, or without memory.
 */
fl_call *fl_call_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                     const fl_request *request, int *code);

/* Frees everything; the key's bytes are overwritten first. Any thread that owns the call. */
void fl_call_free(fl_call *call);

/* Sets the message to "operation: words". */
void fl_call_set_message(fl_call *call, const char *words);

/* Sets the message of a call whose reply holds no rows. The message describes the data. */
void fl_call_set_no_rows_message(fl_call *call);

#endif
