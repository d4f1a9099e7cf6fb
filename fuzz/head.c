/*
 * head.c: fuzzes the reader of header lines. The input is a wall time and lines. Every value that
 * it gives is within the bounds that response_head.h names.
 */
#include "fuzz.h"

#include "policy/response_head.h"

#define YEAR (366 * 86400 * FL_SECOND)
#define MOST 1000000000

static void check_text(const char *text, size_t room) {
  size_t length = strnlen(text, room);
  HOLDS(length < room);
  for (size_t i = 0; i < length; i++) HOLDS((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void check_count(int64_t count) {
  HOLDS(count == FL_UNKNOWN || (count >= 0 && count <= MOST));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fuzz_input input = {bytes, length};
  fl_time wall = (fl_time)fuzz_number(&input) * FL_SECOND;
  fl_response_head head;
  fl_response_head_init(&head);
  while (input.left > 0) {
    const uint8_t *end = memchr(input.bytes, '\n', input.left);
    size_t size = end != NULL ? (size_t)(end - input.bytes) + 1 : input.left;
    char *line = fuzz_copy(input.bytes, size);
    fl_response_head_line(&head, line, size);
    free(line);
    input.bytes += size;
    input.left -= size;
  }
  fl_response_head_finish(&head, wall);
  HOLDS(head.status >= 0 && head.status <= 999);
  HOLDS(!head.retry_after_known || (head.retry_after >= 0 && head.retry_after <= YEAR));
  check_count(head.limit);
  check_count(head.remaining);
  HOLDS(head.limit <= 0 || head.remaining <= head.limit);
  HOLDS(head.reset == FL_UNKNOWN ||
        (head.reset >= 0 && head.reset <= FL_RATE_WINDOW + FL_RATE_SLACK));
  HOLDS(fl_reset_format_name(head.reset_format) != NULL);
  HOLDS(head.nonsense >= 0);
  check_text(head.content_type, sizeof head.content_type);
  check_text(head.encoding, sizeof head.encoding);
  check_text(head.location, sizeof head.location);
  return 0;
}
