/*
 * transfer.c: call <-> curl easy handle.
 *
 * Relies on two facts about libcurl that were measured: it sends a POST again by itself when a
 * reused connection closes after the request was read, and CURLOPT_PREREQFUNCTION is called once
 * each time that a request is about to go out on a connection that stands. Hence the count: 0
 * proves that nothing was sent, and the second call is refused: for a write because it may have
 * been processed, for a read so that each request is an attempt, counted and paid for from the rate
 * budget.
 */
#include "engine/transfer.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"

#define OLDEST_CURL 0x075000 /* 7.80.0: curl_multi_wakeup with curl_multi_poll, PREREQFUNCTION */
#define HEADER_COUNT 8
#define EXCERPT 1024
#define TRUSTED_LENGTH (4u << 20)

struct fl_transfer {
  CURL *easy;
  fl_call *call;
  uint64_t configured; /* number of the client whose options the handle has; 0: none's */
  long buffer_size;    /* asked for, 0: curl's own */
  int requests;        /* calls of the PREREQ function in this attempt */
  bool repeated;       /* libcurl wanted to send again, and was stopped */
  bool too_large;      /* the reply passed the ceiling */
  bool no_memory;
  struct curl_slist headers[HEADER_COUNT];
  fl_buffer header_text; /* holds the key: wiped */
  char error[CURL_ERROR_SIZE];
};

const char *fl_transfer_check_library(void) {
  const curl_version_info_data *library = curl_version_info(CURLVERSION_NOW);
  if (library->version_num < OLDEST_CURL) return "libcurl 7.80 or newer is needed";
  return NULL;
}

fl_transfer *fl_transfer_new(void) {
  fl_transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer == NULL) return NULL;
  transfer->easy = curl_easy_init();
  if (transfer->easy == NULL) {
    free(transfer);
    return NULL;
  }
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

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
  fl_transfer *transfer = context;
  fl_result result = fl_buffer_append(&transfer->call->text, bytes, size * count);
  if (result == FL_OK) return size * count;
  if (result == FL_TOO_LARGE) transfer->too_large = true;
  else transfer->no_memory = true;
  return 0;
}

/* Room for the whole reply at once, where the server says how long it is: no growing, no copying.
 */
static void reserve_for(fl_transfer *transfer, const char *line, size_t length) {
  static const char name[] = "content-length:";
  fl_call *call = transfer->call;
  unsigned long long announced;
  char digits[24];
  size_t room = sizeof name - 1;
  if (length <= room || strncasecmp(line, name, room) != 0) return;
  length = length - room < sizeof digits - 1 ? length - room : sizeof digits - 1;
  memcpy(digits, line + room, length);
  digits[length] = '\0';
  announced = strtoull(digits, NULL, 10);
  /* It is only the server's word: so much is taken at it, the rest is grown into. */
  if (announced > TRUSTED_LENGTH) announced = TRUSTED_LENGTH;
  if (announced > 0 && announced <= call->text.ceiling)
    fl_buffer_reserve(&call->text, (size_t)announced);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
  fl_transfer *transfer = context;
  fl_response_head_line(&transfer->call->head, bytes, size * count);
  reserve_for(transfer, bytes, size * count);
  return size * count;
}

static int on_request(void *context, char *remote, char *local, int remote_port, int local_port) {
  fl_transfer *transfer = context;
  (void)remote;
  (void)local;
  (void)remote_port;
  (void)local_port;
  if (transfer->requests > 0) {
    transfer->repeated = true;
    return CURL_PREREQFUNC_ABORT;
  }
  transfer->requests++;
  return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
  curl_socket_t descriptor;
  (void)context;
  (void)purpose;
#ifdef SOCK_CLOEXEC
  descriptor = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
  descriptor = socket(address->family, address->socktype, address->protocol);
  if (descriptor >= 0) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
#endif
  return descriptor < 0 ? CURL_SOCKET_BAD : descriptor;
}

