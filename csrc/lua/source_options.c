/*
 * source_options.c: checks the options of a source and copies them. See source_options.h.
 *
 * Each reader of an option finds the value on top of the stack. If the value is wrong, the reader
 * pushes a message and returns false. Tables by name are sorted, so that the same options give the
 * same records in every process.
 */
#include "source_options.h"

#include <stdlib.h>

#include "codec/json_write.h"
#include "files/encoding.h"
#include "write.h"

typedef struct fl_lua_block {
  struct fl_lua_block *next;
} block;

void fl_lua_source_options_free(fl_lua_source_options *options) {
  while (options->blocks != NULL) {
    block *next = options->blocks->next;
    free(options->blocks);
    options->blocks = next;
  }
  fl_buffer_free(&options->scratch);
}

/* Memory that the options own. */
static void *keep(lua_State *L, fl_lua_source_options *options, size_t size) {
  block *made = calloc(1, sizeof *made + size);
  if (made == NULL) luaL_error(L, "not enough memory");
  made->next = options->blocks;
  options->blocks = made;
  return made + 1;
}

static fl_slice keep_slice(lua_State *L, fl_lua_source_options *options, fl_slice text) {
  char *copy = keep(L, options, text.length + 1);
  if (text.length > 0) memcpy(copy, text.data, text.length);
  return (fl_slice){copy, text.length};
}

/* The value at `index`, which is a string. */
static fl_slice keep_text(lua_State *L, fl_lua_source_options *options, int index) {
  fl_slice text;
  text.data = lua_tolstring(L, index, &text.length);
  return keep_slice(L, options, text);
}

/* --- pieces --- */

/* A string in UTF-8. */
static bool is_name(lua_State *L, int index) {
  size_t length;
  const char *text;
  if (lua_type(L, index) != LUA_TSTRING) return false;
  text = lua_tolstring(L, index, &length);
  return fl_utf8_check(text, length) == length;
}

static bool refuse(lua_State *L, const char *name, const char *words) {
  lua_pushfstring(L, "%s: should be %s", name, words);
  return false;
}

static bool is_array(lua_State *L, int index) {
  size_t count = 0;
  if (lua_type(L, index) != LUA_TTABLE) return false;
  lua_pushnil(L);
  for (; lua_next(L, index); lua_pop(L, 1)) count++;
  return count == lua_rawlen(L, index);
}

/* A list of names without repetition. */
static bool read_names(lua_State *L, fl_lua_source_options *options, const char *name,
                       fl_names *out) {
  int index = lua_gettop(L);
  fl_slice *list;
  size_t count;
  if (!is_array(L, index)) return refuse(L, name, "a list of texts");
  count = lua_rawlen(L, index);
  list = keep(L, options, (count + 1) * sizeof *list);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (!is_name(L, -1)) return refuse(L, name, "a list of texts in UTF-8");
    list[i] = keep_text(L, options, -1);
    if (fl_names_find((fl_names){list, i}, list[i]) < i) {
      lua_pushfstring(L, "%s: \"%s\" is there twice", name, list[i].data);
      return false;
    }
    lua_pop(L, 1);
  }
  *out = (fl_names){list, count};
  return true;
}

/* Reads the keys of the table on top of the stack, sorted. False if a key is no text. */
static bool read_keys(lua_State *L, fl_lua_source_options *options, fl_names *out) {
  int index = lua_gettop(L);
  size_t count = 0, at = 0;
  fl_slice *list;
  lua_pushnil(L);
  for (; lua_next(L, index); lua_pop(L, 1)) count++;
  list = keep(L, options, (count + 1) * sizeof *list);
  lua_pushnil(L);
  for (; lua_next(L, index); lua_pop(L, 1)) {
    fl_slice key;
    size_t place = at;
    if (!is_name(L, -2)) return false;
    key = keep_text(L, options, -2);
    while (place > 0 && strcmp(list[place - 1].data, key.data) > 0) place--;
    memmove(&list[place + 1], &list[place], (at++ - place) * sizeof *list);
    list[place] = key;
  }
  *out = (fl_names){list, count};
  return true;
}

