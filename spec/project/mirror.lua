--- Checks that every part of the program has a spec, and that every spec says what it is for.
--
--   lua5.4 spec/project/mirror.lua       prints what is wrong and fails, or prints nothing
--
-- A part has a spec of its name: spec/upload/journal_spec.lua for lua/flarelight/upload/journal.lua (and
-- spec/upload_spec.lua for its init.lua), spec/core/policy/retry_spec.c for csrc/core/policy/retry.c,
-- spec/sandbox/faults_spec.lua for csrc/sandbox/faults.c. Or a row of COVERS names the spec that covers it.

-- A spec, and the parts that it covers beside the one of its name. A folder stands for all that is in it.
local COVERS = {
  ["spec/binding_spec.lua"] = { "csrc/lua" },
  ["spec/cli_spec.lua"] = { "lua/flarelight/cli" },
  ["spec/cache/shared_spec.lua"] = {
    "csrc/core/files/cache_file", "csrc/core/files/write_mark", "csrc/lua/write_mark", "lua/flarelight/cache/exchange",
    "lua/flarelight/cache/in_database", "lua/flarelight/cache/in_files",
  },
  ["spec/budget_spec.lua"] = { "csrc/core/files/lease_store", "csrc/core/engine/budget" },
  ["spec/calibration_spec.lua"] = { "lua/flarelight/profile" },
  ["spec/cjson_spec.lua"] = { "csrc/lua" },
  ["spec/chart_spec.lua"] = { "lua/flarelight/chart" },
  ["spec/configuration_spec.lua"] = { "lua/flarelight", "lua/flarelight/misuse", "lua/flarelight/options" },
  ["spec/connection_spec.lua"] = { "csrc/core/engine/transfer" },
  ["spec/cli/doctor_spec.lua"] = { "csrc/core/engine/certificates" },
  ["spec/core/engine/mailbox_spec.c"] = { "csrc/core/base/wake_descriptor" },
  ["spec/core/engine/scheduler_spec.c"] = {
    "csrc/core/engine/command", "csrc/core/engine/lane", "csrc/core/engine/loop",
  },
  ["spec/core/files/recording_spec.c"] = { "csrc/core/files/source_recorded" },
  ["spec/core/files/source_spec.c"] = {
    "csrc/core/files/bytes", "csrc/core/files/source_csv", "csrc/core/files/source_input", "csrc/core/files/source_json",
    "csrc/core/files/survey",
  },
  ["spec/dialect_spec.lua"] = {
    "csrc/archive", "csrc/core/files/archive", "csrc/lua/source_options", "lua/flarelight/compressed",
  },
  ["spec/delivery_spec.lua"] = {
    "lua/flarelight/calls", "lua/flarelight/error", "csrc/core/engine/transfer", "csrc/core/engine/loop",
    "csrc/core/engine/network",
  },
  ["spec/docs_spec.lua"] = { "docs", "README.md" },
  ["spec/cli/output_spec.lua"] = { "lua/flarelight/cli" },
  ["spec/cli/streams_spec.lua"] = { "lua/flarelight/cli" },
  ["spec/cli/secrets_spec.lua"] = { "lua/flarelight/cli" },
  ["spec/interface_spec.lua"] = { "docs" },
  ["spec/postgres_access_spec.lua"] = { "csrc/postgres/connection", "csrc/postgres/query", "csrc/postgres/plain_locale" },
  ["spec/postgres_spec.lua"] = { "csrc/postgres", "csrc/core/files/database", "lua/flarelight/postgres" },
  ["spec/core/files/store_spec.c"] = { "csrc/core/files/script" },
  ["spec/recipes_spec.lua"] = { "docs" },
  ["spec/shell_blocks_spec.lua"] = { "docs" },
  ["spec/types_spec.lua"] = { "types" },
  ["spec/endpoints_spec.lua"] = {
    "lua/flarelight/automations", "lua/flarelight/client", "lua/flarelight/endpoint", "lua/flarelight/imports",
    "lua/flarelight/preparations", "lua/flarelight/reports", "lua/flarelight/request", "csrc/lua",
  },
  ["spec/event_spec.lua"] = {
    "lua/flarelight/calls", "csrc/core/engine/call", "csrc/core/engine/client", "csrc/core/engine/event",
  },
  ["spec/export/compressed_spec.lua"] = { "csrc/archive", "lua/flarelight/compressed" },
  ["spec/export/formats_spec.lua"] = { "csrc/core/files/export_table" },
  ["spec/export/parts_spec.lua"] = { "csrc/core/files/export_file" },
  ["spec/environments_spec.lua"] = { "csrc/ini", "lua/flarelight/settings" },
  ["spec/hooks_spec.lua"] = { "lua/flarelight/headers" },
  ["spec/host/behaviours_spec.lua"] = { "lua/flarelight/fates", "lua/flarelight/host", "lua/flarelight/pollable" },
  ["spec/host/examples_spec.lua"] = { "examples" },
  ["spec/host/tasks_spec.lua"] = { "lua/flarelight/host/timeslice" },
  ["spec/process_spec.lua"] = {
    "csrc/core/base/clock", "csrc/core/base/process", "csrc/core/engine/engine",
  },
  ["spec/rate_spec.lua"] = { "csrc/core/engine/budget" },
  ["spec/replies_spec.lua"] = { "csrc/core/engine/outcome", "csrc/core/engine/sockets" },
  ["spec/rows_spec.lua"] = { "lua/flarelight/pages" },
  ["spec/nul_spec.lua"] = { "lua/flarelight/options", "lua/flarelight/sandbox/options" },
  ["spec/owned_files_spec.lua"] = { "csrc/core/base/owned", "lua/flarelight/configuration" },
  ["spec/state_link_spec.lua"] = { "csrc/core/files/store", "csrc/core/files/database", "lua/flarelight/configuration" },
  ["spec/sandbox/admission_spec.lua"] = { "csrc/sandbox" },
  ["spec/sandbox/lists_spec.lua"] = { "csrc/sandbox", "lua/flarelight/sandbox" },
  ["spec/sandbox_spec.lua"] = { "lua/flarelight/sandbox", "lua/flarelight/system" },
  ["spec/start_spec.lua"] = { "lua/flarelight/pages", "lua/flarelight/upload/readback" },
  ["spec/calibration/runs_spec.lua"] = { "lua/flarelight/calibration/learning" },
  ["spec/memory_spec.lua"] = { "lua/flarelight/fates", "lua/flarelight/upload/failure" },
  ["spec/nightly_spec.lua"] = { "examples/nightly.lua" },
  ["spec/history_spec.lua"] = { "lua/flarelight/history/effort", "lua/flarelight/history/narrative" },
  ["spec/once_spec.lua"] = {
    "lua/flarelight/once/journal", "lua/flarelight/once/writes", "lua/flarelight/host/scope", "lua/flarelight/random",
  },
  ["spec/wait_spec.lua"] = {
    "lua/flarelight/waiting", "lua/flarelight/wait/lists", "lua/flarelight/wait/method", "lua/flarelight/wait/outcome",
  },
  ["spec/wait/verdict_spec.lua"] = { "lua/flarelight/wait/pace" },
  ["spec/tls_spec.lua"] = { "csrc/core/engine/transfer", "lua/flarelight/configuration" },
  ["spec/time_spec.lua"] = { "csrc/core/engine/loop" },
  ["spec/trace_spec.lua"] = { "lua/flarelight/metrics", "csrc/core/engine/trace", "csrc/core/engine/latency" },
  ["spec/torture_spec.lua"] = {
    "lua/flarelight/torture/database", "lua/flarelight/torture/harness", "lua/flarelight/torture/points",
    "lua/flarelight/torture/process",
    "lua/flarelight/torture/sources",
  },
  ["spec/upload/kill_spec.lua"] = { "lua/flarelight/upload/delivery" },
  ["spec/upload/journal_spec.lua"] = {
    "lua/flarelight/upload/checkpoints", "lua/flarelight/upload/checks", "lua/flarelight/upload/delivery",
    "lua/flarelight/upload/doubt", "lua/flarelight/upload/failure", "lua/flarelight/upload/locks",
    "lua/flarelight/upload/readback", "lua/flarelight/upload/resumption", "lua/flarelight/upload/run", "csrc/core/files/worker",
  },
  ["spec/upload/rejects_spec.lua"] = { "lua/flarelight/upload/refusals", "csrc/core/base/same_file" },
  ["spec/upload/series_spec.lua"] = { "lua/flarelight/upload/shape" },
  ["spec/upload_spec.lua"] = { "lua/flarelight/upload/source" },
  ["spec/wakeup_spec.lua"] = { "csrc/core/engine/wakeup", "csrc/core/engine/wakeup_directory" },
}

