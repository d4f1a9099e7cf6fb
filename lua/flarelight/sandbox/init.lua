--- The sandbox: the Integration API on your own machine.
--
-- An HTTP server in this process, over SQLite, for scripts, specs, demos and benchmarks. This file
-- checks what a caller gives and fills in the defaults; the server is flarelight.sandbox_core. Needs
-- nothing of the client. The whole description is docs/sandbox.md.

local core = require "flarelight.sandbox_core"
local profile = require "flarelight.profile"

---@class flarelight.sandbox
---@field null lightuserdata
local sandbox = { null = core.null }

local OPERATIONS = {
  ["imports.all"] = true, ["imports.data"] = true, ["imports.import"] = true,
  ["automations.execute"] = true, ["preparations.all"] = true, ["preparations.execute"] = true,
  ["reports.all"] = true, ["reports.generate"] = true, ["reports.chart_data"] = true,
}

-- An option's kind, default, and for numbers the least and the greatest value. A kind that is a
-- table lists the choices.
local OPTIONS = {
  address = { "string", "127.0.0.1" },
  port = { "integer", 0, 0, 65535 },
  database = { "string", ":memory:" },
  certificate = { "string" },
  private_key = { "string" },

  api_key = { "string", "sandbox-key" },
  subscription_id = { "string", "00000000-0000-4000-8000-000000000001" },
  keys = { "table" },
  features = { "table" },
  denied_status = { "integer", 403, 400, 499 },

  rate_limit = { "integer", 6000, 0, 2 ^ 31 },
  rate_window = { "number", 60, 0.001, 86400 },
  rate_limit_headers = { "boolean", true },
  rate_limit_status = { "integer", 429, 400, 599 },
  retry_after = { { "seconds", "http_date" } },
  reset_format = {
    { "delta", "epoch", "epoch_ms", "iso", "http_date", "absent", "nonsense" }, "delta",
  },
  clock_skew = { "number", 0, -1e9, 1e9 },

  ids = { { "number", "string", "uuid" }, "number" },
  rows = { { "bare", "records" }, "bare" },
  count_cap = { "integer", 0, 0, 2 ^ 31 },
  over_cap = { { "cut", "400" }, "cut" },
  past_end = { { "empty", "400", "404", "null" }, "empty" },
  row_order = { { "kept", "reversed", "alternating" }, "kept" },
  update_key = { "string", "id" },
  update = { { "append", "replace" }, "append" },
  values = { { "verbatim", "normalized", "text" }, "verbatim" },
  visible_after = { "number", 0, 0, 86400 },
  added_member = { "string" },
  required_columns = { "table" },
  rejected_batch = { { "dropped", "keeps_good" }, "dropped" },
  list_descriptions = { "boolean", true },
  messages = { { "string", "object" }, "string" },
  notice = { "string" },
  run_seconds = { "number", 0, 0, 86400 },
  gzip = { "boolean", false },
  etag = { "boolean", false },

  max_body_bytes = { "integer", 256 * 2 ^ 20, 1, 2 ^ 30 },
  max_query_rows = { "integer", 1000000, 1, 2 ^ 31 },
  max_query_steps = { "integer", 1000000000, 10000, 2 ^ 40 },
  log_requests = { "integer", 100000, 0, 2 ^ 31 },
  log_bytes = { "integer", 64 * 2 ^ 20, 0, 2 ^ 40 },
  log_body_bytes = { "integer", 65536, 0, 2 ^ 30 },

  profile = { "definitions" },
  definitions = { "definitions" },
  preparations = { "table" },
  reports = { "table" },
  automations = { "table" },
}

-- What every fault has, then what each kind reads besides.
local FAULT_OPTIONS = {
  operation = { "string" },
  kind = { "string" },
  nth = { "integer", 1, 1, math.huge },
  times = { "integer", nil, 1, math.huge },
  probability = { "number", 1, 0, 1 },
  seed = { "integer", 1, 0, 2 ^ 53 },
}
local STATUS = { "integer", nil, 200, 599 }
local SECONDS = { "number", nil, 0, 86400 }
local TEXT = { "string" }
local COUNT = { "integer", nil, 0, 2 ^ 31 }
local KINDS = {
  commit_then_drop = {},
  commit_then_500 = { status = STATUS, message = TEXT },
  commit_late = { seconds = SECONDS },
  partial_commit = { records = COUNT, drop = { "boolean" }, status = STATUS, message = TEXT },
  keepalive_kill = {},
  read_lag = { commits = COUNT },
  refuse = {},
  reset = {},
  empty = {},
  garbage = {},
  truncate = {},
  stall = { seconds = SECONDS, after = { { "head", "half" } } },
  latency = { seconds = SECONDS },
  hang = { seconds = SECONDS, late = { "boolean" } },
  slow_body = { seconds = SECONDS, bytes = { "integer", nil, 1, 2 ^ 31 } },
  throttle = { retry_after = { "retry_after" }, remaining = COUNT, message = TEXT },
  status = { status = STATUS, retry_after = { "retry_after" }, remaining = COUNT, message = TEXT },
  html = { status = STATUS, retry_after = { "retry_after" } },
  wrong_length = { bytes = { "integer", nil, 1, 2 ^ 31 } },
  bad_gzip = {},
  huge = { bytes = { "integer", nil, 64, 2 ^ 50 }, chunked = { "boolean" } },
  redirect = { status = { "integer", nil, 300, 399 }, location = TEXT },
  foreign_use = { requests = COUNT },
}

