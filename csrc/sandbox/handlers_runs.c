/*
 * handlers_runs.c: the handlers of preparations, reports, automations and chart data.
 *
 * A preparation is a query whose result becomes an import; a report is a query whose chart is
 * stored; an automation is a list of both. A run with a duration (`run_seconds`) is started here
 * and carried out by late_work.c.
 */
#include "body.h"
#include "handlers.h"
#include "query.h"
#include "result.h"
#include "run_state.h"

#include <stdio.h>
#include <stdlib.h>

static const sandbox_parameters no_parameters = {NULL, NULL, 0};

typedef bool run_function(sandbox_call *call, const sandbox_definition *definition,
                          const sandbox_parameters *parameters, sandbox_json_writer *out,
                          char *reason);
static run_function run_preparation, run_report, run_automation;

static const struct runnable {
  sandbox_defined kind;
  const char *missing, *never, *finished;
  run_function *run;
} preparations = {DEFINED_PREPARATIONS, "There is no preparation of this id", "NotRun", "Completed",
                  run_preparation},
  reports = {DEFINED_REPORTS, "There is no report of this id", "NotGenerated", "Generated",
             run_report},
  automations = {DEFINED_AUTOMATIONS, "There is no automation of this id", "NotRun", "Completed",
                 run_automation};

/* Members `id` and `name`, without the closing brace. */
static void put_head(const sandbox_definition *definition, sandbox_json_writer *out) {
  sandbox_json_put(out, "{\"id\":");
  if (definition->id_is_number) sandbox_json_put(out, definition->id);
  else sandbox_json_put_string(out, definition->id);
  sandbox_json_put(out, ",\"name\":");
  sandbox_json_put_string(out, definition->name);
}

/* A run of a preparation of another service: its result is the import as it is. */
static bool play_preparation(sandbox_call *call, const sandbox_definition *preparation,
                             sandbox_json_writer *out, char *reason) {
  sandbox_import import = sandbox_import_named(call->database, fl_slice_of(preparation->target));
  char *updated = import.id ? sandbox_import_updated(call->database, &import) : NULL;
  bool good = sandbox_run_state_end(call->database, DEFINED_PREPARATIONS, preparation->id,
                                    preparations.finished, NULL);
  /* The import gets a later time, by which the end of the run is seen. */
  if (good && updated)
    good = sandbox_import_stamp(call->database, &import, updated,
                                call->options->run_shows == RUN_SHOWS_NOTHING);
  free(updated);
  if (!good) {
    snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(call->database));
    return false;
  }
  if (import.id) {
    sandbox_json_put(out, ",\"rows\":");
    sandbox_json_put_integer(out, import.records);
    sandbox_json_put(out, ",\"import\":");
    sandbox_import_put(call->database, &import, call->options, out);
  }
  return true;
}

/* A run of a report of another service: its chart is the stored one. */
static bool play_report(sandbox_call *call, const sandbox_definition *report,
                        sandbox_json_writer *out, char *reason) {
  sandbox_json_writer chart;
  bool good =
      sandbox_result_replay(call->database, report->id) &&
      sandbox_run_state_end(call->database, DEFINED_REPORTS, report->id, reports.finished, NULL);
  if (!good) {
    snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(call->database));
    return false;
  }
  sandbox_json_writer_init(&chart);
  if (sandbox_result_put(call->database, fl_slice_of(report->id), out, &chart)) {
    sandbox_json_put(out, ",\"chart\":");
    sandbox_json_put_bytes(out, chart.buffer.data, chart.buffer.length);
  }
  sandbox_json_writer_free(&chart);
  return true;
}

