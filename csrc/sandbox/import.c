/* import.c: the imports and their rows. A row is kept as the JSON text that was sent. */
#include "import.h"

#include "statements.h"

#include "base/clock.h"

#include <stdio.h>

static sandbox_import look_up(sqlite3_stmt *query, fl_slice text) {
  sandbox_import import = {0, 0};
  sandbox_statements_bind(query, 1, text);
  if (sqlite3_step(query) == SQLITE_ROW) {
    import.id = sqlite3_column_int64(query, 0);
    import.records = sqlite3_column_int64(query, 1);
  }
  sqlite3_reset(query);
  return import;
}

sandbox_import sandbox_import_find(sandbox_database *database, fl_slice id) {
  return look_up(sandbox_statements_get(database, FIND_IMPORT), id);
}

sandbox_import sandbox_import_named(sandbox_database *database, fl_slice name) {
  return look_up(sandbox_statements_get(database, IMPORT_NAMED), name);
}

char *sandbox_import_name(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *show = sandbox_statements_get(database, SHOW_IMPORT);
  char *name = NULL;
  sqlite3_bind_int64(show, 1, import->id);
  if (sqlite3_step(show) == SQLITE_ROW && sqlite3_column_type(show, 1) != SQLITE_NULL)
    name = strdup(sandbox_statements_text(show, 1));
  sqlite3_reset(show);
  return name;
}

