--- The common parts of the commands: their common options, the converters of option values, the client for the options,
-- and the paths of the command's files.

local configuration = require "flarelight.configuration"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local flarelight = require "flarelight"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local names = require "flarelight.names"
local postgres = require "flarelight.postgres"
local progress = require "flarelight.cli.progress"
local seeing = require "flarelight.cli.seeing"
local settings = require "flarelight.settings"
local status = require "flarelight.cli.status"
local system = require "flarelight.system"
local wording = require "flarelight.cli.wording"

local context = {}

-- --- options ---

--- The parsers with shared options: parser -> "printing" or "connecting". Their help tells of them in one line.
context.shared = {}

--- Options of every command that prints.
function context.printing(command)
  context.shared[command] = context.shared[command] or "printing"
  command:flag("--json"):description "Prints results and errors as JSON.":hidden(true)
  command:flag("-q --quiet"):description "Prints only results and errors: no progress, no remarks.":hidden(true)
end

local function number_converter(text)
  local number = tonumber(text)
  if number and number > 0 and number == number and number < math.huge then return number end
  return nil, ("'%s' is not a number above 0"):format(text)
end

local function positive_converter(text)
  local number = tonumber(text)
  if number and text:match "^%d+$" and number >= 1 and number < 2 ^ 53 then return number end
  return nil, ("'%s' is not a whole number above 0"):format(text)
end

local function version_converter(text)
  if text == "1.2" or text == "1.3" then return text end
  return nil, ("'%s' is not 1.2 or 1.3"):format(text)
end

local CONVERTERS = { seconds = number_converter, positive = positive_converter, tls_version = version_converter }

--- Options of every command that sends requests: --environment, and the flags of settings.lua. The key has no option,
-- since the list of processes shows options. `command` may have defined some of the flags itself, by `except`: a set of
-- settings.
---@param except table<string, true>?
function context.connecting(command, except)
  context.shared[command] = "connecting"
  context.printing(command)
  seeing.define(command)
  command:option("--environment"):argname "NAME":hidden(true)
    :description("Section of the configuration file, flarelight/config.ini in $XDG_CONFIG_HOME or ~/.config. Default: "
      .. settings.ENVIRONMENT .. ".")
  for _, row in ipairs(settings.list) do
    if row.flag and not (except and except[row.name]) then
      local option
      if row.argname then
        option = command:option(row.flag):argname(row.argname):convert(CONVERTERS[row.type] or tostring)
      else
        option = command:flag(row.flag)
      end
      option:target(row.name):description(row.help):hidden(true)
    end
  end
end

-- --- converters for argparse: they return a value, or nil and a message ---

