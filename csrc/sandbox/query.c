/*
 * query.c: SQL over imports, read-only.
 *
 * The query runs on a connection of its own. Its only tables are the imports whose names occur in
 * the query (import_table.h). An authorizer allows reading, and the functions of a list. SQLite's
 * limits bound memory. A progress handler bounds steps and time.
 */
#include "query.h"

#include "base/clock.h"
#include "import.h"
#include "import_table.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* SQLite calls the progress handler after this many steps of its virtual machine. */
#define STEPS_A_CALL 10000

static const struct {
  int limit, value;
} limits[] = {
    {SQLITE_LIMIT_SQL_LENGTH, 100000},
    {SQLITE_LIMIT_COLUMN, 500},
    {SQLITE_LIMIT_EXPR_DEPTH, 100},
    {SQLITE_LIMIT_COMPOUND_SELECT, 50},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
    {SQLITE_LIMIT_VARIABLE_NUMBER, 200},
    {SQLITE_LIMIT_LENGTH, 16 << 20},
};
/* The functions that a query may call: they compute a value from their arguments, and do nothing
 * else. A space before and after each. */
static const char functions[] =
    " abs char coalesce concat concat_ws format glob hex iif ifnull instr length like likelihood"
    " likely lower ltrim max min nullif octet_length printf quote random replace round rtrim sign"
    " substr substring trim typeof unhex unicode unlikely upper zeroblob"
    " avg count group_concat string_agg sum total"
    " date datetime julianday strftime time timediff unixepoch"
    " -> ->> json json_array json_array_length json_each json_error_position json_extract"
    " json_group_array json_group_object json_insert json_object json_patch json_quote json_remove"
    " json_replace json_set json_tree json_type json_valid"
    " cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank"
    " row_number"
    " acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10"
    " log2 mod pi pow power radians sin sinh sqrt tan tanh trunc ";

static bool is_listed(const char *function) {
  size_t length = strlen(function);
  for (const char *word = functions + 1; *word; word += strcspn(word, " ") + 1)
    if (strcspn(word, " ") == length && strncasecmp(word, function, length) == 0) return true;
  return false;
}

/* Tables that SQLite itself provides. */
static bool is_internal(const char *table) {
  return strncasecmp(table, "sqlite_", 7) == 0 || strncasecmp(table, "pragma_", 7) == 0 ||
         strcasecmp(table, "dbstat") == 0;
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *schema, const char *view) {
  (void)context, (void)schema, (void)view;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return second && is_listed(second) ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_READ: return first && is_internal(first) ? SQLITE_DENY : SQLITE_OK;
    default: return SQLITE_DENY;
  }
}

typedef struct bounds {
  int64_t steps_left;
  fl_time end;
} bounds;

static int is_exhausted(void *context) {
  bounds *left = context;
  left->steps_left -= STEPS_A_CALL;
  return left->steps_left <= 0 || fl_clock_now() > left->end;
}

/* Whether the query may use this import: the quoted form of its name occurs in the query, in any
 * case. */
static bool mentions(const char *sql, const char *name) {
  char *written = sqlite3_mprintf("%w", name);
  size_t length = written ? strlen(written) : 0;
  bool found = false;
  for (; length > 0 && *sql && !found; sql++) found = strncasecmp(sql, written, length) == 0;
  sqlite3_free(written);
  return found;
}

typedef struct tables {
  sqlite3 *connection;
  const char *sql;
} tables;

/* SQLite reserves some names. An import with such a name is no table. */
static bool make_table(void *context, const char *name, int64_t id) {
  const tables *made = context;
  return !mentions(made->sql, name) || is_internal(name) ||
         sandbox_import_table_create(made->connection, name, id);
}

