/*
 * transfer.c: one attempt of a call on an easy handle of libcurl.
 *
 * Relies on two facts about libcurl that were measured: it sends a POST again by itself when a
 * reused connection closes after the request was read, and it calls CURLOPT_PREREQFUNCTION each
 * time before it sends a request on an open connection. So the calls are counted. A count of 0
 * proves that nothing was sent. The second call is refused: for a write because the first request
 * may have been processed, for a read because every request has to be taken from the rate budget.
 */
#include "engine/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "engine/outcome.h"
#include "engine/trace.h"
#include "policy/redact.h"
#include "policy/visible.h"

#define OLDEST_CURL 0x075000 /* 7.80.0: PREREQFUNCTION */
#define OWN_HEADERS 6
#define USUAL_HEAD ((size_t)1000)              /* bytes of a reply's head */
#define MOST_HEAD_OF_CURL ((size_t)200 * 1024) /* with the next line it exceeds 300 KB */
#define MOST_TRAILERS ((size_t)64 * 1024)
#define CODE_TOO_LARGE ((CURLcode)100) /* CURLE_TOO_LARGE of libcurl 8.6 */
#define TRUSTED_LENGTH (4u << 20)

struct fl_transfer {
  CURL *easy;
  fl_sockets *sockets;
  fl_call *call;
  size_t place;        /* the owner's */
  uint64_t configured; /* number of the client whose options are set; 0: none */
  long buffer_size;    /* that was set; 0: libcurl's default */
  int requests;        /* calls of the PREREQ function in this attempt */
  bool repeated;       /* libcurl wanted to send a second time, and was stopped */
  bool lapsed;         /* the permit of the call was not good any more */
  int port;            /* local, of the connection that the request is sent on */
  bool closed;         /* the connection was spent before the request was sent (sockets.h) */
  bool too_large;      /* the reply is larger than max_response_bytes */
  bool no_memory;
  size_t head_bytes; /* of the reply, with its trailers */
  size_t trailer_bytes;
  struct curl_slist headers[OWN_HEADERS + FL_HEADERS_MOST];
  fl_buffer header_text; /* holds the key: wiped */
  char error[CURL_ERROR_SIZE];
};

const char *fl_transfer_check_library(void) {
  const curl_version_info_data *library = curl_version_info(CURLVERSION_NOW);
  if (library->version_num < OLDEST_CURL) return "libcurl 7.80 or newer is needed";
  return NULL;
}

fl_transfer *fl_transfer_new(fl_sockets *sockets) {
  fl_transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer == NULL) return NULL;
  transfer->easy = curl_easy_init();
  if (transfer->easy == NULL) {
    free(transfer);
    return NULL;
  }
  transfer->sockets = sockets;
  fl_buffer_init(&transfer->header_text, FL_BUFFER_UNLIMITED);
  return transfer;
}

void fl_transfer_free(fl_transfer *transfer) {
  curl_easy_cleanup(transfer->easy);
  fl_buffer_wipe(&transfer->header_text);
  free(transfer);
}

CURL *fl_transfer_handle(fl_transfer *transfer) { return transfer->easy; }
fl_call *fl_transfer_call(fl_transfer *transfer) { return transfer->call; }
size_t *fl_transfer_place(fl_transfer *transfer) { return &transfer->place; }

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
  fl_transfer *transfer = context;
  fl_result result = fl_buffer_append(&transfer->call->text, bytes, size * count);
  if (result == FL_OK) return size * count;
  if (result == FL_TOO_LARGE) transfer->too_large = true;
  else transfer->no_memory = true;
  return 0;
}

/* If the server announces the length of the reply, allocates the whole buffer at once, so that it
 * need not grow and be copied. */
static void reserve_for(fl_transfer *transfer, const char *line, size_t length) {
  static const char name[] = "content-length:";
  fl_call *call = transfer->call;
  unsigned long long announced;
  char digits[24];
  size_t used = sizeof name - 1;
  if (length <= used || strncasecmp(line, name, used) != 0) return;
  length = length - used < sizeof digits - 1 ? length - used : sizeof digits - 1;
  memcpy(digits, line + used, length);
  digits[length] = '\0';
  announced = strtoull(digits, NULL, 10);
  /* The announced length may be wrong, so memory is reserved only up to a bound. */
  if (announced > TRUSTED_LENGTH) announced = TRUSTED_LENGTH;
  if (announced > 0 && announced <= call->text.ceiling)
    fl_buffer_reserve(&call->text, (size_t)announced);
}

