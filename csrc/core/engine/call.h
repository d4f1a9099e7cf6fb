/*
 * call.h: one request and its outcome, the settings it shares with others of its client, and the
 * events told on the way.
 *
 * A call has one owner at a time: the thread that builds it, then the engine, then whoever takes it
 * out of the mailbox. The first part is the request and does not change after the hand-over; the
 * second is the engine's; the third is the outcome.
 */
#ifndef FL_CALL_H
#define FL_CALL_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "codec/json_scan.h"
#include "policy/page.h"
#include "engine/mailbox.h"
#include "policy/response_head.h"
#include "policy/retry.h"

/* --- the client: settings that calls share, counted --- */

typedef struct fl_client_settings {
  /* Strings; NULL where not given, but base_url, subscription_id and user_agent always are. */
  const char *base_url; /* checked by url.h, without a trailing slash */
  const char *subscription_id;
  const char *user_agent;
  const char *ca_file, *client_cert, *client_key;
  const char *proxy; /* NULL: as the environment says, but never for loopback */
  fl_time connect_timeout, read_timeout, write_timeout; /* read and write: of one attempt */
  int64_t rate_limit; /* requests a minute to assume, 0 for none */
  size_t max_response_bytes;
  int max_concurrency;
  bool events; /* tell the mailbox what happens on the way */
  fl_retry_policy retry;
} fl_client_settings;

/* Counted by the engine, read by any thread. */
typedef struct fl_client_counters {
  atomic_llong calls, attempts, retries, bytes_in, bytes_out, connections;
  atomic_llong errors[FL_KIND_COUNT];
} fl_client_counters;

/* Calls that wait for a place or for the rate budget, in order. */
typedef struct fl_lane {
  fl_list calls;
  int with_deadline; /* so many of them have one */
  fl_time ask_again; /* when the rate budget wants to be asked again; 0: now */
} fl_lane;

#define FL_LANES 2 /* by fl_call.interactive: the budget keeps a part for those that are */

/* Memory of replies that are done with, for those to come: pages are large, and asking the system
 * for each of them anew costs page faults, and locks where pages are freed by another thread than
 * they are read by. */
#define FL_POOL_BUFFERS 4
#define FL_POOL_SMALL (64u << 10)   /* bytes that are kept whatever happens */
#define FL_POOL_LARGEST (16u << 20) /* bytes that are kept while pages are read */

typedef struct fl_pooled_buffer {
  fl_buffer text;
  fl_json_tape tape;
} fl_pooled_buffer;

typedef struct fl_buffer_pool {
  pthread_mutex_t lock;
  fl_pooled_buffer kept[FL_POOL_BUFFERS];
  int count;
  int pagers; /* so many read pages of this client */
} fl_buffer_pool;

typedef struct fl_client {
  fl_client_settings settings; /* its strings belong to the client */
  fl_buffer_pool pool;
  fl_client_counters counters;
  uint64_t number; /* names the client in events */
  atomic_int references;
  bool loopback; /* base_url is on this machine */
  bool closed;   /* the engine's: its calls end with kind closed */

  /* The engine's. */
  uint64_t engine; /* serial of the engine whose these are; under another one they begin anew */
  struct fl_budget *budget;
  fl_lane lanes[FL_LANES];
  int running;
  struct fl_client *next_blocked; /* the engine's list of clients that wait for the rate budget */
  bool blocked;
} fl_client;

/* Copies the settings. NULL without memory. One reference is the caller's. */
fl_client *fl_client_new(const fl_client_settings *settings);
fl_client *fl_client_retain(fl_client *client);
void fl_client_release(fl_client *client);

/* --- the request --- */

/* What a caller wants sent. Only read during fl_call_new; all is copied but the body, which is
 * moved. */
