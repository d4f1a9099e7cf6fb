--- The common parts of the commands: their common options, the converters of option values, the client for the options,
-- and the paths of the command's files.

local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local flarelight = require "flarelight"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"
local system = require "flarelight.system"
local wording = require "flarelight.cli.wording"

local context = {}

-- --- options ---

--- Options of every command that prints.
function context.printing(command)
  command:flag("--json"):description "Prints results and errors as JSON."
  command:flag("-q --quiet"):description "Prints only results and errors: no progress, no remarks."
end

--- Options of every command that sends requests. The key has no option, since the list of processes shows options.
function context.connecting(command)
  context.printing(command)
  command:option("--profile"):argname "FILE"
    :description "The service's profile, as calibrate writes it. Uploads adapt to it."
  command:option("--region"):argname "REGION":description "The service's region, as eu. Default: FLARELIGHT_REGION."
  command:option("--base-url"):argname "URL":description "The service's address. Default: FLARELIGHT_BASE_URL."
  command:option("--subscription"):argname "UUID":description "The subscription. Default: FLARELIGHT_SUBSCRIPTION_ID."
  command:option("--key-file"):argname "FILE"
    :description "File with the API key. Default: FLARELIGHT_API_KEY, or the file in FLARELIGHT_API_KEY_FILE."
  command:option("--deadline"):argname "SECONDS":convert(context.number)
    :description "Most time for each call, with all its attempts and waits."
  command:flag("--shared-files")
    :description "Accepts key files, profiles and a state file of other members of your group."
  context.keeping(command)
end

--- The option of every command that uses the state file.
function context.keeping(command)
  command:option("--state"):argname "FILE"
    :description("State file, the journal of uploads. Default: "
      .. "flarelight/state.db in $XDG_STATE_HOME or ~/.local/state. \"none\" keeps none.")
end

-- --- converters for argparse: they return a value, or nil and a message ---

function context.number(text)
  local number = tonumber(text)
  if number and number > 0 and number == number and number < math.huge then return number end
  return nil, ("'%s' is not a number above 0"):format(text)
end

function context.positive(text)
  local number = tonumber(text)
  if number and text:match "^%d+$" and number >= 1 and number < 2 ^ 53 then return number end
  return nil, ("'%s' is not a whole number above 0"):format(text)
end

function context.count(text)
  local number = tonumber(text)
  if number and text:match "^%d+$" and number < 2 ^ 53 then return number end
  return nil, ("'%s' is not a whole number"):format(text)
end

--- The name that begins at `position` of a text and ends before `separator`, as a cell of CSV: a name that holds the
-- separator is written in quotes, and "" inside it is a quote. Text after the closing quote belongs to the name.
---@return string? name, integer|string end_or_message the position of the separator, or behind the text
function context.name(text, position, separator)
  local name = ""
  if text:sub(position, position) == '"' then
    local close = position - 1
    repeat close = text:find('"', close + 2, true) until not close or text:sub(close + 1, close + 1) ~= '"'
    if not close then return nil, ("'%s': a quote is not closed"):format(text) end
    name, position = text:sub(position + 1, close - 1):gsub('""', '"'), close + 1
  end
  local rest = text:match("^[^" .. separator .. "]*", position)
  return name .. rest, position + #rest
end