/* Keeps the lines of the reply's head: not those of interim heads, nor trailers. The first line
 * that finds the head empty is its status line. */
static void keep_line(fl_call *call, const char *line, size_t length) {
  if (call->head.part == FL_HEAD_INSIDE) fl_buffer_append(&call->head_lines, line, length);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
  fl_transfer *transfer = context;
  fl_response_head_line(&transfer->call->head, bytes, size * count);
  if (transfer->head_bytes == 0 && size * count > 7 && memcmp(bytes, "HTTP/1.", 7) == 0)
    fl_sockets_note_reply(transfer->sockets, transfer->port);
  transfer->head_bytes += size * count;
  if (transfer->call->head.part == FL_HEAD_ENDED) transfer->trailer_bytes += size * count;
  if (transfer->trailer_bytes > MOST_TRAILERS) return 0; /* libcurl keeps them all */
  if (transfer->call->head.switched) return 0;           /* no reply will follow */
  keep_line(transfer->call, bytes, size * count);
  reserve_for(transfer, bytes, size * count);
  return size * count;
}

static int on_request(void *context, char *remote, char *local, int remote_port, int local_port) {
  fl_transfer *transfer = context;
  (void)remote;
  (void)local;
  (void)remote_port;
  if (transfer->requests > 0) {
    transfer->repeated = true;
    return CURL_PREREQFUNC_ABORT;
  }
  /* Here, and not where the call is started: connecting takes time, too. */
  transfer->lapsed = transfer->call->permit != NULL &&
                     !fl_permit_is_good(transfer->call->permit, fl_clock_elapsed());
  if (transfer->lapsed) return CURL_PREREQFUNC_ABORT;
  /* libcurl considers some connections alive that were reset while they were idle, or that have
   * bytes of no reply. */
  transfer->closed = fl_sockets_is_spent(transfer->sockets, local_port);
  if (transfer->closed) return CURL_PREREQFUNC_ABORT;
  transfer->port = local_port;
  transfer->requests++;
  return CURL_PREREQFUNC_OK;
}

/* Set for clients with the option `debug` only. The other information of libcurl is left out: the
 * header function has the reply's head, and the texts may hold secrets. */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *context) {
  const fl_transfer *transfer = context;
  (void)easy;
  if (type == CURLINFO_HEADER_OUT && transfer->call != NULL)
    fl_trace_request(transfer->call, (fl_slice){bytes, size});
  return 0;
}

/* The context is the table of the network, since a connection outlives the transfer that opened it.
 */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
  int descriptor = fl_sockets_open(context, address->family, address->socktype, address->protocol);
  (void)purpose;
  return descriptor < 0 ? CURL_SOCKET_BAD : descriptor;
}

static int on_close(void *context, curl_socket_t descriptor) {
  fl_sockets_close(context, descriptor);
  return 0;
}

/* Whether the caller's lines have this header. `name` ends with its colon. */
static bool is_given(fl_slice lines, const char *name) {
  size_t length = strlen(name);
  for (size_t at = 0; at < lines.length; at += strlen(lines.data + at) + 1)
    if (strncasecmp(lines.data + at, name, length) == 0) return true;
  return false;
}