static bool run_preparation(sandbox_call *call, const sandbox_definition *preparation,
                            const sandbox_parameters *parameters, sandbox_json_writer *out,
                            char *reason) {
  fl_slice name = fl_slice_of(preparation->target), none = {NULL, 0};
  sandbox_import import;
  sandbox_table table;
  sandbox_json_writer row;
  char *updated;
  bool good;
  if (preparation->played) return play_preparation(call, preparation, out, reason);
  if (!sandbox_query(call->database, call->options, preparation->sql, parameters, &table, reason))
    return false;
  import = sandbox_import_named(call->database, name);
  updated = import.id ? sandbox_import_updated(call->database, &import) : NULL;
  good = import.id ? sandbox_import_clear(call->database, &import)
                   : sandbox_import_create(call->database, call->options->ids, &import) &&
                         sandbox_import_describe(call->database, &import, name, none);
  good = good && sandbox_import_add_begin(call->database, &import);
  for (size_t column = 0; good && column < table.column_count; column++)
    good = sandbox_import_add_column(call->database, &import, fl_slice_of(table.columns[column]));
  sandbox_json_writer_init(&row);
  for (size_t index = 0; good && index < table.row_count; index++) {
    row.buffer.length = 0;
    sandbox_table_put_row(&table, index, &row);
    good = !row.failed && sandbox_import_add_row(call->database, &import,
                                                 (fl_slice){row.buffer.data, row.buffer.length});
  }
  sandbox_json_writer_free(&row);
  sandbox_table_free(&table);
  good = good && sandbox_import_add_end(call->database, &import);
  if (good && updated)
    good = sandbox_import_stamp(call->database, &import, updated,
                                call->options->run_shows == RUN_SHOWS_NOTHING);
  free(updated);
  good = good && sandbox_run_state_end(call->database, DEFINED_PREPARATIONS, preparation->id,
                                       preparations.finished, NULL);
  if (good) {
    sandbox_json_put(out, ",\"rows\":");
    sandbox_json_put_integer(out, import.records);
    sandbox_json_put(out, ",\"import\":");
    sandbox_import_put(call->database, &import, call->options, out);
  } else {
    snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(call->database));
  }
  return good;
}

static bool run_report(sandbox_call *call, const sandbox_definition *report,
                       const sandbox_parameters *parameters, sandbox_json_writer *out,
                       char *reason) {
  const char *sql = report->sql;
  sandbox_table table;
  sandbox_json_writer chart;
  bool good;
  if (report->played) return play_report(call, report, out, reason);
  if (report->preparation) {
    const sandbox_definition *preparation = sandbox_options_definition(
        call->options, DEFINED_PREPARATIONS, fl_slice_of(report->preparation));
    sql = preparation ? preparation->sql : "";
  }
  if (!sandbox_query(call->database, call->options, sql, parameters, &table, reason)) return false;
  sandbox_json_writer_init(&chart);
  good = sandbox_table_put_chart(&table, report->chart_type, report->labels, report->series,
                                 report->series_count, &chart, reason);
  if (good &&
      (chart.failed || !sandbox_result_store(call->database, report->id, (int64_t)table.row_count,
                                             (fl_slice){chart.buffer.data, chart.buffer.length}))) {
    snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(call->database));
    good = false;
  }
  good = good &&
         sandbox_run_state_end(call->database, DEFINED_REPORTS, report->id, reports.finished, NULL);
  if (good) {
    sandbox_json_put(out, ",\"rows\":");
    sandbox_json_put_integer(out, (int64_t)table.row_count);
    sandbox_json_put(out, ",\"chart\":");
    sandbox_json_put_bytes(out, chart.buffer.data, chart.buffer.length);
  }
  sandbox_json_writer_free(&chart);
  sandbox_table_free(&table);
  return good;
}

