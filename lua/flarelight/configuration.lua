--- Configuration of a client: the options, and the environment for those that are not given. Wrong types and unknown
-- names are misuse and raise. A missing or malformed value may come from outside the script, so it returns `nil,
-- message, err` of kind config. No message shows a key.

local core = require "flarelight.core"
local errors = require "flarelight.error"
local headers = require "flarelight.headers"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local profile = require "flarelight.profile"

-- The options of flarelight.new; docs/api.md has the defaults.
---@class flarelight.Options
---@field api_key string|(fun(): string?, string?)|nil the key, or a function that returns it; else FLARELIGHT_API_KEY, or the file that FLARELIGHT_API_KEY_FILE names
---@field subscription_id string? a UUID; else FLARELIGHT_SUBSCRIPTION_ID
---@field region string? as "eu"; else FLARELIGHT_REGION
---@field base_url string? instead of a region; else FLARELIGHT_BASE_URL
---@field allow_insecure_http boolean? allows http:// to other hosts than this machine
---@field connect_timeout number? seconds to connect, 10
---@field read_timeout number? seconds for an attempt of a read, 60
---@field write_timeout number? seconds for an attempt of a write, 300
---@field deadline number? seconds for a call with all its attempts and waits; none
---@field max_attempts integer? of a call, 4
---@field max_concurrency integer? requests under way at a time, 8
---@field max_response_bytes integer? 256 MiB
---@field replace_invalid boolean? read replies that hold half a surrogate pair, bytes that are not UTF-8, or 1e400
---@field null_as_nil boolean? null becomes nil, so that such members are absent
---@field profile string|flarelight.Profile|nil the findings of calibration: a file, or its content
---@field update_key string? the member that names the import to update; by the profile, else "id"
---@field trust_short_page boolean? a page with fewer rows than requested is the last
---@field state string? path of the state file: the journal of uploads
---@field cache { ttl: number, max_bytes: integer?, stale_if_error: number? }? keeps the replies to reads for `ttl` seconds
---@field rate_limit integer? requests a minute to assume until a reply names the limit
---@field shared_files boolean? files may be other members' of a group of this process
---@field ca_file string? PEM file of the authorities to trust
---@field client_cert string? PEM file
---@field client_key string? PEM file
---@field proxy string? a URL; else the environment's
---@field user_agent string?
---@field host string|flarelight.Host|nil how calls wait: "script", "frame", "openresty", "luv", "cqueues", "copas", or a table; else the host that runs
---@field on_event fun(event: flarelight.Event)?
---@field headers table<string, string>? of every request
---@field before fun(request: flarelight.Request)? called before each call; may add headers
---@field after fun(reply: flarelight.Reply)? called with each outcome
local configuration = {}

local known = {
  api_key = "text_or_function", subscription_id = "string", region = "string", base_url = "string",
  allow_insecure_http = "boolean",
  connect_timeout = "seconds", read_timeout = "seconds", write_timeout = "seconds", deadline = "seconds",
  max_attempts = "positive", max_concurrency = "positive", max_response_bytes = "positive", replace_invalid = "boolean",
  null_as_nil = "boolean", update_key = "string", trust_short_page = "boolean",
  rate_limit = "positive", profile = "path_or_table",
  ca_file = "path", client_cert = "path", client_key = "path", proxy = "string",
  user_agent = "string", shared_files = "boolean", on_event = "function", state = "path", host = "text_or_table",
  headers = "table", before = "function", after = "function", cache = "table",
}

local cache_known = { ttl = "seconds", max_bytes = "positive", stale_if_error = "duration" }

local function fail(name, what)
  return errors.fail("config", ("%s %s"):format(name, what))
end

local function read_key_file(path, shared)
  local text, message = core.read_owned(path, shared)
  if not text then return fail("FLARELIGHT_API_KEY_FILE:", message) end
  return (text:gsub("%s+$", ""))
end

local function find_key(given, environment)
  if given.api_key ~= nil then return given.api_key, "api_key" end
  local key = environment "FLARELIGHT_API_KEY"
  if key then return key, "FLARELIGHT_API_KEY" end
  local path = environment "FLARELIGHT_API_KEY_FILE"
  if not path then
    return fail("api_key", "is missing: give api_key, or set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE")
  end
  local found, message, err = read_key_file(path, given.shared_files)
  if not found then return nil, message, err end
  return found, "the key in FLARELIGHT_API_KEY_FILE"
end

--- Checks a key. Returns it, or `nil, message, err`.
function configuration.check_key(key, name)
  if type(key) ~= "string" then return fail(name, "should be a string, but is a " .. type(key)) end
  local wrong = core.check_key(key)
  if wrong then return fail(name, wrong) end
  return key