typedef struct fl_request {
  fl_slice operation; /* the method's name, as "imports.data" */
  fl_slice method;
  fl_slice path;  /* template, see url.h */
  fl_slice id;    /* data NULL: none */
  fl_slice query; /* encoded already, with its "?"; empty: none */
  fl_slice api_key;
  fl_buffer *body;   /* NULL: none; else emptied */
  bool write;        /* may change something on the server */
  bool repeatable;   /* a write that the caller allows to be sent again */
  bool expects_id;   /* a 2xx without data.id is no usable reply */
  bool expects_rows; /* nor is one whose data is neither rows (see page.h) nor null */
  bool interactive;  /* may use the last tenth of the rate budget */
  fl_time deadline;  /* point in time, FL_NEVER */
} fl_request;

typedef enum fl_call_state {
  FL_CALL_NEW,
  FL_CALL_READY,   /* in its client's list */
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
  fl_buffer body;
  bool has_body, write, repeatable, expects_id, expects_rows, interactive;
  fl_time deadline;
  struct fl_pager *pager; /* the pager that made it, or NULL */

  /* the engine's */
  fl_call_state state;
  struct fl_call *next_known; /* chain of the engine's table of calls by ticket */
  size_t timer;               /* place in the engine's heap of timers, from 1; 0: none */
  fl_time due;
  fl_retry_state retry;
  fl_time submitted;
  struct fl_transfer *transfer;
  fl_kind stop; /* why it is to end, once it is cancelled or closed; FL_KIND_NONE */
  bool silent;  /* there is nobody to tell of its end */
  bool waited;  /* its wait for the rate budget has been told */

  /* the outcome */
  fl_kind kind; /* FL_KIND_NONE: good */
  fl_fate fate;
  fl_response_head head;
  fl_time elapsed;
  fl_time retry_at_wall; /* when it could have gone; FL_UNKNOWN */
  fl_buffer text;        /* the reply; the tape's strings are in it */
  fl_json_tape tape;     /* empty if the reply is not JSON */
  fl_envelope envelope;
  char excerpt[1025];  /* of a reply that was not the envelope: its first KiB; empty otherwise */
  char message[768];   /* of the error, whole and readable */
  char request_id[37]; /* sent as X-Request-Id, the same over all attempts */

  /* of a page */
  int64_t page_start, page_count, page_rows;
  uint32_t rows; /* the node of the array of rows */
  bool page_end; /* nothing follows */
} fl_call;

/*
 * Checks nothing but the path and the id (by url.h; *code tells), copies everything into one
 * allocation, takes references. NULL: *code is not FL_URL_OK, or there is no memory.
 */
fl_call *fl_call_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                     const fl_request *request, int *code);

/* Gives everything back; the key's bytes are overwritten first. Any thread that owns the call. */
void fl_call_free(fl_call *call);

/* Memory for its reply out of the client's pool, if it has none yet. */
void fl_call_take_pooled(fl_call *call);

/* A pager of the client begins (1) or has ended (-1): meanwhile the memory of pages is kept. Any
 * thread. */
void fl_client_reads(fl_client *client, int change);

/* Sets the message of a call whose reply's data is no rows: it names what came. */
void fl_call_say_no_rows(fl_call *call);

/* A ticket that no call or pager of this process has. Any thread. */
uint64_t fl_ticket_next(void);

/* --- events --- */

typedef enum fl_event_name {
  FL_EVENT_START, /* an attempt begins */
  FL_EVENT_WAIT,  /* a call waits for the rate budget */
  FL_EVENT_RETRY, /* an attempt failed; the next comes after `delay` */
  FL_EVENT_DONE   /* the call has ended */
} fl_event_name;

typedef struct fl_event {
  fl_item item; /* ticket: of the call */
  fl_event_name name;
  uint64_t client;
  char operation[64];
  char method[16];
  char path[256]; /* cut to fit */
  char request_id[37];
  char reason[16];
  int attempt, status;
  fl_kind kind;
  fl_fate fate;
  fl_time delay, elapsed;
} fl_event;

/* --- orders: what a Lua state asks of the engine beside calls --- */

typedef struct fl_command {
  fl_item item;
  fl_client *client;   /* a reference, or NULL */
  fl_mailbox *mailbox; /* a reference, or NULL */
} fl_command;

/* NULL without memory. */
fl_command *fl_command_new(fl_item_type type, uint64_t ticket, fl_client *client,
                           fl_mailbox *mailbox);

#endif
