/*
 * url.c: base URL, path template and query -> URL.
 *
 * Relies on inet_pton for IPv6 literals. The checks and the encoder share one table of character
 * classes, so that they agree.
 */
#include "policy/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ascii.h"

enum {
  UNRESERVED = 1, /* never encoded: RFC 3986, 2.3 */
  IN_PATH = 2,    /* not encoded in a path of the caller: pchar and "/" */
  IN_HOST = 4     /* in a label of a host name; "_" occurs in practice */
};

static unsigned byte_class(unsigned char byte) {
  if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
      (byte >= '0' && byte <= '9') || byte == '-' || byte == '_')
    return UNRESERVED | IN_PATH | IN_HOST;
  if (byte == '.' || byte == '~') return UNRESERVED | IN_PATH;
  return byte != '\0' && strchr("!$&'()*+,;=:@/%", byte) != NULL ? IN_PATH : 0;
}

static bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

static bool is_hexadecimal(unsigned char byte) {
  return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

static bool begins_with(fl_slice text, fl_slice prefix) {
  if (text.length < prefix.length) return false;
  for (size_t i = 0; i < prefix.length; i++)
    if (fl_ascii_lower(text.data[i]) != prefix.data[i]) return false;
  return true;
}

static fl_slice part(fl_slice whole, size_t from, size_t to) {
  return (fl_slice){whole.data + from, to - from};
}

static size_t find_any(fl_slice text, size_t from, const char *set) {
  while (from < text.length && (text.data[from] == '\0' || !strchr(set, text.data[from]))) from++;
  return from;
}

const char *fl_url_describe(fl_url_code code) {
  static const char *const words[] = {
      [FL_URL_OK] = "is fine",
      [FL_URL_EMPTY] = "is empty",
      [FL_URL_DOTS] = "holds \".\" or \"..\" as a path segment",
      [FL_URL_CONTROL] = "holds a control character, a space or a byte beyond ASCII",
      [FL_URL_SCHEME] = "begins with neither https:// nor http://",
      [FL_URL_INSECURE] =
          ("is http:// to a host that is not this machine, so the key would be sent unencrypted; "
           "allow_insecure_http allows it"),
      [FL_URL_USER_INFO] = "holds user information before the host",
      [FL_URL_HOST] = "has no host, or a malformed host or port",
      [FL_URL_QUERY] = "has a query or a fragment",
      [FL_URL_PATH] = "has a path that does not begin with \"/\" or holds a malformed sequence",
      [FL_URL_TEMPLATE] = "does not match its id: one \"{id}\" as a whole segment for one id",
  };
  return words[code];
}

/* --- hosts --- */

static bool is_ipv4_loopback(fl_slice host) {
  /* Only four decimal octets: resolvers disagree on other spellings (0177.0.0.1, 127.1). */
  int octets = 0;
  size_t i = 0;
  while (i < host.length) {
    int value = 0;
    size_t begin = i;
    while (i < host.length && host.data[i] >= '0' && host.data[i] <= '9' && i - begin < 4)
      value = value * 10 + (host.data[i++] - '0');
    if (i == begin || value > 255 || (host.data[begin] == '0' && i - begin > 1)) return false;
    if (octets++ == 0 && value != 127) return false;
    if (i == host.length) break;
    if (host.data[i++] != '.' || i == host.length) return false;
  }
  return octets == 4;
}

static bool read_ipv6(fl_slice literal, struct in6_addr *address) {
  char text[INET6_ADDRSTRLEN];
  if (literal.length == 0 || literal.length >= sizeof text) return false;
  memcpy(text, literal.data, literal.length);
  text[literal.length] = '\0';
  return inet_pton(AF_INET6, text, address) == 1;
}

static bool is_host_name(fl_slice host) {
  size_t label = 0;
  if (host.length == 0 || host.length > 253) return false;
  for (size_t i = 0; i < host.length; i++) {
    if (host.data[i] == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!(byte_class((unsigned char)host.data[i]) & IN_HOST) || ++label > 63) {
      return false;
    }
  }
  return true;
}

static bool is_port(fl_slice port) {
  long value = 0;
  if (port.length == 0 || port.length > 5) return false;
  for (size_t i = 0; i < port.length; i++) {
    if (port.data[i] < '0' || port.data[i] > '9') return false;
    value = value * 10 + (port.data[i] - '0');
  }
  return value >= 1 && value <= 65535;
}

/* --- base URL --- */

typedef struct base_parts {
  bool secure;
  bool loopback;
  fl_slice rest; /* the text after host and port */
} base_parts;

static fl_url_code split_base(fl_slice base, base_parts *parts) {
  const fl_slice schemes[] = {FL_LITERAL("http://"), FL_LITERAL("https://")};
  fl_slice authority, host, port = {NULL, 0};
  size_t end, scheme = 0;
  if (base.length == 0) return FL_URL_EMPTY;
  for (size_t i = 0; i < base.length; i++) {
    unsigned char byte = (unsigned char)base.data[i];
    if (is_control(byte) || byte == ' ' || byte >= 0x80) return FL_URL_CONTROL;
  }
  while (scheme < 2 && !begins_with(base, schemes[scheme])) scheme++;
  if (scheme == 2) return FL_URL_SCHEME;
  parts->secure = scheme == 1;
  /* A backslash ends the host for some readers of URLs; here it makes the host malformed. */
  end = find_any(base, schemes[scheme].length, "/?#");
  authority = part(base, schemes[scheme].length, end);
  parts->rest = part(base, end, base.length);
  if (find_any(authority, 0, "@") < authority.length) return FL_URL_USER_INFO;
  if (authority.length > 0 && authority.data[0] == '[') {
    struct in6_addr address;
    size_t close = find_any(authority, 0, "]");
    if (close == authority.length || !read_ipv6(part(authority, 1, close), &address))
      return FL_URL_HOST;
    parts->loopback = IN6_IS_ADDR_LOOPBACK(&address);
    if (close + 1 < authority.length) {
      if (authority.data[close + 1] != ':') return FL_URL_HOST;
      port = part(authority, close + 2, authority.length);
    }
  } else {
    size_t colon = find_any(authority, 0, ":");
    host = part(authority, 0, colon);
    if (!is_host_name(host)) return FL_URL_HOST;
    parts->loopback =
        (host.length == 9 && begins_with(host, FL_LITERAL("localhost"))) || is_ipv4_loopback(host);
    if (colon < authority.length) port = part(authority, colon + 1, authority.length);
  }
  return port.data != NULL && !is_port(port) ? FL_URL_HOST : FL_URL_OK;
}

/* Whether a segment is "." or "..", a dot also as %2e: a server or a proxy may decode first. */
static bool is_dots(fl_slice segment) {
  size_t dots = 0;
  for (size_t i = 0; i < segment.length; i++, dots++) {
    if (segment.data[i] == '.') continue;
    if (!begins_with(part(segment, i, segment.length), FL_LITERAL("%2e"))) return false;
    i += 2;
  }
  return dots == 1 || dots == 2;
}

fl_url_code fl_url_check_path(fl_slice path) {
  if (path.length == 0) return FL_URL_EMPTY;
  if (path.data[0] != '/') return FL_URL_PATH;
  for (size_t i = 0; i < path.length; i++) {
    unsigned char byte = (unsigned char)path.data[i];
    if (is_control(byte) || byte == ' ') return FL_URL_CONTROL;
    if (byte == '?' || byte == '#') return FL_URL_QUERY;
    if (byte == '%' && (path.length - i < 3 || !is_hexadecimal((unsigned char)path.data[i + 1]) ||
                        !is_hexadecimal((unsigned char)path.data[i + 2])))
      return FL_URL_PATH;
    if (byte == '/') {
      size_t end = find_any(path, i + 1, "/");
      if (is_dots(part(path, i + 1, end))) return FL_URL_DOTS;
    }
  }
  return FL_URL_OK;
}

fl_url_code fl_url_check_base(fl_slice base, bool allow_insecure, size_t *usable) {
  base_parts parts;
  fl_url_code code = split_base(base, &parts);
  *usable = 0;
  if (code != FL_URL_OK) return code;
  if (parts.rest.length > 0) {
    code = parts.rest.data[0] == '/' ? fl_url_check_path(parts.rest) : FL_URL_QUERY;
    if (code != FL_URL_OK) return code;
    for (size_t i = 0; i < parts.rest.length; i++)
      if (!(byte_class((unsigned char)parts.rest.data[i]) & IN_PATH)) return FL_URL_PATH;
  }
  if (!parts.secure && !parts.loopback && !allow_insecure) return FL_URL_INSECURE;
  while (parts.rest.length > 0 && parts.rest.data[parts.rest.length - 1] == '/')
    parts.rest.length--;
  *usable = (size_t)(parts.rest.data - base.data) + parts.rest.length;
  return FL_URL_OK;
}

bool fl_url_is_loopback(fl_slice base) {
  base_parts parts;
  return split_base(base, &parts) == FL_URL_OK && parts.loopback;
}

bool fl_url_is_region(fl_slice region) {
  for (size_t i = 0; i < region.length; i++) {
    char byte = region.data[i];
    if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-'))
      return false;
  }
  return region.length > 0 && region.length <= 63;
}

bool fl_url_is_uuid(fl_slice text) {
  static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.length != sizeof form - 1) return false;
  for (size_t i = 0; i < text.length; i++)
    if (form[i] == '-' ? text.data[i] != '-' : !is_hexadecimal((unsigned char)text.data[i]))
      return false;
  return true;
}