local function is_integer(value)
  return type(value) == "number" and value == math.floor(value)
end

-- What is wrong with a value, or nil.
local function fault_of(value, rule)
  local kind = rule[1]
  if type(kind) == "table" then
    for _, choice in ipairs(kind) do
      if value == choice then return nil end
    end
    return "must be one of " .. table.concat(kind, ", ")
  elseif kind == "integer" or kind == "number" then
    if kind == "integer" and not is_integer(value) then return "must be a whole number" end
    if type(value) ~= "number" or value ~= value then return "must be a number" end
    if rule[3] and (value < rule[3] or value > rule[4]) then
      return ("must be from %g to %g"):format(rule[3], rule[4])
    end
  elseif kind == "retry_after" then
    if type(value) ~= "string" and not (type(value) == "number" and value >= 0) then
      return "must be a number of seconds or a header's text"
    end
  elseif kind == "definitions" then
    if type(value) ~= "string" and type(value) ~= "table" then
      return "must be a table or the path of a file"
    end
  elseif type(value) ~= kind then
    return "must be a " .. kind
  end
  if kind == "string" and value:find("%z") then return "must not hold a NUL" end
end

-- Copies `given` over the rules' defaults; raises on what they do not know.
local function checked(what, given, level, ...)
  local values, rule_sets = {}, { ... }
  for _, rules in ipairs(rule_sets) do
    for name, rule in pairs(rules) do values[name] = rule[2] end
  end
  for name, value in pairs(given) do
    local rule
    for _, rules in ipairs(rule_sets) do rule = rule or rules[name] end
    if not rule then error(("%s: unknown option '%s'"):format(what, tostring(name)), level + 1) end
    local fault = fault_of(value, rule)
    if fault then error(("%s: %s %s"):format(what, name, fault), level + 1) end
    values[name] = value
  end
  return values
end

-- An id as it stands in a path.
local function id_text(id)
  if is_integer(id) and math.abs(id) <= 2 ^ 53 then return ("%d"):format(id) end
  if type(id) == "string" and id ~= "" and #id < 200 then return id end
end

-- Definitions: the members of each kind: type, and whether they are needed.
local MEMBERS = {
  preparations = { id = true, name = "string", sql = "string!", target = "string" },
  reports = { id = true, name = "string", sql = "string", preparation = true, chart = "table" },
  automations = { id = true, name = "string", steps = "table!", on_import = "string",
                  api_trigger = "boolean" },
}

local function check_member(where, name, value, rule, level)
  if rule == true then
    if value ~= nil and not id_text(value) then
      error(("%s: %s must be a whole number or a string"):format(where, name), level + 1)
    end
    return
  end
  local kind = rule:gsub("!", "")
  if value == nil and kind ~= rule then
    error(("%s: %s is missing"):format(where, name), level + 1)
  end
  if value ~= nil and type(value) ~= kind then
    error(("%s: %s must be a %s"):format(where, name, kind), level + 1)
  end
end

local read_kind = {}

function read_kind.preparations(definition, read)
  read.sql, read.target = definition.sql, definition.target or read.name
end

function read_kind.reports(definition, read, where, level)
  local chart = definition.chart or {}
  for name, value in pairs(chart) do
    local kind = name == "series" and "table" or "string"
    if name ~= "labels" and name ~= "type" and name ~= "series" then
      error(("%s: unknown member chart.%s"):format(where, tostring(name)), level + 1)
    end
    check_member(where, "chart." .. name, value, kind, level + 1)
  end
  for _, column in ipairs(chart.series or {}) do
    check_member(where, "chart.series", column, "string", level + 1)
  end
  if (definition.sql == nil) == (definition.preparation == nil) then
    error(where .. ": one of sql and preparation is needed", level + 1)
  end
  read.sql, read.preparation = definition.sql, id_text(definition.preparation)
  read.labels, read.series, read.type = chart.labels, chart.series, chart.type or "line"
