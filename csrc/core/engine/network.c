/*
 * network.c: a multi handle of libcurl, and a free list of transfers: making an easy handle anew
 * for each attempt costs more than a small call.
 */
#include "engine/network.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/transfer.h"

#define IDLE_TRANSFERS 64
#define KEPT_CONNECTIONS 64L

struct fl_network {
  CURLM *multi;
  fl_sockets sockets;
  fl_transfer *idle[IDLE_TRANSFERS];
  int idle_count;
};

/*
 * libcurl before 8.10 opens the descriptors that wake a multi handle without close-on-exec, and
 * does not name them. They get the lowest free numbers, which are those of a pipe made just before.
 */
static CURLM *make_multi(void) {
  int numbers[2];
  bool known = pipe(numbers) == 0;
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

fl_network *fl_network_new(void) {
  fl_network *network = calloc(1, sizeof *network);
  if (network == NULL) return NULL;
  network->multi = make_multi();
  if (network->multi == NULL) {
    free(network);
    return NULL;
  }
  curl_multi_setopt(network->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
  return network;
}

void fl_network_free(fl_network *network) {
  while (network->idle_count > 0) fl_transfer_free(network->idle[--network->idle_count]);
  curl_multi_cleanup(network->multi);
  fl_sockets_free(&network->sockets);
  free(network);
}

static void release_transfer(fl_network *network, fl_transfer *transfer) {
  if (network->idle_count < IDLE_TRANSFERS) network->idle[network->idle_count++] = transfer;
  else fl_transfer_free(transfer);
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
  if (code == CURLE_OK &&
      curl_multi_add_handle(network->multi, fl_transfer_handle(transfer)) != CURLM_OK)
    code = CURLE_OUT_OF_MEMORY;
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
  curl_multi_remove_handle(network->multi, fl_transfer_handle(transfer));
  sent = fl_transfer_abort(transfer);
  call->transfer = NULL;
  release_transfer(network, transfer);
  return sent;
}

void fl_network_perform(fl_network *network) {
  int running;
  curl_multi_perform(network->multi, &running);
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
  if (*code == CURLE_OK &&
      curl_multi_add_handle(network->multi, fl_transfer_handle(transfer)) != CURLM_OK)
    *code = CURLE_OUT_OF_MEMORY;
  return *code == CURLE_OK;
}

fl_call *fl_network_take_ended(fl_network *network, fl_outcome *outcome) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(network->multi, &left)) != NULL) {
    fl_transfer *transfer = NULL;
    fl_call *call;
    CURLcode code = message->data.result; /* read now: removing the handle frees the message */
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
    call = fl_transfer_call(transfer);
    curl_multi_remove_handle(network->multi, fl_transfer_handle(transfer));
    if (fl_transfer_met_closed(transfer) && start_afresh(network, transfer, call, &code)) continue;
    *outcome = fl_transfer_finish(transfer, code);
    call->transfer = NULL;
    release_transfer(network, transfer);
    return call;
  }
  return NULL;
}

bool fl_network_sleep(fl_network *network, int milliseconds) {
  int active = 0;
  curl_multi_poll(network->multi, NULL, 0, milliseconds, &active);
  return active > 0;
}

void fl_network_wake(fl_network *network) { curl_multi_wakeup(network->multi); }
