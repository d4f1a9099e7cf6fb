/*
 * server.c: HTTP, on libmicrohttpd's one thread.
 *
 * A request goes this way: 1. `open_exchange` gets its URI; 2. the headers are there, and the route
 * and the fault are chosen; 3. the body is gathered; 4. exchange_work.c answers it under the lock
 * and writes the log; 5. for a fault with a pause, the connection is suspended until the timer
 * resumes it; 6. exchange_reply.c queues the reply, or closes the connection. Nothing blocks this
 * thread.
 */
#include "server.h"

#include "exchange.h"
#include "pause.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* How often to ask the system for another port, if this process has used the port before. */
#define FRESH_PORT_TRIES 100
/* The bytes that are kept of the body of a request without a valid key. */
#define UNTRUSTED_BODY ((size_t)64 * 1024)

/* --- beginning and end of connections and requests --- */

static void connection_changed(void *context, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code) {
  sandbox *owner = context;
  sandbox_peer *from = *slot;
  (void)connection;
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    free(from);
    *slot = NULL;
  } else if ((from = calloc(1, sizeof *from)) != NULL) {
    pthread_mutex_lock(&owner->lock);
    from->number = ++owner->connections;
    pthread_mutex_unlock(&owner->lock);
    *slot = from;
  }
}

static void *open_exchange(void *context, const char *uri, struct MHD_Connection *connection) {
  sandbox_exchange *opened = calloc(1, sizeof *opened);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  if (opened == NULL) return NULL;
  opened->owner = context;
  opened->from = info ? info->socket_context : NULL;
  opened->uri = strdup(uri);
  fl_buffer_init(&opened->body, (size_t)opened->owner->options.max_body_bytes);
  sandbox_reply_init(&opened->reply);
  return opened;
}

static void close_exchange(void *context, struct MHD_Connection *connection, void **slot,
                           enum MHD_RequestTerminationCode code) {
  sandbox_exchange *closed = *slot;
  (void)context, (void)connection, (void)code;
  if (closed == NULL) return;
  fl_buffer_free(&closed->body);
  sandbox_json_writer_free(&closed->reply.body);
  free(closed->uri);
  free(closed);
  *slot = NULL;
}

/* Leaves escapes to routes.c, which has to tell an escaped slash from a slash. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
  (void)context, (void)connection;
  return strlen(text);
}

static void split_uri(sandbox_exchange *opened) {
  char *question = strchr(opened->uri, '?');
  opened->query = fl_slice_of(question ? question + 1 : "");
  if (question) *question = '\0';
  opened->path = fl_slice_of(opened->uri);
}

/* --- a request --- */

/* Reserves memory for the body of a request that will be let in. Of the others, only the beginning
 * is kept, for the log. */
static void prepare_body(sandbox_exchange *opened, struct MHD_Connection *connection) {
  const char *length = sandbox_header(connection, "Content-Length");
  if (!sandbox_exchange_is_admitted(opened, connection)) opened->body.ceiling = UNTRUSTED_BODY;
  else if (length) fl_buffer_reserve(&opened->body, strtoul(length, NULL, 10));
}

/* Called when the headers have arrived. False if the request is refused before its body is read. */
static bool begin(sandbox_exchange *opened, struct MHD_Connection *connection, const char *method) {
  bool reused = opened->from && opened->from->requests++ > 0;
  opened->method = method;
  split_uri(opened);
  opened->route = sandbox_routes_find(method, opened->path.data);
  sandbox_exchange_meet_fault(opened, connection, reused);
  if (!opened->drop) prepare_body(opened, connection);
  opened->stage = GATHERING;
  return !opened->drop;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **slot) {
  sandbox_exchange *asked = *slot;
  (void)context, (void)url, (void)version;
  if (asked == NULL || asked->uri == NULL) return MHD_NO;
  if (asked->stage == OPENED) return begin(asked, connection, method) ? MHD_YES : MHD_NO;
  if (*size > 0) {
    size_t room = asked->body.ceiling - asked->body.length;
    if (fl_buffer_append(&asked->body, data, *size < room ? *size : room) != FL_OK || *size > room)
      asked->too_large = true;
    *size = 0;
    return MHD_YES;
  }
  if (asked->stage == GATHERING) {
    asked->stage = READY;
    sandbox_exchange_work(asked, connection);
    if (asked->send == SEND_LATE || asked->send == SEND_NOTHING_LATE) {
      fl_time pause = (fl_time)(asked->fault.seconds * (double)FL_SECOND);
      return sandbox_pause(connection, asked->owner->timer, pause) ? MHD_YES : MHD_NO;
    }
  }
  return sandbox_exchange_reply(asked, connection);
}

