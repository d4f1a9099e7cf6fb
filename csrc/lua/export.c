/*
 * export.c: an exporter as a userdata. It takes pages, or rows as tables of Lua. It formats them as
 * CSV, JSON lines or a JSON array in one buffer, and writes the buffer to a file (export_file.h) or
 * returns it as a string. Or it writes the rows into a table of an SQLite database.
 *
 * A file whose name ends in a compression is compressed (packing.h). A database is compressed when
 * it is complete, from its part to PATH.packed.
 *
 * A failure is `nil, message, kind`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/export.h"
#include "files/export_file.h"
#include "files/export_table.h"
#include "functions.h"
#include "packing.h"
#include "page.h"
#include "policy/visible.h"
#include "state.h"
#include "write.h"

#define CLASS "flarelight.exporter"

typedef struct exporter {
  fl_export export;
  fl_buffer text; /* not written yet */
  fl_export_file file;
  fl_export_table *table;
  char *table_name; /* NULL: no database */
  fl_compression compression;
  fl_lua_packing *packing; /* NULL: not compressed; of a database, not complete yet */
  fl_buffer row;           /* a row of Lua as JSON text, and its tape */
  fl_json_tape tape;
} exporter;

static exporter *check_exporter(lua_State *L) { return luaL_checkudata(L, 1, CLASS); }

/* The database is closed before its descriptor: closing the descriptor first would release the
 * locks of the database. What no export can resume is removed while it is locked. */
static void close_file(exporter *self) {
  fl_lua_packing_close(self->packing);
  fl_export_file_remove_useless(&self->file);
  fl_export_table_close(self->table);
  fl_export_file_close(&self->file);
  self->packing = NULL;
  self->table = NULL;
}

/* exporter:discard(): removes the part, because an export that continued it would fail again */
static int exporter_discard(lua_State *L) {
  exporter *self = check_exporter(L);
  fl_export_file_discard(&self->file);
  close_file(self);
  return 0;
}

static int exporter_close(lua_State *L) {
  exporter *self = check_exporter(L);
  close_file(self);
  fl_export_free(&self->export);
  fl_buffer_free(&self->text);
  fl_buffer_free(&self->row);
  fl_json_tape_free(&self->tape);
  free(self->table_name);
  self->table_name = NULL;
  return 0;
}

static int fail_words(lua_State *L, const char *path, const char *words, const char *kind) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, words);
  lua_pushstring(L, kind);
  return 3;
}

static int fail_forked(lua_State *L, const char *name) {
  return fail_words(L, name, "belongs to the parent process", "closed");
}

static int fail_file(lua_State *L, const exporter *self, fl_export_file_code code) {
  const char *name = self->file.failed.name;
  if (code == FL_EXPORT_FILE_BUSY)
    return fail_words(L, name, "another export writes it", "conflict");
  if (code == FL_EXPORT_FILE_DIFFERS)
    return fail_words(L, name, "does not begin with these columns", "conflict");
  if (code == FL_EXPORT_FILE_REFUSED) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: is refused: %s", name, self->file.failed.action);
    lua_pushliteral(L, "io");
    return 3;
  }
  if (code == FL_EXPORT_FILE_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  lua_pushfstring(L, "%s: cannot %s: %s", name, self->file.failed.action, strerror(errno));
  lua_pushliteral(L, "io");
  return 3;
}

/* --- opening --- */

/* Continues the part. -> rows in it, bytes of them */
static int resume(lua_State *L, exporter *self) {
  int64_t records;
  fl_export_file_code code =
      fl_export_file_resume(&self->file, &self->export, &self->text, &records);
  if (code != FL_EXPORT_FILE_OK) return fail_file(L, self, code);
  fl_lua_push_count(L, self->export.format == FL_EXPORT_CSV && records > 0 ? records - 1 : records);
  fl_lua_push_count(L, self->file.length);
  return 2;
}

/* Opens the device or the pipe at `path`. Returns 0, or the number of results of a failure. */
static int open_special(lua_State *L, exporter *self, const char *path, bool resumes) {
  fl_export_file_code code;
  if (resumes) return fail_words(L, path, "cannot be resumed: it is no regular file", "io");
  if (self->table_name != NULL)
    return fail_words(L, path, "cannot be a database: it is no regular file", "io");
  code = fl_export_file_open_special(&self->file, path);
  return code == FL_EXPORT_FILE_OK ? 0 : fail_file(L, self, code);
}

