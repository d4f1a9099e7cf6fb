/*
 * export.c: an exporter as a userdata. It takes pages, or rows as tables of Lua. It formats them as
 * CSV, JSON lines or a JSON array in one buffer, and writes the buffer to a file or returns it as a
 * string. Or it writes the rows into a table of an SQLite database.
 *
 * A file is written as PATH.part and renamed when it is complete. The part holds whole records:
 * after a failed write, the part is cut back to its length before the write. The part is locked, so
 * that two processes do not write into one. A database that is not complete is removed.
 *
 * A file whose name ends in a compression is compressed (packing.h), and its part is removed if it
 * is not complete. A database is compressed when it is complete, from its part to PATH.packed.
 *
 * A failure is `nil, message, kind`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/write_all.h"
#include "codec/csv.h"
#include "codec/export.h"
#include "files/export_table.h"
#include "functions.h"
#include "packing.h"
#include "page.h"
#include "state.h"
#include "write.h"

#define CLASS "flarelight.exporter"
#define ENDING ".part"
#define PACKED_ENDING ".packed"
#define CHUNK ((size_t)128 * 1024) /* a part is read in pieces of this size */
#define HEADER_CEILING ((size_t)64 << 20)

typedef struct exporter {
  fl_export export;
  fl_buffer text; /* not written yet */
  int descriptor; /* -1: none */
  bool owned;     /* the descriptor is closed with the exporter; false for standard output */
  char *path;     /* the file's name when it is complete; NULL: no regular file, never renamed */
  char *part;
  bool locked;    /* the part is this exporter's */
  int64_t length; /* bytes of whole records in the part */
  fl_export_table *table;
  char *table_name; /* NULL: no database */
  fl_compression compression;
  fl_lua_packing *packing; /* NULL: not compressed; of a database, not complete yet */
  char *packed;            /* the compressed database, before it is renamed */
  int packed_descriptor;   /* -1: none */
  fl_buffer row;           /* a row of Lua as JSON text, and its tape */
  fl_json_tape tape;
  uint64_t generation; /* of the process that made the exporter */
} exporter;

static exporter *check_exporter(lua_State *L) { return luaL_checkudata(L, 1, CLASS); }

/* A forked child has no files of its parent. */
static bool is_ours(const exporter *self) { return self->generation == fl_process_generation(); }

/* Removes a part that no export can continue: an empty part, a database, a compressed file. */
static void remove_part(const exporter *self) {
  struct stat found;
  if (!self->locked || self->part == NULL || !is_ours(self)) return;
  if (self->packed != NULL) unlink(self->packed);
  if (self->table != NULL || self->compression != FL_COMPRESSION_NONE ||
      (fstat(self->descriptor, &found) == 0 && found.st_size == 0))
    unlink(self->part);
}

/* The database is closed before the descriptor: closing the descriptor first would release the
 * locks of the database. */
static void close_file(exporter *self) {
  fl_lua_packing_close(self->packing);
  remove_part(self);
  fl_export_table_close(self->table);
  self->packing = NULL;
  self->table = NULL;
  self->locked = false;
  if (self->packed_descriptor >= 0) close(self->packed_descriptor);
  if (self->owned && self->descriptor >= 0) close(self->descriptor);
  self->descriptor = self->packed_descriptor = -1;
  free(self->path);
  free(self->part);
  free(self->packed);
  self->path = self->part = self->packed = NULL;
}

/* exporter:discard(): removes the part, because an export that continued it would fail again */
static int exporter_discard(lua_State *L) {
  exporter *self = check_exporter(L);
  if (self->locked && self->part != NULL && is_ours(self)) unlink(self->part);
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

static int fail_system(lua_State *L, const char *path, const char *what) {
  const char *words = strerror(errno);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: cannot %s: %s", path, what, words);
  lua_pushliteral(L, "io");
  return 3;
}

static int fail_words(lua_State *L, const char *path, const char *words, const char *kind) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, words);
  lua_pushstring(L, kind);
  return 3;
}

/* --- opening --- */

/* The header of a part that is resumed. */
typedef struct header {
  fl_export *export; /* has the chosen columns. If it has none, the columns of the part are added */
  bool differs;
} header;

