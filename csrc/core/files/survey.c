/*
 * survey.c: names of members, and expectations of JSON records. See survey.h.
 */
#include "files/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json_write.h"

#define MOST_NAMES 4096

/* The kinds of values of a member, as bits. */
enum { BOOLEAN = 1, NUMBER = 2, TEXT = 4, ARRAY = 8, OBJECT = 16 };
static const unsigned char kind_of[] = {
    [FL_JSON_NULL] = 0,         [FL_JSON_FALSE] = BOOLEAN, [FL_JSON_TRUE] = BOOLEAN,
    [FL_JSON_INTEGER] = NUMBER, [FL_JSON_BIG] = NUMBER,    [FL_JSON_FLOAT] = NUMBER,
    [FL_JSON_STRING] = TEXT,    [FL_JSON_ARRAY] = ARRAY,   [FL_JSON_OBJECT] = OBJECT};

typedef struct name_list {
  fl_name_index index; /* of names, each in an allocation of its own */
  unsigned char *kinds;
} name_list;

struct fl_survey {
  fl_source_input *input;
  const fl_mapping *mapping;
  const fl_expectation *wanted;
  name_list written, sent; /* names in the file, and after the renames */
  fl_expect *expect;
  bool any; /* there was a record */
  fl_buffer scratch;
};

bool fl_survey_is_needed(const fl_source_options *options) {
  return options->survey || !fl_expectation_is_empty(&options->expect) ||
         options->columns.mapping.rename_count > 0 || options->columns.mapping.columns.count > 0;
}

fl_survey *fl_survey_open(fl_source_input *input) {
  fl_survey *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->input = input;
  self->mapping = &input->options->columns.mapping;
  self->wanted = &input->options->expect;
  fl_buffer_init(&self->scratch, FL_BUFFER_UNLIMITED);
  self->expect = fl_expect_open(self->wanted);
  if (self->expect != NULL) return self;
  fl_survey_close(self);
  return NULL;
}

static void free_names(name_list *list) {
  for (size_t i = 0; i < list->index.count; i++) free((char *)(uintptr_t)list->index.names[i].data);
  fl_name_index_free(&list->index);
  free(list->kinds);
}

void fl_survey_close(fl_survey *self) {
  if (self == NULL) return;
  free_names(&self->written);
  free_names(&self->sent);
  fl_expect_close(self->expect);
  fl_buffer_free(&self->scratch);
  free(self);
}

/* Adds a copy of the name. False without memory. */
static bool copy_name(name_list *list, fl_slice name, unsigned char kind) {
  char *copy = malloc(name.length + 1);
  if (copy == NULL) return false;
  memcpy(copy, name.data, name.length);
  if (list->kinds == NULL) list->kinds = malloc(MOST_NAMES);
  if (list->kinds == NULL ||
      fl_name_index_add(&list->index, (fl_slice){copy, name.length}) != FL_OK) {
    free(copy);
    return false;
  }
  list->kinds[list->index.count - 1] = kind;
  return true;
}

/* Records the kind of a value under a name, and adds the name unless it is in the list. Most
 * records have the members of the record before, so the search begins at `place`. */
static bool add_name(name_list *list, fl_slice name, size_t place, unsigned char kind) {
  if (place >= list->index.count || !fl_slice_equal(list->index.names[place], name))
    place = fl_name_index_find(&list->index, name);
  if (place == FL_NO_PLACE) return list->index.count == MOST_NAMES || copy_name(list, name, kind);
  list->kinds[place] |= kind;
  return true;
}

static bool refuse_member(fl_survey *self, fl_slice name, int64_t line) {
  char words[FL_SHOWN + 60];
  snprintf(words, sizeof words, "expect.columns: the member \"%s\" is not expected",
           fl_show(name).text);
  return fl_source_input_fail_content(self->input, line, words);
}

static bool note_names(fl_survey *self, const fl_json_tape *tape, const char *text, int64_t line) {
  uint32_t end = tape->nodes[0].value.size.end;
  size_t place = 0;
  for (uint32_t at = 1; at < end; at = fl_json_next(tape, at + 1), place++) {
    fl_slice written = {text + tape->nodes[at].offset, tape->nodes[at].value.size.length};
    fl_slice sent = fl_mapping_rename(self->mapping, written);
    unsigned char kind = kind_of[tape->nodes[at + 1].type];
    if (!add_name(&self->written, written, place, kind) ||
        !add_name(&self->sent, sent, place, kind))
      return fl_source_input_fail_memory(self->input);
    if (self->wanted->columns.count > 0 && self->mapping->columns.count == 0 &&
        fl_names_find(self->wanted->columns, sent) == self->wanted->columns.count)
      return refuse_member(self, sent, line);
  }
  return true;
}

