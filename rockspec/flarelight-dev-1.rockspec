-- flarelight as a rock, built from this tree: luarocks make rockspec/flarelight-dev-1.rockspec
--
-- Two modules of C, since the sandbox is never linked into the client. Both hold some files of the core;
-- each is loaded with its symbols to itself, so that they do not meet. LuaRocks lets no compiler flags
-- be given here: what the sources rely on beyond C11 is asked for by _GNU_SOURCE.
rockspec_format = "3.0"
package = "flarelight"
version = "dev-1"
source = { url = "file://." }
description = {
   summary = "The client of the Flarelight Integration API",
   detailed = [[
Imports, automations, data preparations, reports and chart data of the Flarelight Integration API as
plain Lua tables. A core in C does the transfers on a thread of its own; the same script blocks in a
terminal, gives way in a task, and is polled in a frame loop. A sandbox of the whole API runs on your own
machine.]],
   license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1, < 5.5", "lua-cjson", "argparse" }
external_dependencies = {
   -- by its library: Debian keeps its headers where LuaRocks does not look, though compilers do
   CURL = { library = "curl" },
   CSV = { header = "csv.h" },
   MICROHTTPD = { header = "microhttpd.h" },
   SQLITE3 = { header = "sqlite3.h" },
   NETTLE = { header = "nettle/sha2.h" },
   ZLIB = { header = "zlib.h" },
}
build = {
   type = "builtin",
   modules = {
      ["flarelight.core"] = {
         sources = {
            "csrc/core/engine/wakeup.c", "csrc/core/engine/budget.c", "csrc/core/base/buffer.c", "csrc/core/engine/call.c", "csrc/core/base/clock.c",
            "csrc/core/codec/columns.c", "csrc/core/codec/csv_text.c", "csrc/core/base/digest.c", "csrc/core/base/durable.c", "csrc/core/engine/engine.c", "csrc/core/codec/export.c",
            "csrc/core/files/lock.c", "csrc/core/engine/loop.c", "csrc/core/base/process.c", "csrc/core/codec/json_scan.c", "csrc/core/codec/json_text.c", "csrc/core/policy/page.c",
            "csrc/core/engine/pager.c", "csrc/core/engine/mailbox.c", "csrc/core/policy/rate_limit.c", "csrc/core/base/same_file.c",
            "csrc/core/policy/response_head.c", "csrc/core/policy/retry.c", "csrc/core/files/source.c",
            "csrc/core/files/store.c", "csrc/core/engine/transfer.c", "csrc/core/policy/url.c", "csrc/core/files/worker.c",
            "csrc/lua/batch.c", "csrc/lua/client.c", "csrc/lua/durable.c", "csrc/lua/export.c", "csrc/lua/job.c", "csrc/lua/module.c", "csrc/lua/page.c",
            "csrc/lua/push.c", "csrc/lua/reply.c", "csrc/lua/source.c", "csrc/lua/store.c", "csrc/lua/terminal.c", "csrc/lua/write.c",
         },
         defines = { "_GNU_SOURCE" },
         incdirs = { "csrc/core", "$(CURL_INCDIR)", "$(CSV_INCDIR)", "$(SQLITE3_INCDIR)", "$(NETTLE_INCDIR)" },
         libdirs = { "$(CURL_LIBDIR)", "$(CSV_LIBDIR)", "$(SQLITE3_LIBDIR)", "$(NETTLE_LIBDIR)" },
         libraries = { "curl", "csv", "sqlite3", "nettle", "m", "pthread" },
      },
      ["flarelight.sandbox_core"] = {
         sources = {
            "csrc/core/base/buffer.c", "csrc/core/base/clock.c", "csrc/core/codec/json_scan.c",
            "csrc/core/codec/json_text.c",
            "csrc/sandbox/admission.c", "csrc/sandbox/body.c", "csrc/sandbox/database.c",
            "csrc/sandbox/exchange_log.c", "csrc/sandbox/exchange_reply.c",
            "csrc/sandbox/exchange_work.c", "csrc/sandbox/faults.c", "csrc/sandbox/faulty_body.c",
            "csrc/sandbox/handlers.c", "csrc/sandbox/handlers_imports.c",
            "csrc/sandbox/handlers_runs.c", "csrc/sandbox/json_writer.c",
            "csrc/sandbox/late_work.c", "csrc/sandbox/lua_options.c", "csrc/sandbox/module.c",
            "csrc/sandbox/options.c", "csrc/sandbox/pause.c", "csrc/sandbox/push_json.c",
            "csrc/sandbox/query.c", "csrc/sandbox/reply.c", "csrc/sandbox/request_log.c",
            "csrc/sandbox/routes.c", "csrc/sandbox/sandbox.c", "csrc/sandbox/server.c",
            "csrc/sandbox/timer.c",
         },
         defines = { "_GNU_SOURCE" },
         incdirs = { "csrc/core", "$(MICROHTTPD_INCDIR)", "$(SQLITE3_INCDIR)", "$(ZLIB_INCDIR)" },
         libdirs = { "$(MICROHTTPD_LIBDIR)", "$(SQLITE3_LIBDIR)", "$(ZLIB_LIBDIR)" },
         libraries = { "microhttpd", "sqlite3", "z", "m", "pthread" },
      },
      ["flarelight.automations"] = "lua/flarelight/automations.lua",
      ["flarelight.calibration"] = "lua/flarelight/calibration.lua",
      ["flarelight.chart"] = "lua/flarelight/chart/init.lua",
      ["flarelight.chart.display"] = "lua/flarelight/chart/display.lua",
      ["flarelight.chart.fonts"] = "lua/flarelight/chart/fonts.lua",
      ["flarelight.chart.gnuplot"] = "lua/flarelight/chart/gnuplot.lua",
      ["flarelight.chart.scale"] = "lua/flarelight/chart/scale.lua",
      ["flarelight.chart.text"] = "lua/flarelight/chart/text.lua",
      ["flarelight.cli.automations"] = "lua/flarelight/cli/automations.lua",
      ["flarelight.cli.calibrate"] = "lua/flarelight/cli/calibrate.lua",
      ["flarelight.cli.context"] = "lua/flarelight/cli/context.lua",
      ["flarelight.cli.group"] = "lua/flarelight/cli/group.lua",
      ["flarelight.cli.imports"] = "lua/flarelight/cli/imports.lua",
      ["flarelight.cli"] = "lua/flarelight/cli/init.lua",
      ["flarelight.cli.output"] = "lua/flarelight/cli/output.lua",
      ["flarelight.cli.plan"] = "lua/flarelight/cli/plan.lua",
      ["flarelight.cli.preparations"] = "lua/flarelight/cli/preparations.lua",
      ["flarelight.cli.progress"] = "lua/flarelight/cli/progress.lua",
      ["flarelight.cli.reports"] = "lua/flarelight/cli/reports.lua",
      ["flarelight.cli.sandbox"] = "lua/flarelight/cli/sandbox.lua",
      ["flarelight.cli.service"] = "lua/flarelight/cli/service.lua",
      ["flarelight.cli.status"] = "lua/flarelight/cli/status.lua",
      ["flarelight.cli.torture"] = "lua/flarelight/cli/torture.lua",
      ["flarelight.calls"] = "lua/flarelight/calls.lua",
      ["flarelight.client"] = "lua/flarelight/client.lua",
      ["flarelight.configuration"] = "lua/flarelight/configuration.lua",
      ["flarelight.csv"] = "lua/flarelight/csv.lua",
      ["flarelight.host.mailbox"] = "lua/flarelight/host/mailbox.lua",
      ["flarelight.endpoint"] = "lua/flarelight/endpoint.lua",
      ["flarelight.error"] = "lua/flarelight/error.lua",
      ["flarelight.export"] = "lua/flarelight/export.lua",
      ["flarelight.host"] = "lua/flarelight/host/init.lua",
      ["flarelight.host.copas"] = "lua/flarelight/host/copas.lua",
      ["flarelight.host.cqueues"] = "lua/flarelight/host/cqueues.lua",
      ["flarelight.host.frame"] = "lua/flarelight/host/frame.lua",
      ["flarelight.host.luv"] = "lua/flarelight/host/luv.lua",
      ["flarelight.host.openresty"] = "lua/flarelight/host/openresty.lua",
      ["flarelight.host.script"] = "lua/flarelight/host/script.lua",
      ["flarelight.imports"] = "lua/flarelight/imports.lua",
      ["flarelight"] = "lua/flarelight/init.lua",
      ["flarelight.upload.journal"] = "lua/flarelight/upload/journal.lua",
      ["flarelight.json"] = "lua/flarelight/json.lua",
      ["flarelight.misuse"] = "lua/flarelight/misuse.lua",
      ["flarelight.options"] = "lua/flarelight/options.lua",
      ["flarelight.host.timeslice"] = "lua/flarelight/host/timeslice.lua",
      ["flarelight.pages"] = "lua/flarelight/pages.lua",
      ["flarelight.host.pollable"] = "lua/flarelight/host/pollable.lua",
      ["flarelight.pollable"] = "lua/flarelight/pollable.lua",
      ["flarelight.preparations"] = "lua/flarelight/preparations.lua",
      ["flarelight.profile"] = "lua/flarelight/profile.lua",
      ["flarelight.reports"] = "lua/flarelight/reports.lua",
      ["flarelight.request"] = "lua/flarelight/request.lua",
      ["flarelight.rows"] = "lua/flarelight/rows.lua",
      ["flarelight.row_shape"] = "lua/flarelight/row_shape.lua",
      ["flarelight.sandbox"] = "lua/flarelight/sandbox/init.lua",
      ["flarelight.sandbox.definitions"] = "lua/flarelight/sandbox/definitions.lua",
      ["flarelight.sandbox.faults"] = "lua/flarelight/sandbox/faults.lua",
      ["flarelight.sandbox.options"] = "lua/flarelight/sandbox/options.lua",
      ["flarelight.sandbox.switches"] = "lua/flarelight/sandbox/switches.lua",
      ["flarelight.upload.checkpoints"] = "lua/flarelight/upload/checkpoints.lua",
      ["flarelight.host.tasks"] = "lua/flarelight/host/tasks.lua",
      ["flarelight.torture"] = "lua/flarelight/torture/init.lua",
      ["flarelight.torture.harness"] = "lua/flarelight/torture/harness.lua",
      ["flarelight.upload"] = "lua/flarelight/upload/init.lua",
      ["flarelight.upload.delivery"] = "lua/flarelight/upload/delivery.lua",
      ["flarelight.upload.reconcile"] = "lua/flarelight/upload/reconcile.lua",
      ["flarelight.upload.rejects"] = "lua/flarelight/upload/rejects.lua",
      ["flarelight.upload.source"] = "lua/flarelight/upload/source.lua",
   },
   install = { bin = { flarelight = "bin/flarelight" } },
}