/* Whether a cell of the header is the name of a column. */
static bool is_name(const fl_export *export, fl_slice name, fl_slice cell) {
  size_t before = export->escape && fl_export_is_formula(name);
  return cell.length == name.length + before &&
         memcmp(cell.data + before, name.data, name.length) == 0;
}

/* The name in a cell of the header. */
static fl_slice name_of(const fl_export *export, fl_slice cell) {
  fl_slice name = {cell.data + 1, cell.length - 1};
  bool escaped = export->escape && cell.length > 1 && cell.data[0] == '\'';
  return escaped && fl_export_is_formula(name) ? name : cell;
}

static bool take_header(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  header *self = context;
  fl_export *export = self->export;
  (void)line;
  if (export->count > 0) {
    self->differs = export->count != count;
    for (size_t i = 0; i < count && !self->differs; i++)
      self->differs = !is_name(export, fl_export_column_name(export, i), cells[i].text);
  } else {
    for (size_t i = 0; i < count && !self->differs; i++)
      self->differs = fl_export_add_column(export, name_of(export, cells[i].text)) != FL_OK;
  }
  export->begun = true;
  return false;
}

/* Reads `length` bytes of the part's beginning as its header. */
static bool read_header(exporter *self, size_t length) {
  header first = {&self->export, false};
  fl_csv_reader *reader = fl_csv_open(&(fl_csv_dialect){.delimiter = self->export.delimiter},
                                      HEADER_CEILING, take_header, &first);
  fl_csv_code code = FL_CSV_MEMORY;
  ssize_t got = -1;
  if (reader != NULL && fl_buffer_reserve(&self->text, length) == FL_OK)
    got = pread(self->descriptor, self->text.data, length, 0);
  if (got == (ssize_t)length &&
      (fl_json_mark_length(self->text.data, length) > 0) == self->export.mark)
    code = fl_csv_feed(reader, self->text.data, length);
  fl_csv_close(reader);
  return code == FL_CSV_STOPPED && !first.differs;
}