static uint64_t scramble(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

/* A version 4 UUID that is the same in every run: it is computed from the number. */
static void format_uuid(char out[40], int64_t number) {
  uint64_t high = scramble((uint64_t)number * 0x9e3779b97f4a7c15u);
  uint64_t low = scramble(high ^ (uint64_t)number);
  high = (high & ~(uint64_t)0xf000) | 0x4000;
  low = (low & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63;
  snprintf(out, 40, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
           (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
           (unsigned long long)(low & 0xffffffffffffu));
}

bool sandbox_import_create(sandbox_database *database, sandbox_ids ids, sandbox_import *import) {
  sqlite3_stmt *create = sandbox_statements_get(database, CREATE_IMPORT),
               *name = sandbox_statements_get(database, SET_PUBLIC_ID);
  char text[40];
  sandbox_statements_bind_now(create, 1);
  if (!sandbox_statements_run(create)) return false;
  import->id = sqlite3_last_insert_rowid(database->handle);
  import->records = 0;
  if (ids == IDS_UUID) format_uuid(text, import->id);
  else snprintf(text, sizeof text, "%lld", (long long)import->id);
  sqlite3_bind_int64(name, 1, import->id);
  sqlite3_bind_text(name, 2, text, -1, SQLITE_TRANSIENT);
  return sandbox_statements_run(name);
}

bool sandbox_import_adopt(sandbox_database *database, fl_slice id, fl_slice new_id,
                          fl_slice created, fl_slice updated) {
  sqlite3_stmt *adopt = sandbox_statements_get(database, ADOPT_IMPORT);
  sqlite3_stmt *skip = sandbox_statements_get(database, SKIP_IDS);
  sandbox_statements_bind(adopt, 1, id);
  sandbox_statements_bind(adopt, 2, new_id);
  sandbox_statements_bind(adopt, 3, created);
  sandbox_statements_bind(adopt, 4, updated);
  sandbox_statements_bind(skip, 1, new_id);
  return sandbox_statements_run(adopt) && sandbox_statements_run(skip);
}

bool sandbox_import_describe(sandbox_database *database, const sandbox_import *import,
                             fl_slice name, fl_slice description) {
  sqlite3_stmt *describe = sandbox_statements_get(database, DESCRIBE_IMPORT);
  sqlite3_bind_int64(describe, 1, import->id);
  sandbox_statements_bind(describe, 2, name);
  sandbox_statements_bind(describe, 3, description);
  return sandbox_statements_run(describe);
}

bool sandbox_import_clear(sandbox_database *database, sandbox_import *import) {
  sqlite3_stmt *rows = sandbox_statements_get(database, CLEAR_ROWS);
  sqlite3_stmt *batches = sandbox_statements_get(database, CLEAR_BATCHES);
  sqlite3_stmt *columns = sandbox_statements_get(database, CLEAR_COLUMNS);
  sqlite3_stmt *records = sandbox_statements_get(database, SET_RECORDS);
  sqlite3_bind_int64(rows, 1, import->id * ROWS_AN_IMPORT);
  sqlite3_bind_int64(rows, 2, (import->id + 1) * ROWS_AN_IMPORT);
  sqlite3_bind_int64(batches, 1, import->id);
  sqlite3_bind_int64(columns, 1, import->id);
  sqlite3_bind_int64(records, 1, import->id);
  sqlite3_bind_int64(records, 2, 0);
  sandbox_statements_bind_now(records, 3);
  import->records = 0;
  return sandbox_statements_run(rows) && sandbox_statements_run(batches) &&
         sandbox_statements_run(columns) && sandbox_statements_run(records);
}

bool sandbox_import_add_begin(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *batch = sandbox_statements_get(database, ADD_BATCH);
  sqlite3_bind_int64(batch, 1, import->id);
  sqlite3_bind_int64(batch, 2, fl_clock_wall());
  return sandbox_statements_run(batch);
}

bool sandbox_import_add_row(sandbox_database *database, sandbox_import *import, fl_slice json) {
  sqlite3_stmt *add = sandbox_statements_get(database, ADD_ROW);
  sqlite3_bind_int64(add, 1, import->id * ROWS_AN_IMPORT + import->records++);
  sandbox_statements_bind(add, 2, json);
  return sandbox_statements_run(add);
}

bool sandbox_import_add_end(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *set = sandbox_statements_get(database, SET_RECORDS);
  sqlite3_bind_int64(set, 1, import->id);
  sqlite3_bind_int64(set, 2, import->records);
  sandbox_statements_bind_now(set, 3);
  return sandbox_statements_run(set);
}

char *sandbox_import_updated(sandbox_database *database, const sandbox_import *import) {
  sqlite3_stmt *row = sandbox_statements_get(database, IMPORT_UPDATED);
  char *text = NULL;
  sqlite3_bind_int64(row, 1, import->id);
  if (sqlite3_step(row) == SQLITE_ROW && sandbox_statements_text(row, 0))
    text = strdup(sandbox_statements_text(row, 0));
  sqlite3_reset(row);
  return text;
}

bool sandbox_import_stamp(sandbox_database *database, const sandbox_import *import,
                          const char *before, bool hidden) {
  sqlite3_stmt *stamp = sandbox_statements_get(database, STAMP_RUN);
  sqlite3_bind_int64(stamp, 1, import->id);
  sandbox_statements_bind(stamp, 2, fl_slice_of(before));
  sqlite3_bind_int(stamp, 3, hidden);
  return sandbox_statements_run(stamp);
}

bool sandbox_import_add_column(sandbox_database *database, const sandbox_import *import,
                               fl_slice name) {
  sqlite3_stmt *add = sandbox_statements_get(database, ADD_COLUMN);
  sqlite3_bind_int64(add, 1, import->id);
  sandbox_statements_bind(add, 2, name);
  return sandbox_statements_run(add);
}

/* An import that was adopted may have another id than a number. */
static bool is_number(const char *id) {
  return strspn(id, "0123456789") == strlen(id) && *id != '\0' && (*id != '0' || id[1] == '\0');
}

static void put_import(sqlite3_stmt *row, const sandbox_options *options,
                       sandbox_json_writer *out) {
  sandbox_json_put(out, "{\"id\":");
  if (options->ids == IDS_NUMBER && is_number(sandbox_statements_text(row, 0)))
    sandbox_json_put(out, sandbox_statements_text(row, 0));
  else sandbox_json_put_string(out, sandbox_statements_text(row, 0));
  sandbox_json_put(out, ",\"name\":");
  sandbox_json_put_string(out, sandbox_statements_text(row, 1));
  if (options->list_descriptions) {
    sandbox_json_put(out, ",\"description\":");
    sandbox_json_put_string(out, sandbox_statements_text(row, 2));
  }
  sandbox_json_put(out, ",\"records\":");
  sandbox_json_put_integer(out, sqlite3_column_int64(row, 3));
  sandbox_json_put(out, ",\"createdAt\":");
  sandbox_json_put_string(out, sandbox_statements_text(row, 4));
  sandbox_json_put(out, ",\"updatedAt\":");
  sandbox_json_put_string(out, sandbox_statements_text(row, 5));
  sandbox_json_put(out, "}");
}

bool sandbox_import_put(sandbox_database *database, const sandbox_import *import,
                        const sandbox_options *options, sandbox_json_writer *out) {
  sqlite3_stmt *show = sandbox_statements_get(database, SHOW_IMPORT);
  bool found;
  sqlite3_bind_int64(show, 1, import->id);
  found = sqlite3_step(show) == SQLITE_ROW;
  if (found) put_import(show, options, out);
  sqlite3_reset(show);
  return found;
}

bool sandbox_import_put_all(sandbox_database *database, const sandbox_options *options,
                            int64_t hidden, sandbox_json_writer *out) {
  sqlite3_stmt *list = sandbox_statements_get(database, LIST_IMPORTS);
  const char *separator = "";
  int code;
  sqlite3_bind_int64(list, 1, hidden);
  sandbox_json_put(out, "[");
  while ((code = sqlite3_step(list)) == SQLITE_ROW) {
    sandbox_json_put(out, separator);
    put_import(list, options, out);
    separator = ",";
  }
  sandbox_json_put(out, "]");
  sqlite3_reset(list);
  return code == SQLITE_DONE;
}

int64_t sandbox_import_records_before(sandbox_database *database, const sandbox_import *import,
                                      int64_t commits) {
  sqlite3_stmt *before = sandbox_statements_get(database, FIRST_OF_BATCH);
  int64_t records = 0;
  if (commits <= 0) return import->records;
  sqlite3_bind_int64(before, 1, import->id);
  sqlite3_bind_int64(before, 2, commits - 1);
  if (sqlite3_step(before) == SQLITE_ROW) records = sqlite3_column_int64(before, 0);
  sqlite3_reset(before);
  return records;
}

int64_t sandbox_import_records_at(sandbox_database *database, const sandbox_import *import,
                                  fl_time wall) {
  sqlite3_stmt *shown = sandbox_statements_get(database, FIRST_AFTER);
  int64_t records = import->records;
  sqlite3_bind_int64(shown, 1, import->id);
  sqlite3_bind_int64(shown, 2, wall);
  if (sqlite3_step(shown) == SQLITE_ROW && sqlite3_column_type(shown, 0) != SQLITE_NULL)
    records = sqlite3_column_int64(shown, 0);
  sqlite3_reset(shown);
  return records;
}

/* Writes a row with one more member. The row is the text of an object, so its last byte is the
 * brace. */
static void put_extended(sandbox_json_writer *out, const char *json, size_t length,
                         const char *member, int64_t value) {
  bool empty = json[1 + strspn(json + 1, " \t\r\n")] == '}';
  sandbox_json_put_bytes(out, json, length - 1);
  sandbox_json_put(out, empty ? "" : ",");
  sandbox_json_put_string(out, member);
  sandbox_json_put(out, ":");
  sandbox_json_put_integer(out, value);
  sandbox_json_put(out, "}");
}

bool sandbox_import_put_rows(sandbox_database *database, const sandbox_import *import,
                             int64_t start, int64_t end, bool backward, const char *added_member,
                             sandbox_json_writer *out) {
  sqlite3_stmt *page = sandbox_statements_get(database, backward ? PAGE_BACKWARD : PAGE);
  int64_t base = import->id * ROWS_AN_IMPORT;
  bool first = true;
  int code;
  if (start >= end) return true;
  sqlite3_bind_int64(page, 1, base + start);
  sqlite3_bind_int64(page, 2, base + end);
  while ((code = sqlite3_step(page)) == SQLITE_ROW) {
    const char *json = sandbox_statements_text(page, 0);
    size_t length = (size_t)sqlite3_column_bytes(page, 0);
    if (!first) sandbox_json_put_bytes(out, ",", 1);
    first = false;
    if (added_member)
      put_extended(out, json, length, added_member, sqlite3_column_int64(page, 1) - base);
    else sandbox_json_put_bytes(out, json, length);
  }
  sqlite3_reset(page);
  return code == SQLITE_DONE;
}

bool sandbox_import_each(sandbox_database *database,
                         bool (*function)(void *context, const char *name, int64_t id),
                         void *context) {
  sqlite3_stmt *each = sandbox_statements_get(database, NAMED_IMPORTS);
  bool going = true;
  while (going && sqlite3_step(each) == SQLITE_ROW)
    going = function(context, sandbox_statements_text(each, 0), sqlite3_column_int64(each, 1));
  sqlite3_reset(each);
  return going;
}

/* The path of a member for json_extract: a name with a quote in it cannot be written as one. */
static bool has_path(const char *name) { return strpbrk(name, "\"\\") == NULL; }

char *sandbox_import_select(sandbox_database *database, int64_t id, uint64_t used) {
  sqlite3_stmt *columns = sandbox_statements_get(database, LIST_COLUMNS);
  sqlite3_str *text = sqlite3_str_new(database->handle);
  int count = 0;
  sqlite3_str_appendall(text, "SELECT ");
  sqlite3_bind_int64(columns, 1, id);
  while (sqlite3_step(columns) == SQLITE_ROW) {
    const char *name = sandbox_statements_text(columns, 0);
    bool read = used >> (count < 63 ? count : 63) & 1;
    if (!has_path(name)) continue;
    if (count++ > 0) sqlite3_str_appendall(text, ", ");
    if (read) sqlite3_str_appendf(text, "json_extract(json, '$.\"%q\"')", name);
    else sqlite3_str_appendall(text, "NULL");
    sqlite3_str_appendf(text, " AS \"%w\"", name);
  }
  sqlite3_reset(columns);
  sqlite3_str_appendf(text, "%s FROM main.rows WHERE key >= %lld AND key < %lld",
                      count ? "" : "NULL AS \"(no columns)\"", (long long)id * ROWS_AN_IMPORT,
                      ((long long)id + 1) * ROWS_AN_IMPORT);
  return sqlite3_str_finish(text);
}