static bool run_automation(sandbox_call *call, const sandbox_definition *automation,
                           const sandbox_parameters *parameters, sandbox_json_writer *out,
                           char *reason) {
  call->tally->runs++;
  sandbox_json_put(out, ",\"steps\":[");
  for (size_t index = 0; index < automation->step_count; index++) {
    const sandbox_step *step = &automation->steps[index];
    const sandbox_definition *definition = sandbox_options_definition(
        call->options, step->report ? DEFINED_REPORTS : DEFINED_PREPARATIONS,
        fl_slice_of(step->id));
    if (definition == NULL) {
      snprintf(reason, SANDBOX_REASON, "there is no %s %.100s",
               step->report ? "report" : "preparation", step->id);
      return false;
    }
    sandbox_json_put(out, index > 0 ? "," : "");
    sandbox_json_put(out, step->report ? "{\"kind\":\"report\",\"result\":"
                                       : "{\"kind\":\"preparation\",\"result\":");
    put_head(definition, out);
    if (!(step->report ? run_report : run_preparation)(call, definition, parameters, out, reason))
      return false;
    sandbox_json_put(out, "}}");
  }
  sandbox_json_put(out, "]");
  return true;
}

/* Calls `note` for each preparation or report that a run changes: itself, or each step of an
 * automation. */
static bool note_state(sandbox_call *call, sandbox_defined kind,
                       const sandbox_definition *definition,
                       bool (*note)(sandbox_call *call, sandbox_defined kind, const char *id)) {
  bool good = true;
  if (kind != DEFINED_AUTOMATIONS) return note(call, kind, definition->id);
  for (size_t index = 0; good && index < definition->step_count; index++)
    good = note(call, definition->steps[index].report ? DEFINED_REPORTS : DEFINED_PREPARATIONS,
                definition->steps[index].id);
  return good;
}

static bool note_start(sandbox_call *call, sandbox_defined kind, const char *id) {
  return sandbox_run_state_start(call->database, kind, id);
}

static const char *failure_of(const sandbox_call *call) {
  return call->run_message && *call->run_message ? call->run_message : "The run failed";
}

static bool note_failure(sandbox_call *call, sandbox_defined kind, const char *id) {
  return sandbox_run_state_end(call->database, kind, id, "Failed", failure_of(call));
}

/* Starts a run, or carries it out at once if `run_seconds` is 0. Writes the members from `status`
 * on. False with a `reason` if it failed. */
static bool begin_run(sandbox_call *call, const struct runnable *runnable,
                      const sandbox_definition *definition, const sandbox_parameters *parameters,
                      sandbox_reply *reply, char *reason) {
  bool later = call->options->run_seconds > 0 && !call->late, lost = call->run_end == RUN_IS_LOST;
  bool fails = call->run_end == RUN_FAILS && !later;
  reply->run_later = later && !lost;
  sandbox_json_put(&reply->body, ",\"status\":");
  sandbox_json_put_string(&reply->body, later || lost ? "Running"
                                        : fails       ? "Failed"
                                                      : runnable->finished);
  if (fails) {
    sandbox_json_put(&reply->body, ",\"error\":");
    sandbox_json_put_string(&reply->body, failure_of(call));
  }
  if (lost) return true;
  if (!later && !fails) return runnable->run(call, definition, parameters, &reply->body, reason);
  if (note_state(call, runnable->kind, definition, fails ? note_failure : note_start)) return true;
  snprintf(reason, SANDBOX_REASON, "%s", sandbox_database_error(call->database));
  return false;
}

static void run(sandbox_call *call, sandbox_reply *reply, const struct runnable *runnable) {
  const sandbox_definition *definition =
      sandbox_options_definition(call->options, runnable->kind, call->id);
  char reason[SANDBOX_REASON];
  sandbox_body body;
  if (!sandbox_body_read(call->body, &body, reply)) {
    /* the reply already is the refusal */
  } else if (definition == NULL) {
    sandbox_reply_refuse(reply, 404, "%s", runnable->missing);
  } else if (runnable->kind == DEFINED_AUTOMATIONS && !definition->api_trigger) {
    sandbox_reply_refuse(reply, 400, "The automation has no API trigger");
  } else {
    const sandbox_parameters parameters = {&body.tape, body.text, 0};
    put_head(definition, &reply->body);
    if (!begin_run(call, runnable, definition, &parameters, reply, reason))
      sandbox_reply_refuse(reply, 400, "%s", reason);
    sandbox_json_put(&reply->body, "}");
  }
  sandbox_body_free(&body);
}

