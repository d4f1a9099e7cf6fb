/*
 * query.c: SQL over imports, read-only.
 *
 * 1. Each import whose name occurs in the query becomes a temporary view.
 * 2. The authorizer and the limits go on; the query is prepared, its parameters bound, and stepped.
 * 3. The authorizer and the limits are taken off, and the views are dropped.
 * SQLite looks for a name among temporary views first, so that an import may be called `rows`. The
 * authorizer lets the database's own tables be read only from inside a view.
 */
#include "query.h"

#include "import.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* SQLite calls the progress handler every so many steps of its machine. */
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
#define LIMIT_COUNT (sizeof limits / sizeof *limits)

typedef struct run_state {
  sandbox_database *database;
  const char *sql;
  int64_t steps_left;
  char **views;
  size_t view_count;
} run_state;

/* The authorizer names a common table expression like a view: only the views made here count. */
static bool is_view(const run_state *state, const char *name) {
  for (size_t index = 0; index < state->view_count; index++)
    if (strcasecmp(state->views[index], name) == 0) return true;
  return false;
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *schema, const char *view) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION:
      return second && strcasecmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_READ:
      if (view != NULL && is_view(context, view)) return SQLITE_OK;
      if (first && strncasecmp(first, "sqlite_", 7) == 0) return SQLITE_DENY;
      if (first && (strcasecmp(first, "json_each") == 0 || strcasecmp(first, "json_tree") == 0))
        return SQLITE_OK;
      return schema && strcmp(schema, "main") == 0 ? SQLITE_DENY : SQLITE_OK;
    default: return SQLITE_DENY;
  }
}

static int count_steps(void *context) {
  run_state *state = context;
  state->steps_left -= STEPS_A_CALL;
  return state->steps_left <= 0;
}

/* Whether the query could mean this import: its name, as it is written between quotes, occurs in
 * it, in any case. */
static bool mentions(const char *sql, const char *name) {
  char *written = sqlite3_mprintf("%w", name);
  size_t length = written ? strlen(written) : 0;
  bool found = false;
  for (; length > 0 && *sql && !found; sql++) found = strncasecmp(sql, written, length) == 0;
  sqlite3_free(written);
  return found;
}

static bool make_view(void *context, const char *name, int64_t id) {
  run_state *state = context;
  char *select, *create, **views;
  bool made = false;
  if (is_view(state, name) || !mentions(state->sql, name)) return true;
  views = realloc(state->views, (state->view_count + 1) * sizeof *views);
  if (views == NULL) return false;
  state->views = views;
  if ((views[state->view_count] = strdup(name)) == NULL) return false;
  state->view_count++;
  select = sandbox_import_select(state->database, id);
  create =
      select ? sqlite3_mprintf("CREATE TEMP VIEW IF NOT EXISTS \"%w\" AS %s", name, select) : NULL;
  if (create)
    made = sqlite3_exec(sandbox_database_handle(state->database), create, NULL, NULL, NULL) ==
           SQLITE_OK;
  sqlite3_free(create);
  sqlite3_free(select);
  return made;
}

static void drop_views(run_state *state) {
  for (size_t index = 0; index < state->view_count; index++) {
    char *drop = sqlite3_mprintf("DROP VIEW IF EXISTS temp.\"%w\"", state->views[index]);
    if (drop) sqlite3_exec(sandbox_database_handle(state->database), drop, NULL, NULL, NULL);
    sqlite3_free(drop);
    free(state->views[index]);
  }
  free(state->views);
}

/* A parameter without a member of its name stays null, as SQLite has it. */
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

static bool select_rows(run_state *state, const sandbox_options *options,
                        const sandbox_parameters *parameters, sandbox_table *table, char *reason) {
  sqlite3 *handle = sandbox_database_handle(state->database);
  sqlite3_stmt *query = NULL;
  const char *rest = "";
  bool done = false;
  int code = sqlite3_prepare_v2(handle, state->sql, -1, &query, &rest);
  if (code != SQLITE_OK) {
    snprintf(reason, SANDBOX_REASON, "%s", sqlite3_errmsg(handle));
  } else if (query == NULL || !is_blank(rest) || !sqlite3_stmt_readonly(query) ||
             sqlite3_column_count(query) == 0) {
    snprintf(reason, SANDBOX_REASON, "a query is one SELECT");
  } else if (take_columns(query, table, reason)) {
    bind(query, parameters);
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
      if ((int64_t)table->row_count == options->max_query_rows) {
        snprintf(reason, SANDBOX_REASON, "the query gives more than %lld rows",
                 (long long)options->max_query_rows);
        break;
      }
      if (!take_row(query, table)) break;
    }
    done = code == SQLITE_DONE;
    if (code == SQLITE_INTERRUPT) snprintf(reason, SANDBOX_REASON, "the query takes too long");
    else if (!done && code != SQLITE_ROW)
      snprintf(reason, SANDBOX_REASON, "%s", sqlite3_errmsg(handle));
  }
  sqlite3_finalize(query);
  return done;
}

bool sandbox_query(sandbox_database *database, const sandbox_options *options, const char *sql,
                   const sandbox_parameters *parameters, sandbox_table *table,
                   char reason[SANDBOX_REASON]) {
  sqlite3 *handle = sandbox_database_handle(database);
  run_state state = {database, sql, options->max_query_steps, NULL, 0};
  int before[LIMIT_COUNT];
  bool done = false;
  sandbox_table_init(table);
  snprintf(reason, SANDBOX_REASON, "the query's result cannot be held or is no text");
  if (sandbox_import_each(database, make_view, &state)) {
    for (size_t index = 0; index < LIMIT_COUNT; index++)
      before[index] = sqlite3_limit(handle, limits[index].limit, limits[index].value);
    sqlite3_set_authorizer(handle, authorize, &state);
    sqlite3_progress_handler(handle, STEPS_A_CALL, count_steps, &state);
    done = select_rows(&state, options, parameters, table, reason);
    sqlite3_progress_handler(handle, 0, NULL, NULL);
    sqlite3_set_authorizer(handle, NULL, NULL);
    for (size_t index = 0; index < LIMIT_COUNT; index++)
      sqlite3_limit(handle, limits[index].limit, before[index]);
  } else {
    snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(database));
  }
  drop_views(&state);
  if (!done) sandbox_table_free(table);
  return done;
}