-- Specs of bugs are named by the bug.
local FREE = "^spec/regress/"

--- Where the spec of a part stands, by its name.
local function spec_of(part)
  local module = part:match "^lua/flarelight/(.*)%.lua$"
  if module then return "spec/" .. module:gsub("/init$", "") .. "_spec.lua" end
  local core = part:match "^csrc/core/(.*)%.c$"
  if core then return "spec/core/" .. core .. "_spec.c" end
  return "spec/" .. part:match "^csrc/(.*)%.c$" .. "_spec.lua"
end

-- The part, its stem, and the folders that it is in: what a row may call it.
local function names_of(part)
  local names, name = {}, part:gsub("%.[%w]+$", ""):gsub("/init$", "")
  repeat
    names[#names + 1] = name
    name = name:match "^(.*)/[^/]*$"
  until not name
  return names
end

--- What is wrong: a list of sentences. `parts` and `specs` are lists of paths, `exists(path)` tells of other ones.
local function faults_of(parts, specs, covers, exists)
  local faults, present, covered, of_name = {}, {}, {}, {}
  for _, spec in ipairs(specs) do present[spec] = true end
  for spec, names in pairs(covers) do
    if not present[spec] then faults[#faults + 1] = "a row names a spec that is not there: " .. spec end
    for _, name in ipairs(names) do covered[name] = spec end
  end
  local known = {}
  for _, part in ipairs(parts) do
    local spec = spec_of(part)
    local found = present[spec]
    of_name[spec] = true
    for at, name in ipairs(names_of(part)) do
      known[name] = true
      -- The module "flarelight" itself is no folder here, or its row would cover all of the modules.
      if covered[name] and (at == 1 or name ~= "lua/flarelight") then found = true end
    end
    if not found then faults[#faults + 1] = ("%s has neither the spec %s nor a row"):format(part, spec) end
  end
  for name, spec in pairs(covered) do
    if not known[name] and not exists(name) then
      faults[#faults + 1] = ("the row of %s names %s, which is not there"):format(spec, name)
    end
  end
  for _, spec in ipairs(specs) do
    if not of_name[spec] and not covers[spec] and not spec:find(FREE) then
      faults[#faults + 1] = spec .. " has the name of no part, and no row says what it covers"
    end
  end
  table.sort(faults)
  return faults
end

-- --- the check of the check: each of these trees breaks one rule ---

local function nothing() return false end
local broken = {
  { "a module without a spec", { "lua/flarelight/rows.lua" }, {}, {} },
  { "a file of the core whose row is another's", { "csrc/core/policy/url.c" }, { "spec/x_spec.lua" },
    { ["spec/x_spec.lua"] = { "csrc/core/policy/page" } } },
  { "a row of a spec that is not there", {}, {}, { ["spec/gone_spec.lua"] = {} } },
  { "a row that names what is not there", {}, { "spec/x_spec.lua" }, { ["spec/x_spec.lua"] = { "lua/flarelight/gone" } } },
  { "a spec that is nobody's", {}, { "spec/lonely_spec.lua" }, {} },
  { "a module that the row of the whole package hides", { "lua/flarelight/rows.lua", "lua/flarelight/init.lua" },
    { "spec/x_spec.lua" }, { ["spec/x_spec.lua"] = { "lua/flarelight" } } },
}
for _, case in ipairs(broken) do
  if #faults_of(case[2], case[3], case[4], nothing) == 0 then error("spec/project/mirror.lua lets pass: " .. case[1]) end
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local faults = faults_of(lines_of "find lua csrc -name '*.lua' -o -name '*.c'", lines_of "find spec -name '*_spec.lua' -o -name '*_spec.c'",
  COVERS, function(path)
    local file = io.open(path)
    if file then file:close() end
    return file ~= nil
  end)
for _, fault in ipairs(faults) do io.stderr:write(fault, "\n") end
os.exit(#faults == 0)