/* Begins the compression into the descriptor. */
static void open_packing(lua_State *L, exporter *self, int descriptor, const char *member) {
  const fl_archive_functions *functions = fl_archive_installed();
  if (functions == NULL) luaL_error(L, "the module of compressed files is not loaded");
  self->packing = fl_lua_packing_open(functions, descriptor, self->compression, member);
  if (self->packing == NULL) luaL_error(L, "not enough memory");
}

/* Opens the part of `path`, and the database in it. Returns 0, or the number of results. */
static int open_part(lua_State *L, exporter *self, const char *path, bool resumes, bool shared) {
  fl_export_file_code code = fl_export_file_open(&self->file, path, shared);
  self->file.one_piece = self->table_name != NULL || self->compression != FL_COMPRESSION_NONE;
  if (code == FL_EXPORT_FILE_OK && resumes) return resume(L, self);
  if (code == FL_EXPORT_FILE_OK) code = fl_export_file_empty(&self->file);
  if (code != FL_EXPORT_FILE_OK) return fail_file(L, self, code);
  if (self->table_name == NULL) return 0;
  self->table = fl_export_table_open(self->file.part, self->table_name);
  if (self->table == NULL) return luaL_error(L, "not enough memory");
  self->export.take = fl_export_table_take;
  self->export.take_context = self->table;
  return 0;
}

/* exporter:open(path, resume, member, shared) -> rows, bytes in the part already | nil, message,
 * kind. `member`: of a compressed file, which cannot be resumed: the name of the file in a zip.
 * `shared`: base/owned.h */
static int exporter_open(lua_State *L) {
  exporter *self = check_exporter(L);
  const char *path = fl_lua_check_path(L, 2), *member = luaL_optstring(L, 4, NULL);
  bool resumes = lua_toboolean(L, 3), special;
  struct stat found;
  int count;
  if (self->file.descriptor >= 0) return luaL_error(L, "the exporter is open");
  close_file(self); /* after an open that failed */
  self->compression = member != NULL ? fl_archive_compression_of(path) : FL_COMPRESSION_NONE;
  special = stat(path, &found) == 0 && !S_ISREG(found.st_mode);
  count = special ? open_special(L, self, path, resumes)
                  : open_part(L, self, path, resumes, lua_toboolean(L, 5));
  if (count == 0 && self->compression != FL_COMPRESSION_NONE && self->table == NULL)
    open_packing(L, self, self->file.descriptor, member);
  if (count > 0) return count;
  fl_lua_push_count(L, 0);
  fl_lua_push_count(L, 0);
  return 2;
}

/* exporter:append() -> rows, bytes | nil, message, kind | false: there is no such file. The open
 * part begins as a copy of the complete file. `bytes` is the size of the file without its end (the
 * closing bracket of a JSON array). */
static int exporter_append(lua_State *L) {
  exporter *self = check_exporter(L);
  fl_export_file_code code;
  if (self->file.part == NULL || self->table != NULL)
    return luaL_error(L, "the exporter has no part");
  if (!fl_export_file_is_ours(&self->file)) return fail_forked(L, "the file");
  code = fl_export_file_copy(&self->file, &self->text);
  if (code == FL_EXPORT_FILE_OK) return resume(L, self);
  if (code != FL_EXPORT_FILE_ABSENT) return fail_file(L, self, code);
  lua_pushboolean(L, false);
  return 1;
}

/* exporter:standard_output() */
static int exporter_standard_output(lua_State *L) {
  exporter *self = check_exporter(L);
  if (self->file.descriptor >= 0) return luaL_error(L, "the exporter is open");
  close_file(self); /* after an open that failed: standard output is no part of that file */
  fl_export_file_open_output(&self->file);
  return 0;
}

/* --- rows --- */

/* exporter:header(): adds the header, if the format has one and it has not been added */
static int exporter_header(lua_State *L) {
  exporter *self = check_exporter(L);
  if (fl_export_begin(&self->export, &self->text) != FL_OK)
    return luaL_error(L, "not enough memory");
  return 0;
}

/* Pushes words with names of members, which are the service's. */
static void push_visible(lua_State *L, char *words, size_t size) {
  fl_visible(words, size);
  lua_pushstring(L, words);
}

