--- The sandbox: the Integration API on your own machine.
--
-- An HTTP server in this process, over SQLite, for scripts, specs, demos and benchmarks. The server is
-- flarelight.sandbox_core; this file starts it and reads from it. Uses no code of the client. docs/sandbox.md describes
-- it.

local loading = require "flarelight.loading"

local core, missing = loading.optional("flarelight.sandbox_core", "libmicrohttpd", "libmicrohttpd-dev")
if not core then error("flarelight: the sandbox needs " .. missing, 0) end
local definitions = require "flarelight.sandbox.definitions"
local faults = require "flarelight.sandbox.faults"
local options = require "flarelight.sandbox.options"
local switches = require "flarelight.sandbox.switches"
local system = require "flarelight.system"

---@class flarelight.sandbox
---@field null lightuserdata
local sandbox = { null = core.null }

--- A running sandbox.
---@class flarelight.Sandbox
---@field url string its URL: "http://127.0.0.1:PORT"
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
---@field path string still percent-encoded
---@field query string without the question mark
---@field operation string? as "imports.import"; nil for a path that is no endpoint
---@field status integer? nil: no reply was sent
---@field headers table<string, string> names in lower case; secrets are "<redacted>"
---@field body string cut at `log_body_bytes`
---@field body_bytes integer before the cut
---@field time number seconds since the epoch
---@field connection integer a number for each TCP connection
---@field fault string? the kind of its fault
---@field committed boolean the request changed the database
---@field authorized boolean both headers were right

-- The URL that reaches a server at this address.
local function url_of(values, port)
  local host = values.address
  if host == "0.0.0.0" then host = "127.0.0.1" elseif host == "::" then host = "::1" end
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return ("%s://%s:%d"):format(values.certificate and "https" or "http", host, port)
end

--- Starts a sandbox. Raises on an unknown or wrong option; docs/sandbox.md describes all of them.
---@param given flarelight.SandboxOptions?
---@return flarelight.Sandbox? sandbox nil if it cannot listen, or a file cannot be read
---@return string? message
function sandbox.start(given)
  if given == sandbox then error("sandbox.start: call it with a dot, as in sandbox.start { … }", 2) end
  if given ~= nil and type(given) ~= "table" then error("sandbox.start: options must be a table", 2) end
  local values, lists, handle, message
  values, message = switches.read(given or {}, 2)
  if not values then return nil, message end
  lists, message = definitions.read(values, 2)
  if not lists then return nil, message end
  for kind, list in pairs(lists) do values[kind] = list end
  -- Removed first: until the new file is written, a shell must not read the one of an earlier sandbox.
  if values.environment_file then os.remove(values.environment_file) end
  handle, message = core.start(values)
  if not handle then
    if message == "unable to open database file" then message = tostring(values.database) .. ": " .. message end
    return nil, message
  end
  local port = handle:port()
  local box = setmetatable({
    url = url_of(values, port),
    port = port,
    api_key = values.api_key,
    subscription_id = values.subscription_id,
    _core = handle,
    _environment_file = values.environment_file,
  }, Sandbox)
  if not values.environment_file then return box end
  local written
  written, message = core.replace_file(values.environment_file, box:environment())
  if written then return box end
  handle:stop()
  return nil, message
end

--- Lines of shell that make this sandbox the service of the commands and scripts that follow.
---@return string
function Sandbox:environment()
  core_of(self, "environment")
  local function line(name, value) return ("export %s=%s\n"):format(name, system.quote(value)) end
  return line("FLARELIGHT_BASE_URL", self.url) .. line("FLARELIGHT_API_KEY", self.api_key)
    .. line("FLARELIGHT_SUBSCRIPTION_ID", self.subscription_id)
end

--- Closes all connections and stops the server. The log and the rows can still be read. May be called twice.
function Sandbox:stop()
  core_of(self, "stop"):stop()
  local path = self._environment_file
  -- Another sandbox may have written the file since.
  if path and system.read(path) == self:environment() then os.remove(path) end