context.number, context.positive = number_converter, positive_converter

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
  local list, position = {}, 1
  repeat
    local name, stop = context.name(text, position, ",")
    if not name then return nil, stop end
    list[#list + 1], position = name, stop + 1
    if name == "" then return nil, "a column without a name" end
  until position > #text + 1
  return list
end

--- A JSON object; "@FILE" takes it from a file, "@-" from standard input.
function context.json(text)
  local where = "the JSON"
  if text:sub(1, 1) == "@" then
    local path = text:sub(2)
    local file, message = io.stdin, nil
    if path ~= "-" then file, message = io.open(path, "rb") end
    if not file then return nil, message end
    where = path == "-" and "standard input" or path
    text, message = file:read "*a"
    if path ~= "-" then file:close() end
    if not text then return nil, ("%s: cannot be read: %s"):format(where, message) end
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
  ending.fail(status.USAGE, ("%s: the ending .%s names no format that can be written (known: %s); --format FORMAT "
    .. "chooses one"):format(args.output, word, "." .. table.concat(names.sorted(endings), ", .")))
end

-- An id stays a text: as a number it could lose digits, and in a path both look the same.
function context.id(text)
  if text == "" then return nil, "an id is not empty" end
  return text
end

-- --- paths ---

--- A text in quotes for a shell; a text as one word of a shell.
context.quote, context.quoted = system.quote, wording.quoted

--- The variable by which `sandbox -- COMMAND` gives the commands inside it a folder of their own.
context.STATE_FOLDER = "FLARELIGHT_STATE_FOLDER"

-- The folder of the command's files by the XDG base directories, or nil, message.
local function state_folder()
  local folder = os.getenv(context.STATE_FOLDER)
  if folder and folder ~= "" then return folder end
  local base = os.getenv "XDG_STATE_HOME"
  -- The specification says to ignore a path that is not absolute.
  if not base or base:sub(1, 1) ~= "/" then
    local home = os.getenv "HOME"
    if not home or home:sub(1, 1) ~= "/" then
      return nil, "neither XDG_STATE_HOME nor HOME is an absolute path"
    end
    base = home .. "/.local/state"
  end
  return base .. "/flarelight"
end

--- The folder of the command's own files, made if it is missing; or nil, message.
function context.folder()
  local folder, message = state_folder()
  if not folder then return nil, message end
  local found = io.open(folder .. "/.")
  if found then
    found:close()
    return folder
  end
  -- Prints mkdir's message if it fails.
  local pipe = io.popen("umask 077 && mkdir -p " .. context.quote(folder) .. " 2>&1")
  local said = pipe and pipe:read "*a" or "mkdir cannot be run"
  if pipe then pipe:close() end
  if said ~= "" then return nil, (said:gsub("%s+$", "")) end
  return folder
end

--- The path of the state file by the options, the variable FLARELIGHT_STATE or the environment, else the default;
-- false for none. The second value tells where it comes from. If the default cannot be made, the command ends; with
-- `or_none` the values are false and why.
function context.state(args, or_none)
  if args.state then return args.state ~= "none" and args.state, "--state" end
  local state, source, err = configuration.find("state", { environment = args.environment }, os.getenv)
  ending.expect(nil, source, err)
  if source then return state or false, source.from end
  local folder, message = context.folder()
  if not folder then
    if or_none then return false, message end
    ending.fail(status.USAGE, ("no place for the state file: %s; --state FILE names one, --state none does without")
      :format(message))
  end
  return folder .. "/state.db", "default"
end

--- Makes a folder for temporary files that only this user can read.
function context.temporary_folder()
  local path = os.tmpname()
  os.remove(path)
  -- mkdir fails if the folder exists.
  local done = os.execute(("umask 077 && mkdir %s"):format(context.quote(path)))
  if done ~= true and done ~= 0 then ending.fail(status.FAILED, "no folder for temporary files can be made") end
  return path
end

--- Removes a folder with all that is in it.
function context.remove_folder(path) os.execute("rm -rf " .. context.quote(path)) end

--- Ends the command if the folder of a file to write does not exist, before anything is sent.
---@param path string
function context.check_folder(path)
  local folder = path:match "^(.*/)[^/]*$"
  local found, message = io.open((folder or "./") .. ".")
  if not found then ending.fail(status.USAGE, ("%s cannot be written: %s"):format(path, message)) end
  found:close()
end

--- The default path of the profile.
function context.profile_path()
  local folder, message = context.folder()
  if not folder then ending.fail(status.USAGE, "no place for the profile: " .. message) end
  return folder .. "/profile.json"
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
    environment = args.environment, on_event = not args.quiet and tell_waits or nil,
    user_agent = "flarelight-command/" .. flarelight._VERSION, host = progress.host,
  }
  for _, row in ipairs(settings.list) do
    if row.flag and row.name ~= "state" then given[row.name] = args[row.name] end
  end
  if args.state then given.state = args.state ~= "none" and args.state end
  seeing.set_options(args, given)
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

--- The client for this command line; `more` are added to its options. Prints the warnings about the configuration file.
---@return flarelight.Client
function context.client(args, more)
  local given = context.options(args, more)
  -- Commands that keep nothing in the state share its rate limit, too. Without a place for it they do without.
  -- One that was set elsewhere is found by the client, whose messages name its place.
  if args.state == nil and (given.state ~= nil or not args.curl) then
    local state, from = context.state(args, true)
    given.state = from == "default" and state or nil
  end
  local api = ending.expect(flarelight.new(given))
  seeing.watch(args, api)
  if not args.quiet then
    local _, warnings = api:settings()
    for _, warning in ipairs(warnings) do output.complain("warning: " .. warning) end
  end
  return api
end

--- The options that select the same service and state for another command, as text to type.
function context.same_options(args)
  local words = {}
  local function add(flag, value)
    if value == true then words[#words + 1] = " " .. flag
    elseif value then words[#words + 1] = (" %s %s"):format(flag, context.quoted(tostring(value))) end
  end
  add("--environment", args.environment)
  for _, row in ipairs(settings.list) do
    local value = args[row.name]
    if row.name == "state" and postgres.is_url(value) then value = postgres.shown(value) end
    if row.flag and not row.secret then add(row.flag, value) end
  end
  return table.concat(words)
end

--- The version of this Lua.
function context.interpreter()
  local jit = rawget(_G, "jit")
  return jit and jit.version or _VERSION
end

--- Asks on standard error and reads the answer. Returns whether it was yes. The end of the input counts as no.
function context.agreed(question)
  io.stderr:write(question, " [y/N] ")
  local answer = io.read "*l"
  if not answer then output.complain "" end
  return answer ~= nil and answer:lower():match "^%s*y[es]*%s*$" ~= nil
end

return context
