/* lua_options.c: from checked Lua tables to the structures of options.h and faults.h. */
#include "lua_options.h"

#include <stddef.h>
#include <stdlib.h>

typedef enum { INTEGER, NUMBER, BOOLEAN, TEXT, CHOICE } field_type;

typedef struct field {
  const char *name;
  field_type type;
  size_t offset;
  const char *const *choices;
} field;

static const char *const ids[] = {"number", "string", "uuid", NULL};
static const char *const rows[] = {"bare", "records", NULL};
static const char *const over_cap[] = {"cut", "400", NULL};
static const char *const past_end[] = {"empty", "400", "404", "null", NULL};
static const char *const row_order[] = {"kept", "reversed", "alternating", NULL};
static const char *const update[] = {"append", "replace", NULL};
static const char *const values[] = {"verbatim", "normalized", "text", NULL};
static const char *const rejected_batch[] = {"dropped", "keeps_good", NULL};
static const char *const messages[] = {"string", "object", NULL};
static const char *const reset_format[] = {"delta",     "epoch",  "epoch_ms", "iso",
                                           "http_date", "absent", "nonsense", NULL};
_Static_assert(sizeof(sandbox_ids) == sizeof(unsigned), "a choice is stored as an unsigned int");

#define FIELD(name, type) \
  { #name, type, offsetof(sandbox_options, name), NULL }
#define CHOOSE(name) \
  { #name, CHOICE, offsetof(sandbox_options, name), name }

static const field option_fields[] = {
    FIELD(address, TEXT),
    FIELD(port, INTEGER),
    FIELD(database, TEXT),
    FIELD(certificate, TEXT),
    FIELD(private_key, TEXT),
    FIELD(subscription_id, TEXT),
    FIELD(denied_status, INTEGER),
    FIELD(rate_limit, INTEGER),
    FIELD(rate_window, NUMBER),
    FIELD(rate_limit_headers, BOOLEAN),
    FIELD(rate_limit_status, INTEGER),
    FIELD(retry_after, TEXT),
    CHOOSE(reset_format),
    FIELD(clock_skew, NUMBER),
    CHOOSE(ids),
    CHOOSE(rows),
    FIELD(count_cap, INTEGER),
    CHOOSE(over_cap),
    CHOOSE(past_end),
    CHOOSE(row_order),
    FIELD(update_key, TEXT),
    CHOOSE(update),
    CHOOSE(values),
    FIELD(visible_after, NUMBER),
    FIELD(added_member, TEXT),
    CHOOSE(rejected_batch),
    FIELD(list_descriptions, BOOLEAN),
    CHOOSE(messages),
    FIELD(notice, TEXT),
    FIELD(run_seconds, NUMBER),
    FIELD(gzip, BOOLEAN),
    FIELD(etag, BOOLEAN),
    FIELD(max_body_bytes, INTEGER),
    FIELD(max_query_rows, INTEGER),
    FIELD(max_query_steps, INTEGER),
    FIELD(log_requests, INTEGER),
    FIELD(log_bytes, INTEGER),
    FIELD(log_body_bytes, INTEGER),
    {NULL, INTEGER, 0, NULL},
};

#define FAULT_FIELD(name, type) \
  { #name, type, offsetof(sandbox_fault, name), NULL }

static const field fault_fields[] = {
    FAULT_FIELD(nth, INTEGER),        FAULT_FIELD(times, INTEGER),
    FAULT_FIELD(probability, NUMBER), FAULT_FIELD(status, INTEGER),
    FAULT_FIELD(bytes, INTEGER),      FAULT_FIELD(records, INTEGER),
    FAULT_FIELD(commits, INTEGER),    FAULT_FIELD(requests, INTEGER),
    FAULT_FIELD(remaining, INTEGER),  FAULT_FIELD(seconds, NUMBER),
    FAULT_FIELD(drop, BOOLEAN),       FAULT_FIELD(chunked, BOOLEAN),
    FAULT_FIELD(after_head, BOOLEAN), FAULT_FIELD(late, BOOLEAN),
    {NULL, INTEGER, 0, NULL},
};

/* A copy of the string at the top, which stays there. */
static char *copy_top(lua_State *L) {
  char *copy = strdup(luaL_checkstring(L, -1));
  if (copy == NULL) luaL_error(L, "no memory");
  return copy;
}

/* Reads the value at the top into the field. Absent ones stay as they are. */
static void read_field(lua_State *L, const field *to, char *structure) {
  void *place = structure + to->offset;
  unsigned chosen = 0;
  if (lua_isnil(L, -1)) return;
  switch (to->type) {
    case INTEGER: {
      lua_Number number = luaL_checknumber(L, -1);
      *(int64_t *)place = number >= 0x1p62 ? (int64_t)1 << 62 : (int64_t)number;
      break;
    }
    case NUMBER: *(double *)place = luaL_checknumber(L, -1); break;
    case BOOLEAN: *(bool *)place = lua_toboolean(L, -1); break;
    case TEXT: *(char **)place = copy_top(L); break;
    case CHOICE:
      while (to->choices[chosen] && strcmp(to->choices[chosen], luaL_checkstring(L, -1)) != 0)
        chosen++;
      if (to->choices[chosen] == NULL) luaL_error(L, "no such %s", to->name);
      memcpy(place, &chosen, sizeof chosen);
  }
}

static void read_fields(lua_State *L, int index, const field *fields, void *structure) {
  for (; fields->name; fields++) {
    lua_getfield(L, index, fields->name);
    read_field(L, fields, structure);
    lua_pop(L, 1);
  }
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

/* Room for the elements of the array at the top (none if it is nil), each zero. */
static void *room_for(lua_State *L, size_t element) {
  size_t count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  void *list = count ? calloc(count, element) : NULL;
  if (count && list == NULL) luaL_error(L, "no memory");
  return list;
}

/* Reads the array of strings that is a member of the table at the top. The count grows with each,
 * so that what was read so far is freed if a later one raises. */
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
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_definitions(lua_State *L, int index, const char *name,
                             sandbox_definitions *definitions) {
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
    read_texts(L, "series", &definition->series, &definition->series_count);
    read_steps(L, definition);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void sandbox_lua_options_read(lua_State *L, int index, sandbox_options *options) {
  read_fields(L, index, option_fields, options);
  read_keys(L, index, options);
  lua_getfield(L, index, "features");
  options->features = read_operations(L);
  lua_pop(L, 1);
  lua_pushvalue(L, index);
  read_texts(L, "required_columns", &options->required_columns, &options->required_column_count);
  lua_pop(L, 1);
  read_definitions(L, index, "preparations", &options->defined[DEFINED_PREPARATIONS]);
  read_definitions(L, index, "reports", &options->defined[DEFINED_REPORTS]);
  read_definitions(L, index, "automations", &options->defined[DEFINED_AUTOMATIONS]);
}

static void read_short_text(lua_State *L, int index, const char *name, char to[FAULT_TEXT]) {
  lua_getfield(L, index, name);
  if (!lua_isnil(L, -1)) strncat(to, luaL_checkstring(L, -1), FAULT_TEXT - 1);
  lua_pop(L, 1);
}

void sandbox_lua_options_read_fault(lua_State *L, int index, sandbox_fault *fault) {
  *fault = (sandbox_fault){.nth = 1,
                           .times = 1,
                           .probability = 1,
                           .status = -1,
                           .bytes = -1,
                           .records = -1,
                           .commits = -1,
                           .requests = -1,
                           .remaining = -1,
                           .seconds = -1};
  read_fields(L, index, fault_fields, fault);
  lua_getfield(L, index, "seed");
  fault->seed = (uint64_t)luaL_optnumber(L, -1, 1);
  lua_getfield(L, index, "operation");
  fault->operation = sandbox_routes_operation(luaL_checkstring(L, -1));
  lua_getfield(L, index, "kind");
  fault->kind = sandbox_faults_kind(luaL_checkstring(L, -1));
  if (fault->kind == FAULT_NONE) luaL_error(L, "no such kind of fault");
  lua_pop(L, 3);
  read_short_text(L, index, "retry_after", fault->retry_after);
  read_short_text(L, index, "location", fault->location);
  read_short_text(L, index, "message", fault->message);
}