end
Sandbox.__close = Sandbox.stop

--- The requests since the start or the last clear_log, in the order in which they were answered.
---@param from integer? only those whose number is at least this
---@return flarelight.SandboxRequest[]
function Sandbox:requests(from)
  return core_of(self, "requests"):requests(from)
end

--- Repeated commits: those with the same X-Request-Id, or without one with the same path and body.
---@return { first: integer, again: integer, operation: string, body: string }[] numbers of requests
function Sandbox:duplicates()
  return core_of(self, "duplicates"):duplicates()
end

local function check_id(id, level)
  return options.id_text(id) or error("sandbox: id must be a whole number or a string", level + 1)
end

--- All rows of an import as Lua tables; null is the light userdata NULL, as cjson.null.
---@param id integer|string
---@return table[]? rows nil if there is no such import
function Sandbox:rows(id)
  return core_of(self, "rows"):rows(check_id(id, 2))
end

--- The same as the JSON text of an array, digit for digit as it was sent.
---@param id integer|string
---@return string?
function Sandbox:rows_text(id)
  return core_of(self, "rows_text"):rows_text(check_id(id, 2))
end

--- Sets a fault: see docs/sandbox.md for kinds and options. Raises on unknown kinds and options.
--- fault(nil) removes all.
---@param fault flarelight.SandboxFault?
function Sandbox:fault(fault)
  if fault == nil then
    core_of(self, "fault"):clear_faults()
    return
  end
  if type(fault) ~= "table" then error("fault: must be a table", 2) end
  core_of(self, "fault"):fault(faults.read(fault, 2))
end

--- Removes all faults, with their counts.
function Sandbox:clear_faults()
  core_of(self, "clear_faults"):clear_faults()
end

--- How often each fault was applied, in the order in which the faults were set.
---@return table hits { {operation =, kind =, hits =, calls =}, …, total = n }
function Sandbox:hits()
  return core_of(self, "hits"):hits()
end

--- The whole database as a string, for restore.
---@return string
function Sandbox:snapshot()
  return core_of(self, "snapshot"):snapshot()
end

--- Restores a snapshot. The log, the faults and the rate limit do not change.
---@param snapshot string
function Sandbox:restore(snapshot)
  if type(snapshot) ~= "string" then error("restore: snapshot must be a string", 2) end
  if not core_of(self, "restore"):restore(snapshot) then error("restore: this is no snapshot of a sandbox", 2) end
end

--- Gives an import of this sandbox the id, and the times, that it has at another service. Raises if there is no such
--- import, or another one has the new id.
---@param id integer|string
---@param entry { id: integer|string, createdAt: string?, updatedAt: string? } as in the other service's list
function Sandbox:adopt(id, entry)
  local function time(value) return type(value) == "string" and value or nil end
  local new_id = check_id(type(entry) == "table" and entry.id, 2)
  if not core_of(self, "adopt"):adopt(check_id(id, 2), new_id, time(entry.createdAt), time(entry.updatedAt)) then
    error(("adopt: the id %s is taken"):format(new_id), 2)
  end
end

--- Stores the result of a report, as a run of it would: for reports that are `played`.
---@param id integer|string
---@param rows integer
---@param chart string JSON
function Sandbox:store_result(id, rows, chart)
  if not core_of(self, "store_result"):store_result(check_id(id, 2), rows, chart) then
    error("store_result: the database refused", 2)
  end
end

--- Restores the state of the start: no imports, no results, no faults, an empty log, a fresh rate limit.
function Sandbox:reset()
  if not core_of(self, "reset"):reset() then error("reset: the database refused", 2) end
end

--- Empties the log and the table of commits.
function Sandbox:clear_log()
  core_of(self, "clear_log"):clear_log()
end

--- The counters: imports, rows, results (of reports), events (imports committed with sendEvents), runs (of
--- automations), requests (logged since the last clearing), connections.
---@return table<string, integer>
function Sandbox:counts()
  return core_of(self, "counts"):counts()
end

return sandbox