/* Pushes the value of a key of the table at `index`. */
static void push_value(lua_State *L, int index, fl_slice key) {
  lua_pushlstring(L, key.data, key.length);
  lua_rawget(L, index);
}

/* A byte of ASCII that can divide or quote cells. */
static bool is_byte(lua_State *L, char *out) {
  size_t length;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (text == NULL || length != 1 || (unsigned char)*text >= 0x80 ||
      memchr("\r\n\0", *text, 3) != NULL)
    return false;
  *out = *text;
  return true;
}

/* --- types --- */

static bool read_type(lua_State *L, int index, fl_column_type *type) {
  return lua_type(L, index) == LUA_TSTRING && fl_column_type_named(lua_tostring(L, index), type);
}

static bool read_choices(lua_State *L, fl_lua_source_options *options) {
  int index = lua_gettop(L);
  fl_column_choice *choices;
  fl_names names;
  if (!read_keys(L, options, &names)) {
    lua_pushliteral(L, "types: its keys should be names of columns");
    return false;
  }
  choices = keep(L, options, (names.count + 1) * sizeof *choices);
  for (size_t i = 0; i < names.count; i++) {
    choices[i].name = names.list[i];
    push_value(L, index, names.list[i]);
    if (!read_type(L, -1, &choices[i].type)) {
      lua_pushfstring(
          L, "types: the type of \"%s\" should be \"number\", \"text\", \"boolean\" or \"auto\"",
          names.list[i].data);
      return false;
    }
    lua_pop(L, 1);
  }
  options->core.columns.choices = choices;
  options->core.columns.choice_count = names.count;
  return true;
}

static bool is_table_format(const fl_lua_source_options *options) {
  fl_source_format format = options->core.format;
  return format == FL_SOURCE_CSV || format == FL_SOURCE_TSV || format == FL_SOURCE_NO_FORMAT;
}

static bool read_types(lua_State *L, fl_lua_source_options *options) {
  fl_column_type *otherwise = &options->core.columns.otherwise;
  if (lua_type(L, -1) == LUA_TTABLE) {
    if (is_table_format(options)) return read_choices(L, options);
    lua_pushliteral(L, "types: only the columns of CSV and TSV files are given types");
    return false;
  }
  if (read_type(L, -1, otherwise) &&
      (*otherwise == FL_COLUMN_UNDECIDED || *otherwise == FL_COLUMN_TEXT))
    return true;
  lua_pushliteral(L, "types: should be \"auto\", \"text\" or a table of types by column");
  return false;
}

/* --- the dialect --- */

static bool read_delimiter(lua_State *L, fl_lua_source_options *options) {
  return is_byte(L, &options->core.dialect.delimiter) ||
         refuse(L, "delimiter", "one byte of ASCII and no line end");
}

static bool read_quote(lua_State *L, fl_lua_source_options *options) {
  options->core.dialect.unquoted = lua_type(L, -1) == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  return options->core.dialect.unquoted || is_byte(L, &options->core.dialect.quote) ||
         refuse(L, "quote", "one byte of ASCII and no line end, or false");
}

static bool read_header(lua_State *L, fl_lua_source_options *options) {
  fl_source_options *core = &options->core;
  if (lua_type(L, -1) == LUA_TBOOLEAN) {
    core->header = lua_toboolean(L, -1) ? FL_HEADER_FIRST_ROW : FL_HEADER_NONE;
    return true;
  }
  if (!is_array(L, lua_gettop(L)) || lua_rawlen(L, -1) == 0)
    return refuse(L, "header", "true, false or a list of names");
  core->header = FL_HEADER_GIVEN;
  return read_names(L, options, "header", &core->names);
}