fl_url_code fl_url_check_id(fl_slice id) {
  if (id.length == 0) return FL_URL_EMPTY;
  for (size_t i = 0; i < id.length; i++)
    if (is_control((unsigned char)id.data[i])) return FL_URL_CONTROL;
  if (id.data[0] == '.' && (id.length == 1 || (id.length == 2 && id.data[1] == '.')))
    return FL_URL_DOTS;
  return FL_URL_OK;
}

/* --- building --- */

static fl_result append_encoded(fl_buffer *out, fl_slice text, unsigned plain) {
  static const char digits[] = "0123456789ABCDEF";
  fl_result result = FL_OK;
  size_t i = 0;
  while (i < text.length && result == FL_OK) {
    size_t begin = i;
    while (i < text.length && (byte_class((unsigned char)text.data[i]) & plain)) i++;
    result = fl_buffer_append(out, text.data + begin, i - begin);
    if (i < text.length && result == FL_OK) {
      unsigned char byte = (unsigned char)text.data[i++];
      const char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};
      result = fl_buffer_append(out, escape, sizeof escape);
    }
  }
  return result;
}

/* The offset of the segment "{id}", or the template's length if there is none. Sets *many if there
 * is a second "{id}", or one that is not a whole segment. */
static size_t find_id(fl_slice path, bool *many) {
  const fl_slice mark = FL_LITERAL("{id}");
  size_t found = path.length;
  *many = false;
  for (size_t i = 0; i + mark.length <= path.length; i++) {
    size_t end = i + mark.length;
    if (memcmp(path.data + i, mark.data, mark.length) != 0) continue;
    if (found != path.length || i == 0 || path.data[i - 1] != '/' ||
        (end < path.length && path.data[end] != '/'))
      *many = true;
    found = i;
  }
  return found;
}

fl_result fl_url_append_path(fl_buffer *out, fl_slice base, fl_slice path_template, fl_slice id,
                             fl_url_code *code) {
  size_t before = out->length, at;
  bool many;
  fl_result result;
  *code = fl_url_check_path(path_template);
  if (*code != FL_URL_OK) return FL_INVALID;
  at = find_id(path_template, &many);
  if (many || (at < path_template.length) != (id.data != NULL)) *code = FL_URL_TEMPLATE;
  else if (id.data != NULL) *code = fl_url_check_id(id);
  if (*code != FL_URL_OK) return FL_INVALID;
  result = fl_buffer_append(out, base.data, base.length);
  if (result == FL_OK) result = append_encoded(out, part(path_template, 0, at), IN_PATH);
  if (result == FL_OK && id.data != NULL) {
    result = append_encoded(out, id, UNRESERVED);
    if (result == FL_OK)
      result = append_encoded(out, part(path_template, at + 4, path_template.length), IN_PATH);
  }
  if (result != FL_OK && out->data != NULL) {
    out->length = before;
    out->data[before] = '\0';
  }
  return result;
}