end

local function find_base(given, environment)
  local base, base_name = given.base_url, "base_url"
  local region, region_name = given.region, "region"
  if not base and not region then
    base, base_name = environment "FLARELIGHT_BASE_URL", "FLARELIGHT_BASE_URL"
    region, region_name = environment "FLARELIGHT_REGION", "FLARELIGHT_REGION"
  end
  if base then
    local usable, wrong = core.check_base(base, given.allow_insecure_http or false)
    if not usable then return fail(base_name, wrong) end
    return usable
  end
  if not region then
    return fail("region", "is missing: give region or base_url, or set FLARELIGHT_REGION or FLARELIGHT_BASE_URL")
  end
  if not core.is_region(region) then
    return fail(region_name, ("should be lower-case letters, digits and hyphens, but is %q"):format(region))
  end
  return ("https://integration.%s.flarelight.cloud"):format(region)
end

local function find_subscription(given, environment)
  local subscription, name = given, "subscription_id"
  if not given then subscription, name = environment "FLARELIGHT_SUBSCRIPTION_ID", "FLARELIGHT_SUBSCRIPTION_ID" end
  if not subscription then
    return fail("subscription_id", "is missing: give subscription_id, or set FLARELIGHT_SUBSCRIPTION_ID")
  end
  -- The value is not shown: it may be the key in the wrong place.
  if not core.is_uuid(subscription) then
    return fail(name, ("should be a UUID, but is another text of %d bytes"):format(#subscription))
  end
  return subscription
end

local function read_profile(given, base, shared)
  local read = function(path) return core.read_owned(path, shared) end
  local found, message = profile.read(given, core.decode, read)
  if not found then return fail("profile:", message) end
  if not profile.fits(found, base) then
    return fail("profile:", ("is that of %s, not of %s"):format(found.service, base))
  end
  return found
end

-- The option `cache` with its defaults.
local function read_cache(given)
  options.table("flarelight.new.cache", given, cache_known)
  if given.ttl == nil then misuse "flarelight.new.cache.ttl: is missing: give the seconds for which a reply is kept" end
  return { ttl = given.ttl, max_bytes = given.max_bytes or 64 * 2 ^ 20, stale_if_error = given.stale_if_error or 0 }
end

local function check_headers(found)
  for _, header in ipairs { "user_agent", "proxy" } do
    if found[header] and found[header]:find "%c" then return fail(header, "holds a control character") end
  end
  return true
end

-- Checks the files, and makes their paths absolute: they are opened later, and a change of the working directory must
-- not lead to other files.
local function resolve_files(found)
  for _, name in ipairs { "ca_file", "client_cert", "client_key" } do
    if found[name] then
      local file, message = io.open(found[name], "r")
      if not file then return fail(name .. ":", message) end
      file:close()
      local fault = core.file_fault(found[name], found.shared_files)
      if fault then return fail(name .. ":", ("%s: is refused: %s"):format(found[name], fault)) end
    end
  end
  if found.state == "" then return fail("state", "should be the path of a file") end
  for _, name in ipairs { "ca_file", "client_cert", "client_key", "state" } do
    if found[name] then
      local path, message = core.absolute_path(found[name])
      if not path then return fail(name .. ":", message) end
      found[name] = path
    end
  end
  return true
end

--- The whole configuration, or `nil, message, err`. `environment(name)` reads a variable.
function configuration.read(given, environment)
  given = options.table("flarelight.new", given, known, { api_key = true, proxy = true })
  local own_headers = given.headers and headers.check("flarelight.new.headers", given.headers, true)
  local read = function(name)
    local value = environment(name)
    if value ~= "" then return value end
  end
  local found = {}
  for name in pairs(known) do found[name] = given[name] end
  found.headers = own_headers
  found.cache = given.cache and read_cache(given.cache)
  found.user_agent = given.user_agent or "flarelight-lua/" .. core.version

  local key, name, err = find_key(given, read)
  if not key then return nil, name, err end
  found.api_key, found.key_name = key, name
  local good, message = true, nil
  if type(key) == "string" then good, message, err = configuration.check_key(key, name) end
  if good then
    good, message, err = find_subscription(given.subscription_id, read)
    found.subscription_id = good
  end
  if good then
    good, message, err = find_base(given, read)
    found.base_url = good
  end
  if good and given.profile then
    good, message, err = read_profile(given.profile, found.base_url, given.shared_files)
    found.profile = good
  end
  if good then good, message, err = check_headers(found) end
  if good then good, message, err = resolve_files(found) end
  if not good then return nil, message, err end
  found.update_key = given.update_key or found.profile and found.profile.found.update_key or "id"
  return found
end

return configuration