void sandbox_handlers_runs_note_failure(sandbox_call *call) {
  sandbox_defined kind = call->operation == OPERATION_PREPARATIONS_EXECUTE ? DEFINED_PREPARATIONS
                         : call->operation == OPERATION_REPORTS_GENERATE   ? DEFINED_REPORTS
                                                                           : DEFINED_AUTOMATIONS;
  const sandbox_definition *definition =
      sandbox_routes_starts_run(call->operation)
          ? sandbox_options_definition(call->options, kind, call->id)
          : NULL;
  if (definition) note_state(call, kind, definition, note_failure);
}

void sandbox_handlers_runs_execute_preparation(sandbox_call *call, sandbox_reply *reply) {
  run(call, reply, &preparations);
}

void sandbox_handlers_runs_generate_report(sandbox_call *call, sandbox_reply *reply) {
  run(call, reply, &reports);
}

void sandbox_handlers_runs_execute_automation(sandbox_call *call, sandbox_reply *reply) {
  run(call, reply, &automations);
}

void sandbox_handlers_runs_trigger(sandbox_call *call, const sandbox_import *import) {
  char *name = sandbox_import_name(call->database, import);
  const sandbox_definitions *defined = &call->options->defined[DEFINED_AUTOMATIONS];
  for (size_t index = 0; name && index < defined->count; index++) {
    const sandbox_definition *automation = &defined->list[index];
    char reason[SANDBOX_REASON];
    sandbox_json_writer out;
    if (automation->on_import == NULL || strcmp(automation->on_import, name) != 0) continue;
    sandbox_json_writer_init(&out);
    /* As in the service, the sender of the data does not learn how the automations end. */
    run_automation(call, automation, &no_parameters, &out, reason);
    sandbox_json_writer_free(&out);
  }
  free(name);
}

/* Writes the members of a list's entry that show the last run. */
static void put_run(sandbox_call *call, const struct runnable *runnable, const char *id,
                    sandbox_json_writer *out) {
  unsigned shows = call->options->run_shows;
  bool report = runnable->kind == DEFINED_REPORTS, generated = false;
  if (report && (shows == RUN_SHOWS_RESULT || shows == RUN_SHOWS_STATUS))
    generated = sandbox_result_put(call->database, fl_slice_of(id), out, NULL);
  if (shows == RUN_SHOWS_STATUS) {
    sandbox_run_state_put_status(call->database, runnable->kind, id, runnable->never, out);
  } else if (shows == RUN_SHOWS_UPDATED) {
    sandbox_run_state_put_updated(call->database, runnable->kind, id, out);
  } else if (report && shows == RUN_SHOWS_RESULT) {
    sandbox_json_put(out, ",\"status\":");
    sandbox_json_put_string(out, generated ? runnable->finished : runnable->never);
  }
}

static void put_list(sandbox_call *call, sandbox_reply *reply, const struct runnable *runnable) {
  const sandbox_definitions *defined = &call->options->defined[runnable->kind];
  sandbox_json_writer *out = &reply->body;
  sandbox_json_put(out, "[");
  for (size_t index = 0; index < defined->count; index++) {
    const sandbox_definition *definition = &defined->list[index];
    sandbox_json_put(out, index > 0 ? "," : "");
    put_head(definition, out);
    if (runnable->kind == DEFINED_PREPARATIONS) {
      sandbox_json_put(out, ",\"target\":");
      sandbox_json_put_string(out, definition->target);
    }
    put_run(call, runnable, definition->id, out);
    sandbox_json_put(out, "}");
  }
  sandbox_json_put(out, "]");
}

void sandbox_handlers_runs_list_preparations(sandbox_call *call, sandbox_reply *reply) {
  put_list(call, reply, &preparations);
}

void sandbox_handlers_runs_list_reports(sandbox_call *call, sandbox_reply *reply) {
  put_list(call, reply, &reports);
}

