/* options.c: the table of the options, and the memory that they own. */
#include "options.h"

#include "base/buffer.h"

#include <stdlib.h>

#define PLACE(name) offsetof(sandbox_options, name)
#define TEXT(name, text) {#name, FIELD_TEXT, PLACE(name), 0, 0, 0, text, NULL},
#define WHOLE(name, ...) {#name, FIELD_INTEGER, PLACE(name), __VA_ARGS__, NULL, NULL},
#define NUMBER(name, ...) {#name, FIELD_NUMBER, PLACE(name), __VA_ARGS__, NULL, NULL},
#define FLAG(name, fallback) {#name, FIELD_BOOLEAN, PLACE(name), fallback, 0, 0, NULL, NULL},
#define CHOICE(name, ...) {#name, FIELD_CHOICE, PLACE(name), 0, 0, 0, NULL, name##_choices},
#define CHOICES(name, ...) static const char *const name##_choices[] = {__VA_ARGS__, NULL};
#define NOTHING(name, ...)

SANDBOX_OPTIONS(NOTHING, NOTHING, NOTHING, NOTHING, CHOICES)

#define NO_FIELD \
  { NULL, FIELD_TEXT, 0, 0, 0, 0, NULL, NULL }
const sandbox_field sandbox_options_fields[] = {SANDBOX_OPTIONS(TEXT, WHOLE, NUMBER, FLAG, CHOICE)
                                                    NO_FIELD};

static void free_list(char **list, size_t count) {
  for (size_t index = 0; index < count; index++) free(list[index]);
  free(list);
}

static void free_definition(sandbox_definition *definition) {
  char *const texts[] = {definition->id,         definition->name,        definition->sql,
                         definition->target,     definition->preparation, definition->labels,
                         definition->chart_type, definition->on_import};
  for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) free(texts[index]);
  free_list(definition->series, definition->series_count);
  for (size_t index = 0; index < definition->step_count; index++) free(definition->steps[index].id);
  free(definition->steps);
}

void sandbox_options_free(sandbox_options *options) {
  if (options->private_key) fl_wipe(options->private_key, strlen(options->private_key));
  for (const sandbox_field *field = sandbox_options_fields; field->name; field++)
    if (field->type == FIELD_TEXT) free(*(char **)((char *)options + field->offset));
  for (size_t index = 0; index < options->key_count; index++) free(options->keys[index].key);
  free(options->keys);
  free_list(options->required_columns, options->required_column_count);
  for (int kind = 0; kind < DEFINED_COUNT; kind++) {
    for (size_t index = 0; index < options->defined[kind].count; index++)
      free_definition(&options->defined[kind].list[index]);
    free(options->defined[kind].list);
  }
  memset(options, 0, sizeof *options);
}

const sandbox_definition *sandbox_options_definition(const sandbox_options *options,
                                                     sandbox_defined kind, fl_slice id) {
  const sandbox_definitions *defined = &options->defined[kind];
  for (size_t index = 0; index < defined->count; index++) {
    const char *text = defined->list[index].id;
    if (strlen(text) == id.length && memcmp(text, id.data, id.length) == 0)
      return &defined->list[index];
  }
  return NULL;
}
