/* lua_options.c: reads Lua tables into the structures of options.h and faults.h, by their tables of
 * fields. */
#include "lua_options.h"

#include <math.h>
#include <stdlib.h>

/* A copy of the string at the top, which stays there. */
static char *copy_top(lua_State *L) {
  char *copy = strdup(luaL_checkstring(L, -1));
  if (copy == NULL) luaL_error(L, "no memory");
  return copy;
}

/* The number at the top. A field without bounds has 0 for both. */
static double check_number(lua_State *L, const sandbox_field *field) {
  double number = luaL_checknumber(L, -1);
  if (!(number >= field->least && number <= field->most))
    luaL_error(L, "%s is out of range", field->name);
  return number;
}

static unsigned check_choice(lua_State *L, const sandbox_field *field) {
  const char *given = luaL_checkstring(L, -1);
  for (unsigned place = 0; field->choices[place]; place++)
    if (strcmp(field->choices[place], given) == 0) return place;
  return (unsigned)luaL_error(L, "no such %s", field->name);
}

static int64_t whole(double number) {
  return number >= 0x1p62 ? (int64_t)1 << 62 : (int64_t)number;
}

/* Stores the fallback of a field that was not given, if it has one. */
static void store_fallback(lua_State *L, const sandbox_field *field, void *place) {
  switch (field->type) {
    case FIELD_INTEGER:
      if (!isnan(field->fallback)) *(int64_t *)place = whole(field->fallback);
      break;
    case FIELD_NUMBER: *(double *)place = field->fallback; break;
    case FIELD_BOOLEAN: *(bool *)place = field->fallback != 0; break;
    case FIELD_TEXT:
      if (field->text && (*(char **)place = strdup(field->text)) == NULL)
        luaL_error(L, "no memory");
      break;
    case FIELD_SHORT_TEXT:
      if (field->text) strncpy(place, field->text, FIELD_TEXT_ROOM - 1);
      break;
    default: break; /* zero: the first choice, no text */
  }
}

/* Stores the value at the top. */
static void store(lua_State *L, const sandbox_field *field, void *place) {
  switch (field->type) {
    case FIELD_INTEGER: *(int64_t *)place = whole(check_number(L, field)); break;
    case FIELD_NUMBER: *(double *)place = check_number(L, field); break;
    case FIELD_BOOLEAN: *(bool *)place = lua_toboolean(L, -1); break;
    case FIELD_TEXT: *(char **)place = copy_top(L); break;
    case FIELD_SHORT_TEXT:
    case FIELD_RETRY_AFTER:
      *(char *)place = '\0';
      strncat(place, luaL_checkstring(L, -1), FIELD_TEXT_ROOM - 1);
      break;
    case FIELD_CHOICE: *(unsigned *)place = check_choice(L, field);
  }
}

static void read_fields(lua_State *L, int index, const sandbox_field *fields, void *structure) {
  for (; fields->name; fields++) {
    void *place = (char *)structure + fields->offset;
    lua_getfield(L, index, fields->name);
    if (lua_isnil(L, -1)) store_fallback(L, fields, place);
    else store(L, fields, place);
    lua_pop(L, 1);
  }
}

/* Raises if a required text is missing. */
static void check_present(lua_State *L, const char *text, const char *name) {
  if (text == NULL) luaL_error(L, "%s is missing", name);
}

/* The text member `name` of the table at the top, or NULL. */
static char *member_text(lua_State *L, const char *name) {
  char *text = NULL;
  lua_getfield(L, -1, name);
  if (!lua_isnil(L, -1)) text = copy_top(L);
  lua_pop(L, 1);
  return text;
}