end

function read_kind.automations(definition, read, where, level)
  read.steps = {}
  for index, step in ipairs(definition.steps) do
    local id = type(step) == "table" and id_text(step.report or step.preparation)
    if not id then
      error(("%s: step %d names neither a preparation nor a report"):format(where, index),
        level + 1)
    end
    read.steps[index] = { report = step.report ~= nil, id = id }
  end
  read.on_import, read.api_trigger = definition.on_import, definition.api_trigger ~= false
end

local function read_definitions(kind, list, level)
  local read_list, known = {}, {}
  for index, definition in ipairs(list or {}) do
    local where = ("%s[%d]"):format(kind, index)
    if type(definition) ~= "table" then error(where .. " must be a table", level + 1) end
    for name in pairs(definition) do
      if MEMBERS[kind][name] == nil then
        error(("%s: unknown member '%s'"):format(where, tostring(name)), level + 1)
      end
    end
    for name, rule in pairs(MEMBERS[kind]) do
      check_member(where, name, definition[name], rule, level + 1)
    end
    local id = definition.id == nil and index or definition.id
    local text = id_text(id)
    if known[text] then error(where .. ": this id was there before", level + 1) end
    known[text] = true
    read_list[index] = {
      id = text, id_is_number = type(id) == "number", name = definition.name or kind .. " " .. text,
    }
    read_kind[kind](definition, read_list[index], where, level + 1)
  end
  return read_list, known
end

local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read "*a"
  file:close()
  return text
end

-- A table as it is; a file by its ending: .json, or Lua that returns a table.
local function load_definitions(source)
  if type(source) == "table" then return source end
  local loaded, message
  if source:find "%.json$" then
    loaded, message = read_file(source)
    if loaded then loaded, message = core.decode(loaded) end
  else
    local chunk
    chunk, message = loadfile(source)
    if chunk then loaded = chunk() end
  end
  if type(loaded) == "table" then return loaded end
  if message and message:find(source, 1, true) then return nil, message end
  return nil, ("%s: %s"):format(source, message or "holds no table")
end

local function check_references(values, known, level)
  for index, report in ipairs(values.reports) do
    if report.preparation and not known.preparations[report.preparation] then
      error(("reports[%d]: there is no preparation %s"):format(index, report.preparation),
        level + 1)
    end
  end
  for index, automation in ipairs(values.automations) do
    for _, step in ipairs(automation.steps) do
      if not known[step.report and "reports" or "preparations"][step.id] then
        error(("automations[%d]: there is no %s %s"):format(index,
          step.report and "report" or "preparation", step.id), level + 1)
      end
    end
  end
end

local function check_operations(what, list, level)
  for _, name in ipairs(list) do
    if not OPERATIONS[name] then
      error(("%s: unknown operation '%s'"):format(what, tostring(name)), level + 1)
    end
  end
end

