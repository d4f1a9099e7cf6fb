--- Configuration of a client: the options, then the variables of the environment, then the configuration file, for
-- those that are not given. settings.lua lists what all three may have. Wrong types and unknown
-- names are misuse and raise. A missing or malformed value may come from outside the script, so it returns `nil,
-- message, err` of kind config. No message shows a key.

local core = require "flarelight.core"
local errors = require "flarelight.error"
local headers = require "flarelight.headers"
local loading = require "flarelight.loading"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local postgres = require "flarelight.postgres"
local settings = require "flarelight.settings"

local environments = loading.later "flarelight.environments"
local profile = loading.later "flarelight.profile"

-- The options of flarelight.new; docs/api.md has the defaults.
---@class flarelight.Options
---@field api_key string|(fun(): string?, string?)|nil the key, or a function that returns it; else FLARELIGHT_API_KEY, or the file that FLARELIGHT_API_KEY_FILE names
---@field api_key_file string? a file with the key; else FLARELIGHT_API_KEY_FILE
---@field key_command string? a command of a shell that prints the key; else FLARELIGHT_KEY_COMMAND
---@field environment string? the section of the configuration file; else FLARELIGHT_ENVIRONMENT; without it no file is read
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
---@field state string|false|nil path of the state file: the journal of uploads and of api:once, and the shared rate limit; false: none
---@field keep number? days for which the state file keeps what has ended, 90
---@field cache { ttl: number, max_bytes: integer?, stale_if_error: number? }? keeps the replies to reads for `ttl` seconds
---@field rate_limit integer? requests a minute to assume until a reply names the limit
---@field shared_files boolean? files may be other members' of a group of this process
---@field ca_file string? PEM file of the authorities to trust
---@field client_cert string? PEM file
---@field client_key string? PEM file
---@field tls_min string? "1.2" or "1.3": the least version of TLS; else FLARELIGHT_TLS_MIN, else "1.2"
---@field proxy string? a URL; else the environment's
---@field user_agent string?
---@field host string|flarelight.Host|nil how calls wait: "script", "frame", "openresty", "luv", "cqueues", "copas", or a table; else the host that runs
---@field on_event fun(event: flarelight.Event)?
---@field headers table<string, string>? of every request
---@field debug boolean|(fun(line: string))|nil lines about each attempt, to standard error or to a function; else FLARELIGHT_DEBUG
---@field before fun(request: flarelight.Request)? called before each call; may add headers
---@field after fun(reply: flarelight.Reply)? called with each outcome
local configuration = {}

-- Name -> type, for options.lua: the settings of settings.lua, some of them with wider types, and what only Lua can
-- give.
local known = {
  api_key = "text_or_function", environment = "string", null_as_nil = "boolean", profile = "path_or_table",
  user_agent = "string", on_event = "function", state = "path_or_false", host = "text_or_table",
  headers = "table", debug = "boolean_or_function", before = "function", after = "function",
  cache = "table",
}
for _, row in ipairs(settings.list) do known[row.name] = known[row.name] or row.type end

local cache_known = { ttl = "seconds", max_bytes = "positive", stale_if_error = "duration" }

local function fail(name, what)
  return errors.fail("config", ("%s %s"):format(name, what))
end

-- --- the origin of a value ---

-- A value and its origin: `label` stands before messages, `from` is for doctor. `fault`: the text has no such value.
---@class flarelight.Found
---@field value any
---@field label string as "FLARELIGHT_REGION"
---@field from string as "FLARELIGHT_REGION" or "/home/ada/.config/flarelight/config.ini [prod]"
---@field fault string?
---@field level integer? the smaller, the stronger

local function converted(row, text, label, from)
  local value, fault = settings.value(row, text)
  return { value = value, fault = fault, label = label, from = from }
end

-- What stands before a message about a setting: where it came from.
local function label_of(found, name)
  local one = found.sources[name]
  return one and one.label or name
end