static int push_failure(lua_State *L, exporter *self, fl_export_code code) {
  push_visible(L, self->export.message, sizeof self->export.message);
  lua_pushstring(L, code == FL_EXPORT_NO_OBJECT ? "protocol"
                    : code == FL_EXPORT_IO      ? "io"
                                                : "conflict");
  return 2;
}

/* Checks that the exporter can take rows: its database, if it has one, is open. */
static exporter *check_taking(lua_State *L) {
  exporter *self = check_exporter(L);
  if (self->export.format == FL_EXPORT_CELLS && self->table == NULL)
    luaL_error(L, "the exporter is not open");
  return self;
}

/* The array of booleans at `index`, as one byte a row. NULL if the value is nil: all rows are kept.
 */
static const char *read_kept(lua_State *L, int index, int64_t count) {
  fl_buffer *scratch = &fl_lua_state_of(L)->scratch;
  if (!lua_istable(L, index)) return NULL;
  scratch->length = 0;
  if (fl_buffer_reserve(scratch, (size_t)count) != FL_OK) luaL_error(L, "not enough memory");
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    scratch->data[i] = (char)lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  return scratch->data;
}

/* exporter:add(page, most, kept | nil) -> rows passed, rows added | the same, message, kind if the
 * next row has no form in the format. `kept`: an array with a boolean for each row. */
static int exporter_add(lua_State *L) {
  exporter *self = check_taking(L);
  const fl_call *call = fl_lua_page_check(L, 2)->call;
  int64_t count = fl_lua_check_limit(L, 3, call->page_rows), done, added = 0;
  const char *kept = read_kept(L, 4, count);
  fl_export_code code =
      fl_export_rows(&self->export, &call->tape, call->text.data, call->text.length, call->rows + 1,
                     count, kept, &self->text, &done);
  if (code == FL_EXPORT_NO_MEMORY) return luaL_error(L, "not enough memory");
  for (int64_t i = 0; kept != NULL && i < done; i++) added += kept[i];
  fl_lua_push_count(L, done);
  fl_lua_push_count(L, kept != NULL ? added : done);
  return code == FL_EXPORT_OK ? 2 : 2 + push_failure(L, self, code);
}

/* exporter:add_row(row) -> bytes of text that are not written yet | nil, message, kind. `kind`:
 * "misuse" for a value that has no form in JSON; else the row has no form in the format. */
static int exporter_add_row(lua_State *L) {
  exporter *self = check_taking(L);
  fl_json_error where;
  fl_export_code code;
  int64_t done;
  self->row.length = 0;
  if (!fl_lua_write_value(L, 2, &self->row, "row", true)) {
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushliteral(L, "misuse");
    return 3;
  }
  if (fl_json_scan(self->row.data, self->row.length, &self->tape, &where) != FL_JSON_OK)
    return luaL_error(L, "row: %s", fl_json_describe(where.code));
  if (self->tape.nodes[0].type != FL_JSON_OBJECT) {
    lua_pushnil(L);
    lua_pushliteral(L, "row: should be a table by column, but is an array");
    lua_pushliteral(L, "misuse");
    return 3;
  }
  code = fl_export_rows(&self->export, &self->tape, self->row.data, self->row.length, 0, 1, NULL,
                        &self->text, &done);
  if (code == FL_EXPORT_NO_MEMORY) return luaL_error(L, "not enough memory");
  if (code == FL_EXPORT_OK) {
    fl_lua_push_count(L, (int64_t)self->text.length);
    return 1;
  }
  lua_pushnil(L);
  return 1 + push_failure(L, self, code);
}

#define JSON_BETWEEN \
  2 /* bytes before a row of a JSON array: its bracket or comma, and a line end */

/* exporter:ends_with_added() -> whether the part that is resumed ends with the row that was added
 * since, which is not written then */
static int exporter_ends_with_added(lua_State *L) {
  exporter *self = check_exporter(L);
  const size_t before = self->export.format == FL_EXPORT_JSON ? JSON_BETWEEN : 0;
  bool good = false;
  if (self->text.length > before && self->file.part != NULL &&
      fl_export_file_is_ours(&self->file)) {
    fl_slice text = {self->text.data + before, self->text.length - before};
    good = fl_export_file_ends_with(&self->file, text, &self->row);
  }
  self->text.length = 0;
  lua_pushboolean(L, good);
  return 1;
}

/* exporter:write(name) -> bytes that were written | nil, message, kind; `name` is for the message
 */
