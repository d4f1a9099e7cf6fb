/*
 * export_table.c: rows as a table of a new SQLite database.
 *
 * The columns are created without a type, since SQLite converts the values of a column with a type:
 * "12" would become a number in a column of booleans. Once all values are known, the types are
 * written into the schema as SQLite's documentation of ALTER TABLE describes.
 */
#include "files/export_table.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/csv.h"
#include "codec/json_write.h"

/* The kinds of values that a column holds. */
enum { INTEGER = 1, LARGE = 2, REAL = 4, BOOLEAN = 8, TEXT = 16 };

#define MOST_EXACT INT64_C(9007199254740992) /* 2^53: a double holds the integers up to it */

struct fl_export_table {
  sqlite3 *database;
  sqlite3_stmt *insert; /* NULL: the table is not created yet */
  char *table;
  int opened; /* the result of sqlite3_open_v2 */
  pid_t owner;
  unsigned char *kinds; /* a set of the kinds above for each column */
};

static int execute(fl_export_table *self, const char *sql) {
  return sqlite3_exec(self->database, sql, NULL, NULL, NULL);
}

fl_export_table *fl_export_table_open(const char *path, const char *table) {
  fl_export_table *self = calloc(1, sizeof *self);
  /* SQLite reads "file:…" as a URI, unless a folder stands before it. */
  char *name = sqlite3_mprintf("%s%s", path[0] == '/' ? "" : "./", path);
  if (self != NULL) self->table = strdup(table);
  if (self == NULL || self->table == NULL || name == NULL) {
    sqlite3_free(name);
    fl_export_table_close(self);
    return NULL;
  }
  self->owner = getpid();
  self->opened =
      sqlite3_open_v2(name, &self->database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
  sqlite3_free(name);
#ifdef SQLITE_DBCONFIG_DEFENSIVE
  /* Some builds of SQLite turn on defensive mode, which forbids writing the schema. */
  if (self->opened == SQLITE_OK)
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_DEFENSIVE, 0, (int *)NULL);
#endif
  if (self->opened == SQLITE_OK)
    self->opened = execute(self,
                           "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                           "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE");
  return self;
}

void fl_export_table_close(fl_export_table *self) {
  if (self == NULL) return;
  if (self->owner == getpid()) {
    sqlite3_finalize(self->insert);
    sqlite3_close(self->database);
  }
  free(self->kinds);
  free(self->table);
  free(self);
}

/* --- failures --- */

static fl_export_code fail(fl_export_table *self, fl_export *export, int result) {
  int reason = self->database != NULL ? sqlite3_system_errno(self->database) : 0;
  bool refused = (result & 0xff) == SQLITE_ERROR;
  if ((result & 0xff) == SQLITE_NOMEM) return FL_EXPORT_NO_MEMORY;
  snprintf(export->message, sizeof export->message, "%s: %s%s%s",
           refused ? "has no place in the table" : "cannot be written to the database",
           self->database != NULL ? sqlite3_errmsg(self->database) : sqlite3_errstr(result),
           !refused && reason != 0 ? ": " : "", !refused && reason != 0 ? strerror(reason) : "");
  return refused ? FL_EXPORT_REFUSED : FL_EXPORT_IO;
}

/* --- the table --- */

/* Writes a name in quotes. SQL quotes names as CSV quotes cells. */
static fl_result write_name(fl_buffer *sql, fl_slice name) {
  return fl_csv_write_cell(sql, name, ',', true);
}

static const char *type_of(unsigned char kinds) {
  switch (kinds) {
    case INTEGER:
    case INTEGER | LARGE: return " INTEGER";
    case REAL:
    case REAL | INTEGER: return " REAL";
    case REAL | INTEGER | LARGE: return " NUMERIC";
    case BOOLEAN: return " BOOLEAN";
    case TEXT: return " TEXT";
    default: return "";
  }
}

static fl_result write_table(const fl_export_table *self, const fl_export *export, fl_buffer *sql) {
  fl_result result;
  sql->length = 0;
  result = fl_buffer_append_text(sql, "CREATE TABLE ");
  if (result == FL_OK) result = write_name(sql, fl_slice_of(self->table));
  for (size_t i = 0; i < export->count && result == FL_OK; i++) {
    result = fl_buffer_append_text(sql, i == 0 ? " (" : ", ");
    if (result == FL_OK) result = write_name(sql, fl_export_column_name(export, i));
    if (result == FL_OK) result = fl_buffer_append_text(sql, type_of(self->kinds[i]));
  }
  return result == FL_OK ? fl_buffer_append_byte(sql, ')') : result;
}

static fl_result write_insert(const fl_export_table *self, const fl_export *export,
                              fl_buffer *sql) {
  fl_result result;
  sql->length = 0;
  result = fl_buffer_append_text(sql, "INSERT INTO ");
  if (result == FL_OK) result = write_name(sql, fl_slice_of(self->table));
  for (size_t i = 0; i < export->count && result == FL_OK; i++)
    result = fl_buffer_append_text(sql, i == 0 ? " VALUES (?" : ", ?");
  return result == FL_OK ? fl_buffer_append_byte(sql, ')') : result;
}

/* Creates the table, once its columns are known. */
static fl_export_code create(fl_export_table *self, fl_export *export) {
  fl_buffer *sql = &export->nested;
  int result = self->opened;
  if (result != SQLITE_OK) return fail(self, export, result);
  if (self->kinds == NULL) self->kinds = calloc(export->count, 1);
  if (self->kinds == NULL || write_table(self, export, sql) != FL_OK) return FL_EXPORT_NO_MEMORY;
  result = execute(self, sql->data);
  if (result != SQLITE_OK) return fail(self, export, result);
  if (write_insert(self, export, sql) != FL_OK) return FL_EXPORT_NO_MEMORY;
  result = sqlite3_prepare_v2(self->database, sql->data, (int)sql->length, &self->insert, NULL);
  return result == SQLITE_OK ? FL_EXPORT_OK : fail(self, export, result);
}

/* --- rows --- */

static int bind_text(sqlite3_stmt *insert, int place, const char *text, size_t length) {
  return sqlite3_bind_text64(insert, place, text, length, SQLITE_STATIC, SQLITE_UTF8);
}

/* An array or an object is bound as a copy: `nested` holds one at a time. */
static int bind_nested(sqlite3_stmt *insert, int place, fl_export *export, const fl_json_tape *tape,
                       const char *text, uint32_t node) {
  export->nested.length = 0;
  if (fl_json_write_node(&export->nested, tape, text, node) != FL_OK) return SQLITE_NOMEM;
  return sqlite3_bind_text64(insert, place, export->nested.data, export->nested.length,
                             SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int bind_cell(fl_export_table *self, fl_export *export, const fl_json_tape *tape,
                     const char *text, size_t column) {
  uint32_t index = export->cells[column];
  const fl_json_node *node = &tape->nodes[index];
  unsigned char *kinds = &self->kinds[column];
  sqlite3_stmt *insert = self->insert;
  int place = (int)column + 1;
  if (index == 0 || node->type == FL_JSON_NULL) return sqlite3_bind_null(insert, place);
  switch ((fl_json_type)node->type) {
    case FL_JSON_FALSE:
    case FL_JSON_TRUE:
      *kinds |= BOOLEAN;
      return sqlite3_bind_int(insert, place, node->type == FL_JSON_TRUE);
    case FL_JSON_INTEGER:
      *kinds |= node->value.integer > MOST_EXACT || node->value.integer < -MOST_EXACT
                    ? INTEGER | LARGE
                    : INTEGER;
      return sqlite3_bind_int64(insert, place, node->value.integer);
    case FL_JSON_FLOAT:
      *kinds |= REAL;
      return sqlite3_bind_double(insert, place, node->value.number);
    case FL_JSON_BIG:
    case FL_JSON_STRING:
      *kinds |= TEXT;
      return bind_text(insert, place, text + node->offset, node->value.size.length);
    default: *kinds |= TEXT; return bind_nested(insert, place, export, tape, text, index);
  }
}

/* The index of the first string that holds a NUL, or `count`. Functions of SQL would cut such a
 * string off. */
static size_t find_nul(const fl_export *export, const fl_json_tape *tape, const char *text) {
  size_t i = 0;
  for (; i < export->count; i++) {
    const fl_json_node *node = &tape->nodes[export->cells[i]];
    if (export->cells[i] != 0 && node->type == FL_JSON_STRING &&
        memchr(text + node->offset, '\0', node->value.size.length) != NULL)
      break;
  }
  return i;
}

fl_export_code fl_export_table_take(void *context, fl_export *export, const fl_json_tape *tape,
                                    const char *text) {
  fl_export_table *self = context;
  size_t nul = find_nul(export, tape, text);
  int result = SQLITE_OK;
  if (nul < export->count) {
    fl_slice name = fl_export_column_name(export, nul);
    snprintf(export->message, sizeof export->message,
             "holds a NUL character, which has no place in SQLite's texts, in the column \"%.*s\"",
             (int)name.length, name.data);
    return FL_EXPORT_NUL;
  }
  if (self->insert == NULL) {
    fl_export_code code = create(self, export);
    if (code != FL_EXPORT_OK) return code;
  }
  for (size_t i = 0; i < export->count && result == SQLITE_OK; i++)
    result = bind_cell(self, export, tape, text, i);
  if (result == SQLITE_OK) result = sqlite3_step(self->insert);
  if (result != SQLITE_DONE) return fail(self, export, result);
  sqlite3_reset(self->insert);
  return FL_EXPORT_OK;
}

/* --- the end --- */

/* Puts the types of the columns into the schema. */
static int put_types(fl_export_table *self, const fl_buffer *sql) {
  sqlite3_stmt *update = NULL;
  int result = execute(self, "PRAGMA writable_schema = ON");
  if (result == SQLITE_OK)
    result = sqlite3_prepare_v2(
        self->database, "UPDATE sqlite_master SET sql = ? WHERE type = 'table'", -1, &update, NULL);
  if (result == SQLITE_OK) result = bind_text(update, 1, sql->data, sql->length);
  if (result == SQLITE_OK) result = sqlite3_step(update);
  sqlite3_finalize(update);
  return result == SQLITE_DONE ? SQLITE_OK : result;
}

fl_export_code fl_export_table_finish(fl_export_table *self, fl_export *export) {
  int result;
  if (self->insert == NULL) {
    fl_export_code code = create(self, export);
    if (code != FL_EXPORT_OK) return code;
  }
  sqlite3_finalize(self->insert);
  self->insert = NULL;
  if (write_table(self, export, &export->nested) != FL_OK) return FL_EXPORT_NO_MEMORY;
  result = put_types(self, &export->nested);
  if (result == SQLITE_OK) result = execute(self, "COMMIT");
  if (result == SQLITE_OK) {
    result = sqlite3_close(self->database);
    if (result == SQLITE_OK) self->database = NULL;
  }
  return result == SQLITE_OK ? FL_EXPORT_OK : fail(self, export, result);
}