/* Builds the header lines in one buffer, and the list that curl reads around them. */
static bool build_headers(fl_transfer *transfer) {
  const fl_call *call = transfer->call;
  const char *parts[HEADER_COUNT][2];
  size_t offsets[HEADER_COUNT];
  int count = 0;
  fl_buffer *text = &transfer->header_text;

  parts[count][0] = "X-Api-Key: ", parts[count++][1] = call->api_key;
  parts[count][0] = "X-Subscription-Id: ",
  parts[count++][1] = call->client->settings.subscription_id;
  parts[count][0] = "X-Request-Id: ", parts[count++][1] = call->request_id;
  parts[count][0] = "Accept: ", parts[count++][1] = "application/json";
  if (call->has_body || strcmp(call->method, "POST") == 0) {
    parts[count][0] = "Content-Type: ", parts[count++][1] = "application/json";
    /* No 100-continue: it costs a second on servers that do not know it. */
    parts[count][0] = "Expect:", parts[count++][1] = "";
  }

  text->length = 0;
  for (int i = 0; i < count; i++) {
    offsets[i] = text->length;
    if (fl_buffer_append_text(text, parts[i][0]) != FL_OK ||
        fl_buffer_append(text, parts[i][1], strlen(parts[i][1]) + 1) != FL_OK)
      return false;
  }
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

/* What a call before it has left is taken back: setting fields makes a POST of it, HTTPGET a GET
 * again. */
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
  if (settings->ca_file) SET(CURLOPT_CAINFO, settings->ca_file);
  if (settings->client_cert) SET(CURLOPT_SSLCERT, settings->client_cert);
  if (settings->client_key) SET(CURLOPT_SSLKEY, settings->client_key);
  /* A proxy of the environment would see a key that goes to this machine in clear. */
  if (settings->proxy) SET(CURLOPT_PROXY, settings->proxy);
  else if (client->loopback) SET(CURLOPT_PROXY, "");
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  return CURLE_OK;
}

/* The options that all calls of a client share. A handle keeps them from call to call: setting them
 * anew costs some 7,500 instructions of the 190,000 that a small call takes. */
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
  SET(CURLOPT_PREREQFUNCTION, on_request);
  SET(CURLOPT_PREREQDATA, transfer);
  SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* Does not wait for a name to be resolved when the process ends; not known to older libraries. */
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  if ((code = set_protocols(easy)) != CURLE_OK) return code;
  if ((code = set_peer(easy, client)) != CURLE_OK) return code;
  transfer->configured = client->number;
  return CURLE_OK;
}

/* Pages come in larger pieces. Refused while the handle still has a buffer, as it does after a name
 * that was not found (7.88): that one serves as well. */
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
  transfer->repeated = transfer->too_large = transfer->no_memory = false;
  transfer->error[0] = '\0';
  /* What an attempt before it has left behind is of no use, and its text is written over. */
  call->text.length = 0;
  call->tape.count = 0;
  fl_call_take_pooled(call);
  call->envelope = (fl_envelope){false, 0, 0};
  call->excerpt[0] = '\0';
  fl_response_head_init(&call->head);
  if (!build_headers(transfer)) return CURLE_OUT_OF_MEMORY;

  if ((code = configure(transfer, call->client)) != CURLE_OK) return code;
  set_buffer_size(transfer, call->pager != NULL ? 256L * 1024 : 0);
  SET(CURLOPT_URL, call->url);
  SET(CURLOPT_HTTPHEADER, transfer->headers);
  if ((code = set_limits(easy, call, now)) != CURLE_OK) return code;
  return set_method(easy, call);
}

/* --- how an attempt ended --- */

/* Errors of curl that say more than "network"; permanent ones do not get better by another try. */
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

/* --- the key: a server may say it back to us; it goes no further --- */

#define SHORTEST_SECRET 4 /* what is shorter would hit ordinary words */

/* How many bytes here are the key, in any case and perhaps with JSON's backslashes; 0 if they are
 * not. With `cut` the bytes may end inside it. */
static size_t match_key(const char *key, const char *bytes, size_t length, bool cut) {
  size_t used = 0, matched = 0;
  for (; key[matched] != '\0'; matched++, used++) {
    if (used < length && bytes[used] == '\\' && key[matched] != '\\') used++;
    if (used >= length) return cut && matched >= SHORTEST_SECRET ? length : 0;
    if (tolower((unsigned char)bytes[used]) != tolower((unsigned char)key[matched])) return 0;
  }
  return used;
}

static void redact(const char *key, char *bytes, size_t length, bool cut) {
  if (strlen(key) < SHORTEST_SECRET) return;
  for (size_t i = 0; i < length; i++) {
    size_t size = match_key(key, bytes + i, length - i, cut);
    if (size == 0) continue;
    memset(bytes + i, '*', size);
    i += size - 1;
  }
}