/* The value of the last member with this name after the renames; 0: none, or null. */
static uint32_t find_value(const fl_survey *self, const fl_json_tape *tape, const char *text,
                           fl_slice name) {
  uint32_t end = tape->nodes[0].value.size.end, found = 0;
  for (uint32_t at = 1; at < end; at = fl_json_next(tape, at + 1)) {
    fl_slice written = {text + tape->nodes[at].offset, tape->nodes[at].value.size.length};
    if (fl_slice_equal(fl_mapping_rename(self->mapping, written), name)) found = at + 1;
  }
  return found != 0 && tape->nodes[found].type != FL_JSON_NULL ? found : 0;
}

static bool check_values(fl_survey *self, const fl_json_tape *tape, const char *text,
                         int64_t line) {
  fl_place place = fl_place_of(self->input->part, line);
  fl_expect_count(self->expect);
  for (size_t i = 0; i < self->wanted->required.count; i++)
    if (find_value(self, tape, text, self->wanted->required.list[i]) == 0)
      fl_expect_missing(self->expect, i, place);
  for (size_t i = 0; i < self->wanted->unique.count; i++) {
    uint32_t value = find_value(self, tape, text, self->wanted->unique.list[i]);
    fl_result result = FL_OK;
    if (value == 0) continue;
    self->scratch.length = 0;
    if (fl_json_write_node(&self->scratch, tape, text, value) != FL_OK) result = FL_NO_MEMORY;
    if (result == FL_OK)
      result = fl_expect_value(self->expect, i,
                               (fl_slice){self->scratch.data, self->scratch.length}, place);
    if (result == FL_SYSTEM) return fl_source_input_fail_temporary(self->input);
    if (result != FL_OK) return fl_source_input_fail_memory(self->input);
  }
  return true;
}

bool fl_survey_record(fl_survey *self, const fl_json_tape *tape, const char *text, int64_t line) {
  char words[FL_COLUMNS_MESSAGE];
  self->any = true;
  self->input->counted++;
  if (!note_names(self, tape, text, line) || !check_values(self, tape, text, line)) return false;
  if (self->mapping->rename_count > 0) {
    fl_result result;
    self->scratch.length = 0;
    result = fl_mapping_write(self->mapping, tape, text, &self->scratch, words, sizeof words);
    if (result != FL_OK) return fl_source_input_fail_result(self->input, result, line, words);
  }
  return true;
}

/* Checks that a name in an option occurs. If not, fails with a list of the names that do. */
static bool check_name(fl_survey *self, const char *option, fl_slice name, const name_list *list) {
  const fl_names names = {list->index.names, list->index.count};
  char words[FL_COLUMNS_MESSAGE];
  if (list->index.count == MOST_NAMES || fl_names_find(names, name) < names.count) return true;
  snprintf(words, sizeof words, "%s: no record has a member \"%s\"; there are ", option,
           fl_show(name).text);
  fl_names_show(names, words, sizeof words);
  return fl_source_input_fail_content(self->input, 0, words);
}

static bool check_names(fl_survey *self) {
  const fl_names sent = {self->sent.index.names, self->sent.index.count};
  const fl_mapping *mapping = self->mapping;
  char words[FL_COLUMNS_MESSAGE];
  fl_result result;
  for (size_t i = 0; i < mapping->rename_count; i++)
    if (!check_name(self, "rename", mapping->renames[i].from, &self->written)) return false;
  for (size_t i = 0; i < mapping->columns.count; i++)
    if (fl_mapping_constant(mapping, mapping->columns.list[i]) == NULL &&
        !check_name(self, "columns", mapping->columns.list[i], &self->sent))
      return false;
  result = fl_expect_columns(self->wanted, mapping->columns.count > 0 ? mapping->columns : sent,
                             sent, words, sizeof words);
  return result == FL_OK || fl_source_input_fail_content(self->input, 0, words);
}

void fl_survey_conclude(fl_survey *self) {
  if (!self->any || check_names(self)) fl_source_input_conclude(self->input, self->expect);
  fl_expect_close(self->expect);
  self->expect = NULL;
}

static const char *type_of(unsigned char kinds) {
  switch (kinds) {
    case 0: return "null";
    case BOOLEAN: return "boolean";
    case NUMBER: return "number";
    case TEXT: return "text";
    case ARRAY: return "array";
    case OBJECT: return "object";
    default: return "mixed";
  }
}

bool fl_survey_member(const fl_survey *self, size_t place, fl_source_member *out) {
  const fl_names *chosen = &self->mapping->columns;
  for (size_t i = 0; i < self->sent.index.count; i++) {
    fl_slice name = self->sent.index.names[i];
    if (fl_mapping_constant(self->mapping, name) != NULL ||
        (chosen->count > 0 && fl_names_find(*chosen, name) == chosen->count) || place-- > 0)
      continue;
    *out = (fl_source_member){name, type_of(self->sent.kinds[i])};
    return true;
  }
  return false;
}