/* Writes the header lines into one buffer, and the list that libcurl reads over them. */
static bool build_headers(fl_transfer *transfer) {
  const fl_call *call = transfer->call;
  const char *parts[OWN_HEADERS][2];
  size_t offsets[OWN_HEADERS + FL_HEADERS_MOST];
  int own = 0, count = 0;
  fl_buffer *text = &transfer->header_text;

  parts[own][0] = "X-Api-Key: ", parts[own++][1] = call->api_key;
  parts[own][0] = "X-Subscription-Id: ", parts[own++][1] = call->client->settings.subscription_id;
  parts[own][0] = "X-Request-Id: ", parts[own++][1] = call->request_id;
  if (!is_given(call->headers, "accept:"))
    parts[own][0] = "Accept: ", parts[own++][1] = call->raw ? "*/*" : "application/json";
  if (call->has_body || strcmp(call->method, "POST") == 0) {
    if (!is_given(call->headers, "content-type:"))
      parts[own][0] = "Content-Type: ", parts[own++][1] = "application/json";
    /* Without this empty header, libcurl may wait a second for a 100-continue. */
    parts[own][0] = "Expect:", parts[own++][1] = "";
  }

  text->length = 0;
  for (; count < own; count++) {
    offsets[count] = text->length;
    if (fl_buffer_append_text(text, parts[count][0]) != FL_OK ||
        fl_buffer_append(text, parts[count][1], strlen(parts[count][1]) + 1) != FL_OK)
      return false;
  }
  for (size_t at = 0; at < call->headers.length && count < OWN_HEADERS + FL_HEADERS_MOST;
       at += strlen(call->headers.data + at) + 1)
    offsets[count++] = text->length + at;
  if (fl_buffer_append(text, call->headers.data, call->headers.length) != FL_OK) return false;
  for (int i = 0; i < count; i++) {
    transfer->headers[i].data = text->data + offsets[i];
    transfer->headers[i].next = i + 1 < count ? &transfer->headers[i + 1] : NULL;
  }
  return true;
}

#define SET(option, value)                                     \
  do {                                                         \
    CURLcode set_code = curl_easy_setopt(easy, option, value); \
    if (set_code != CURLE_OK) return set_code;                 \
  } while (0)

/* Also resets the method of the call before: POSTFIELDS makes the request a POST, HTTPGET a GET. */
static CURLcode set_method(CURL *easy, const fl_call *call) {
  SET(CURLOPT_CUSTOMREQUEST, NULL);
  SET(CURLOPT_POSTFIELDS, NULL);
  SET(CURLOPT_HTTPGET, 1L);
  if (call->has_body || strcmp(call->method, "POST") == 0) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, call->body.length > 0 ? call->body.data : "");
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
  }
  if (strcmp(call->method, "POST") != 0 && (strcmp(call->method, "GET") != 0 || call->has_body))
    SET(CURLOPT_CUSTOMREQUEST, call->method);
  return CURLE_OK;
}

static CURLcode set_limits(CURL *easy, const fl_call *call, fl_time now) {
  const fl_client_settings *settings = &call->client->settings;
  fl_time whole = call->write ? settings->write_timeout : settings->read_timeout;
  fl_time connect = settings->connect_timeout;
  if (call->deadline != FL_NEVER && call->deadline - now < whole) whole = call->deadline - now;
  if (whole < FL_MILLISECOND) whole = FL_MILLISECOND; /* 0 would mean none */
  if (connect > whole) connect = whole;
  SET(CURLOPT_TIMEOUT_MS, (long)(whole / FL_MILLISECOND));
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect < FL_MILLISECOND ? 1 : connect / FL_MILLISECOND));
  return CURLE_OK;
}

static CURLcode set_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  return CURLE_OK;
}

static CURLcode set_peer(CURL *easy, const fl_client *client) {
  const fl_client_settings *settings = &client->settings;
  long version = settings->tls_1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
  if (settings->ca_file) SET(CURLOPT_CAINFO, settings->ca_file);
  if (settings->client_cert) SET(CURLOPT_SSLCERT, settings->client_cert);
  if (settings->client_key) SET(CURLOPT_SSLKEY, settings->client_key);
  /* A proxy from the environment would see the unencrypted key of a request to this machine. */
  if (settings->proxy) {
    /* The option `proxy` overrides no_proxy of the environment. */
    SET(CURLOPT_PROXY, settings->proxy);
    SET(CURLOPT_NOPROXY, "");
  } else if (client->loopback) {
    SET(CURLOPT_PROXY, "");
  }
  /* Without these, the configuration of the system decides, which may allow TLS 1.0. */
  SET(CURLOPT_SSLVERSION, version);
  SET(CURLOPT_PROXY_SSLVERSION, version);
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  return CURLE_OK;
}

/* Sets the options that all calls of a client share. A handle keeps them from call to call: setting
 * them costs 7,500 of the 190,000 instructions of a small call. */
