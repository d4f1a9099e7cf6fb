/*
 * routes.h: the operations of the service, and the operation of a request.
 *
 * SANDBOX_OPERATIONS is the one list of them. The handlers (handlers.h), the permissions of keys,
 * the faults, the log and the Lua side all read it. Pure; relies on base.h.
 */
#ifndef SANDBOX_ROUTES_H
#define SANDBOX_ROUTES_H

#include "base/base.h"

/*
 * A row: the operation; its name, which is that of the client's method; the HTTP method and the
 * path; whether it may change the database; and HANDLER of its function sandbox_handlers_HANDLER.
 */
/* clang-format off */
#define SANDBOX_OPERATIONS(OPERATION) \
  OPERATION(IMPORTS_ALL, "imports.all", "GET", "/Import/All", false, imports_all) \
  OPERATION(IMPORTS_DATA, "imports.data", "GET", "/Import/{id}/Data", false, imports_data) \
  OPERATION(IMPORTS_IMPORT, "imports.import", "POST", "/Import/Data", true, imports_import) \
  OPERATION(AUTOMATIONS_EXECUTE, "automations.execute", "POST", "/Automation/{id}/Execute", true, \
            runs_execute_automation) \
  OPERATION(PREPARATIONS_ALL, "preparations.all", "GET", "/Preparation/All", false, \
            runs_list_preparations) \
  OPERATION(PREPARATIONS_EXECUTE, "preparations.execute", "POST", "/Preparation/{id}/Execute", \
            true, runs_execute_preparation) \
  OPERATION(REPORTS_ALL, "reports.all", "GET", "/Report/All", false, runs_list_reports) \
  OPERATION(REPORTS_GENERATE, "reports.generate", "POST", "/Report/{id}/Generate", true, \
            runs_generate_report) \
  OPERATION(REPORTS_CHART_DATA, "reports.chart_data", "POST", "/Report/ChartData", false, \
            runs_chart_data)

#define SANDBOX_ENUMERATE(operation, ...) OPERATION_##operation,
typedef enum sandbox_operation {
  OPERATION_NONE = -1,
  SANDBOX_OPERATIONS(SANDBOX_ENUMERATE)
  OPERATION_COUNT
} sandbox_operation;
#undef SANDBOX_ENUMERATE
/* clang-format on */

extern const char *const sandbox_routes_names[OPERATION_COUNT];
/* OPERATION_NONE if no operation has this name. */
sandbox_operation sandbox_routes_operation(const char *name);

typedef struct sandbox_route {
  sandbox_operation operation; /* OPERATION_NONE: see `status` */
  int status;                  /* 404: no such path; 405: another method */
  fl_slice id;                 /* the path's id, still percent-encoded */
} sandbox_route;

sandbox_route sandbox_routes_find(const char *method, const char *path);

/* Whether the operation starts a preparation, a report or an automation. */
static inline bool sandbox_routes_starts_run(sandbox_operation operation) {
  return operation == OPERATION_PREPARATIONS_EXECUTE || operation == OPERATION_REPORTS_GENERATE ||
         operation == OPERATION_AUTOMATIONS_EXECUTE;
}

/* Percent-decodes into `out` and ends it with a NUL; the length, or -1 if an escape is broken. */
int64_t sandbox_routes_unescape(char *out, fl_slice text);

#endif
