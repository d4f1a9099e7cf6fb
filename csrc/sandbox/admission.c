/* admission.c: whether a request is admitted. */
#include "admission.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* Whether the host of a Host header is one of this machine's: its length is that of the name or the
 * address, without brackets and port. */
static bool is_own(const sandbox_options *options, const char *host) {
  bool bracketed = *host == '[';
  size_t length = bracketed ? strcspn(++host, "]") : strcspn(host, ":");
  const char *const names[] = {"localhost", "127.0.0.1", "::1", options->address};
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;
  for (size_t index = 0; index < sizeof names / sizeof *names; index++)
    if (strlen(names[index]) == length && strncasecmp(names[index], host, length) == 0) return true;
  /* If the sandbox listens on all addresses, every IP address may be its own, but no name is. */
  if (strcmp(options->address, "0.0.0.0") != 0 && strcmp(options->address, "::") != 0) return false;
  if (length >= sizeof text) return false;
  memcpy(text, host, length);
  text[length] = '\0';
  return inet_pton(bracketed ? AF_INET6 : AF_INET, text, &address) == 1;
}

int sandbox_admission_check_form(const sandbox_options *options, const char *host,
                                 const char *content_length, const char *transfer_encoding,
                                 const char **message) {
  if (content_length && transfer_encoding) {
    *message = "Content-Length and Transfer-Encoding exclude each other";
    return 400;
  }
  if (host && !is_own(options, host)) {
    *message = "The Host header does not name this machine";
    return 403;
  }
  return 0;
}

static bool is_uuid(const char *text) {
  static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  for (size_t index = 0; index < sizeof shape; index++) {
    bool good = shape[index] == 'x' ? isxdigit((unsigned char)text[index]) != 0
                                    : text[index] == shape[index];
    if (!good) return false;
  }
  return true;
}

static const sandbox_key *find_key(const sandbox_options *options, const char *api_key) {
  for (size_t index = 0; api_key && index < options->key_count; index++)
    if (strcmp(options->keys[index].key, api_key) == 0) return &options->keys[index];
  return NULL;
}

int sandbox_admission_check(const sandbox_options *options, const char *api_key,
                            const char *subscription_id, const char **message) {
  if (api_key == NULL || *api_key == '\0') *message = "The X-Api-Key header is missing";
  else if (find_key(options, api_key) == NULL) *message = "The API key is not valid";
  else if (subscription_id == NULL) *message = "The X-Subscription-Id header is missing";
  else if (!is_uuid(subscription_id)) *message = "The subscription id is not a UUID";
  else if (strcasecmp(subscription_id, options->subscription_id) != 0)
    *message = "The subscription id is not valid";
  else return 0;
  return 401;
}

int sandbox_admission_permit(const sandbox_options *options, const char *api_key,
                             sandbox_operation operation, const char **message) {
  uint32_t bit = (uint32_t)1 << operation;
  if (!(options->features & bit)) {
    *message = "This feature is not enabled for the subscription";
    return 403;
  }
  if (!(find_key(options, api_key)->allowed & bit)) {
    *message = "The API key does not permit this";
    return (int)options->denied_status;
  }
  return 0;
}

static int64_t left_at(sandbox_admission *admission, const sandbox_options *options, fl_time now) {
  if (now >= admission->window_end) {
    admission->window_end = now + (fl_time)(options->rate_window * (double)FL_SECOND);
    admission->used = 0;
  }
  return options->rate_limit - admission->used;
}

bool sandbox_admission_take(sandbox_admission *admission, const sandbox_options *options,
                            fl_time now) {
  if (options->rate_limit == 0) return true;
  if (left_at(admission, options, now) == 0) return false;
  admission->used++;
  return true;
}

void sandbox_admission_spend(sandbox_admission *admission, const sandbox_options *options,
                             fl_time now, int64_t count) {
  int64_t left = left_at(admission, options, now);
  admission->used += count < 0 || count > left ? left : count;
}

void sandbox_admission_http_date(char out[HTTP_DATE], fl_time wall) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  time_t seconds = (time_t)(wall / FL_SECOND);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  /* strftime would ask the locale for the names. */
  snprintf(out, HTTP_DATE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
           parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
           parts.tm_sec);
}

static void format_reset(char out[ADMISSION_VALUE], sandbox_reset_format format, fl_time left,
                         fl_time wall) {
  fl_time at = wall + left;
  time_t seconds = (time_t)((at + FL_SECOND - 1) / FL_SECOND);
  struct tm parts;
  switch (format) {
    case RESET_DELTA:
      snprintf(out, ADMISSION_VALUE, "%lld", (long long)((left + FL_SECOND - 1) / FL_SECOND));
      break;
    case RESET_EPOCH: snprintf(out, ADMISSION_VALUE, "%lld", (long long)seconds); break;
    case RESET_EPOCH_MS:
      snprintf(out, ADMISSION_VALUE, "%lld", (long long)(at / FL_MILLISECOND));
      break;
    case RESET_ISO:
      gmtime_r(&seconds, &parts);
      if (strftime(out, ADMISSION_VALUE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) out[0] = '\0';
      break;
    case RESET_HTTP_DATE: sandbox_admission_http_date(out, (fl_time)seconds * FL_SECOND); break;
    case RESET_NONSENSE: snprintf(out, ADMISSION_VALUE, "soon"); break;
    case RESET_ABSENT: out[0] = '\0';
  }
}

void sandbox_admission_describe(const sandbox_admission *admission, const sandbox_options *options,
                                fl_time now, fl_time wall, sandbox_admission_headers *headers) {
  bool running = now < admission->window_end;
  fl_time left = running ? admission->window_end - now : 0;
  memset(headers, 0, sizeof *headers);
  if (options->rate_limit == 0) return;
  wall += (fl_time)(options->clock_skew * (double)FL_SECOND);
  if (options->retry_after == RETRY_AFTER_HTTP_DATE)
    sandbox_admission_http_date(headers->retry_after, wall + left + FL_SECOND - 1);
  else if (options->retry_after == RETRY_AFTER_SECONDS)
    snprintf(headers->retry_after, ADMISSION_VALUE, "%lld",
             (long long)((left + FL_SECOND - 1) / FL_SECOND));
  if (!options->rate_limit_headers) return;
  snprintf(headers->limit, ADMISSION_VALUE, "%lld", (long long)options->rate_limit);
  snprintf(headers->remaining, ADMISSION_VALUE, "%lld",
           (long long)(options->rate_limit - (running ? admission->used : 0)));
  format_reset(headers->reset, options->reset_format, left, wall);
}
