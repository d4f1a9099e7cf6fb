/*
 * client.h: the settings and counters of a client, and the engine's data for each client.
 * Reference-counted.
 */
#ifndef FL_CLIENT_H
#define FL_CLIENT_H

#include <stdatomic.h>

#include "engine/buffer_pool.h"
#include "engine/latency.h"
#include "engine/lease_place.h"
#include "engine/mailbox.h"
#include "policy/retry.h"

typedef struct fl_client_settings {
  /* Strings are NULL if not given. base_url, subscription_id and user_agent are always given. */
  const char *base_url; /* checked by url.h, without a trailing slash */
  const char *subscription_id;
  const char *user_agent;
  const char *ca_file, *client_cert, *client_key;
  bool tls_1_3;      /* the least version of TLS is 1.3, else 1.2 */
  const char *proxy; /* NULL: the proxy of the environment, except for loopback */
  fl_time connect_timeout, read_timeout, write_timeout; /* read and write: of one attempt */
  int64_t rate_limit;     /* requests a minute to assume, 0 for none */
  fl_lease_place *leases; /* by which processes share the rate limit; NULL: none */
  size_t max_response_bytes;
  int max_concurrency;
  bool events;          /* post events to the mailbox */
  bool debug;           /* post traces to the mailbox */
  bool replace_invalid; /* scan replies with fl_json_scan_replacing */
  fl_retry_policy retry;
} fl_client_settings;

/* Written by the engine, read by any thread. */
typedef struct fl_client_counters {
  atomic_llong calls, attempts, retries, bytes_in, bytes_out, connections;
  atomic_llong errors[FL_KIND_COUNT];
  fl_latency_list latency;
} fl_client_counters;

/* Calls that are ready to start, in order; see lane.h. */
typedef struct fl_lane {
  fl_list calls;
  int with_deadline; /* calls that have a deadline */
  fl_time ask_again; /* when to ask the rate budget again; 0: at once */
  fl_time refused;   /* when the rate budget last refused a call of the lane; 0: never */
} fl_lane;

#define FL_LANES 2 /* by fl_call.interactive: the budget keeps a part for such calls */

typedef struct fl_client {
  fl_client_settings settings; /* its strings belong to the client */
  fl_buffer_pool pool;
  fl_client_counters counters;
  uint64_t number; /* names the client in events */
  atomic_int references;
  bool loopback; /* base_url is on this machine */

  /* Used by the engine's thread only. */
  bool closed;     /* its calls end with kind closed */
  uint64_t engine; /* serial of the engine that set the members below; another one resets them */
  struct fl_budget *budget;
  fl_lane lanes[FL_LANES];
  int running;                    /* calls with a transfer */
  struct fl_client *next_blocked; /* the engine's list of clients that wait for the rate budget */
  bool blocked;                   /* whether it is in that list */
} fl_client;

/* Copies the settings, and retains the place. NULL without memory. One reference is the caller's.
 */
fl_client *fl_client_new(const fl_client_settings *settings);
fl_client *fl_client_retain(fl_client *client);
void fl_client_release(fl_client *client);

#endif
