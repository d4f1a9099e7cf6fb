/*
 * json.c: fuzzes the JSON scanner. It accepts what the validator accepts; the tape is well formed;
 * what is written from it is read back as the same.
 */
#include "fuzz.h"

#include "codec/json_scan.h"
#include "codec/json_write.h"
#include "validator.h"

/* Checks the value at a node. Returns the node after it. */
static uint32_t check_value(const fl_json_tape *tape, size_t length, uint32_t at) {
  const fl_json_node *node = &tape->nodes[at];
  uint32_t next = at + 1;
  HOLDS(at < tape->count && node->offset <= length);
  if (node->type == FL_JSON_STRING || node->type == FL_JSON_BIG)
    HOLDS(node->value.size.length <= length - node->offset);
  if (node->type < FL_JSON_ARRAY) return next;
  for (uint32_t i = 0; i < node->value.size.length; i++) {
    if (node->type == FL_JSON_OBJECT) {
      HOLDS(tape->nodes[next].type == FL_JSON_STRING);
      HOLDS(tape->nodes[next].value.size.same <= next);
      next++;
    }
    next = check_value(tape, length, next);
  }
  HOLDS(node->value.size.end == next);
  return next;
}

typedef fl_json_code (*scanner)(char *, size_t, fl_json_tape *, fl_json_error *);

/* Scans a text and writes the value again. */
static fl_json_code scan_and_write(scanner scan, const void *bytes, size_t length, fl_buffer *out) {
  char *text = fuzz_copy(bytes, length);
  fl_json_tape tape;
  fl_json_error error = {FL_JSON_OK, 0};
  fl_json_code code;
  fl_json_tape_init(&tape);
  code = scan(text, length, &tape, &error);
  if (code == FL_JSON_OK) {
    HOLDS(check_value(&tape, length, 0) == tape.count);
    HOLDS(fl_json_write_node(out, &tape, text, 0) == FL_OK);
  } else {
    HOLDS(error.code == code && error.position <= length);
  }
  fl_json_tape_free(&tape);
  free(text);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  fl_buffer once, again, replaced;
  fl_json_code code;
  fl_buffer_init(&once, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&again, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&replaced, FL_BUFFER_UNLIMITED);
  code = scan_and_write(fl_json_scan, bytes, length, &once);
  HOLDS((code == FL_JSON_OK) == validator_is_json(bytes, length));
  if (code == FL_JSON_OK) {
    HOLDS(validator_is_json(once.data, once.length));
    HOLDS(scan_and_write(fl_json_scan, once.data, once.length, &again) == FL_JSON_OK);
    HOLDS(once.length == again.length && memcmp(once.data, again.data, once.length) == 0);
    HOLDS(scan_and_write(fl_json_scan_replacing, bytes, length, &replaced) == FL_JSON_OK);
    HOLDS(once.length == replaced.length && memcmp(once.data, replaced.data, once.length) == 0);
  } else if (scan_and_write(fl_json_scan_replacing, bytes, length, &replaced) == FL_JSON_OK) {
    HOLDS(validator_is_json(replaced.data, replaced.length));
  }
  fl_buffer_free(&once);
  fl_buffer_free(&again);
  fl_buffer_free(&replaced);
  return 0;
}