static bool member_true(lua_State *L, const char *name) {
  bool value;
  lua_getfield(L, -1, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Allocates zeroed room for the elements of the array at the top (nil: no elements). */
static void *room_for(lua_State *L, size_t element) {
  size_t count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  void *list = count ? calloc(count, element) : NULL;
  if (count && list == NULL) luaL_error(L, "no memory");
  return list;
}

/* Reads the array of strings that is a member of the table at the top. The count grows with each
 * string, so that the strings read so far are freed if a later one raises. */
static void read_texts(lua_State *L, const char *name, char ***list, size_t *count) {
  lua_getfield(L, -1, name);
  *list = room_for(L, sizeof(char *));
  for (size_t index = 0; *list && index < lua_rawlen(L, -1); index++) {
    lua_rawgeti(L, -1, (int)index + 1);
    (*list)[index] = copy_top(L);
    ++*count;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* A bit for each operation named in the array at the top; all if there is none. */
static uint32_t read_operations(lua_State *L) {
  uint32_t bits = 0;
  if (!lua_istable(L, -1)) return UINT32_MAX;
  for (size_t index = 1; index <= lua_rawlen(L, -1); index++) {
    sandbox_operation operation;
    lua_rawgeti(L, -1, (int)index);
    operation = sandbox_routes_operation(luaL_checkstring(L, -1));
    if (operation == OPERATION_NONE) luaL_error(L, "no such operation");
    bits |= (uint32_t)1 << operation;
    lua_pop(L, 1);
  }
  return bits;
}

static void read_keys(lua_State *L, int index, sandbox_options *options) {
  lua_getfield(L, index, "keys");
  options->keys = room_for(L, sizeof *options->keys);
  for (size_t place = 0; options->keys && place < lua_rawlen(L, -1); place++) {
    lua_rawgeti(L, -1, (int)place + 1);
    options->key_count++;
    options->keys[place].key = member_text(L, "key");
    check_present(L, options->keys[place].key, "key");
    lua_getfield(L, -1, "allow");
    options->keys[place].allowed = read_operations(L);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

static void read_steps(lua_State *L, sandbox_definition *definition) {
  lua_getfield(L, -1, "steps");
  definition->steps = room_for(L, sizeof *definition->steps);
  for (size_t index = 0; definition->steps && index < lua_rawlen(L, -1); index++) {
    sandbox_step *step = &definition->steps[index];
    lua_rawgeti(L, -1, (int)index + 1);
    definition->step_count++;
    step->report = member_true(L, "report");
    step->id = member_text(L, "id");
    check_present(L, step->id, "id");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_definitions(lua_State *L, int index, const char *name, sandbox_defined kind,
                             sandbox_options *options) {
  sandbox_definitions *definitions = &options->defined[kind];
  lua_getfield(L, index, name);
  definitions->list = room_for(L, sizeof *definitions->list);
  for (size_t place = 0; definitions->list && place < lua_rawlen(L, -1); place++) {
    sandbox_definition *definition = &definitions->list[place];
    lua_rawgeti(L, -1, (int)place + 1);
    definitions->count++;
    definition->id = member_text(L, "id");
    definition->id_is_number = member_true(L, "id_is_number");
    definition->name = member_text(L, "name");
    definition->sql = member_text(L, "sql");
    definition->target = member_text(L, "target");
    definition->preparation = member_text(L, "preparation");
    definition->labels = member_text(L, "labels");
    definition->chart_type = member_text(L, "type");
    definition->on_import = member_text(L, "on_import");
    definition->api_trigger = member_true(L, "api_trigger");
    definition->played = member_true(L, "played");
    read_texts(L, "series", &definition->series, &definition->series_count);
    read_steps(L, definition);
    check_present(L, definition->id, "id");
    check_present(L, definition->name, "name");
    if (kind == DEFINED_PREPARATIONS) {
      if (!definition->played) check_present(L, definition->sql, "sql");
      check_present(L, definition->target, "target");
    } else if (kind == DEFINED_REPORTS && definition->preparation == NULL && !definition->played) {
      check_present(L, definition->sql, "sql");
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void sandbox_lua_options_read(lua_State *L, int index, sandbox_options *options) {
  read_fields(L, index, sandbox_options_fields, options);
  read_keys(L, index, options);
  lua_getfield(L, index, "features");
  options->features = read_operations(L);
  lua_pop(L, 1);
  lua_pushvalue(L, index);
  read_texts(L, "required_columns", &options->required_columns, &options->required_column_count);
  lua_pop(L, 1);
  read_definitions(L, index, "preparations", DEFINED_PREPARATIONS, options);
  read_definitions(L, index, "reports", DEFINED_REPORTS, options);
  read_definitions(L, index, "automations", DEFINED_AUTOMATIONS, options);
}

void sandbox_lua_options_read_fault(lua_State *L, int index, sandbox_fault *fault) {
  const sandbox_fault_kind *kind;
  lua_getfield(L, index, "kind");
  kind = sandbox_faults_kind(luaL_checkstring(L, -1));
  if (kind == NULL) luaL_error(L, "no such kind of fault");
  sandbox_faults_init(fault, kind);
  lua_getfield(L, index, "operation");
  fault->operation = sandbox_routes_operation(luaL_checkstring(L, -1));
  lua_pop(L, 2);
  read_fields(L, index, sandbox_faults_fields, fault);
  read_fields(L, index, kind->options, fault);
}

/* --- the tables, for the Lua side --- */

/* Sets a member of the table at the top, unless the value is NaN. */
static void set_bound(lua_State *L, const char *name, double value) {
  if (isnan(value)) return;
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void push_field(lua_State *L, const sandbox_field *field) {
  static const char *const types[] = {
      [FIELD_INTEGER] = "integer",   [FIELD_NUMBER] = "number",
      [FIELD_BOOLEAN] = "boolean",   [FIELD_TEXT] = "string",
      [FIELD_SHORT_TEXT] = "string", [FIELD_RETRY_AFTER] = "retry_after",
      [FIELD_CHOICE] = "choice",
  };
  lua_newtable(L);
  lua_pushstring(L, types[field->type]);
  lua_setfield(L, -2, "type");
  if (field->type == FIELD_INTEGER || field->type == FIELD_NUMBER) {
    set_bound(L, "default", field->fallback);
    set_bound(L, "least", field->least);
    set_bound(L, "most", field->most);
  } else if (field->type == FIELD_BOOLEAN) {
    lua_pushboolean(L, field->fallback != 0);
    lua_setfield(L, -2, "default");
  } else if (field->text || field->choices) {
    lua_pushstring(L, field->text ? field->text : field->choices[0]);
    lua_setfield(L, -2, "default");
  }
  if (field->choices == NULL) return;
  lua_newtable(L);
  for (int place = 0; field->choices[place]; place++) {
    lua_pushstring(L, field->choices[place]);
    lua_rawseti(L, -2, place + 1);
  }
  lua_setfield(L, -2, "choices");
}

static void push_fields(lua_State *L, const sandbox_field *fields) {
  for (lua_newtable(L); fields->name; fields++) {
    push_field(L, fields);
    lua_setfield(L, -2, fields->name);
  }
}

void sandbox_lua_options_push(lua_State *L) {
  lua_newtable(L);
  push_fields(L, sandbox_options_fields);
  lua_setfield(L, -2, "options");
  push_fields(L, sandbox_faults_fields);
  lua_setfield(L, -2, "fault_options");
  lua_newtable(L);
  for (const sandbox_fault_kind *kind = sandbox_faults_kinds; kind->name; kind++) {
    push_fields(L, kind->options);
    lua_setfield(L, -2, kind->name);
  }
  lua_setfield(L, -2, "faults");
  lua_newtable(L);
  for (int operation = 0; operation < OPERATION_COUNT; operation++) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, sandbox_routes_names[operation]);
  }
  lua_setfield(L, -2, "operations");
}
