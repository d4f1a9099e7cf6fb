--- Profiles: the findings of calibration about behaviour that the service's documentation leaves open, as a readable
-- JSON file. A client adapts to its profile, and a sandbox imitates the service by it. Relies only on
-- system.lua and on the caller's JSON decoder, so that both the client and the sandbox can use it.

local system = require "flarelight.system"

---@class flarelight.Profile
---@field version integer 1
---@field service string base URL of the service
---@field calibrated string when, ISO 8601
---@field found table<string, any> by the names of the sandbox's switches (docs/sandbox.md); open questions are absent
---@field evidence table<string, string> how each finding was made
---@field runs table<"preparations"|"reports", flarelight.RunRule>? how the end of a run is recognised

-- The rule by which the end of a run is recognised. `status` and `import` name members of the entry in the service's
-- list, `members` those of the entry or of the import.
---@class flarelight.RunRule
---@field seen_in "entry"|"import"|"result"|"nothing" its entry in the list, the import that it makes, the stored result
---@field members string[]? the members that the end changes; nil: any
---@field status string? the member with the status
---@field running string[]? its words
---@field done string[]?
---@field failed string[]?
---@field import string? the entry's member that names the import
---@field seconds number? the duration of the run
---@field because string? the observation behind the rule

local profile = { VERSION = 1 }

-- The findings of a profile, with their possible values or their type. They are named after the sandbox's switches;
-- "other" is behaviour that no switch has.
local KNOWN = {
  ids = { number = true, string = true, uuid = true },
  rows = { bare = true, records = true },
  count_cap = "number", over_cap = { cut = true, ["400"] = true },
  past_end = { empty = true, ["400"] = true, ["404"] = true, null = true, other = true },
  row_order = { kept = true, reversed = true, alternating = true, other = true },
  update_key = "string", update = { append = true, replace = true, other = true },
  values = { verbatim = true, normalized = true, text = true, other = true },
  visible_after = "number", added_member = "string",
  rejected_batch = { dropped = true, keeps_good = true, other = true }, bad_record = { refused = true, taken = true },
  list_descriptions = "boolean", messages = { string = true, object = true, other = true }, notice = "string",
  rate_limit = "number", rate_limit_headers = "boolean", clock_skew = "number",
  reset_format = {
    delta = true, epoch = true, epoch_ms = true, iso = true, http_date = true, absent = true, nonsense = true,
  },
  gzip = "boolean", etag = "boolean",
}

-- The members of a rule for runs: their values or type; "list" is a list of strings.
local RULE = {
  seen_in = { entry = true, import = true, result = true, nothing = true },
  members = "list", running = "list", done = "list", failed = "list",
  status = "string", import = "string", seconds = "number", because = "string",
}

-- Findings for which the sandbox has no switch.
local NO_SWITCH = { bad_record = true }

local function is_good(rule, value)
  if type(rule) == "table" then return rule[value] ~= nil end
  if rule ~= "list" then return type(value) == rule end
  if type(value) ~= "table" then return false end
  for _, each in ipairs(value) do
    if type(each) ~= "string" then return false end
  end
  return true
end

local function fault_of_runs(runs)
  if type(runs) ~= "table" then return "has runs that are no object" end
  for kind, rule in pairs(runs) do
    if kind ~= "preparations" and kind ~= "reports" then
      return ("has the unknown kind of run %q"):format(tostring(kind))
    end
    if type(rule) ~= "table" or rule.seen_in == nil then return ("lacks runs.%s.seen_in"):format(kind) end
    for name, value in pairs(rule) do
      if not RULE[name] then return ("has the unknown member runs.%s.%s"):format(kind, tostring(name)) end
      if not is_good(RULE[name], value) then
        return ("has the invalid member runs.%s.%s = %s"):format(kind, name, tostring(value))
      end
    end
  end
end

--- The mistake in a profile, for a message after its name; nil if there is none.
function profile.fault(value)
  if type(value) ~= "table" then return "is no object" end
  if value.version ~= profile.VERSION then
    return ("is of version %s, not %d"):format(tostring(value.version), profile.VERSION)
  end
  if type(value.service) ~= "string" or type(value.found) ~= "table" then return "lacks service or found" end
  for name, finding in pairs(value.found) do
    local rule = KNOWN[name]
    if not rule then return ("has the unknown finding %q"):format(tostring(name)) end
    if not is_good(rule, finding) then return ("has the invalid finding %s = %s"):format(name, tostring(finding)) end
  end
  if value.runs ~= nil then return fault_of_runs(value.runs) end
end

--- Reads a profile from a file, or takes a table, and checks it. Returns `nil, message` on failure.
---@param source string|flarelight.Profile
---@param decode fun(text: string): any, string?
---@param read (fun(path: string): string?, string?)? reads a file; by default system.read
---@return flarelight.Profile?, string? message
function profile.read(source, decode, read)
  local value, where = source, "the profile"
  if type(source) == "string" then
    local text, message = (read or system.read)(source)
    if not text then return nil, message end
    where = source
    value, message = decode(text)
    if value == nil then return nil, ("%s: %s"):format(source, message) end
  end
  local fault = profile.fault(value)
  if fault then return nil, ("%s %s"):format(where, fault) end
  return value
end

-- The switch `run_shows` of a sandbox whose lists show the end of a run as the rules describe.
local function shown_by(rules)
  local shows = "result"
  for _, rule in pairs(rules) do
    if rule.seen_in == "nothing" or rule.seen_in == "result" then return "nothing" end
    if rule.seen_in == "entry" then
      if #(rule.running or {}) > 0 then return "status" end
      local only = rule.members and #rule.members == 1 and rule.members[1]
      if only == "updatedAt" then shows = "updatedAt" end
    end
  end
  return shows
end

--- The switches of a sandbox that imitates the service of the profile.
---@param value flarelight.Profile
---@return flarelight.SandboxOptions
function profile.switches(value)
  local switches = {}
  for name, finding in pairs(value.found) do
    if not NO_SWITCH[name] and finding ~= "other" then switches[name] = finding end
  end
  if value.runs and next(value.runs) then
    switches.run_shows = shown_by(value.runs)
    for _, rule in pairs(value.runs) do
      if rule.seconds then switches.run_seconds = math.max(switches.run_seconds or 0, rule.seconds) end
    end
  end
  return switches
end

-- Scheme, host and port of a URL. The path does not matter: it belongs to the same service.
local function place(url) return (url:lower():match "^%a+://[^/]+" or url) end

local function on_this_machine(url)
  local host = url:match "^%a+://(%[[^%]]*%])" or url:match "^%a+://([^/:]+)" or ""
  return host == "localhost" or host:find "^127%." ~= nil or host == "[::1]"
end

--- Whether a profile may be used for a service: the service that it describes, or any service on this machine.
function profile.fits(value, base_url)
  return on_this_machine(base_url) or place(base_url) == place(value.service)
end

--- Whether the findings about a service may replace a profile: it describes this service, or both are on this machine,
-- where sandboxes come and go.
function profile.gives_way(value, base_url)
  return place(base_url) == place(value.service) or on_this_machine(base_url) and on_this_machine(value.service)
end

return profile
