/*
 * source.c: records of a file for Lua: as JSON text that is written verbatim into a request, or as
 * tables.
 *
 * A failure is `nil, message, line, kind`: the line where there is one to name; kind "io" for a file
 * that cannot be read or is not what its format asks for, "conflict" for one that changed while it
 * was read, "misuse" for options that cannot be.
 */
#include <stdio.h>
#include <string.h>

#include "binding.h"
#include "source.h"

#define CLASS "flarelight.source"
#define ROWS_BYTES ((size_t)8 << 20) /* of JSON text that one call of rows goes through */

typedef struct source_box {
  fl_source *source;    /* NULL once it is closed */
  fl_source_batch rows; /* what is read; a text that is handed out is moved from here */
  fl_json_tape tape;
} source_box;

static void close_box(source_box *box) {
  fl_source_close(box->source);
  box->source = NULL;
  fl_source_batch_free(&box->rows);
  fl_json_tape_free(&box->tape);
}

static int source_close(lua_State *L) {
  close_box(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static source_box *check_source(lua_State *L) {
  source_box *box = luaL_checkudata(L, 1, CLASS);
  if (box->source == NULL) luaL_error(L, "the source is closed");
  return box;
}

/* --- failures --- */

/* nil, message (on top of the stack already), nil, "misuse" */
static int misuse(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushnil(L);
  lua_pushliteral(L, "misuse");
  return 4;
}

static int push_failure(lua_State *L, const char *path, const fl_source_error *error) {
  char place[40] = "";
  if (error->code == FL_SOURCE_NO_MEMORY) return luaL_error(L, "not enough memory");
  if (error->line > 0) snprintf(place, sizeof place, ", line %lld", (long long)error->line);
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s: %s", path, place, error->message);
  if (error->line > 0) lua_pushinteger(L, (lua_Integer)error->line);
  else lua_pushnil(L);
  lua_pushstring(L, error->code == FL_SOURCE_CHANGED ? "conflict" : "io");
  return 4;
}

/*
 * source:read(max_records, max_bytes) -> text, count, first line, last line | nothing at the end |
 * nil, message, line, kind. text:close() gives its memory back at once.
 */
static int source_read(lua_State *L) {
  source_box *box = check_source(L);
  lua_Number most = luaL_checknumber(L, 2), bytes = luaL_checknumber(L, 3);
  fl_buffer *text = fl_new_json_text(L);
  const fl_source_span *spans;
  fl_source_error error;
  fl_source_code code;
  size_t count;
  code = fl_source_read(box->source, most >= 1 ? (size_t)most : 1, bytes >= 1 ? (size_t)bytes : 1,
                        &box->rows, &error);
  if (code == FL_SOURCE_END) return 0;
  if (code != FL_SOURCE_OK) return push_failure(L, fl_source_path(box->source), &error);
  *text = box->rows.text;
  fl_buffer_init(&box->rows.text, text->ceiling);
  /* The collector does not see these bytes: it is told of them, so that texts nobody closes do not
   * pile up. */
  if (text->capacity >= 1024) lua_gc(L, LUA_GCSTEP, (int)(text->capacity / 1024));
  count = fl_source_batch_count(&box->rows);
  spans = fl_source_batch_spans(&box->rows);
  lua_pushinteger(L, (lua_Integer)count);
  lua_pushinteger(L, (lua_Integer)spans[0].line);
  lua_pushinteger(L, (lua_Integer)spans[count - 1].line);
  return 4;
}

/*
 * source:rows(max_records) -> array of rows, array of the lines they begin on | nothing at the end |
 * nil, message, line, kind. Null is the light userdata NULL.
 */
static int source_rows(lua_State *L) {
  source_box *box = check_source(L);
  lua_Number most = luaL_checknumber(L, 2);
  fl_buffer *text = &box->rows.text;
  const fl_source_span *spans;
  fl_source_error error;
  fl_json_error where;
  fl_push push;
  size_t count;
  fl_source_code code = fl_source_read(box->source, most >= 1 ? (size_t)most : 1, ROWS_BYTES,
                                       &box->rows, &error);
  if (code == FL_SOURCE_END) return 0;
  if (code != FL_SOURCE_OK) return push_failure(L, fl_source_path(box->source), &error);
  if (fl_json_scan(text->data, text->length, &box->tape, &where) != FL_JSON_OK)
    return luaL_error(L, "rows: %s", fl_json_describe(where.code));
  push = (fl_push){.tape = &box->tape, .text = text->data};
  fl_push_begin(L, &push);
  fl_push_value(L, &push, 0);
  count = fl_source_batch_count(&box->rows);
  spans = fl_source_batch_spans(&box->rows);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)spans[i].line);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 2;
}

