--- The table of settings: the options of a client that have a variable of the environment, a key in the configuration
-- file and a flag of the command. configuration.lua, environments.lua and the command read it. Pure.

local options = require "flarelight.options"

---@class flarelight.Setting
---@field name string the option of flarelight.new, and the key in the configuration file
---@field type string of options.lua; the type that the text of a variable or of the file is converted to
---@field variable string? of the environment
---@field flag string? of the command
---@field argname string? of the flag; none for a flag that stands alone
---@field help string? of the flag
---@field secret boolean? its value is shown nowhere

local settings = {}

--- All settings, in the order of the help.
---@type flarelight.Setting[]
settings.list = {
  { name = "api_key", type = "string", secret = true },
  { name = "api_key_file", type = "path", flag = "--key-file", argname = "FILE", help = "File with the API key." },
  { name = "key_command", type = "string", flag = "--key-command", argname = "COMMAND", secret = true,
    help = "Command of a shell that prints the API key." },
  { name = "subscription_id", type = "string", flag = "--subscription", argname = "UUID", help = "The subscription." },
  { name = "region", type = "string", flag = "--region", argname = "REGION", help = "The service's region, as eu." },
  { name = "base_url", type = "url", flag = "--base-url", argname = "URL",
    help = "The service's address, instead of a region." },
  { name = "ca_file", type = "path", flag = "--ca-file", argname = "FILE",
    help = "Certificates of the authorities to trust, in PEM." },
  { name = "client_cert", type = "path", flag = "--client-cert", argname = "FILE",
    help = "Certificate of this client, in PEM." },
  { name = "client_key", type = "path", flag = "--client-key", argname = "FILE", help = "Its private key, in PEM." },
  { name = "tls_min", type = "tls_version", flag = "--tls-min", argname = "VERSION",
    help = "Least version of TLS, 1.2 or 1.3. Default: 1.2." },
  { name = "proxy", type = "url", flag = "--proxy", argname = "URL", secret = true,
    help = "Proxy for every request. Default: https_proxy and no_proxy of the environment." },
  { name = "connect_timeout", type = "seconds", flag = "--connect-timeout", argname = "SECONDS",
    help = "Most time to connect. Default: 10." },
  { name = "read_timeout", type = "seconds", flag = "--read-timeout", argname = "SECONDS",
    help = "Most time for an attempt of a read. Default: 60." },
  { name = "write_timeout", type = "seconds", flag = "--write-timeout", argname = "SECONDS",
    help = "Most time for an attempt of a write. Default: 300." },
  { name = "deadline", type = "seconds", flag = "--deadline", argname = "SECONDS",
    help = "Most time for each call, with all its attempts and waits." },
  { name = "max_attempts", type = "positive", flag = "--max-attempts", argname = "N",
    help = "Attempts of a call. Default: 4." },
  { name = "max_concurrency", type = "positive", flag = "--max-concurrency", argname = "N",
    help = "Requests under way at a time. Default: 8." },
  { name = "max_response_bytes", type = "positive", flag = "--max-response-bytes", argname = "N",
    help = "Bytes of a reply. Default: 256 MiB." },
  { name = "rate_limit", type = "positive", flag = "--rate-limit", argname = "N",
    help = "Requests a minute to assume until the service names its limit." },
  { name = "allow_insecure_http", type = "boolean", flag = "--allow-insecure-http",
    help = "Allows http:// to other hosts than this machine." },
  { name = "replace_invalid", type = "boolean", flag = "--replace-invalid",
    help = "Reads replies that hold invalid text or numbers." },
  { name = "trust_short_page", type = "boolean", flag = "--trust-short-page",
    help = "Takes a page with fewer rows than requested as the last one." },
  { name = "update_key", type = "string", flag = "--update-key", argname = "NAME",
    help = "The member of a write that names the import to update. Default: id." },
  { name = "profile", type = "path", flag = "--profile", argname = "FILE",
    help = "The service's profile, as calibrate writes it. Uploads adapt to it." },
  { name = "shared_files", type = "boolean", flag = "--shared-files",
    help = "Accepts key files, profiles and a state file of other members of your group." },
  { name = "state", type = "path", flag = "--state", argname = "FILE",
    help = "State file, the journal of uploads, or the URL of a PostgreSQL database. Default: flarelight/state.db in "
      .. "$XDG_STATE_HOME or ~/.local/state. \"none\" keeps none." },
  { name = "keep", type = "positive", flag = "--keep", argname = "DAYS",
    help = "Days for which the state file keeps what has ended. Default: 90." },
}

--- The variable that names the environment, and the option of the command.
settings.ENVIRONMENT = "FLARELIGHT_ENVIRONMENT"

--- Setting by name.
---@type table<string, flarelight.Setting>
settings.by_name = {}
for _, row in ipairs(settings.list) do
  row.variable = "FLARELIGHT_" .. row.name:upper()
  settings.by_name[row.name] = row
end

--- The names of all variables.
---@return string[]
function settings.variables()
  local names = { settings.ENVIRONMENT }
  for place, row in ipairs(settings.list) do names[place + 1] = row.variable end
  return names
end

local WORDS = {
  ["true"] = true, yes = true, on = true, ["1"] = true, ["false"] = false, no = false, off = false, ["0"] = false,
}

local function number_of(text)
  local number = text:find "^[%d.]+$" and tonumber(text)
  return number
end

local PARSERS = {
  string = function(text) return text end,
  path = function(text) return text end,
  url = function(text) return text end,
  tls_version = function(text) return text end,
  seconds = number_of,
  positive = number_of,
  boolean = function(text) return WORDS[text:lower()] end,
}

--- The value of a setting from its text in a variable or a file. Returns nil and the rule that the text breaks; the
-- rule shows the text, unless the setting is a secret.
---@param row flarelight.Setting
---@param text string
---@return any value, string? rule
function settings.value(row, text)
  local value = PARSERS[row.type](text)
  if value ~= nil and options.fits(value, row.type) then return value end
  return nil, ("should be %s, but is %s"):format(options.expected(row.type), row.secret and "another text"
    or options.describe(text))
end

-- The number of letters to insert, delete, change or swap (Damerau and Levenshtein).
local function distance(one, other)
  local rows = { [0] = {} }
  for j = 0, #other do rows[0][j] = j end
  for i = 1, #one do
    rows[i] = { [0] = i }
    for j = 1, #other do
      local same = one:sub(i, i) == other:sub(j, j) and 0 or 1
      local least = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same)
      if i > 1 and j > 1 and one:sub(i, i) == other:sub(j - 1, j - 1) and one:sub(i - 1, i - 1) == other:sub(j, j) then
        least = math.min(least, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = least
    end
  end
  return rows[#one][#other]
end

--- The name of a list that a misspelled one may stand for; nil if none is near.
---@param name string
---@param names string[]
---@return string?
function settings.nearest(name, names)
  local found, least = nil, math.max(1, math.floor(#name / 3)) + 1
  for _, each in ipairs(names) do
    local far = distance(name:lower():gsub("%-", "_"), each:lower())
    if far < least then found, least = each, far end
  end
  return found
end

return settings