-- The levels at which a setting is looked for, the strongest first. Each is a function of a row of settings.lua, which
-- returns a flarelight.Found or nil.
local function levels_of(given, read, environment)
  return {
    function(row)
      local value = given[row.name]
      if value ~= nil then return { value = value, label = row.name, from = "option" } end
    end,
    function(row)
      local text = read(row.variable)
      if text then return converted(row, text, row.variable, row.variable) end
    end,
    environment and function(row)
      local entry = environment.entries[row.name]
      if not entry then return nil end
      local text = entry.value
      if row.type == "path" then text = environments.resolve(environment, text, read "HOME") end
      return converted(row, text, ("%s, line %d: %s"):format(environment.path, entry.line, row.name),
        ("%s [%s]"):format(environment.path, environment.name))
    end,
  }
end

-- The values of some settings that exclude each other, from the strongest level that has one of them: name ->
-- flarelight.Found, empty if none has; and the number of the level. Or `nil, message, err`.
local function choose(levels, names)
  for place, level in ipairs(levels) do
    local chosen = {}
    for _, name in ipairs(names) do
      local one = level(settings.by_name[name])
      if one and one.fault then return fail(one.label, one.fault) end
      if one then one.level = place end
      chosen[name] = one
    end
    if next(chosen) then return chosen, place end
  end
  return {}
end

-- --- the key ---

local KEYS = { "api_key", "api_key_file", "key_command" }
local VARIABLES = 2 -- the level at which one key may stand beside another: the first of KEYS counts

local function read_key_file(found, shared)
  local text, message = core.read_owned(found.value, shared)
  if not text then return fail(found.label .. ":", message) end
  return (text:gsub("%s+$", ""))
end