/* Moves to the end of the complete records of the part, and cuts off the rest. -> rows, bytes */
static int go_on(lua_State *L, exporter *self) {
  fl_export_count count = {.format = self->export.format};
  bool csv = count.format == FL_EXPORT_CSV;
  if (fl_buffer_reserve(&self->text, CHUNK) != FL_OK) return luaL_error(L, "not enough memory");
  for (;;) {
    ssize_t got = read(self->descriptor, self->text.data, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system(L, self->part, "read");
    if (got == 0) break;
    fl_export_count_feed(&count, self->text.data, (size_t)got);
  }
  if (csv && count.records > 0 && !read_header(self, (size_t)count.first_end))
    return fail_words(L, self->part, "does not begin with these columns", "conflict");
  if (ftruncate(self->descriptor, (off_t)count.end) != 0 ||
      lseek(self->descriptor, (off_t)count.end, SEEK_SET) < 0)
    return fail_system(L, self->part, "cut off the incomplete end");
  self->length = count.end;
  self->export.any = count.records > 0;
  fl_lua_push_count(L, csv && count.records > 0 ? count.records - 1 : count.records);
  fl_lua_push_count(L, self->length);
  return 2;
}

/* Opens the part and locks it. False with errno; EAGAIN: another process holds the lock. */
static bool open_part(exporter *self, struct stat *found) {
  for (;;) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat named;
    self->descriptor =
        open(self->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (self->descriptor < 0 || fstat(self->descriptor, found) != 0) return false;
    if (!S_ISREG(found->st_mode)) return true;
    if (fcntl(self->descriptor, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN)) {
      errno = EAGAIN;
      return false;
    }
    /* The holder before may have renamed the file before this process locked it. Then it is no part
     * any more. */
    if (lstat(self->part, &named) == 0 && named.st_dev == found->st_dev &&
        named.st_ino == found->st_ino)
      return true;
    close(self->descriptor);
  }
}

static char *copy_text(const char *text, const char *ending) {
  size_t length = strlen(text), more = strlen(ending);
  char *copy = malloc(length + more + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  memcpy(copy + length, ending, more + 1);
  return copy;
}

/* A device or a pipe at `path` is written to directly. */
static int open_special(lua_State *L, exporter *self, const char *path, bool resume) {
  if (resume) return fail_words(L, path, "cannot be resumed: it is no regular file", "io");
  if (self->table_name != NULL)
    return fail_words(L, path, "cannot be a database: it is no regular file", "io");
  self->descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (self->descriptor < 0) return fail_system(L, path, "open");
  self->owned = true;
  return 0;
}

/* Begins the compression. Returns 0, or the number of results of a failure. */
static int open_packing(lua_State *L, exporter *self, int descriptor, const char *member) {
  const fl_archive_functions *functions = fl_archive_installed();
  if (functions == NULL) return luaL_error(L, "the module of compressed files is not loaded");
  self->packing = fl_lua_packing_open(functions, descriptor, self->compression, member);
  return self->packing != NULL ? 0 : luaL_error(L, "not enough memory");
}

static int open_file(lua_State *L, exporter *self, const char *path, bool resume) {
  struct stat found;
  self->path = copy_text(path, "");
  self->part = copy_text(path, ENDING);
  if (self->path == NULL || self->part == NULL) return luaL_error(L, "not enough memory");
  self->owned = true;
  if (!open_part(self, &found)) {
    if (errno == EAGAIN) return fail_words(L, self->part, "another process writes it", "conflict");
    return fail_system(L, self->part, "open");
  }
  if (!S_ISREG(found.st_mode)) return fail_words(L, self->part, "is no regular file", "io");
  self->locked = true;
  if (resume) return go_on(L, self);
  if (ftruncate(self->descriptor, 0) != 0) return fail_system(L, self->part, "empty");
  if (self->table_name == NULL) return 0;
  self->table = fl_export_table_open(self->part, self->table_name);
  if (self->table == NULL) return luaL_error(L, "not enough memory");
  self->export.take = fl_export_table_take;
  self->export.take_context = self->table;
  return 0;
}

/* exporter:open(path, resume, member) -> rows, bytes in the part already | nil, message, kind.
 * `member`: of a compressed file, which cannot be resumed: the name of the file in a zip */
static int exporter_open(lua_State *L) {
  exporter *self = check_exporter(L);
  const char *path = fl_lua_check_path(L, 2), *member = luaL_optstring(L, 4, NULL);
  bool resume = lua_toboolean(L, 3), special;
  struct stat found;
  int count;
  if (self->descriptor >= 0) return luaL_error(L, "the exporter is open");
  close_file(self); /* after an open that failed */
  self->compression = member != NULL ? fl_archive_compression_of(path) : FL_COMPRESSION_NONE;
  special = stat(path, &found) == 0 && !S_ISREG(found.st_mode);
  count = special ? open_special(L, self, path, resume) : open_file(L, self, path, resume);
  if (count == 0 && self->compression != FL_COMPRESSION_NONE && self->table == NULL)
    count = open_packing(L, self, self->descriptor, member);
  if (count > 0) return count;
  fl_lua_push_count(L, 0);
  fl_lua_push_count(L, 0);
  return 2;
}

/* Copies the file at `path` into the empty part. False with errno. */
static bool copy_file(exporter *self, int from) {
  struct stat found;
  if (fstat(from, &found) != 0 || fchmod(self->descriptor, found.st_mode & 07777) != 0)
    return false;
  for (;;) {
    ssize_t got = read(from, self->text.data, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0 && lseek(self->descriptor, 0, SEEK_SET) == 0;
    if (!fl_write_all(self->descriptor, self->text.data, (size_t)got)) return false;
  }
}

/* exporter:append() -> rows, bytes | nil, message, kind | false: there is no such file. The open
 * part begins as a copy of the complete file. `bytes` is the size of the file without its end (the
 * closing bracket of a JSON array). */
static int exporter_append(lua_State *L) {
  exporter *self = check_exporter(L);
  int from, failure;
  bool copied;
  if (self->part == NULL || self->table != NULL) return luaL_error(L, "the exporter has no part");
  if (fl_buffer_reserve(&self->text, CHUNK) != FL_OK) return luaL_error(L, "not enough memory");
  from = open(self->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (from < 0 && errno == ENOENT) {
    lua_pushboolean(L, false);
    return 1;
  }
  if (from < 0) return fail_system(L, self->path, "open");
  copied = copy_file(self, from);
  failure = errno;
  close(from);
  errno = failure;
  return copied ? go_on(L, self) : fail_system(L, self->part, "copy the file there");
}

/* exporter:standard_output() */
static int exporter_standard_output(lua_State *L) {
  exporter *self = check_exporter(L);
  if (self->descriptor >= 0) return luaL_error(L, "the exporter is open");
  self->descriptor = STDOUT_FILENO;
  self->owned = false;
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

static int push_failure(lua_State *L, const exporter *self, fl_export_code code) {
  lua_pushstring(L, self->export.message);
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

/* exporter:write(name) -> bytes that were written | nil, message, kind; `name` is for the message
 */
static int exporter_write(lua_State *L) {
  exporter *self = check_exporter(L);
  const char *name = luaL_checkstring(L, 2);
  size_t length = self->text.length;
  struct stat found;
  if (!is_ours(self)) return fail_words(L, name, "belongs to the parent process", "closed");
  if (self->table != NULL && fstat(self->descriptor, &found) == 0) {
    fl_lua_push_count(L, found.st_size - self->length);
    self->length = found.st_size;
    return 1;
  }
  if (!fl_write_all(self->descriptor, self->text.data, length)) {
    int failure = errno;
    if (self->part != NULL && ftruncate(self->descriptor, (off_t)self->length) != 0)
      return fail_system(L, self->part, "cut off the incomplete end");
    errno = failure;
    return fail_system(L, name, "write");
  }
  self->text.length = 0;
#ifdef SYNC_FILE_RANGE_WRITE
  /* Linux: begins to write back now, so that the fsync at the end has less to wait for. */
  if (self->part != NULL)
    (void)sync_file_range(self->descriptor, (off_t)self->length, (off_t)length,
                          SYNC_FILE_RANGE_WRITE);
#endif
  self->length += (int64_t)length;
  fl_lua_push_count(L, (int64_t)length);
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
  if (!is_ours(self)) return fail_words(L, "the file", "belongs to the parent process", "closed");
  if (self->table != NULL) {
    self->packed = copy_text(self->path, PACKED_ENDING);
    if (self->packed == NULL) return luaL_error(L, "not enough memory");
    self->packed_descriptor =
        open(self->packed, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (self->packed_descriptor < 0) return fail_system(L, self->packed, "open");
    open_packing(L, self, self->packed_descriptor, luaL_checkstring(L, 4));
    piece.from = self->descriptor;
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
  if (!is_ours(self)) return fail_words(L, "the file", "belongs to the parent process", "closed");
  if (self->part != NULL) {
    bool packed = self->packed != NULL;
    const char *complete = packed ? self->packed : self->part;
    if (fsync(packed ? self->packed_descriptor : self->descriptor) != 0)
      return fail_system(L, complete, "write");
    if (rename(complete, self->path) != 0)
      return fail_system(L, self->path, "rename the complete file");
    if (packed) unlink(self->part);
    self->locked = false;
  }
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
  lua_pushfstring(L, "%s: %s", self->part, self->export.message);
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
  const fl_export *export = &check_exporter(L)->export;
  int place = 0;
  if (export->unmet == 0) return 0;
  lua_newtable(L);
  for (size_t i = 0; i < export->count; i++) {
    fl_slice name = fl_export_column_name(export, i);
    if (export->columns[i].met) continue;
    lua_pushlstring(L, name.data, name.length);
    lua_rawseti(L, -2, ++place);
  }
  lua_pushstring(L, export->members);
  return 2;
}

static const luaL_Reg methods[] = {
    {"open", exporter_open},         {"standard_output", exporter_standard_output},
    {"header", exporter_header},     {"append", exporter_append},
    {"add", exporter_add},           {"add_row", exporter_add_row},
    {"complete", exporter_complete}, {"write", exporter_write},
    {"pack", exporter_pack},         {"text", exporter_text},
    {"finish", exporter_finish},     {"columns", exporter_columns},
    {"unmet", exporter_unmet},       {"discard", exporter_discard},
    {"close", exporter_close},       {NULL, NULL}};

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
    self->table_name = copy_text(luaL_checkstring(L, -1), "");
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
  self->descriptor = self->packed_descriptor = -1;
  self->generation = fl_process_generation();
  fl_lua_new_class(L, CLASS, methods, exporter_close);
  lua_setmetatable(L, -2);
  read_settings(L, self);
  if (lua_istable(L, 2) && !choose_columns(L, &self->export)) return fl_lua_fail_pushed(L);
  return 1;
}

const luaL_Reg fl_lua_export_functions[] = {{"exporter", new_exporter}, {NULL, NULL}};