/* A connection with the imports that the query names as its tables; NULL without memory. */
static sqlite3 *open_connection(sandbox_database *database, const char *sql, bounds *left) {
  tables made = {NULL, sql};
  if (sqlite3_open(":memory:", &made.connection) == SQLITE_OK &&
      sandbox_import_table_register(made.connection, database) &&
      sandbox_import_each(database, make_table, &made)) {
    /* SQLite makes these tables at their first use, which the authorizer would refuse. */
    sqlite3_exec(made.connection, "SELECT 1 FROM json_each('[]'), json_tree('[]')", NULL, NULL,
                 NULL);
    /* Makes SQLite read a word in double quotes always as a name, never as a string. */
    sqlite3_db_config(made.connection, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(made.connection, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(made.connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    for (size_t index = 0; index < sizeof limits / sizeof *limits; index++)
      sqlite3_limit(made.connection, limits[index].limit, limits[index].value);
    sqlite3_set_authorizer(made.connection, authorize, NULL);
    sqlite3_progress_handler(made.connection, STEPS_A_CALL, is_exhausted, left);
    return made.connection;
  }
  sqlite3_close(made.connection);
  return NULL;
}

/* Binds the parameters. A parameter without a member of its name stays null, which is SQLite's
 * default. */
static void bind(sqlite3_stmt *query, const sandbox_parameters *parameters) {
  int count = sqlite3_bind_parameter_count(query);
  for (int place = 1; place <= count && parameters->tape; place++) {
    const char *name = sqlite3_bind_parameter_name(query, place);
    uint32_t found = name ? fl_json_member(parameters->tape, parameters->text, parameters->node,
                                           fl_slice_of(name + 1))
                          : 0;
    const fl_json_node *node = &parameters->tape->nodes[found];
    if (found == 0) continue;
    switch (node->type) {
      case FL_JSON_FALSE:
      case FL_JSON_TRUE: sqlite3_bind_int(query, place, node->type == FL_JSON_TRUE); break;
      case FL_JSON_INTEGER: sqlite3_bind_int64(query, place, node->value.integer); break;
      case FL_JSON_FLOAT: sqlite3_bind_double(query, place, node->value.number); break;
      case FL_JSON_BIG:
      case FL_JSON_STRING:
        sqlite3_bind_text64(query, place, parameters->text + node->offset, node->value.size.length,
                            SQLITE_STATIC, SQLITE_UTF8);
        break;
      default: break;
    }
  }
}

static void put_cell(sqlite3_stmt *query, int column, sandbox_json_writer *out) {
  switch (sqlite3_column_type(query, column)) {
    case SQLITE_INTEGER: sandbox_json_put_integer(out, sqlite3_column_int64(query, column)); break;
    case SQLITE_FLOAT: sandbox_json_put_double(out, sqlite3_column_double(query, column)); break;
    case SQLITE_NULL: sandbox_json_put(out, "null"); break;
    default: {
      const char *text = (const char *)sqlite3_column_text(query, column);
      sandbox_json_put_quoted(out, text ? text : "", (size_t)sqlite3_column_bytes(query, column));
    }
  }
}

static bool take_columns(sqlite3_stmt *query, sandbox_table *table, char *reason) {
  table->column_count = (size_t)sqlite3_column_count(query);
  table->columns = calloc(table->column_count, sizeof(char *));
  for (size_t column = 0; table->columns && column < table->column_count; column++) {
    const char *name = sqlite3_column_name(query, (int)column);
    for (size_t before = 0; before < column; before++)
      if (strcmp(table->columns[before], name) == 0) {
        snprintf(reason, SANDBOX_REASON, "the query names two columns \"%.100s\"", name);
        return false;
      }
    table->columns[column] = strdup(name);
    if (table->columns[column] == NULL) return false;
  }
  return table->columns != NULL;
}

static bool take_row(sqlite3_stmt *query, sandbox_table *table) {
  for (size_t column = 0; column < table->column_count; column++) {
    put_cell(query, (int)column, &table->cells);
    if (!sandbox_table_end_cell(table)) return false;
  }
  return true;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n;")] == '\0'; }

/* Steps through the query. False with a `reason`. */
static bool take_rows(sqlite3_stmt *query, const sandbox_options *options, sandbox_table *table,
                      char *reason) {
  int code;
  while ((code = sqlite3_step(query)) == SQLITE_ROW) {
    if ((int64_t)table->row_count == options->max_query_rows) {
      snprintf(reason, SANDBOX_REASON, "the query gives more than %lld rows",
               (long long)options->max_query_rows);
      return false;
    }
    if (!take_row(query, table)) return false;
  }
  if (code == SQLITE_INTERRUPT) snprintf(reason, SANDBOX_REASON, "the query takes too long");
  else if (code != SQLITE_DONE)
    snprintf(reason, SANDBOX_REASON, "%s", sqlite3_errmsg(sqlite3_db_handle(query)));
  return code == SQLITE_DONE;
}

static bool select_rows(sqlite3 *connection, const char *sql, const sandbox_options *options,
                        const sandbox_parameters *parameters, sandbox_table *table, char *reason) {
  sqlite3_stmt *query = NULL;
  const char *rest = "";
  bool done = false;
  if (sqlite3_prepare_v2(connection, sql, -1, &query, &rest) != SQLITE_OK) {
    snprintf(reason, SANDBOX_REASON, "%s", sqlite3_errmsg(connection));
  } else if (query == NULL || !is_blank(rest) || !sqlite3_stmt_readonly(query) ||
             sqlite3_stmt_isexplain(query) || sqlite3_column_count(query) == 0) {
    snprintf(reason, SANDBOX_REASON, "a query is one SELECT");
  } else if (take_columns(query, table, reason)) {
    bind(query, parameters);
    done = take_rows(query, options, table, reason);
  }
  sqlite3_finalize(query);
  return done;
}

bool sandbox_query(sandbox_database *database, const sandbox_options *options, const char *sql,
                   const sandbox_parameters *parameters, sandbox_table *table,
                   char reason[SANDBOX_REASON]) {
  bounds left = {options->max_query_steps,
                 fl_clock_now() + (fl_time)(options->max_query_seconds * (double)FL_SECOND)};
  sqlite3 *connection = open_connection(database, sql, &left);
  bool done = false;
  sandbox_table_init(table);
  snprintf(reason, SANDBOX_REASON, "the query's result cannot be held or is no text");
  if (connection) done = select_rows(connection, sql, options, parameters, table, reason);
  else snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(database));
  sqlite3_close(connection);
  if (!done) sandbox_table_free(table);
  return done;
}