/* --- start --- */

static bool make_address(const sandbox_options *options, struct sockaddr_storage *address) {
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, options->address, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)options->port);
  } else if (inet_pton(AF_INET6, options->address, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)options->port);
  } else {
    return false;
  }
  return true;
}

static struct MHD_Daemon *start_daemon(sandbox *owner, unsigned flags,
                                       const struct sockaddr_storage *address,
                                       struct MHD_OptionItem *tls) {
  errno = 0;
  return MHD_start_daemon(
      flags, (uint16_t)owner->options.port, NULL, NULL, answer, owner, MHD_OPTION_SOCK_ADDR,
      address, MHD_OPTION_URI_LOG_CALLBACK, open_exchange, owner, MHD_OPTION_NOTIFY_COMPLETED,
      close_exchange, owner, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, owner,
      MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, owner, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)128 * 1024, MHD_OPTION_CONNECTION_TIMEOUT,
      (unsigned)owner->options.connection_timeout, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)owner->options.max_connections, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static unsigned port_of(struct MHD_Daemon *daemon, const sandbox_options *options) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info ? info->port : (unsigned)options->port;
}

/* Whether no sandbox of this process has had the port before. */
static bool is_fresh(unsigned port) {
  static atomic_uint given[65536 / 32];
  unsigned bit = 1u << port % 32;
  return (atomic_fetch_or(&given[port % 65536 / 32], bit) & bit) == 0;
}

/*
 * Listens. After some hundred servers the system gives a port again that it gave before. A client
 * that remembers a service by its URL (its rate limit, for example) would take the new server for
 * the old one. So no port is used twice in a process, as long as the system gives others.
 */
static struct MHD_Daemon *listen_at(sandbox *owner, unsigned flags,
                                    const struct sockaddr_storage *address,
                                    struct MHD_OptionItem *tls) {
  struct MHD_Daemon *daemon = start_daemon(owner, flags, address, tls);
  for (int tries = 0; daemon != NULL && tries < FRESH_PORT_TRIES; tries++) {
    if (is_fresh(port_of(daemon, &owner->options)) || owner->options.port != 0) break;
    MHD_stop_daemon(daemon);
    daemon = start_daemon(owner, flags, address, tls);
  }
  return daemon;
}

struct MHD_Daemon *sandbox_server_start(sandbox *owner, char **error) {
  const sandbox_options *options = &owner->options;
  struct sockaddr_storage address;
  struct MHD_Daemon *daemon;
  unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}};
  if (!make_address(options, &address)) {
    *error = strdup("the address is neither an IPv4 nor an IPv6 address");
    return NULL;
  }
  if (address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
  if (options->certificate) {
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
      *error = strdup("this libmicrohttpd has no TLS");
      return NULL;
    }
    flags |= MHD_USE_TLS;
    tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, options->certificate};
    tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, options->private_key};
    tls[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
  }
  daemon = listen_at(owner, flags, &address, tls);
  if (daemon == NULL) {
    char text[160];
    snprintf(text, sizeof text, "cannot listen on %s port %lld: %s", options->address,
             (long long)options->port,
             errno ? strerror(errno) : "libmicrohttpd refuses the address or the certificate");
    *error = strdup(text);
    return NULL;
  }
  owner->port = (int)port_of(daemon, options);
  return daemon;
}
