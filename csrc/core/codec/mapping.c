/*
 * mapping.c: records of JSON with other names, chosen members and constants. See mapping.h.
 */
#include "codec/mapping.h"

#include <stdio.h>

#include "codec/json_write.h"

size_t fl_names_find(fl_names names, fl_slice name) {
  size_t place = 0;
  while (place < names.count && !fl_slice_equal(names.list[place], name)) place++;
  return place;
}

fl_slice fl_mapping_rename(const fl_mapping *mapping, fl_slice name) {
  for (size_t i = 0; i < mapping->rename_count; i++)
    if (fl_slice_equal(mapping->renames[i].from, name)) return mapping->renames[i].to;
  return name;
}

const fl_constant *fl_mapping_constant(const fl_mapping *mapping, fl_slice name) {
  for (size_t i = 0; i < mapping->set_count; i++)
    if (fl_slice_equal(mapping->set[i].name, name)) return &mapping->set[i];
  return NULL;
}

/* --- messages --- */

fl_shown fl_show(fl_slice text) {
  fl_shown out;
  size_t length = 0, at = 0, edge = 0; /* edge: where the character that is written began */
  for (; at < text.length; at++) {
    const char byte = text.data[at];
    const bool escaped = byte == '"' || byte == '\\';
    if (((unsigned char)byte & 0xc0) != 0x80) edge = length;
    if (length + (escaped ? 2 : 1) > FL_SHOWN) {
      length = edge;
      break;
    }
    if (escaped) out.text[length++] = '\\';
    out.text[length++] = (unsigned char)byte < 0x20 ? ' ' : byte;
  }
  memcpy(out.text + length, at < text.length ? "..." : "", at < text.length ? 4 : 1);
  return out;
}

void fl_names_show(fl_names names, char *message, size_t room) {
  static const char more[] = ", …";
  size_t length = strlen(message);
  for (size_t i = 0; i < names.count; i++) {
    char shown[FL_SHOWN + 10];
    int count =
        snprintf(shown, sizeof shown, "%s\"%s\"", i > 0 ? ", " : "", fl_show(names.list[i]).text);
    if (length + (size_t)count + sizeof more > room) {
      snprintf(message + length, room - length, "%s", more);
      return;
    }
    memcpy(message + length, shown, (size_t)count + 1);
    length += (size_t)count;
  }
}

/* --- records --- */

typedef struct writer {
  const fl_mapping *mapping;
  const fl_json_tape *tape;
  const char *text;
  fl_buffer *out;
  size_t members; /* written so far */
} writer;

static fl_slice key_at(const writer *self, uint32_t index) {
  const fl_json_node *node = &self->tape->nodes[index];
  return (fl_slice){self->text + node->offset, node->value.size.length};
}

static fl_result write_key(writer *self, fl_slice name) {
  size_t bad;
  fl_result result = fl_buffer_append_byte(self->out, self->members++ == 0 ? '{' : ',');
  if (result == FL_OK) result = fl_json_write_string(self->out, name.data, name.length, &bad);
  return result == FL_OK ? fl_buffer_append_byte(self->out, ':') : result;
}

/* A member: the constant of its name, or the value of the key at `index`. */
static fl_result write_member(writer *self, fl_slice name, uint32_t index) {
  const fl_constant *constant = fl_mapping_constant(self->mapping, name);
  fl_result result = write_key(self, name);
  if (result != FL_OK) return result;
  if (constant != NULL)
    return fl_buffer_append(self->out, constant->json.data, constant->json.length);
  return fl_json_write_node(self->out, self->tape, self->text, index + 1);
}

/* The index of the last key that is called `name` after the renames; 0: none. */
static uint32_t find_key(const writer *self, fl_slice name) {
  uint32_t end = self->tape->nodes[0].value.size.end, found = 0;
  for (uint32_t at = 1; at < end; at = fl_json_next(self->tape, at + 1))
    if (fl_slice_equal(fl_mapping_rename(self->mapping, key_at(self, at)), name)) found = at;
  return found;
}

static fl_result check_renames(const writer *self, char *message, size_t room) {
  uint32_t end = self->tape->nodes[0].value.size.end;
  for (size_t i = 0; i < self->mapping->rename_count; i++) {
    const fl_rename *rename = &self->mapping->renames[i];
    uint32_t first = 0;
    for (uint32_t at = 1; at < end; at = fl_json_next(self->tape, at + 1)) {
      if (!fl_slice_equal(fl_mapping_rename(self->mapping, key_at(self, at)), rename->to)) continue;
      if (first != 0 && !fl_slice_equal(key_at(self, first), key_at(self, at))) {
        snprintf(message, room,
                 "rename: the record has both \"%s\" and \"%s\", which is \"%s\" now",
                 fl_show(key_at(self, first)).text, fl_show(key_at(self, at)).text,
                 fl_show(rename->to).text);
        return FL_INVALID;
      }
      first = at;
    }
  }
  return FL_OK;
}

static fl_result write_chosen(writer *self) {
  const fl_names columns = self->mapping->columns;
  fl_result result = FL_OK;
  for (size_t i = 0; i < columns.count && result == FL_OK; i++) {
    uint32_t index = find_key(self, columns.list[i]);
    if (index != 0 || fl_mapping_constant(self->mapping, columns.list[i]) != NULL)
      result = write_member(self, columns.list[i], index);
  }
  return result;
}

static fl_result write_all(writer *self) {
  uint32_t end = self->tape->nodes[0].value.size.end;
  fl_result result = FL_OK;
  for (uint32_t at = 1; at < end && result == FL_OK; at = fl_json_next(self->tape, at + 1))
    result = write_member(self, fl_mapping_rename(self->mapping, key_at(self, at)), at);
  return result;
}

fl_result fl_mapping_write(const fl_mapping *mapping, const fl_json_tape *tape, const char *text,
                           fl_buffer *out, char *message, size_t room) {
  writer self = {mapping, tape, text, out, 0};
  bool chosen = mapping->columns.count > 0;
  fl_result result = check_renames(&self, message, room);
  if (result == FL_OK) result = chosen ? write_chosen(&self) : write_all(&self);
  for (size_t i = 0; i < mapping->set_count && result == FL_OK; i++) {
    const fl_constant *constant = &mapping->set[i];
    bool is_there = chosen
                        ? fl_names_find(mapping->columns, constant->name) < mapping->columns.count
                        : find_key(&self, constant->name) != 0;
    if (!is_there) result = write_member(&self, constant->name, 0);
  }
  if (result == FL_OK && self.members == 0) result = fl_buffer_append_byte(out, '{');
  return result == FL_OK ? fl_buffer_append_byte(out, '}') : result;
}