static CURLcode configure(fl_transfer *transfer, const fl_client *client) {
  CURL *easy = transfer->easy;
  CURLcode code;
  if (transfer->configured == client->number) return CURLE_OK;
  transfer->configured = 0;
  transfer->buffer_size = 0;
  curl_easy_reset(easy);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_ERRORBUFFER, transfer->error);
  SET(CURLOPT_PRIVATE, transfer);
  SET(CURLOPT_PATH_AS_IS, 1L);
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_USERAGENT, client->settings.user_agent);
  SET(CURLOPT_ACCEPT_ENCODING, "");
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, transfer);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, transfer);
  if (client->settings.debug) {
    SET(CURLOPT_VERBOSE, 1L);
    SET(CURLOPT_DEBUGFUNCTION, on_debug);
    SET(CURLOPT_DEBUGDATA, transfer);
  }
  SET(CURLOPT_PREREQFUNCTION, on_request);
  SET(CURLOPT_PREREQDATA, transfer);
  SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
  SET(CURLOPT_OPENSOCKETDATA, transfer->sockets);
  SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
  SET(CURLOPT_CLOSESOCKETDATA, transfer->sockets);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* At exit, do not wait for a name to be resolved. Older libraries refuse the option. */
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  if ((code = set_protocols(easy)) != CURLE_OK) return code;
  if ((code = set_peer(easy, client)) != CURLE_OK) return code;
  transfer->configured = client->number;
  return CURLE_OK;
}

/* A larger receive buffer for pages. libcurl refuses it while the handle still has a buffer, as
 * after a failed name look-up in 7.88; that buffer will do. */
static void set_buffer_size(fl_transfer *transfer, long size) {
  if (transfer->buffer_size == size) return;
  if (curl_easy_setopt(transfer->easy, CURLOPT_BUFFERSIZE,
                       size > 0 ? size : (long)CURL_MAX_WRITE_SIZE) == CURLE_OK)
    transfer->buffer_size = size;
}

CURLcode fl_transfer_prepare(fl_transfer *transfer, fl_call *call, fl_time now) {
  CURL *easy = transfer->easy;
  CURLcode code;

  transfer->call = call;
  transfer->requests = 0;
  transfer->repeated = transfer->lapsed = transfer->closed = transfer->too_large =
      transfer->no_memory = false;
  transfer->error[0] = '\0';
  transfer->head_bytes = transfer->trailer_bytes = 0;
  /* The reply of an earlier attempt is overwritten. */
  call->text.length = 0;
  call->tape.count = 0;
  fl_buffer_pool_take(&call->client->pool, &call->text, &call->tape);
  call->envelope = (fl_envelope){false, 0, 0};
  call->excerpt[0] = '\0';
  fl_response_head_init(&call->head);
  call->head_lines.length = call->raw_text.length = 0;
  fl_buffer_reserve(&call->head_lines, USUAL_HEAD);
  if (!build_headers(transfer)) return CURLE_OUT_OF_MEMORY;

  if ((code = configure(transfer, call->client)) != CURLE_OK) return code;
  set_buffer_size(transfer, call->pager != NULL ? 256L * 1024 : 0);
  /* If one idle connection was closed, others may be closed, too. */
  SET(CURLOPT_FRESH_CONNECT, call->fresh_connection ? 1L : 0L);
  SET(CURLOPT_URL, call->url);
  SET(CURLOPT_HTTPHEADER, transfer->headers);
  if ((code = set_limits(easy, call, now)) != CURLE_OK) return code;
  return set_method(easy, call);
}

/* --- how an attempt ended --- */

/* Errors of libcurl whose kind is not "network". A permanent error would occur again. */
static const struct {
  CURLcode code;
  fl_kind kind;
  bool permanent;
} codes[] = {
    {CURLE_OPERATION_TIMEDOUT, FL_KIND_TIMEOUT, false},
    {CURLE_SSL_CONNECT_ERROR, FL_KIND_TLS, false},
    {CURLE_PEER_FAILED_VERIFICATION, FL_KIND_TLS, true},
    {CURLE_SSL_CERTPROBLEM, FL_KIND_TLS, true},
    {CURLE_SSL_CIPHER, FL_KIND_TLS, true},
    {CURLE_SSL_CACERT_BADFILE, FL_KIND_TLS, true},
    {CURLE_SSL_CRL_BADFILE, FL_KIND_TLS, true},
    {CURLE_SSL_ISSUER_ERROR, FL_KIND_TLS, true},
    {CURLE_SSL_INVALIDCERTSTATUS, FL_KIND_TLS, true},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, FL_KIND_TLS, true},
    {CURLE_SSL_CLIENTCERT, FL_KIND_TLS, true},
    {CURLE_SSL_ENGINE_NOTFOUND, FL_KIND_TLS, true},
    {CURLE_SSL_ENGINE_SETFAILED, FL_KIND_TLS, true},
    {CURLE_URL_MALFORMAT, FL_KIND_CONFIG, true},
    {CURLE_UNSUPPORTED_PROTOCOL, FL_KIND_CONFIG, true},
    {CURLE_NOT_BUILT_IN, FL_KIND_CONFIG, true},
    {CURLE_UNKNOWN_OPTION, FL_KIND_CONFIG, true},
    {CURLE_BAD_FUNCTION_ARGUMENT, FL_KIND_CONFIG, true},
    {CURLE_FAILED_INIT, FL_KIND_NETWORK, true},
    {CURLE_OUT_OF_MEMORY, FL_KIND_NETWORK, true},
    {CURLE_BAD_CONTENT_ENCODING, FL_KIND_PROTOCOL, false},
    {CURLE_WEIRD_SERVER_REPLY, FL_KIND_PROTOCOL, false},
    {CURLE_FILESIZE_EXCEEDED, FL_KIND_PROTOCOL, false},
};

