/*
 * network.c: a multi handle of libcurl, and a free list of transfers: making an easy handle anew
 * for each attempt costs more than a small call.
 *
 * libcurl tells which sockets it waits for and when its next timer is due, and is told which
 * sockets are ready (curl_multi_socket_action). curl_multi_perform would ask the system about each
 * socket of each transfer in each turn.
 *
 * Relies on one fact about libcurl: where it has no memory to keep a socket that it would tell,
 * curl_multi_socket_action says so (CURLM_OUT_OF_MEMORY), but not of which transfer. That transfer
 * would wait for ever. Before 8.13 its table of sockets may be broken then, so that the next use of
 * the socket divides by zero. So all transfers end, and the multi handle is made anew.
 */
#include "engine/network.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "engine/transfer.h"
#include "engine/watched.h"

#define IDLE_TRANSFERS 64
#define KEPT_CONNECTIONS 64L
#define TIMER_ROUNDS 100 /* the most runs of libcurl's timer in one turn, so that the turn ends */

struct fl_network {
  CURLM *multi;
  fl_sockets sockets;
  fl_watched watched;
  fl_time timer;           /* when libcurl wants to run; FL_NEVER */
  fl_transfer **under_way; /* those in the multi handle, each at its fl_transfer_place */
  size_t count, capacity;
  bool failed; /* the multi handle must not be used any more: its transfers end one by one */
  fl_transfer *idle[IDLE_TRANSFERS];
  int idle_count;
};

/*
 * libcurl before 8.10 opens the descriptors that wake a multi handle without close-on-exec, and
 * does not name them. They get the lowest free numbers, which are those of a pipe made just before.
 */
static CURLM *make_multi(void) {
  int numbers[2];
  bool known = fl_descriptor_pipe(numbers) == 0;
  CURLM *multi;
  if (known) {
    close(numbers[0]);
    close(numbers[1]);
  }
  multi = curl_multi_init();
  for (int i = 0; known && multi != NULL && i < 2; i++) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    /* Another thread may have taken a number meanwhile: only a socket of curl's family is changed.
     */
    if (getsockname(numbers[i], (struct sockaddr *)&address, &length) != 0) continue;
    if (address.ss_family == AF_UNIX) fcntl(numbers[i], F_SETFD, FD_CLOEXEC);
  }
  return multi;
}

