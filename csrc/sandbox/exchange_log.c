/* exchange_log.c: makes the log's entry of a request and its reply. */
#include "exchange.h"

#include "base/clock.h"

#include <ctype.h>
#include <strings.h>

static bool is_secret(const char *name) {
  static const char *const secrets[] = {"x-api-key", "authorization", "cookie"};
  for (size_t index = 0; index < sizeof secrets / sizeof *secrets; index++)
    if (strcasecmp(name, secrets[index]) == 0) return true;
  return false;
}

/* Appends "name NUL value NUL", for the log. */
static enum MHD_Result gather_header(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value) {
  fl_buffer *headers = context;
  size_t begin = headers->length;
  (void)kind;
  if (value == NULL) value = "";
  if (fl_buffer_append(headers, name, strlen(name) + 1) != FL_OK) return MHD_NO;
  for (; begin < headers->length; begin++)
    headers->data[begin] = (char)tolower((unsigned char)headers->data[begin]);
  if (is_secret(name)) value = "<redacted>";
  return fl_buffer_append(headers, value, strlen(value) + 1) == FL_OK ? MHD_YES : MHD_NO;
}

int64_t sandbox_exchange_log(const sandbox_exchange *asked, struct MHD_Connection *connection) {
  sandbox *owner = asked->owner;
  fl_slice body = {asked->body.data, asked->body.length};
  sandbox_entry entry = {
      .connection = asked->from ? asked->from->number : 0,
      .time = (double)fl_clock_wall() / (double)FL_SECOND,
      .operation = asked->route.operation,
      .status = asked->drop ? 0 : asked->reply.status,
      .fault = asked->fault.kind,
      .committed = asked->reply.committed,
      .authorized = asked->authorized,
  };
  fl_buffer headers;
  fl_slice texts[ENTRY_TEXTS];
  int64_t number;
  fl_buffer_init(&headers, FL_BUFFER_UNLIMITED);
  MHD_get_connection_values(connection, MHD_HEADER_KIND, gather_header, &headers);
  texts[ENTRY_METHOD] = fl_slice_of(asked->method);
  texts[ENTRY_PATH] = asked->path;
  texts[ENTRY_QUERY] = asked->query;
  texts[ENTRY_HEADERS] = (fl_slice){headers.data, headers.length};
  texts[ENTRY_BODY] = body;
  number = sandbox_request_log_add(owner->log, &entry, texts);
  fl_buffer_free(&headers);
  if (asked->reply.committed)
    sandbox_request_log_add_commit(owner->log, number, entry.operation, asked->path,
                                   fl_slice_of(sandbox_header(connection, "X-Request-Id")), body);
  return number;
}