static bool read_count(lua_State *L, const char *name, int64_t *out) {
  double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(number >= 0 && number <= 9007199254740992.0) || number != (double)(int64_t)number)
    return refuse(L, name, "a whole number from 0 on");
  *out = (int64_t)number;
  return true;
}

static bool read_skip(lua_State *L, fl_lua_source_options *options) {
  int64_t lines;
  if (!read_count(L, "skip", &lines)) return false;
  options->core.dialect.skip = (size_t)lines;
  return true;
}

static bool read_comment(lua_State *L, fl_lua_source_options *options) {
  fl_csv_dialect *dialect = &options->core.dialect;
  if (!is_name(L, -1) || lua_rawlen(L, -1) == 0)
    return refuse(L, "comment", "the text that comments begin with");
  dialect->comment = keep_text(L, options, -1);
  for (size_t i = 0; i < dialect->comment.length; i++)
    if (memchr("\r\n\0\"", dialect->comment.data[i], 4) != NULL ||
        (dialect->quote != '\0' && dialect->comment.data[i] == dialect->quote))
      return refuse(L, "comment", "a text without quotes and line ends");
  return true;
}

static bool read_trim(lua_State *L, fl_lua_source_options *options) {
  options->core.dialect.trim = lua_toboolean(L, -1);
  return lua_type(L, -1) == LUA_TBOOLEAN || refuse(L, "trim", "true or false");
}

static bool read_decimal(lua_State *L, fl_lua_source_options *options) {
  char *decimal = &options->core.columns.decimal;
  return (is_byte(L, decimal) && (*decimal == '.' || *decimal == ',')) ||
         refuse(L, "decimal", "\".\" or \",\"");
}

static bool read_nulls(lua_State *L, fl_lua_source_options *options) {
  return read_names(L, options, "nulls", &options->core.columns.nulls);
}

/* --- the text --- */

static bool read_encoding(lua_State *L, fl_lua_source_options *options) {
  fl_slice name;
  if (lua_type(L, -1) != LUA_TSTRING) return refuse(L, "encoding", "the name of an encoding");
  name = keep_text(L, options, -1);
  if (strlen(name.data) == name.length &&
      (fl_encoding_is_utf8(name.data) || fl_encoding_is_known(name.data))) {
    options->core.encoding = name.data;
    return true;
  }
  lua_pushfstring(L, "encoding: \"%s\" is none that iconv knows", name.data);
  return false;
}

static bool read_at(lua_State *L, fl_lua_source_options *options) {
  fl_slice pointer;
  bool good = is_name(L, -1);
  if (good) {
    pointer = keep_text(L, options, -1);
    good =
        strlen(pointer.data) == pointer.length && (*pointer.data == '\0' || *pointer.data == '/');
    for (const char *at = pointer.data; good && (at = strchr(at, '~')) != NULL; at++)
      good = at[1] == '0' || at[1] == '1';
    options->core.at = pointer.data;
  }
  return good || refuse(L, "at", "a JSON pointer, as \"/features\"");
}

/* --- the mapping --- */

static bool read_rename(lua_State *L, fl_lua_source_options *options) {
  fl_mapping *mapping = &options->core.columns.mapping;
  int index = lua_gettop(L);
  fl_rename *renames;
  fl_names names;
  if (lua_type(L, index) != LUA_TTABLE || !read_keys(L, options, &names))
    return refuse(L, "rename", "a table of new names by old ones");
  renames = keep(L, options, (names.count + 1) * sizeof *renames);
  for (size_t i = 0; i < names.count; i++) {
    push_value(L, index, names.list[i]);
    if (!is_name(L, -1) || lua_rawlen(L, -1) == 0)
      return refuse(L, "rename", "a table of new names by old ones");
    renames[i] = (fl_rename){names.list[i], keep_text(L, options, -1)};
    lua_pop(L, 1);
  }
  mapping->renames = renames;
  mapping->rename_count = names.count;
  return true;
}