/* source:columns() -> array of {name =, type =}; empty where the format is not CSV or TSV */
static int source_columns(lua_State *L) {
  const fl_columns *columns = fl_source_columns(check_source(L)->source);
  lua_createtable(L, (int)columns->count, 0);
  for (size_t i = 0; i < columns->count; i++) {
    const fl_column *column = &columns->list[i];
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, column->name.data, column->name.length);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, fl_column_type_name(column->type));
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* source:progress() -> bytes read, bytes in all */
static int source_progress(lua_State *L) {
  int64_t read, total;
  fl_source_progress(check_source(L)->source, &read, &total);
  lua_pushinteger(L, (lua_Integer)read);
  lua_pushinteger(L, (lua_Integer)total);
  return 2;
}

static const luaL_Reg methods[] = {{"read", source_read},         {"rows", source_rows},
                                   {"columns", source_columns},   {"progress", source_progress},
                                   {"close", source_close},       {NULL, NULL}};

/* --- opening --- */

static bool read_type(lua_State *L, int index, fl_column_type *type) {
  return lua_type(L, index) == LUA_TSTRING && fl_column_type_named(lua_tostring(L, index), type);
}

/* The types by column, in a userdata that stays on the stack; a message instead where one is wrong. */
static bool read_choices(lua_State *L, int types, fl_source_options *options) {
  fl_column_choice *choices;
  size_t count = 0, at = 0;
  lua_pushnil(L);
  for (; lua_next(L, types); lua_pop(L, 1)) count++;
  choices = lua_newuserdata(L, count > 0 ? count * sizeof *choices : 1);
  lua_pushnil(L);
  for (; lua_next(L, types); lua_pop(L, 1), at++) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      lua_pushliteral(L, "types: its keys should be names of columns");
      return false;
    }
    choices[at].name.data = lua_tolstring(L, -2, &choices[at].name.length);
    if (!read_type(L, -1, &choices[at].type)) {
      lua_pushfstring(L, "types: the type of \"%s\" should be \"number\", \"text\", \"boolean\" or \"auto\"",
                      choices[at].name.data);
      return false;
    }
  }
  options->choices = choices;
  options->choice_count = count;
  return true;
}

static bool read_types(lua_State *L, fl_source_options *options) {
  int kind = fl_raw_field(L, 2, "types");
  if (kind == LUA_TNIL) return true;
  if (kind == LUA_TTABLE) {
    if (options->format == FL_SOURCE_CSV || options->format == FL_SOURCE_TSV)
      return read_choices(L, lua_gettop(L), options);
    lua_pushliteral(L, "types: only the columns of CSV and TSV files are given types");
    return false;
  }
  if (read_type(L, -1, &options->otherwise) &&
      (options->otherwise == FL_COLUMN_UNDECIDED || options->otherwise == FL_COLUMN_TEXT))
    return true;
  lua_pushliteral(L, "types: should be \"auto\", \"text\" or a table of types by column");
  return false;
}

static bool read_format(lua_State *L, const char *path, fl_source_options *options) {
  int kind = fl_raw_field(L, 2, "format");
  if (kind == LUA_TNIL) options->format = fl_source_format_of(path);
  else if (kind == LUA_TSTRING) options->format = fl_source_format_named(lua_tostring(L, -1));
  lua_pop(L, 1);
  if (options->format != FL_SOURCE_NO_FORMAT) return true;
  if (kind == LUA_TNIL)
    lua_pushliteral(L, "format: is needed where the file's name does not end in .csv, .tsv, .jsonl, "
                       ".ndjson or .json");
  else
    lua_pushliteral(L, "format: should be \"csv\", \"tsv\", \"jsonl\" or \"json\"");
  return false;
}

int fl_lua_source(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  fl_source_options options = {FL_SOURCE_NO_FORMAT, FL_COLUMN_UNDECIDED, NULL, 0};
  fl_source_error error;
  source_box *box;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  if (strlen(path) != length) {
    lua_pushliteral(L, "path: holds a NUL byte");
    return misuse(L);
  }
  if (!read_format(L, path, &options) || !read_types(L, &options)) return misuse(L);
  box = lua_newuserdata(L, sizeof *box);
  box->source = NULL;
  fl_source_batch_init(&box->rows);
  fl_json_tape_init(&box->tape);
  fl_new_class(L, CLASS, methods, source_close);
  lua_setmetatable(L, -2);
  box->source = fl_source_open(path, &options, &error);
  if (box->source == NULL) return push_failure(L, path, &error);
  return 1;
}