--- Splits names at commas.
function context.list(text)
  local names, position = {}, 1
  repeat
    local name, stop = context.name(text, position, ",")
    if not name then return nil, stop end
    names[#names + 1], position = name, stop + 1
    if name == "" then return nil, "a column without a name" end
  until position > #text + 1
  return names
end

--- A JSON object; "@FILE" takes it from a file, "@-" from standard input.
function context.json(text)
  local where = "the JSON"
  if text:sub(1, 1) == "@" then
    local path = text:sub(2)
    local file, message = io.stdin, nil
    if path ~= "-" then file, message = io.open(path, "rb") end
    if not file then return nil, message end
    where, text = path == "-" and "standard input" or path, file:read "*a"
    if path ~= "-" then file:close() end
    if not text then return nil, where .. ": cannot be read" end
  end
  local value, message = json.decode(text)
  if value == nil then return nil, ("%s: %s"):format(where, message) end
  if type(value) ~= "table" or getmetatable(value) == core.array_metatable then
    return nil, where .. " should be an object, as {\"year\": 2024}"
  end
  return value
end

--- The format to write: --format, else by the ending of FILE, else JSON with --json, else `default`.
---@param endings table<string, string> format by ending
---@param path string? FILE, if not as it was given
function context.format(args, endings, default, path)
  if args.format then return args.format end
  path = path or args.output
  local word = path and path:match "%.([^./]+)$"
  if not word then return args.json and "json" or default end
  local format = endings[word:lower()]
  if format then return format end
  local known = {}
  for each in pairs(endings) do known[#known + 1] = "." .. each end
  table.sort(known)
  ending.fail(status.USAGE, ("%s: the ending .%s names no format that can be written (known: %s); --format FORMAT "
    .. "chooses one"):format(args.output, word, table.concat(known, ", ")))
end

-- An id stays a text: as a number it could lose digits, and in a path both look the same.
function context.id(text)
  if text == "" then return nil, "an id is not empty" end
  return text
end

-- --- paths ---

--- A text in quotes for a shell; a text as one word of a shell.
context.quote, context.quoted = system.quote, wording.quoted

--- The command's folder by the XDG base directories, made if it is missing; or nil, message.
---@param variable string as "XDG_STATE_HOME"
---@param fallback string below the home, as ".local/state"
function context.folder(variable, fallback)
  local base = os.getenv(variable)
  -- The specification says to ignore a path that is not absolute.
  if not base or base:sub(1, 1) ~= "/" then
    local home = os.getenv "HOME"
    if not home or home == "" then return nil, ("neither %s nor HOME is set"):format(variable) end
    base = home .. "/" .. fallback
  end
  local folder = base .. "/flarelight"
  -- Prints mkdir's message if it fails.
  local pipe = io.popen("umask 077 && mkdir -p " .. context.quote(folder) .. " 2>&1")
  local said = pipe and pipe:read "*a" or "mkdir cannot be run"
  if pipe then pipe:close() end
  if said ~= "" then return nil, (said:gsub("%s+$", "")) end
  return folder
end

--- The path of the state file by the options; nil for `--state none`.
function context.state(args)
  if args.state == "none" then return nil end
  if args.state then return args.state end
  local folder, message = context.folder("XDG_STATE_HOME", ".local/state")
  if not folder then
    ending.fail(status.USAGE, ("no place for the state file: %s; --state FILE names one, --state none does without")
      :format(message))
  end
  return folder .. "/state.db"
end

--- The default path of the profile.
function context.profile_path()
  local folder, message = context.folder("XDG_STATE_HOME", ".local/state")
  if not folder then ending.fail(status.USAGE, "no place for the profile: " .. message) end
  return folder .. "/profile.json"
end

local function read_key(path, shared)
  local text, message = core.read_owned(path, shared)
  if not text then ending.fail(status.USAGE, "--key-file: " .. message) end
  return (text:gsub("%s+$", ""))
end

local LONG_WAIT = 2 -- seconds; a shorter wait is not reported
local REASONS = { rate_limit = "rate limit", throttled = "the service is throttling", network = "network failure",
                  server = "service failure" }

local function tell_waits(event)
  if (event.name == "wait" or event.name == "retry") and event.delay >= LONG_WAIT then
    progress.wait(event.delay, REASONS[event.reason] or "", event.reason == "rate_limit")
  end
end

--- The options of flarelight.new for this command line; `more` are added.
function context.options(args, more)
  local given = {
    region = args.region, base_url = args.base_url, subscription_id = args.subscription, deadline = args.deadline,
    profile = args.profile, on_event = not args.quiet and tell_waits or nil,
    api_key = args.key_file and read_key(args.key_file, args.shared_files) or nil, shared_files = args.shared_files,
    user_agent = "flarelight-command/" .. flarelight._VERSION, host = progress.host,
  }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

--- The client for this command line; `more` are added to its options.
---@return flarelight.Client
function context.client(args, more)
  return (ending.expect(flarelight.new(context.options(args, more))))
end

--- The options that select the same service and state for another command, as text to type.
function context.same_options(args)
  local words = {}
  for _, name in ipairs { "region", "base_url", "subscription", "key_file", "profile", "state" } do
    if args[name] then
      words[#words + 1] = " --" .. name:gsub("_", "-") .. " " .. context.quoted(args[name])
    end
  end
  if args.shared_files then words[#words + 1] = " --shared-files" end
  return table.concat(words)
end

--- Asks on standard error and reads the answer. Returns whether it was yes. The end of the input counts as no.
function context.agreed(question)
  io.stderr:write(question, " [y/N] ")
  local answer = io.read "*l"
  if not answer then output.complain "" end
  return answer ~= nil and answer:lower():match "^%s*y[es]*%s*$" ~= nil
end

return context