static bool read_columns(lua_State *L, fl_lua_source_options *options) {
  fl_names *columns = &options->core.columns.mapping.columns;
  if (!read_names(L, options, "columns", columns)) return false;
  return columns->count > 0 || refuse(L, "columns", "a list of at least one name");
}

static bool read_set(lua_State *L, fl_lua_source_options *options) {
  fl_mapping *mapping = &options->core.columns.mapping;
  int index = lua_gettop(L);
  fl_constant *constants;
  fl_names names;
  if (lua_type(L, index) != LUA_TTABLE || !read_keys(L, options, &names))
    return refuse(L, "set", "a table of values by name");
  constants = keep(L, options, (names.count + 1) * sizeof *constants);
  for (size_t i = 0; i < names.count; i++) {
    options->scratch.length = 0;
    push_value(L, index, names.list[i]);
    if (!fl_lua_write_value(L, -1, &options->scratch, "set", true)) return false;
    constants[i] = (fl_constant){
        names.list[i],
        keep_slice(L, options, (fl_slice){options->scratch.data, options->scratch.length})};
    lua_settop(L, index);
  }
  mapping->set = constants;
  mapping->set_count = names.count;
  return true;
}

/* --- expectations --- */

static bool read_expect(lua_State *L, fl_lua_source_options *options) {
  fl_expectation *expect = &options->core.expect;
  const struct {
    const char *key, *name;
    fl_names *out;
  } lists[] = {{"columns", "expect.columns", &expect->columns},
               {"required", "expect.required", &expect->required},
               {"unique", "expect.unique", &expect->unique}};
  int index = lua_gettop(L);
  fl_names keys;
  if (lua_type(L, index) != LUA_TTABLE || !read_keys(L, options, &keys))
    return refuse(L, "expect", "a table");
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (fl_lua_field(L, index, lists[i].key) != LUA_TNIL &&
        !read_names(L, options, lists[i].name, lists[i].out))
      return false;
    lua_settop(L, index);
  }
  if (fl_lua_field(L, index, "min_records") != LUA_TNIL &&
      !read_count(L, "expect.min_records", &expect->min_records))
    return false;
  lua_settop(L, index);
  for (size_t i = 0; i < keys.count; i++) {
    if (strcmp(keys.list[i].data, "columns") == 0 || strcmp(keys.list[i].data, "required") == 0 ||
        strcmp(keys.list[i].data, "unique") == 0 || strcmp(keys.list[i].data, "min_records") == 0)
      continue;
    lua_pushfstring(L, "expect: there is no \"%s\", but columns, required, unique and min_records",
                    keys.list[i].data);
    return false;
  }
  return true;
}

static bool read_survey(lua_State *L, fl_lua_source_options *options) {
  options->core.survey = lua_toboolean(L, -1);
  return lua_type(L, -1) == LUA_TBOOLEAN || refuse(L, "survey", "true or false");
}

/* --- all of them --- */

static const struct {
  const char *name;
  bool (*read)(lua_State *L, fl_lua_source_options *options);
  enum { ANY_FORMAT, TABLE_FORMAT, JSON_FORMAT } format;
} readers[] = {
    {"types", read_types, ANY_FORMAT},     {"delimiter", read_delimiter, TABLE_FORMAT},
    {"quote", read_quote, TABLE_FORMAT},   {"header", read_header, TABLE_FORMAT},
    {"skip", read_skip, TABLE_FORMAT},     {"comment", read_comment, TABLE_FORMAT},
    {"trim", read_trim, TABLE_FORMAT},     {"decimal", read_decimal, TABLE_FORMAT},
    {"nulls", read_nulls, TABLE_FORMAT},   {"encoding", read_encoding, ANY_FORMAT},
    {"at", read_at, JSON_FORMAT},          {"rename", read_rename, ANY_FORMAT},
    {"columns", read_columns, ANY_FORMAT}, {"set", read_set, ANY_FORMAT},
    {"expect", read_expect, ANY_FORMAT},   {"survey", read_survey, ANY_FORMAT},
};