static int exporter_write(lua_State *L) {
  exporter *self = check_exporter(L);
  const char *name = luaL_checkstring(L, 2);
  fl_slice text = {self->text.data, self->text.length};
  fl_export_file_code code;
  struct stat found;
  if (!fl_export_file_is_ours(&self->file)) return fail_forked(L, name);
  if (self->table != NULL && fstat(self->file.descriptor, &found) == 0) {
    fl_lua_push_count(L, found.st_size - self->file.length);
    self->file.length = found.st_size;
    return 1;
  }
  code = fl_export_file_write(&self->file, name, text);
  if (code != FL_EXPORT_FILE_OK) return fail_file(L, self, code);
  self->text.length = 0;
  fl_lua_push_count(L, (int64_t)text.length);
  return 1;
}

/*
 * exporter:pack(last, job, member) -> bytes of the compressed file so far | nil, message, kind; or,
 * if `job` is true, a ticket, whose outcome has nil before the kind. Compresses the rows added
 * since the last call. `last`: the end of the file follows; of a database, its content before that.
 */
static int exporter_pack(lua_State *L) {
  exporter *self = check_exporter(L);
  fl_lua_packing_piece piece = {&self->text, -1, lua_toboolean(L, 2)};
  if (!fl_export_file_is_ours(&self->file)) return fail_forked(L, "the file");
  if (self->table != NULL) {
    fl_export_file_code code = fl_export_file_open_packed(&self->file);
    if (code != FL_EXPORT_FILE_OK) return fail_file(L, self, code);
    open_packing(L, self, self->file.packed_descriptor, luaL_checkstring(L, 4));
    piece.from = self->file.descriptor;
  }
  if (self->packing == NULL) return luaL_error(L, "the exporter is not open");
  return lua_toboolean(L, 3) ? fl_lua_packing_submit(L, self->packing, piece)
                             : fl_lua_packing_write(L, self->packing, piece);
}

/* exporter:text() -> the rows added since the last write or text, as a string */
static int exporter_text(lua_State *L) {
  exporter *self = check_exporter(L);
  lua_pushlstring(L, self->text.data != NULL ? self->text.data : "", self->text.length);
  self->text.length = 0;
  return 1;
}

/* exporter:finish() -> true | nil, message, kind: syncs the complete file and renames it */
static int exporter_finish(lua_State *L) {
  exporter *self = check_exporter(L);
  fl_export_file_code code;
  if (!fl_export_file_is_ours(&self->file)) return fail_forked(L, "the file");
  code = fl_export_file_finish(&self->file);
  if (code != FL_EXPORT_FILE_OK) return fail_file(L, self, code);
  close_file(self);
  lua_pushboolean(L, true);
  return 1;
}

/* exporter:complete() -> true | nil, message, kind: adds the end of the text, or commits the
 * database */