static fl_kind kind_of_code(CURLcode code, bool *permanent) {
  *permanent = false;
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if (codes[i].code != code) continue;
    *permanent = codes[i].permanent;
    return codes[i].kind;
  }
  return FL_KIND_NETWORK;
}

/* Our write function refuses bytes for two reasons only. If neither applies, libcurl's decoder has
 * refused them: it accepts one gzip member without bytes behind it. */
static bool is_undecodable(const fl_transfer *transfer, CURLcode code) {
  return code == CURLE_WRITE_ERROR && !transfer->too_large && !transfer->no_memory;
}

/* The reason why the reply's head cannot be taken; NULL: another reason. For a line that is too
 * long, libcurl before 8.6 says that there is no memory. */
static const char *fault_of_head(const fl_transfer *transfer, CURLcode code) {
  if (transfer->call->head.switched)
    return "the server switched to another protocol (101), which was not asked for";
  if (transfer->trailer_bytes > MOST_TRAILERS)
    return "the trailers of the reply are larger than 64 KB";
  if (transfer->requests == 0 || transfer->call->head.part == FL_HEAD_ENDED) return NULL;
  if (code == CURLE_RECV_ERROR && transfer->head_bytes >= MOST_HEAD_OF_CURL)
    return "the head of the reply is larger than 300 KB";
  if (code == CURLE_PARTIAL_FILE) return "the connection ended inside the reply's head";
  if (code == CURLE_OUT_OF_MEMORY || code == CODE_TOO_LARGE)
    return "a line of the reply's head is longer than 100 KB, or there is no memory for it";
  return NULL;
}

static fl_outcome outcome_of_failure(fl_transfer *transfer, CURLcode code) {
  const char *fault = fault_of_head(transfer, code);
  fl_failure failure = {.sent = transfer->requests > 0,
                        .repeated = transfer->repeated,
                        .too_large = transfer->too_large,
                        .no_memory = transfer->no_memory};
  failure.kind = kind_of_code(code, &failure.permanent);
  /* An error about a proxy repeats the proxy's URL, with the password. */
  fl_redact_user_info(transfer->error);
  failure.detail = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
  if (transfer->lapsed) {
    failure.kind = FL_KIND_CONFLICT;
    failure.permanent = true;
    failure.detail =
        "the database has heard nothing from this process for so long that another one may have"
        " taken over its work; if none has, begin again";
  } else if (transfer->closed) {
    failure.kind = FL_KIND_NETWORK;
    failure.detail = "the server had closed the connection, or sent what no request asked for";
  } else if (fault != NULL) {
    failure.kind = FL_KIND_PROTOCOL;
    failure.detail = fault;
  } else if (code == FL_TRANSFER_LOST) {
    failure.detail = "there was no memory to wait for the connection";
  } else if (is_undecodable(transfer, code)) {
    failure.kind = FL_KIND_PROTOCOL;
    failure.detail = "the compressed reply has bytes after its end";
  }
  return fl_outcome_of_failure(transfer->call, &failure);
}