-- Sets the key, or the command that prints it. Returns true, or `nil, message, err`.
-- Ends a message that a setting is missing: the environments that the configuration file has, if none is chosen.
local function environments_there(given, environment)
  local name = given.environment or environment(settings.ENVIRONMENT)
  local names = (name == nil or name == "") and environments.names(environment) or {}
  return names[1] and ("; the configuration file has environments (%s), and %s chooses one"):format(
    table.concat(names, ", ", 1, math.min(#names, 9)), settings.ENVIRONMENT) or ""
end

local function find_key(found, levels, sources, hint)
  local chosen, level, err = choose(levels, KEYS)
  if not chosen then return nil, level, err end
  local name
  for _, each in ipairs(KEYS) do
    if chosen[each] and name and level ~= VARIABLES then
      return fail(chosen[each].label, ("stands beside %s: give only one of %s"):format(name, table.concat(KEYS, ", ")))
    end
    name = name or chosen[each] and each
  end
  if not name then
    return fail("api_key", "is missing: give api_key, or set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE" .. hint())
  end
  local one = chosen[name]
  found.key_name, sources[name] = one.label, one
  if name == "key_command" then
    if not one.value:find "%S" then return fail(one.label, "is empty") end
    found.key_command = one.value
    return true
  end
  local key = one.value
  if name == "api_key_file" then
    local message
    found.key_name = "the key in " .. one.label
    key, message, err = read_key_file(one, found.shared_files)
    if not key then return nil, message, err end
  end
  found.api_key = key
  if type(key) ~= "string" then return true end
  return configuration.check_key(key, found.key_name)
end

--- Checks a key. Returns it, or `nil, message, err`.
function configuration.check_key(key, name)
  if type(key) ~= "string" then return fail(name, "should be a string, but is a " .. type(key)) end
  local wrong = core.check_key(key)
  if wrong then return fail(name, wrong) end
  return key
end

local function find_base(found, levels, sources, hint)
  local chosen, message, err = choose(levels, { "base_url", "region" })
  if not chosen then return nil, message, err end
  local base, region = chosen.base_url, chosen.region
  sources.base_url, sources.region = base, not base and region or nil
  if base then
    local usable, wrong = core.check_base(base.value, found.allow_insecure_http or false)
    if not usable then return fail(base.label, wrong) end
    return usable
  end
  if not region then
    return fail("region", "is missing: give region or base_url, or set FLARELIGHT_REGION or FLARELIGHT_BASE_URL"
      .. hint())
  end
  if not core.is_region(region.value) then
    return fail(region.label, ("should be lower-case letters, digits and hyphens, but is %q"):format(region.value))
  end
  return ("https://integration.%s.flarelight.cloud"):format(region.value)
end

local function check_subscription(found, sources, hint)
  local subscription, one = found.subscription_id, sources.subscription_id
  if not subscription then
    return fail("subscription_id", "is missing: give subscription_id, or set FLARELIGHT_SUBSCRIPTION_ID" .. hint())
  end
  -- The value is not shown: it may be the key in the wrong place.
  if not core.is_uuid(subscription) then
    return fail(one.label, ("should be a UUID, but is another text of %d bytes"):format(#subscription))
  end
  return true
end

local function read_profile(given, base, shared, label)
  local read = function(path) return core.read_owned(path, shared) end
  local found, message = profile.read(given, core.decode, read)
  if not found then return fail(label .. ":", message) end
  if not profile.fits(found, base) then
    return fail(label .. ":", ("is that of %s, not of %s"):format(found.service, base))
  end
  return found
end

-- The option `cache` with its defaults.
local function read_cache(given)
  options.table("flarelight.new.cache", given, cache_known)
  if given.ttl == nil then misuse "flarelight.new.cache.ttl: is missing: give the seconds for which a reply is kept" end
  return { ttl = given.ttl, max_bytes = given.max_bytes or 64 * 2 ^ 20, stale_if_error = given.stale_if_error or 0 }
end

-- `debug`: true, a function, or nil for neither.
local function find_debug(given, environment)
  if given ~= nil then return given or nil end
  local value = environment "FLARELIGHT_DEBUG"
  if value == nil or value == "0" then return nil end
  if value == "1" then return true end
  return fail("FLARELIGHT_DEBUG", ("should be 1 or 0, but is %q"):format(value))
end

local function check_headers(found)
  for _, name in ipairs { "user_agent", "proxy" } do
    if found[name] and found[name]:find "%c" then return fail(label_of(found, name), "holds a control character") end
  end
  return true
end

local PROXIES = "http, https, socks4, socks4a, socks5, socks5h" -- schemes

-- As libcurl reads it: [scheme://][user[:password]@]host[:port]. The value is not shown, since it may hold a password.
local function check_proxy(found)
  local proxy = found.proxy
  if not proxy or proxy == "" then return true end
  local scheme, rest = proxy:match "^(%a[%w+.-]*)://(.*)$"
  if scheme and not (" " .. PROXIES .. ","):find(" " .. scheme:lower() .. ",", 1, true) then
    return fail(label_of(found, "proxy"), ("has a scheme that is none of a proxy (%s)"):format(PROXIES))
  end
  rest = (rest or proxy):gsub("^.*@", ""):gsub("/.*$", "")
  local port = rest:match "^[%w._\128-\255-]+:?(%d*)$" or rest:match "^%[[%x:.%%%w]+%]:?(%d*)$"
  if not port or (tonumber(port) or 1) > 65535 then
    return fail(label_of(found, "proxy"), "should be a URL such as http://host:3128")
  end
  return true
end

-- Checks the files, and makes their paths absolute: they are opened later, and a change of the working directory must
-- not lead to other files.
local function resolve_files(found)
  for _, name in ipairs { "ca_file", "client_cert", "client_key" } do
    if found[name] then
      local file, message = io.open(found[name], "r")
      if not file then return fail(label_of(found, name) .. ":", message) end
      file:close()
      local fault = core.file_fault(found[name], found.shared_files)
      if fault then return fail(label_of(found, name) .. ":", ("%s: is refused: %s"):format(found[name], fault)) end
    end
  end
  if found.state == "" then
    return fail(label_of(found, "state"), "should be the path of a file, or a URL of PostgreSQL")
  end
  if postgres.is_url(found.state) then
    local store, message = postgres.open(found.state)
    if not store then return fail(label_of(found, "state") .. ":", message) end
    store:close()
    -- The members are apart, since other files stand beside a state file. The URL may hold a password.
    found.database, found.state = found.state, nil
    found.sources.state = { value = postgres.shown(found.database), from = found.sources.state.from,
                            label = found.sources.state.label }
  end
  for _, name in ipairs { "ca_file", "client_cert", "client_key", "state" } do
    if found[name] then
      local path, message = core.absolute_path(found[name])
      if not path then return fail(label_of(found, name) .. ":", message) end
      found[name] = path
    end
  end
  -- Whoever uses the state file by another name has to find the same files beside it.
  if found.state then
    found.state_path, found.state_linked = core.real_path(found.state)
  end
  return true
end

-- Settings that the functions above find, because several of them exclude each other.
local APART = { api_key = true, api_key_file = true, key_command = true, base_url = true, region = true }

-- The environment that is named, or false if none is; or `nil, message, err`.
local function find_environment(given, read)
  local name = given.environment or read(settings.ENVIRONMENT)
  if not name then return false end
  local environment, message = environments.read(name, read)
  if not environment then return fail(("environment %s:"):format(name), message) end
  return environment
end

-- The levels, and the settings that stand alone in `found`, with their origins in `sources`. Or `nil, message, err`.
local function find_settings(given, read, found, sources)
  local environment, message, err = find_environment(given, read)
  if environment == nil then return nil, message, err end
  local levels = levels_of(given, read, environment or nil)
  for _, row in ipairs(settings.list) do
    if not APART[row.name] then
      local chosen
      chosen, message, err = choose(levels, { row.name })
      if not chosen then return nil, message, err end
      local one = chosen[row.name]
      if one then found[row.name], sources[row.name] = one.value, one end
    end
  end
  -- `none` in a variable or in the file: no state file. As an option it is a path, as any text is.
  if found.state == "none" and sources.state.from ~= "option" or found.state == false then found.state = nil end
  found.warnings = environment and environment.warnings or {}
  found.environment = environment and environment.name or nil
  return levels
end

local function reader_of(environment)
  return function(name)
    local value = environment(name)
    if value ~= "" then return value end
  end
end

--- The whole configuration, or `nil, message, err`. `environment(name)` reads a variable. Its member `sources` has the
-- origin of each setting that was given, by name.
function configuration.read(given, environment)
  given = options.table("flarelight.new", given, known, { api_key = true, proxy = true })
  local own_headers = given.headers and headers.check("flarelight.new.headers", given.headers, true)
  local sources = {}
  local found = { sources = sources }
  for name in pairs(known) do
    if not settings.by_name[name] then found[name] = given[name] end
  end
  found.headers = own_headers
  found.cache = given.cache and read_cache(given.cache)
  found.user_agent = given.user_agent or "flarelight-lua/" .. core.version

  local levels, message, err = find_settings(given, reader_of(environment), found, sources)
  local good = levels
  local function hint() return environments_there(given, environment) end
  if good then good, message, err = find_key(found, levels, sources, hint) end
  if good then good, message, err = check_subscription(found, sources, hint) end
  if good then
    good, message, err = find_base(found, levels, sources, hint)
    found.base_url = good
  end
  if good and found.profile then
    good, message, err = read_profile(found.profile, found.base_url, found.shared_files, label_of(found, "profile"))
    found.profile = good
  end
  found.tls_1_3 = found.tls_min == "1.3"
  if good then
    found.debug, message, err = find_debug(given.debug, reader_of(environment))
    good = err == nil
  end
  if good then good, message, err = check_headers(found) end
  if good then good, message, err = check_proxy(found) end
  if good then good, message, err = resolve_files(found) end
  if not good then return nil, message, err end
  found.update_key = found.update_key or found.profile and found.profile.found.update_key or "id"
  return found
end

--- The value of one setting and its origin, without a client: as `configuration.read` would find it. Nothing if it is
-- not given. Or `nil, message, err`. For the command.
---@param name string
---@param given flarelight.Options
---@param environment fun(name: string): string?
---@return any value, flarelight.Found|string|nil source_or_message, flarelight.Error? err
function configuration.find(name, given, environment)
  local read = reader_of(environment)
  if APART[name] then
    local one, message, err = find_environment(given, read)
    if one == nil then return nil, message, err end
    local chosen
    chosen, message, err = choose(levels_of(given, read, one or nil), { name })
    if not chosen then return nil, message, err end
    return chosen[name] and chosen[name].value, chosen[name]
  end
  local found, sources = {}, {}
  local levels, message, err = find_settings(given, read, found, sources)
  if not levels then return nil, message, err end
  return found[name], sources[name]
end

return configuration