local function read_keys(values, level)
  local keys = { { key = values.api_key } }
  for key, grant in pairs(values.keys or {}) do
    if type(key) ~= "string" or type(grant) ~= "table" then
      error("keys: must be tables by the key's text", level + 1)
    end
    if grant.allow ~= nil then
      if type(grant.allow) ~= "table" then error("keys: allow must be a table", level + 1) end
      check_operations("keys", grant.allow, level + 1)
    end
    keys[#keys + 1] = { key = key, allow = grant.allow }
  end
  return keys
end

--- A running sandbox.
---@class flarelight.Sandbox
---@field url string where it listens: "http://127.0.0.1:PORT"
---@field port integer
---@field api_key string the key that may do everything
---@field subscription_id string
local Sandbox = {}
Sandbox.__index = Sandbox
Sandbox.__name = "flarelight.Sandbox"

-- The server's handle. A method that was called with a dot has none.
local function core_of(self, name)
  if getmetatable(self) ~= Sandbox then
    error(("sandbox: call %s with a colon, as in sandbox:%s(…)"):format(name, name), 3)
  end
  return self._core
end

---@class flarelight.SandboxRequest
---@field number integer from 1
---@field method string
---@field path string as it came, still percent-encoded
---@field query string without the question mark
---@field operation string? as "imports.import"; nil for a path that is no endpoint
---@field status integer? nil: no reply was sent
---@field headers table<string, string> names in lower case; secrets are "<redacted>"
---@field body string cut at `log_body_bytes`
---@field body_bytes integer before the cut
---@field time number seconds since the epoch
---@field connection integer a number for each TCP connection
---@field fault string? the kind of the fault that met it
---@field committed boolean something was changed for good
---@field authorized boolean both headers were right

---@class flarelight.SandboxOptions
---@field address string? "127.0.0.1"
---@field port integer? 0: the system chooses
---@field database string? ":memory:", or a file
---@field certificate string? path or PEM text; with private_key it talks TLS
---@field private_key string?
---@field api_key string? "sandbox-key"
---@field subscription_id string?
---@field keys table<string, { allow: string[]? }>? more keys
---@field features string[]? operations that are switched on; all
---@field denied_status integer? 403
---@field rate_limit integer? requests in a window, 6000; 0: none
---@field rate_window number? seconds, 60
---@field rate_limit_headers boolean? true
---@field rate_limit_status integer? 429
---@field retry_after "seconds"|"http_date"|nil
---@field reset_format "delta"|"epoch"|"epoch_ms"|"iso"|"http_date"|"absent"|"nonsense"|nil
---@field clock_skew number? seconds
---@field ids "number"|"string"|"uuid"|nil
---@field rows "bare"|"records"|nil
---@field count_cap integer? 0: none
---@field over_cap "cut"|"400"|nil
---@field past_end "empty"|"400"|"404"|"null"|nil
---@field row_order "kept"|"reversed"|"alternating"|nil
---@field update_key string? "id"
---@field update "append"|"replace"|nil
---@field values "verbatim"|"normalized"|"text"|nil
---@field visible_after number? seconds until a batch shows in pages of rows, 0
---@field added_member string?
---@field required_columns string[]?
---@field rejected_batch "dropped"|"keeps_good"|nil
---@field list_descriptions boolean? true
---@field messages "string"|"object"|nil
---@field notice string? a message that every 200 carries
---@field run_seconds number? 0
---@field gzip boolean?
---@field etag boolean?
---@field max_body_bytes integer?
---@field max_query_rows integer?
---@field max_query_steps integer?
---@field log_requests integer?
---@field log_bytes integer?
---@field log_body_bytes integer?
---@field profile string|flarelight.Profile|nil what calibration has found out: the switches that are not given
---@field definitions table|string|nil what can be run, or the path of a file that tells
---@field preparations table[]?
---@field reports table[]?
---@field automations table[]?

---@class flarelight.SandboxFault
---@field kind string one of those in docs/sandbox.md, each with members of its own
---@field operation string? as "imports.import"; "*"
---@field nth integer? the first call that it meets, 1
---@field times integer? 1
---@field probability number? 1
---@field seed integer? 1
---@field [string] any

-- The options with the switches that their profile says and they do not.
local function read_profile(options)
  if fault_of(options.profile, OPTIONS.profile) then
    error("sandbox.start: profile " .. fault_of(options.profile, OPTIONS.profile), 3)
  end
  local read, message = profile.read(options.profile, core.decode)
  if not read then return nil, message end
  local merged = profile.switches(read)
  for name, value in pairs(options) do merged[name] = value end
  merged.profile = nil
  return merged
end

--- Starts a sandbox. Raises on an unknown or wrong option; docs/sandbox.md tells all of them.
---@param options flarelight.SandboxOptions?
---@return flarelight.Sandbox? sandbox nil if it cannot listen, or a file cannot be read
---@return string? message
function sandbox.start(options)
  if options == sandbox then error("sandbox.start: call it with a dot, as in sandbox.start { … }", 2) end
  if options ~= nil and type(options) ~= "table" then
    error("sandbox.start: options must be a table", 2)
  end
  if options and options.profile then
    local twin, message = read_profile(options)
    if not twin then return nil, message end
    options = twin
  end
  local values = checked("sandbox.start", options or {}, 2, OPTIONS)
  if (values.certificate == nil) ~= (values.private_key == nil) then
    error("sandbox.start: certificate and private_key go together", 2)
  end
  if values.api_key == "" then error("sandbox.start: api_key must not be empty", 2) end
  if values.features then check_operations("features", values.features, 2) end
  for _, column in ipairs(values.required_columns or {}) do
    check_member("sandbox.start", "required_columns", column, "string", 2)
  end
  values.keys = read_keys(values, 2)

  local definitions, message = load_definitions(values.definitions or {})
  if not definitions then return nil, message end
  local known = {}
  for name in pairs(definitions) do
    if not MEMBERS[name] then
      error(("definitions: unknown member '%s'"):format(tostring(name)), 2)
    end
  end
  for kind in pairs(MEMBERS) do
    values[kind], known[kind] = read_definitions(kind, values[kind] or definitions[kind], 2)
  end
  check_references(values, known, 2)

  for _, name in ipairs { "certificate", "private_key" } do
    if values[name] and not values[name]:find("-----BEGIN", 1, true) then
      values[name], message = read_file(values[name])
      if not values[name] then return nil, message end
    end
  end

  local handle
  handle, message = core.start(values)
  if not handle then return nil, message end
  local host = values.address
  if host == "0.0.0.0" then host = "127.0.0.1" elseif host == "::" then host = "::1" end
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  local port = handle:port()
  return setmetatable({
    url = ("%s://%s:%d"):format(values.certificate and "https" or "http", host, port),
    port = port,
    api_key = values.api_key,
    subscription_id = values.subscription_id,
    _core = handle,
  }, Sandbox)
end

--- Ends all connections and the server. What was logged and stored can still be asked. Idempotent.
function Sandbox:stop()
  core_of(self, "stop"):stop()
end
Sandbox.__close = Sandbox.stop

--- The requests since the start or the last clear_log, in the order in which they were answered.
---@param from integer? only those whose number is at least this
---@return flarelight.SandboxRequest[]
function Sandbox:requests(from)
  return core_of(self, "requests"):requests(from)
end

--- Commits that happened twice: of the same X-Request-Id, or without one of the same path and body.
---@return { first: integer, again: integer, operation: string, body: string }[] numbers of requests
function Sandbox:duplicates()
  return core_of(self, "duplicates"):duplicates()
end

local function check_id(id, level)
  return id_text(id) or error("sandbox: id must be a whole number or a string", level + 1)
end

--- All rows of an import as Lua tables; null is the light userdata NULL, as cjson.null.
---@param id integer|string
---@return table[]? rows nil if there is no such import
function Sandbox:rows(id)
  return core_of(self, "rows"):rows(check_id(id, 2))
end

--- The same as the JSON text of an array, digit for digit as it came.
---@param id integer|string
---@return string?
function Sandbox:rows_text(id)
  return core_of(self, "rows_text"):rows_text(check_id(id, 2))
end

--- Sets a fault: see docs/sandbox.md for kinds and options. Raises on what it does not know.
--- fault(nil) removes all.
---@param fault flarelight.SandboxFault?
function Sandbox:fault(fault)
  if fault == nil then return core_of(self, "fault"):clear_faults() end
  if type(fault) ~= "table" then error("fault: must be a table", 2) end
  local kind = KINDS[fault.kind]
  if not kind then error(("fault: unknown kind '%s'"):format(tostring(fault.kind)), 2) end
  local values = checked("fault", fault, 2, FAULT_OPTIONS, kind)
  values.operation = values.operation or "*"
  if values.operation ~= "*" and not OPERATIONS[values.operation] then
    error(("fault: unknown operation '%s'"):format(values.operation), 2)
  end
  if values.kind == "status" and not values.status then error("fault: status is missing", 2) end
  values.times = values.times or (values.probability < 1 and math.huge or 1)
  values.after_head = values.after == "head"
  if type(values.retry_after) == "number" then
    values.retry_after = ("%.14g"):format(values.retry_after)
  end
  core_of(self, "fault"):fault(values)
end

--- Removes all faults, with their counts.
function Sandbox:clear_faults()
  core_of(self, "clear_faults"):clear_faults()
end

--- How often each fault met a call, in the order in which they were set.
---@return table hits { {operation =, kind =, hits =, calls =}, …, total = n }
function Sandbox:hits()
  return core_of(self, "hits"):hits()
end

--- The whole database as a string, for restore.
---@return string
function Sandbox:snapshot()
  return core_of(self, "snapshot"):snapshot()
end

--- Puts back what snapshot returned. The log, the faults and the rate limit stay as they are.
---@param snapshot string
function Sandbox:restore(snapshot)
  if type(snapshot) ~= "string" then error("restore: snapshot must be a string", 2) end
  if not core_of(self, "restore"):restore(snapshot) then error("restore: this is no snapshot of a sandbox", 2) end
end

--- As at the start: no imports, no results, no faults, an empty log, a fresh rate limit.
function Sandbox:reset()
  if not core_of(self, "reset"):reset() then error("reset: the database refused", 2) end
end

--- Empties the log, and forgets which commits were seen.
function Sandbox:clear_log()
  core_of(self, "clear_log"):clear_log()
end

--- imports, rows, results (of reports); events (imports committed with sendEvents), runs (of
--- automations), requests (logged since the last clearing), connections.
---@return table<string, integer>
function Sandbox:counts()
  return core_of(self, "counts"):counts()
end

return sandbox