static void count_bytes(fl_transfer *transfer) {
  fl_client_counters *counters = &transfer->call->client->counters;
  curl_off_t in = 0, out = 0;
  long connections = 0, request = 0, head = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &in);
  curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &out);
  curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &head);
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections);
  atomic_fetch_add(&counters->bytes_in, (long long)in + head);
  atomic_fetch_add(&counters->bytes_out, (long long)out + request);
  atomic_fetch_add(&counters->connections, connections);
}

static int64_t figure_of(CURL *easy, CURLINFO name) {
  curl_off_t value = 0;
  curl_easy_getinfo(easy, name, &value);
  return (int64_t)value;
}

/* Posts the trace of an attempt that has ended. */
static void trace_end(const fl_transfer *transfer, const char *error) {
  CURL *easy = transfer->easy;
  fl_trace_figures figures = {.body_sent = figure_of(easy, CURLINFO_SIZE_UPLOAD_T),
                              .body_received = figure_of(easy, CURLINFO_SIZE_DOWNLOAD_T),
                              .name_lookup = figure_of(easy, CURLINFO_NAMELOOKUP_TIME_T),
                              .connect = figure_of(easy, CURLINFO_CONNECT_TIME_T),
                              .tls = figure_of(easy, CURLINFO_APPCONNECT_TIME_T),
                              .first_byte = figure_of(easy, CURLINFO_STARTTRANSFER_TIME_T),
                              .total = figure_of(easy, CURLINFO_TOTAL_TIME_T)};
  long head_sent = 0, head_received = 0, opened = 0, port = 0;
  char *address = NULL;
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &head_sent);
  curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head_received);
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened);
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
  figures.head_sent = head_sent;
  figures.head_received = head_received;
  figures.reused = opened == 0 && transfer->requests > 0;
  if (address != NULL && *address != '\0')
    snprintf(figures.address, sizeof figures.address, strchr(address, ':') ? "[%s]:%ld" : "%s:%ld",
             address, port);
  fl_trace_end(transfer->call, &figures, error);
}

fl_outcome fl_transfer_finish(fl_transfer *transfer, CURLcode code) {
  fl_call *call = transfer->call;
  fl_outcome outcome;
  count_bytes(transfer);
  fl_response_head_finish(&call->head, fl_clock_wall());
  /* libcurl takes a connection that ends inside the head for the end of a whole reply. */
  if (code == CURLE_OK && call->head.part == FL_HEAD_INSIDE) code = CURLE_PARTIAL_FILE;
  /* A refusal counts even if its body is incomplete, since its status decides. An HTTP/2 server
   * that replies before it has read the whole request resets the stream after the reply. Such a
   * reply counts if it is complete, which its JSON shows. */
  if (code == CURLE_OK || (call->head.status >= 300 && !transfer->repeated) ||
      (code == CURLE_HTTP2_STREAM && call->head.status >= 200 && call->text.length > 0))
    outcome = fl_outcome_of_reply(call);
  else outcome = outcome_of_failure(transfer, code);
  fl_latency_add(&call->client->counters.latency, call->operation,
                 figure_of(transfer->easy, CURLINFO_TOTAL_TIME_T));
  fl_redact_text(call->api_key, call->message, sizeof call->message);
  fl_redact_text(call->api_key, call->head.location, sizeof call->head.location);
  fl_redact_text(call->api_key, call->head.content_type, sizeof call->head.content_type);
  fl_visible(call->message, sizeof call->message);
  fl_visible(call->head.location, sizeof call->head.location);
  if (call->client->settings.debug) trace_end(transfer, call->message);
  outcome.sent = transfer->requests > 0;
  if (code != CURLE_OK) transfer->configured = 0; /* start from default options after an error */
  outcome.retry_after_known = call->head.retry_after_known;
  outcome.retry_after = call->head.retry_after;
  outcome.budget_spent = call->head.remaining == 0;
  outcome.reset = call->head.reset;
  transfer->call = NULL;
  fl_buffer_wipe(&transfer->header_text);
  return outcome;
}

bool fl_transfer_met_closed(const fl_transfer *transfer) { return transfer->closed; }

bool fl_transfer_abort(fl_transfer *transfer) {
  transfer->configured = 0;
  count_bytes(transfer);
  if (transfer->call->client->settings.debug)
    trace_end(transfer, transfer->closed
                            ? "the server had closed the idle connection, or sent bytes on it"
                            : "stopped");
  transfer->call = NULL;
  fl_buffer_wipe(&transfer->header_text);
  return transfer->requests > 0;
}