/* --- chart data --- */

static char *copy_text(fl_slice text) {
  char *copy = text.data ? malloc(text.length + 1) : NULL;
  if (copy) {
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
  }
  return copy;
}

/* The SELECT of the body: its `sql`, or a query of all rows of its `import`. NULL if it has
 * neither. */
static char *chart_query(const sandbox_body *body) {
  char *sql = copy_text(sandbox_body_text(body, sandbox_body_member(body, "sql")));
  char *name = sql ? NULL : copy_text(sandbox_body_text(body, sandbox_body_member(body, "import")));
  size_t length = name ? strlen(name) : 0;
  if (name && (sql = malloc(2 * length + sizeof "SELECT * FROM \"\"")) != NULL) {
    char *cursor = sql + sprintf(sql, "SELECT * FROM \"");
    for (size_t index = 0; index < length; index++) {
      *cursor++ = name[index];
      if (name[index] == '"') *cursor++ = '"';
    }
    memcpy(cursor, "\"", 2);
  }
  free(name);
  return sql;
}

static void put_stored_chart(sandbox_call *call, sandbox_reply *reply, fl_slice id) {
  sandbox_json_writer members;
  sandbox_json_writer_init(&members);
  if (!sandbox_options_definition(call->options, DEFINED_REPORTS, id))
    sandbox_reply_refuse(reply, 404, "%s", reports.missing);
  else if (!sandbox_result_put(call->database, id, &members, &reply->body))
    sandbox_reply_refuse(reply, 400, "The report was not generated yet");
  sandbox_json_writer_free(&members);
}

static void put_queried_chart(sandbox_call *call, sandbox_reply *reply, const sandbox_body *body,
                              const char *sql) {
  uint32_t list = sandbox_body_member(body, "series");
  uint32_t given = sandbox_body_member(body, "parameters");
  bool has_series = list && body->tape.nodes[list].type == FL_JSON_ARRAY;
  size_t count = has_series ? body->tape.nodes[list].value.size.length : 0;
  const sandbox_parameters parameters = {given ? &body->tape : NULL, body->text, given};
  char **series = calloc(count + 1, sizeof(char *));
  char *labels = copy_text(sandbox_body_text(body, sandbox_body_member(body, "labels")));
  char *type = copy_text(sandbox_body_text(body, sandbox_body_member(body, "type")));
  char reason[SANDBOX_REASON];
  sandbox_table table;
  bool good = series != NULL && (list == 0 || has_series);
  uint32_t node = list + 1;
  for (size_t index = 0; good && index < count; index++) {
    series[index] = copy_text(sandbox_body_text(body, node));
    good = series[index] != NULL;
    node = fl_json_next(&body->tape, node);
  }
  if (!good) {
    sandbox_reply_refuse(reply, 400, "series is not an array of names");
  } else if (!sandbox_query(call->database, call->options, sql, &parameters, &table, reason)) {
    sandbox_reply_refuse(reply, 400, "%s", reason);
  } else {
    if (!sandbox_table_put_chart(&table, type ? type : "line", labels, series, count, &reply->body,
                                 reason))
      sandbox_reply_refuse(reply, 400, "%s", reason);
    sandbox_table_free(&table);
  }
  for (size_t index = 0; series && index < count; index++) free(series[index]);
  free(series);
  free(labels);
  free(type);
}

void sandbox_handlers_runs_chart_data(sandbox_call *call, sandbox_reply *reply) {
  sandbox_body body;
  if (sandbox_body_read(call->body, &body, reply)) {
    fl_slice report = sandbox_body_text(&body, sandbox_body_member(&body, "reportId"));
    char *sql = chart_query(&body);
    if (report.data) put_stored_chart(call, reply, report);
    else if (sql) put_queried_chart(call, reply, &body, sql);
    else sandbox_reply_refuse(reply, 400, "One of reportId, sql and import is needed");
    free(sql);
  }
  sandbox_body_free(&body);
}