static bool read_paths(lua_State *L, fl_lua_source_options *options) {
  bool list = lua_type(L, 1) == LUA_TTABLE;
  size_t count = list ? lua_rawlen(L, 1) : 1;
  if (!list) luaL_checkstring(L, 1);
  if (list && (count == 0 || !is_array(L, 1))) return refuse(L, "path", "a path or a list of them");
  options->paths = keep(L, options, count * sizeof *options->paths);
  for (size_t i = 0; i < count; i++) {
    fl_slice path;
    if (list) lua_rawgeti(L, 1, (int)i + 1);
    else lua_pushvalue(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) return refuse(L, "path", "a path or a list of them");
    path = keep_text(L, options, -1);
    if (strlen(path.data) != path.length) {
      lua_pushliteral(L, "path: holds a NUL byte");
      return false;
    }
    options->paths[i] = path.data;
    lua_pop(L, 1);
  }
  options->path_count = count;
  return true;
}

/* The format by the option or by the names. In a zip, the name of the packed file decides when it
 * is opened. */
static bool read_format(lua_State *L, fl_lua_source_options *options) {
  int kind = fl_lua_field(L, 2, "format");
  fl_source_format *format = &options->core.format;
  *format = FL_SOURCE_NO_FORMAT;
  if (kind == LUA_TSTRING) *format = fl_source_format_named(lua_tostring(L, -1));
  lua_pop(L, 1);
  if (kind != LUA_TNIL)
    return *format != FL_SOURCE_NO_FORMAT ||
           refuse(L, "format", "\"csv\", \"tsv\", \"jsonl\" or \"json\"");
  *format = fl_source_format_of(options->paths[0]);
  for (size_t i = 1; i < options->path_count; i++)
    if (fl_source_format_of(options->paths[i]) != *format) {
      lua_pushfstring(L, "format: %s and %s have not the same by their names", options->paths[0],
                      options->paths[i]);
      return false;
    }
  if (*format != FL_SOURCE_NO_FORMAT ||
      fl_archive_compression_of(options->paths[0]) == FL_COMPRESSION_ZIP)
    return true;
  lua_pushfstring(L,
                  "format: is needed for %s: its name does not end in .csv, .tsv, .jsonl, .ndjson "
                  "or .json",
                  options->paths[0]);
  return false;
}

static bool check_format(lua_State *L, const fl_lua_source_options *options, size_t i) {
  fl_source_format format = options->core.format;
  if (readers[i].format == TABLE_FORMAT && !is_table_format(options)) {
    lua_pushfstring(L, "%s: is for CSV and TSV files", readers[i].name);
    return false;
  }
  if (readers[i].format == JSON_FORMAT && format != FL_SOURCE_JSON &&
      format != FL_SOURCE_NO_FORMAT) {
    lua_pushfstring(L, "%s: is for JSON files", readers[i].name);
    return false;
  }
  return true;
}

bool fl_lua_source_options_read(lua_State *L, fl_lua_source_options *options) {
  fl_csv_dialect *dialect = &options->core.dialect;
  fl_buffer_init(&options->scratch, FL_BUFFER_UNLIMITED);
  if (!read_paths(L, options) || !read_format(L, options)) return false;
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    int top = lua_gettop(L);
    if (fl_lua_field(L, 2, readers[i].name) != LUA_TNIL &&
        (!check_format(L, options, i) || !readers[i].read(L, options)))
      return false;
    lua_settop(L, top);
  }
  if (!dialect->unquoted && dialect->delimiter == (dialect->quote ? dialect->quote : '"'))
    return refuse(L, "delimiter", "another byte than the quote");
  return true;
}
