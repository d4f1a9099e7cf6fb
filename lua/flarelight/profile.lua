--- Profiles: the findings of calibration about behaviour that the service's documentation leaves open, as a readable
-- JSON file. A client adapts to its profile, and a sandbox imitates the service by it. Relies only on the caller's
-- JSON decoder, so that both the client and the sandbox can use it.

---@class flarelight.Profile
---@field version integer 1
---@field service string base URL of the service
---@field calibrated string when, ISO 8601
---@field found table<string, any> by the names of the sandbox's switches (docs/sandbox.md); open questions are absent
---@field evidence table<string, string> how each finding was made

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

-- Findings for which the sandbox has no switch.
local NO_SWITCH = { bad_record = true }

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
    local good
    if type(rule) == "table" then good = rule[finding] ~= nil else good = type(finding) == rule end
    if not good then return ("has the invalid finding %s = %s"):format(name, tostring(finding)) end
  end
end

--- Reads a profile from a file, or takes a table, and checks it. Returns `nil, message` on failure.
---@param source string|flarelight.Profile
---@param decode fun(text: string): any, string?
---@return flarelight.Profile?, string? message
function profile.read(source, decode)
  local value, where = source, "the profile"
  if type(source) == "string" then
    local file, message = io.open(source, "rb")
    if not file then return nil, message end
    local text = file:read "*a"
    file:close()
    where = source
    value, message = decode(text or "")
    if value == nil then return nil, ("%s: %s"):format(source, message) end
  end
  local fault = profile.fault(value)
  if fault then return nil, ("%s %s"):format(where, fault) end
  return value
end

--- The switches of a sandbox that imitates the service of the profile.
---@param value flarelight.Profile
---@return flarelight.SandboxOptions
function profile.switches(value)
  local switches = {}
  for name, finding in pairs(value.found) do
    if not NO_SWITCH[name] and finding ~= "other" then switches[name] = finding end
  end
  return switches
end

-- Scheme, host and port of a URL. The path does not matter: it belongs to the same service.
local function place(url) return (url:lower():match "^%a+://[^/]+" or url) end

--- Whether a profile may be used for a service: the service that it describes, or any service on this machine.
function profile.fits(value, base_url)
  local host = base_url:match "^%a+://(%[[^%]]*%])" or base_url:match "^%a+://([^/:]+)" or ""
  if host == "localhost" or host:find "^127%." or host == "[::1]" then return true end
  return place(base_url) == place(value.service)
end

return profile