static int on_watch(CURL *easy, curl_socket_t descriptor, int what, void *context, void *own) {
  fl_network *network = context;
  (void)easy;
  (void)own;
  return fl_watched_set(&network->watched, descriptor,
                        what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                        what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
             ? 0
             : -1;
}

static int on_timer(CURLM *multi, long milliseconds, void *context) {
  fl_network *network = context;
  (void)multi;
  network->timer = milliseconds < 0 ? FL_NEVER : fl_clock_now() + milliseconds * FL_MILLISECOND;
  return 0;
}

/* Makes the multi handle. False without memory. */
static bool open_multi(fl_network *network) {
  network->timer = FL_NEVER;
  network->multi = make_multi();
  if (network->multi == NULL) return false;
  curl_multi_setopt(network->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
  curl_multi_setopt(network->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
  curl_multi_setopt(network->multi, CURLMOPT_SOCKETDATA, network);
  curl_multi_setopt(network->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(network->multi, CURLMOPT_TIMERDATA, network);
  return true;
}

fl_network *fl_network_new(void) {
  fl_network *network = calloc(1, sizeof *network);
  if (network == NULL) return NULL;
  if (fl_watched_init(&network->watched)) {
    if (open_multi(network)) return network;
    fl_watched_free(&network->watched);
  }
  free(network);
  return NULL;
}

/* Closes a multi handle that failed, with its connections. Its transfers have ended. */
static void close_failed(fl_network *network) {
  curl_multi_cleanup(network->multi);
  network->multi = NULL;
  network->timer = FL_NEVER; /* closing connections may have set it */
  network->failed = false;
  fl_watched_clear(&network->watched);
}

void fl_network_free(fl_network *network) {
  while (network->idle_count > 0) fl_transfer_free(network->idle[--network->idle_count]);
  if (network->multi != NULL) curl_multi_cleanup(network->multi);
  fl_watched_free(&network->watched);
  fl_sockets_free(&network->sockets);
  free(network->under_way);
  free(network);
}

static void release_transfer(fl_network *network, fl_transfer *transfer) {
  if (network->idle_count < IDLE_TRANSFERS) network->idle[network->idle_count++] = transfer;
  else fl_transfer_free(transfer);
}

static bool reserve(fl_network *network) {
  size_t capacity = network->capacity > 0 ? network->capacity * 2 : 16;
  fl_transfer **grown;
  if (network->count < network->capacity) return true;
  grown = realloc(network->under_way, capacity * sizeof(fl_transfer *));
  if (grown == NULL) return false;
  network->under_way = grown;
  network->capacity = capacity;
  return true;
}

/* Adds a transfer that is prepared. The room for its sockets is made before, since libcurl ends all
 * transfers where its function for sockets fails. */
static CURLcode add(fl_network *network, fl_transfer *transfer) {
  if (network->failed || (network->multi == NULL && !open_multi(network)) || !reserve(network) ||
      !fl_watched_reserve(&network->watched, network->count + 1) ||
      curl_multi_add_handle(network->multi, fl_transfer_handle(transfer)) != CURLM_OK)
    return CURLE_OUT_OF_MEMORY;
  *fl_transfer_place(transfer) = network->count;
  network->under_way[network->count++] = transfer;
  return CURLE_OK;
}

static void remove_handle(fl_network *network, fl_transfer *transfer) {
  size_t place = *fl_transfer_place(transfer);
  curl_multi_remove_handle(network->multi, fl_transfer_handle(transfer));
  network->under_way[place] = network->under_way[--network->count];
  *fl_transfer_place(network->under_way[place]) = place;
}

bool fl_network_start(fl_network *network, fl_call *call, fl_time now, fl_kind *kind,
                      const char **words) {
  fl_transfer *transfer = network->idle_count > 0 ? network->idle[--network->idle_count]
                                                  : fl_transfer_new(&network->sockets);
  CURLcode code;
  *kind = FL_KIND_NETWORK;
  *words = "no memory for a transfer";
  if (transfer == NULL) return false;
  code = fl_transfer_prepare(transfer, call, now);
  if (code == CURLE_OK) code = add(network, transfer);
  if (code == CURLE_OK) {
    call->transfer = transfer;
    return true;
  }
  fl_transfer_abort(transfer);
  release_transfer(network, transfer);
  if (code != CURLE_OUT_OF_MEMORY) *kind = FL_KIND_CONFIG;
  *words = curl_easy_strerror(code);
  return false;
}

bool fl_network_stop(fl_network *network, fl_call *call) {
  fl_transfer *transfer = call->transfer;
  bool sent;
  remove_handle(network, transfer);
  sent = fl_transfer_abort(transfer);
  call->transfer = NULL;
  release_transfer(network, transfer);
  return sent;
}

static int action(const fl_ready *ready) {
  return (ready->readable ? CURL_CSELECT_IN : 0) | (ready->writable ? CURL_CSELECT_OUT : 0) |
         (ready->failed ? CURL_CSELECT_ERR : 0);
}

static void act(fl_network *network, curl_socket_t descriptor, int what) {
  int running;
  if (curl_multi_socket_action(network->multi, descriptor, what, &running) != CURLM_OK)
    network->failed = true;
}

void fl_network_perform(fl_network *network) {
  fl_ready ready;
  while (!network->failed && fl_watched_take(&network->watched, &ready))
    act(network, ready.descriptor, action(&ready));
  for (int i = 0; !network->failed && i < TIMER_ROUNDS && network->timer <= fl_clock_now(); i++) {
    network->timer = FL_NEVER;
    act(network, CURL_SOCKET_TIMEOUT, 0);
  }
}

/* Nothing was sent, since the server had closed the idle connection. Starts the same attempt on a
 * new connection, since other idle connections may be closed, too. False if the attempt had a new
 * connection already, or failed to start with *code. */
static bool start_afresh(fl_network *network, fl_transfer *transfer, fl_call *call,
                         CURLcode *code) {
  if (call->fresh_connection) return false;
  call->fresh_connection = true;
  fl_transfer_abort(transfer);
  *code = fl_transfer_prepare(transfer, call, fl_clock_now());
  if (*code == CURLE_OK) *code = add(network, transfer);
  return *code == CURLE_OK;
}

/* A transfer that has ended, and its code; NULL if there is none. */
static fl_transfer *next_ended(fl_network *network, CURLcode *code) {
  CURLMsg *message;
  fl_transfer *transfer = NULL;
  int left;
  if (network->multi == NULL) return NULL;
  while ((message = curl_multi_info_read(network->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    *code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
    return transfer;
  }
  if (!network->failed) return NULL;
  *code = FL_TRANSFER_LOST;
  if (network->count > 0) return network->under_way[network->count - 1];
  close_failed(network);
  return NULL;
}

fl_call *fl_network_take_ended(fl_network *network, fl_outcome *outcome) {
  fl_transfer *transfer;
  CURLcode code;
  while ((transfer = next_ended(network, &code)) != NULL) {
    fl_call *call = fl_transfer_call(transfer);
    remove_handle(network, transfer);
    if (fl_transfer_met_closed(transfer) && start_afresh(network, transfer, call, &code)) continue;
    *outcome = fl_transfer_finish(transfer, code);
    call->transfer = NULL;
    release_transfer(network, transfer);
    return call;
  }
  return NULL;
}

bool fl_network_sleep(fl_network *network, int milliseconds) {
  if (network->timer != FL_NEVER) {
    fl_time left = network->timer - fl_clock_now();
    left = left <= 0 ? 0 : (left + FL_MILLISECOND - 1) / FL_MILLISECOND;
    if (left < milliseconds) milliseconds = (int)left;
  }
  return fl_watched_wait(&network->watched, milliseconds) || network->timer <= fl_clock_now();
}

void fl_network_wake(fl_network *network) { fl_watched_wake(&network->watched); }