static int exporter_complete(lua_State *L) {
  exporter *self = check_exporter(L);
  fl_export_code code = FL_EXPORT_OK;
  if (fl_export_end(&self->export, &self->text) != FL_OK) return luaL_error(L, "not enough memory");
  if (self->table != NULL) code = fl_export_table_finish(self->table, &self->export);
  if (code == FL_EXPORT_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushboolean(L, code == FL_EXPORT_OK);
  if (code == FL_EXPORT_OK) return 1;
  lua_pushnil(L);
  lua_replace(L, -2);
  fl_visible(self->export.message, sizeof self->export.message);
  lua_pushfstring(L, "%s: %s", self->file.part, self->export.message);
  lua_pushstring(L, code == FL_EXPORT_IO ? "io" : "conflict");
  return 3;
}

/* exporter:columns() -> array of their names */
static int exporter_columns(lua_State *L) {
  const fl_export *export = &check_exporter(L)->export;
  lua_createtable(L, (int)export->count, 0);
  fl_lua_state_push_array_metatable(L);
  lua_setmetatable(L, -2);
  for (size_t i = 0; i < export->count; i++) {
    fl_slice name = fl_export_column_name(export, i);
    lua_pushlstring(L, name.data, name.length);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* exporter:unmet() -> array of the columns that no row had; the members of a row, for a message |
 * nothing if every column was in a row */
static int exporter_unmet(lua_State *L) {
  fl_export *export = &check_exporter(L)->export;
  int place = 0;
  if (export->unmet == 0) return 0;
  lua_newtable(L);
  for (size_t i = 0; i < export->count; i++) {
    fl_slice name = fl_export_column_name(export, i);
    if (export->columns[i].met) continue;
    lua_pushlstring(L, name.data, name.length);
    lua_rawseti(L, -2, ++place);
  }
  push_visible(L, export->members, sizeof export->members);
  return 2;
}

static const luaL_Reg methods[] = {{"open", exporter_open},
                                   {"standard_output", exporter_standard_output},
                                   {"header", exporter_header},
                                   {"append", exporter_append},
                                   {"add", exporter_add},
                                   {"add_row", exporter_add_row},
                                   {"complete", exporter_complete},
                                   {"write", exporter_write},
                                   {"pack", exporter_pack},
                                   {"text", exporter_text},
                                   {"finish", exporter_finish},
                                   {"columns", exporter_columns},
                                   {"unmet", exporter_unmet},
                                   {"discard", exporter_discard},
                                   {"ends_with_added", exporter_ends_with_added},
                                   {"close", exporter_close},
                                   {NULL, NULL}};

/* Reads the options of CSV, and the table's name, from the table at index 3, if there is one. */
static void read_settings(lua_State *L, exporter *self) {
  fl_export *export = &self->export;
  if (!lua_istable(L, 3)) return;
  if (fl_lua_field(L, 3, "delimiter") == LUA_TSTRING) export->delimiter = *lua_tostring(L, -1);
  fl_lua_field(L, 3, "bom");
  export->mark = lua_toboolean(L, -1);
  fl_lua_field(L, 3, "escape_formulas");
  export->escape = lua_toboolean(L, -1);
  if (export->format == FL_EXPORT_CELLS) {
    fl_lua_field(L, 3, "table");
    self->table_name = strdup(luaL_checkstring(L, -1));
    if (self->table_name == NULL) luaL_error(L, "not enough memory");
  }
  lua_settop(L, 4);
}

/* Adds the columns of the array at index 2. False: a message is pushed. */
static bool choose_columns(lua_State *L, fl_export *export) {
  int count = (int)lua_rawlen(L, 2);
  for (int i = 1; i <= count; i++) {
    fl_slice name;
    fl_result result = FL_INVALID;
    lua_rawgeti(L, 2, i);
    if (lua_type(L, -1) == LUA_TSTRING) {
      name.data = lua_tolstring(L, -1, &name.length);
      result = fl_export_add_column(export, name);
    }
    if (result == FL_INVALID) {
      lua_pushfstring(L, "columns[%d]: should be a name in UTF-8 that is there once%s", i,
                      export->format == FL_EXPORT_CSV || export->format == FL_EXPORT_CELLS
                          ? ", neither empty nor with a NUL character"
                          : "");
      return false;
    }
    if (result == FL_TOO_LARGE) {
      lua_pushfstring(L, "columns: should be at most %d names", FL_COLUMNS_MOST);
      return false;
    }
    if (result != FL_OK) luaL_error(L, "not enough memory");
    lua_pop(L, 1);
  }
  export->chosen = true;
  if (count == 0) lua_pushliteral(L, "columns: should be an array of names");
  return count > 0;
}

/* core.exporter(format, columns | nil, settings | nil) -> exporter | nil, message. `settings`:
 * {delimiter =, bom =, escape_formulas =, table =}. */
static int new_exporter(lua_State *L) {
  static const char *const formats[] = {"csv", "jsonl", "json", "sqlite", NULL};
  fl_export_format format = (fl_export_format)luaL_checkoption(L, 1, NULL, formats);
  exporter *self;
  lua_settop(L, 3);
  self = lua_newuserdata(L, sizeof *self);
  memset(self, 0, sizeof *self);
  fl_export_init(&self->export, format);
  fl_buffer_init(&self->text, FL_BUFFER_UNLIMITED);
  fl_buffer_init(&self->row, FL_BUFFER_UNLIMITED);
  fl_json_tape_init(&self->tape);
  fl_export_file_init(&self->file);
  fl_lua_new_class(L, CLASS, methods, exporter_close);
  lua_setmetatable(L, -2);
  read_settings(L, self);
  if (lua_istable(L, 2) && !choose_columns(L, &self->export)) return fl_lua_fail_pushed(L);
  return 1;
}

const luaL_Reg fl_lua_export_functions[] = {{"exporter", new_exporter}, {NULL, NULL}};
