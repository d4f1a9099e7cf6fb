--- The options of a sandbox: the options of the server, by its own list (csrc/sandbox/options.h), and the options of
-- the Lua side. docs/sandbox.md describes them.

local core = require "flarelight.sandbox_core"
local options = require "flarelight.sandbox.options"
local profile = require "flarelight.profile"
local system = require "flarelight.system"

local switches = {}

---@class flarelight.SandboxOptions
---@field address string? "127.0.0.1"
---@field port integer? 0: the system chooses
---@field database string? ":memory:", or a file
---@field certificate string? path or PEM text; with private_key the sandbox uses TLS
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
---@field retry_after "none"|"seconds"|"http_date"|nil
---@field reset_format "delta"|"epoch"|"epoch_ms"|"iso"|"http_date"|"absent"|"nonsense"|nil
---@field clock_skew number? seconds
---@field ids "number"|"string"|"uuid"|nil
---@field rows "bare"|"records"|nil
---@field count_cap integer? 0: none
---@field over_cap "cut"|"400"|nil
---@field past_end "empty"|"400"|"404"|"null"|nil
---@field start_mode "honoured"|"ignored"|"clamped"|"repeated"|"shuffled"|nil
---@field row_order "kept"|"reversed"|"alternating"|"shuffled"|nil
---@field update_key string? "id"
---@field update "append"|"replace"|nil
---@field values "verbatim"|"normalized"|"text"|nil
---@field visible_after number? seconds until pages of rows contain a batch, 0
---@field added_member string?
---@field required_columns string[]?
---@field rejected_batch "dropped"|"keeps_good"|nil
---@field list_descriptions boolean? true
---@field messages "string"|"object"|nil
---@field notice string? a message that every 200 carries
---@field run_seconds number? 0
---@field run_shows "result"|"status"|"updatedAt"|"nothing"|nil the sign of a run in lists
---@field gzip boolean?
---@field etag boolean?
---@field max_connections integer? 1000
---@field connection_timeout integer? seconds without a byte until a connection is closed, 60
---@field max_body_bytes integer?
---@field max_query_rows integer?
---@field max_query_steps integer?
---@field max_query_seconds number? 10
---@field log_requests integer?
---@field log_bytes integer?
---@field log_body_bytes integer?
---@field environment_file string? file for the environment variables that make scripts use the sandbox
---@field profile string|flarelight.Profile|nil the findings of calibration, for the switches that are not given
---@field definitions table|string|nil the definitions, or the path of a file with them
---@field preparations table[]?
---@field reports table[]?
---@field automations table[]?

local RULES = {
  api_key = { type = "string", default = "sandbox-key" },
  keys = { type = "table" },
  features = { type = "table" },
  required_columns = { type = "table" },
  environment_file = { type = "string" },
  profile = { type = "definitions" },
  definitions = { type = "definitions" },
  preparations = { type = "table" },
  reports = { type = "table" },
  automations = { type = "table" },
}

-- The keys in the form for the server.
local function read_keys(values, level)
  local keys = { { key = values.api_key } }
  for key, grant in pairs(values.keys or {}) do
    if type(key) ~= "string" or type(grant) ~= "table" then
      error("keys: must be tables by the key's text", level + 1)
    end
    if grant.allow ~= nil then
      if type(grant.allow) ~= "table" then error("keys: allow must be a table", level + 1) end
      options.check_operations("keys", grant.allow, core.operations, level + 1)
    end
    keys[#keys + 1] = { key = key, allow = grant.allow }
  end
  return keys
end

-- A certificate or a key: PEM text, or the content of the file of this name.
local function read_pem(text)
  if not text or text:find("-----BEGIN", 1, true) then return text end
  return system.read(text)
end

-- The options, with the switches of the profile for the options that are not given.
local function with_profile(given, level)
  local fault = options.fault_of(given.profile, RULES.profile)
  if fault then error("sandbox.start: profile " .. fault, level + 1) end
  local read, message = profile.read(given.profile, core.decode)
  if not read then return nil, message end
  local merged = profile.switches(read)
  for name, value in pairs(given) do merged[name] = value end
  merged.profile = nil
  return merged
end

--- The options of sandbox.start, checked, with all defaults, keys and PEM texts. Raises on wrong options.
---@param given flarelight.SandboxOptions
---@param level integer of the caller to blame
---@return table? values nil if a file cannot be read
---@return string? message
function switches.read(given, level)
  local message
  if given.profile then
    given, message = with_profile(given, level + 1)
    if not given then return nil, message end
  end
  local values = options.checked("sandbox.start", given, level + 1, core.options, RULES)
  if (values.certificate == nil) ~= (values.private_key == nil) then
    error("sandbox.start: certificate and private_key go together", level + 1)
  end
  if values.api_key == "" then error("sandbox.start: api_key must not be empty", level + 1) end
  if values.features then options.check_operations("features", values.features, core.operations, level + 1) end
  for _, column in ipairs(values.required_columns or {}) do
    if type(column) ~= "string" then error("sandbox.start: required_columns must be a string", level + 1) end
  end
  values.keys = read_keys(values, level + 1)
  for _, name in ipairs { "certificate", "private_key" } do
    values[name], message = read_pem(values[name])
    if message then return nil, message end
  end
  return values
end

return switches
