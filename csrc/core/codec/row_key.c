/* See row_key.h. A key is, for each node, its type, then 8 bytes of the number or the length, then
 * the bytes of a string. A key begins with the number of nodes, and the value of the first member
 * of an object or its length. Rows with another beginning need not be compared. */
#include "codec/row_key.h"

#include <string.h>

typedef struct row_digest {
  uint64_t nodes, first;
} row_digest;

/* The number of a node, or the length of what it holds. The scanner leaves the value of null, true
 * and false unset. */
static inline uint64_t bits_of(const fl_json_node *node) {
  uint64_t bits = 0;
  if (node->type == FL_JSON_INTEGER || node->type == FL_JSON_FLOAT)
    memcpy(&bits, &node->value, sizeof bits);
  else if (node->type > FL_JSON_TRUE) bits = node->value.size.length;
  return bits;
}

static inline row_digest digest_of(const fl_json_node *nodes, uint32_t row) {
  row_digest digest = {1, 0};
  if (nodes[row].type < FL_JSON_ARRAY) return digest;
  digest.nodes = nodes[row].value.size.end - row;
  if (digest.nodes > 2 && nodes[row].type == FL_JSON_OBJECT)
    digest.first = bits_of(&nodes[row + 2]);
  return digest;
}

typedef struct node_key {
  char head[1 + sizeof(uint64_t)];
  fl_slice bytes;
} node_key;

static node_key key_of(const fl_json_node *node, const char *text) {
  node_key key = {{(char)node->type}, {NULL, 0}};
  const uint64_t bits = bits_of(node);
  memcpy(key.head + 1, &bits, sizeof bits);
  if (node->type == FL_JSON_BIG || node->type == FL_JSON_STRING)
    key.bytes = (fl_slice){text + node->offset, node->value.size.length};
  return key;
}

fl_result fl_row_key_write(const fl_json_tape *tape, const char *text, uint32_t row,
                           fl_buffer *key) {
  uint32_t end = fl_json_next(tape, row);
  row_digest digest = digest_of(tape->nodes, row);
  fl_result begun = fl_buffer_append(key, &digest, sizeof digest);
  if (begun != FL_OK) return begun;
  for (uint32_t index = row; index < end; index++) {
    node_key part = key_of(&tape->nodes[index], text);
    fl_result result = fl_buffer_append(key, part.head, sizeof part.head);
    if (result == FL_OK && part.bytes.length > 0)
      result = fl_buffer_append(key, part.bytes.data, part.bytes.length);
    if (result != FL_OK) return result;
  }
  return FL_OK;
}

static uint64_t mix(uint64_t hash, const char *bytes, size_t length) {
  for (size_t part; length > 0; bytes += part, length -= part) {
    uint64_t word = 0;
    part = length < sizeof word ? length : sizeof word;
    memcpy(&word, bytes, part);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
  }
  return hash;
}

uint64_t fl_row_key_hash(const fl_json_tape *tape, const char *text, uint32_t row) {
  uint64_t hash = 0;
  for (uint32_t end = fl_json_next(tape, row), index = row; index < end; index++) {
    node_key part = key_of(&tape->nodes[index], text);
    hash = mix(hash, part.head, sizeof part.head);
    hash = mix(hash, part.bytes.data, part.bytes.length);
  }
  return hash;
}

static bool skip(fl_slice *key, const char *bytes, size_t length) {
  if (key->length < length || memcmp(key->data, bytes, length) != 0) return false;
  key->data += length;
  key->length -= length;
  return true;
}

static bool matches(const fl_json_tape *tape, const char *text, uint32_t row, fl_slice key) {
  uint32_t end = fl_json_next(tape, row);
  for (uint32_t index = row; index < end; index++) {
    node_key part = key_of(&tape->nodes[index], text);
    if (!skip(&key, part.head, sizeof part.head)) return false;
    if (part.bytes.length > 0 && !skip(&key, part.bytes.data, part.bytes.length)) return false;
  }
  return key.length == 0;
}

static row_digest take_digest(fl_slice *key) {
  row_digest digest = {0, 0};
  if (key->length < sizeof digest) return digest;
  memcpy(&digest, key->data, sizeof digest);
  key->data += sizeof digest;
  key->length -= sizeof digest;
  return digest;
}

bool fl_row_key_find(const fl_json_tape *tape, const char *text, uint32_t row, int64_t count,
                     fl_slice one, fl_slice other) {
  row_digest of_one = take_digest(&one), of_other = take_digest(&other);
  for (; count > 0; count--, row = fl_json_next(tape, row)) {
    row_digest found = digest_of(tape->nodes, row);
    if (found.nodes == of_one.nodes && found.first == of_one.first && matches(tape, text, row, one))
      return true;
    if (found.nodes == of_other.nodes && found.first == of_other.first &&
        matches(tape, text, row, other))
      return true;
  }
  return false;
}
