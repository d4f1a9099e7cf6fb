/*
 * url.c: fuzzes URLs. The input is a base, a path and an id, with a NUL between them. A URL that is
 * made holds only characters that a URL may hold, begins with the base, and has the id as one
 * segment that decodes to it.
 */
#include "fuzz.h"

#include "policy/url.h"

static int hexadecimal(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

/* The id must be the segment at the place of "{id}". */
static void check_id(fl_slice rest, fl_slice path, fl_slice id) {
  size_t before = 0, place = 0, at = 0;
  while (memcmp(path.data + place, "{id}", 4) != 0) before += path.data[place++] == '/';
  for (size_t slashes = 0; slashes < before; at++) slashes += rest.data[at] == '/';
  for (size_t i = 0; i < id.length; i++, at++) {
    unsigned char c = (unsigned char)rest.data[at];
    HOLDS(at < rest.length);
    if (c == '%') {
      c = (unsigned char)(hexadecimal(rest.data[at + 1]) * 16 + hexadecimal(rest.data[at + 2]));
      at += 2;
    }
    HOLDS(c == (unsigned char)id.data[i]);
  }
  HOLDS(at == rest.length || rest.data[at] == '/');
}

static void check_url(const fl_buffer *url, fl_slice base, fl_slice path, fl_slice id) {
  fl_slice rest = {url->data + base.length, url->length - base.length};
  HOLDS(url->length >= base.length && memcmp(url->data, base.data, base.length) == 0);
  HOLDS(rest.length > 0 && rest.data[0] == '/');
  for (size_t i = 0; i < rest.length; i++) {
    unsigned char c = (unsigned char)rest.data[i];
    HOLDS(c > 0x20 && c < 0x7f && strchr("?#\"<>\\^`{|}", c) == NULL);
    if (c == '%')
      HOLDS(i + 2 < rest.length && hexadecimal(rest.data[i + 1]) >= 0 &&
            hexadecimal(rest.data[i + 2]) >= 0);
  }
  if (id.data != NULL) check_id(rest, path, id);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fuzz_input input = {bytes, length};
  unsigned flags = fuzz_byte(&input);
  fl_slice base = fuzz_text(&input), path = fuzz_text(&input), id = {NULL, 0}, usable;
  fl_url_code code, base_code;
  fl_buffer url;
  size_t used = 0;
  if ((flags & 1) != 0) id = (fl_slice){(const char *)input.bytes, input.left};
  base_code = fl_url_check_base(base, (flags & 2) != 0, &used);
  HOLDS(fl_url_describe(base_code) != NULL || base_code == FL_URL_OK);
  HOLDS(used <= base.length && (base_code == FL_URL_OK) == (used > 0));
  if (fl_url_is_loopback(base)) {
    fl_url_code any = fl_url_check_base(base, true, &used);
    HOLDS(any != FL_URL_HOST && any != FL_URL_SCHEME && any != FL_URL_USER_INFO);
  }
  HOLDS(!fl_url_is_region(base) || base.length <= 63);
  HOLDS(!fl_url_is_uuid(base) || base.length == 36);
  usable = base_code == FL_URL_OK ? (fl_slice){base.data, used} : FL_LITERAL("https://h");
  fl_buffer_init(&url, FL_BUFFER_UNLIMITED);
  HOLDS(fl_buffer_append_text(&url, "") == FL_OK);
  if (fl_url_append_path(&url, usable, path, id, &code) == FL_OK) {
    HOLDS(code == FL_URL_OK);
    HOLDS(id.data == NULL || fl_url_check_id(id) == FL_URL_OK);
    check_url(&url, usable, path, id);
  } else {
    HOLDS(code != FL_URL_OK && url.length == 0);
  }
  fl_buffer_free(&url);
  return 0;
}