/* Also where all is well: messages are what gets printed. */
static void redact_messages(fl_call *call) {
  uint32_t at = call->envelope.messages, end = at ? fl_json_next(&call->tape, at) : 0;
  for (; at < end; at++)
    if (call->tape.nodes[at].type == FL_JSON_STRING)
      redact(call->api_key, call->text.data + call->tape.nodes[at].offset,
             call->tape.nodes[at].value.size.length, false);
}

/* What curl says of a proxy repeats its URL, with the password: what stands before an @ is covered,
 * as far as the "//" or the space before it. */
static void cover_user(char *text) {
  for (char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@'))
    for (char *byte = at; byte > text && byte[-1] != ' '; byte--) {
      if (byte - text >= 2 && byte[-1] == '/' && byte[-2] == '/') break;
      byte[-1] = '*';
    }
}

/* Text with a limit: one that is full may have been cut inside the key. */
static void redact_text(const char *key, char *text, size_t room) {
  size_t length = strlen(text);
  redact(key, text, length, length + 1 == room);
}

/* How many bytes of the reply are kept. */
static size_t keep_excerpt(fl_call *call) {
  size_t length = call->text.length < EXCERPT ? call->text.length : EXCERPT;
  if (length > 0) memcpy(call->excerpt, call->text.data, length);
  call->excerpt[length] = '\0';
  return length;
}

/* `broken`: the reply ended before its end. */
static void redact_excerpt(fl_call *call, size_t length, bool broken) {
  redact(call->api_key, call->excerpt, length, broken || length < call->text.length);
}

/* What stands behind "operation: " when a status is the error. */
static const struct {
  int status;
  const char *words;
} statuses[] = {
    {400, "Bad Request"},         {401, "Unauthorized"},          {403, "Forbidden"},
    {404, "Not Found"},           {408, "Request Timeout"},       {413, "Content Too Large"},
    {429, "Too Many Requests"},   {500, "Internal Server Error"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"},
};

static const char *words_of_status(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status) return statuses[i].words;
  return status >= 300 && status < 400 ? "redirects are not followed" : "";
}

static void status_message(fl_call *call) {
  char said[400] = "";
  const char *words = words_of_status(call->head.status);
  if (call->envelope.messages != 0)
    fl_envelope_text(&call->tape, call->text.data, call->envelope.messages, said, sizeof said);
  snprintf(call->message, sizeof call->message, "%s: %d%s%s%s%s", call->operation,
           call->head.status, *words ? " " : "", words, *said ? ": " : "", said);
}

/* Scans the reply. True if it is JSON; otherwise the text is as it came and the message tells why.
 */
static bool scan_reply(fl_call *call) {
  fl_json_error error = {FL_JSON_EMPTY, 0};
  fl_json_code code = FL_JSON_EMPTY;
  /* Kept first: scanning unescapes in place. */
  size_t kept = keep_excerpt(call);
  if (call->text.length > 0)
    code = fl_json_scan(call->text.data, call->text.length, &call->tape, &error);
  if (code == FL_JSON_OK) call->envelope = fl_envelope_of(&call->tape, call->text.data);
  if (call->envelope.found) call->excerpt[0] = '\0';
  else redact_excerpt(call, kept, false);
  if (code != FL_JSON_OK) {
    call->tape.count = 0;
    snprintf(call->message, sizeof call->message,
             "%s: the reply (%s%s%zu bytes) is not JSON: %s at byte %zu", call->operation,
             call->head.content_type, *call->head.content_type ? ", " : "", call->text.length,
             fl_json_describe(code), error.position + 1);
    return false;
  }
  redact_messages(call);
  return true;
}

static fl_outcome outcome_of_reply(fl_call *call) {
  fl_outcome outcome = {0};
  bool good = call->head.status >= 200 && call->head.status < 300;
  uint32_t rows;
  outcome.ending = FL_ENDING_REPLY;
  outcome.status = call->head.status;
  outcome.kind = fl_kind_of_status(call->head.status);
  if (!good) {
    scan_reply(call);
    status_message(call);
    return outcome;
  }
  outcome.kind = FL_KIND_PROTOCOL;
  if (!scan_reply(call)) {
    outcome.ending = FL_ENDING_LOST;
  } else if (!call->envelope.found) {
    outcome.ending = FL_ENDING_UNFIT;
    snprintf(call->message, sizeof call->message,
             "%s: the reply is JSON but not the envelope {\"data\": ..., \"messages\": [...]}",
             call->operation);
  } else if (call->expects_id &&
             !fl_envelope_has_id(&call->tape, call->text.data, &call->envelope)) {
    outcome.ending = FL_ENDING_LOST;
    snprintf(call->message, sizeof call->message, "%s: the reply has no data.id", call->operation);
  } else if (call->expects_rows && fl_page_rows(&call->tape, call->text.data, call->envelope.data,
                                                &rows) == FL_ROWS_STRANGE) {
    outcome.ending = FL_ENDING_UNFIT;
    fl_call_say_no_rows(call);
  } else {
    outcome.kind = FL_KIND_NONE;
    call->message[0] = '\0';
  }
  return outcome;
}

static fl_outcome outcome_of_failure(fl_transfer *transfer, CURLcode code) {
  fl_call *call = transfer->call;
  fl_outcome outcome = {0};
  bool permanent;
  const char *detail = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
  cover_user(transfer->error);
  outcome.kind = kind_of_code(code, &permanent);
  outcome.status = call->head.status;
  if (transfer->too_large) {
    outcome.ending = FL_ENDING_UNFIT;
    outcome.kind = FL_KIND_PROTOCOL;
    snprintf(call->message, sizeof call->message,
             "%s: the reply is larger than max_response_bytes (%zu)", call->operation,
             call->client->settings.max_response_bytes);
    return outcome;
  }
  if (transfer->no_memory) {
    outcome.ending = FL_ENDING_UNFIT;
    snprintf(call->message, sizeof call->message, "%s: no memory for the reply", call->operation);
    return outcome;
  }
  if (transfer->requests == 0) {
    outcome.ending = permanent ? FL_ENDING_UNSENT_FOREVER : FL_ENDING_UNSENT;
    snprintf(call->message, sizeof call->message, "%s: nothing was sent: %s", call->operation,
             detail);
    return outcome;
  }
  outcome.ending = FL_ENDING_LOST;
  /* What curl calls an unsupported protocol now is a reply that is not HTTP. */
  if (outcome.kind == FL_KIND_CONFIG) outcome.kind = FL_KIND_PROTOCOL;
  if (transfer->repeated) {
    outcome.kind = FL_KIND_NETWORK;
    detail = "the connection closed before a reply came; the request was not sent again";
  }
  snprintf(call->message, sizeof call->message, "%s: no whole reply after the request was sent: %s",
           call->operation, detail);
  redact_excerpt(call, keep_excerpt(call), true);
  return outcome;
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

fl_outcome fl_transfer_finish(fl_transfer *transfer, CURLcode code) {
  fl_call *call = transfer->call;
  fl_outcome outcome;
  count_bytes(transfer);
  fl_response_head_finish(&call->head, fl_clock_wall());
  /* A refusal whose body broke off is a refusal all the same: the status decides. And a server of
   * HTTP/2 that answers before it has read the whole body resets the stream after its reply: the
   * reply stands if it is whole, which its JSON tells. */
  if (code == CURLE_OK || (call->head.status >= 300 && !transfer->repeated) ||
      (code == CURLE_HTTP2_STREAM && call->head.status >= 200 && call->text.length > 0))
    outcome = outcome_of_reply(call);
  else outcome = outcome_of_failure(transfer, code);
  redact_text(call->api_key, call->message, sizeof call->message);
  redact_text(call->api_key, call->head.location, sizeof call->head.location);
  outcome.sent = transfer->requests > 0;
  if (code != CURLE_OK) transfer->configured = 0; /* begins afresh after what broke */
  outcome.retry_after_known = call->head.retry_after_known;
  outcome.retry_after = call->head.retry_after;
  outcome.budget_spent = call->head.remaining == 0;
  outcome.reset = call->head.reset;
  transfer->call = NULL;
  fl_buffer_wipe(&transfer->header_text);
  return outcome;
}

bool fl_transfer_abort(fl_transfer *transfer) {
  transfer->configured = 0;
  count_bytes(transfer);
  transfer->call = NULL;
  fl_buffer_wipe(&transfer->header_text);
  return transfer->requests > 0;
}
