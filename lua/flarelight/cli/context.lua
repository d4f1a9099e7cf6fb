--- What the groups of commands share: the client that the options ask for, where things are kept, and how a
-- call that failed ends the command.

local errors = require "flarelight.error"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"

local context = {}

--- What is raised to end the command: `{ status =, message = }`.
context.Ended = {}

--- Ends the command with a message on standard error.
function context.fail(code, message)
  error(setmetatable({ status = code, message = message }, context.Ended), 0)
end

-- What is worth saying besides the message of an error.
local function remarks(err)
  local lines = {}
  if err.record then
    local line = err.line and (", line %s of the file"):format(err.line) or ""
    lines[#lines + 1] = err.records
      and ("  its batch: %s records from record %s on%s"):format(err.records, err.record, line)
      or ("  record %s%s"):format(err.record, line)
  end
  if err.fate == "in_doubt" then
    lines[#lines + 1] = "  fate: in_doubt: it may have happened; look before trying again"
  end
  if err.retry_at then
    lines[#lines + 1] = "  it can go again at " .. os.date("%Y-%m-%d %H:%M:%S", math.ceil(err.retry_at))
  end
  return lines
end

--- Passes on what a call returned; where it failed, ends the command as its error says, with a `hint` below.
function context.expect(value, message, err, hint)
  if value ~= nil or err == nil then return value, message end
  if err.kind == "raised" and tostring(err.value):find "interrupted!$" then error(err.value, 0) end
  local lines = remarks(err)
  table.insert(lines, 1, message)
  lines[#lines + 1] = hint
  context.fail(status.of(err), table.concat(lines, "\n"))
end

-- --- options ---

--- Options of every command that prints.
function context.printing(command)
  command:flag("--json"):description "Results as JSON."
  command:flag("-q --quiet"):description "Only results and errors: no progress, no remarks."
end

--- Options of every command that reaches the service. The key has none: it would show in the list of
--- processes.
function context.connecting(command)
  context.printing(command)
  command:option("--profile"):argname "FILE"
    :description "What calibrate has found out about the service, for uploads to go by."
  command:option("--region"):argname "REGION":description "Instead of FLARELIGHT_REGION, as eu."
  command:option("--base-url"):argname "URL":description "Instead of FLARELIGHT_BASE_URL."
  command:option("--subscription"):argname "UUID":description "Instead of FLARELIGHT_SUBSCRIPTION_ID."
  command:option("--key-file"):argname "FILE"
    :description "File that holds the API key; else FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE."
  command:option("--deadline"):argname "SECONDS":convert(context.number)
    :description "For each call, with all its attempts and waits."
  context.keeping(command)
end

--- The option of commands that keep or look up state.
function context.keeping(command)
  command:option("--state"):argname "FILE"
    :description("State file: what uploads have done, the shared rate budget. Default: "
      .. "flarelight/state.db in $XDG_STATE_HOME or ~/.local/state. \"none\" keeps none.")
end

-- --- converters of argparse: a value, or nil and what is wrong ---

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

--- A JSON object; "@FILE" takes it from a file, "@-" from standard input.
function context.json(text)
  local json = require "flarelight.json"
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
  if type(value) ~= "table" or getmetatable(value) == require("flarelight.core").array_metatable then
    return nil, where .. " should be an object, as {\"year\": 2024}"
  end
  return value
end

-- An id stays the text it is: as a number it could lose digits. The service reads either from a path.
function context.id(text)
  if text == "" then return nil, "an id is not empty" end
  return text
end

-- --- places ---

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
context.quote = quote

--- A folder of ours after the XDG directories, which is made where it is not there; nil, message.
---@param variable string as "XDG_STATE_HOME"
---@param fallback string below the home, as ".local/state"
function context.folder(variable, fallback)
  local base = os.getenv(variable)
  -- The specification: a path that is not absolute is to be ignored.
  if not base or base:sub(1, 1) ~= "/" then
    local home = os.getenv "HOME"
    if not home or home == "" then return nil, ("neither %s nor HOME is set"):format(variable) end
    base = home .. "/" .. fallback
  end
  local folder = base .. "/flarelight"
  -- mkdir's own words, if it cannot.
  local pipe = io.popen("umask 077 && mkdir -p " .. quote(folder) .. " 2>&1")
  local said = pipe and pipe:read "*a" or "mkdir cannot be run"
  if pipe then pipe:close() end
  if said ~= "" then return nil, (said:gsub("%s+$", "")) end
  return folder
end

--- The state file that the options name; nil where none is to be kept.
function context.state(args)
  if args.state == "none" then return nil end
  if args.state then return args.state end
  local folder, message = context.folder("XDG_STATE_HOME", ".local/state")
  if not folder then
    context.fail(status.USAGE, ("no place for the state file: %s; --state FILE names one, --state none does without")
      :format(message))
  end
  return folder .. "/state.db"
end

--- Where the command keeps a service's profile, unless it is told another place.
function context.profile_path()
  local folder, message = context.folder("XDG_STATE_HOME", ".local/state")
  if not folder then context.fail(status.USAGE, "no place for the profile: " .. message) end
  return folder .. "/profile.json"
end

local function read_key(path)
  local file, message = io.open(path, "rb")
  local text
  if file then
    text, message = file:read "*a"
    file:close()
  end
  if not text then context.fail(status.USAGE, "--key-file: " .. message) end
  return (text:gsub("%s+$", ""))
end

-- A wait that people would wonder about is told, and not all of a row of them.
local LONG_WAIT, BETWEEN = 2, 30 -- seconds
local told
local reasons = { rate_limit = "for the rate limit", throttled = "since the service is throttling",
                  network = "after a failure of the network", server = "after a failure of the service" }

local function tell_waits(event)
  local now = require("flarelight.core").now()
  if told and now - told < BETWEEN and event.reason == "rate_limit" then return end
  if (event.name == "wait" or event.name == "retry") and event.delay >= LONG_WAIT then
    told = now
    progress.say(("waiting %s %s"):format(output.duration(event.delay), reasons[event.reason] or ""))
  end
end

--- The options of flarelight.new that the command line asks for.
function context.options(args, more)
  local given = {
    region = args.region, base_url = args.base_url, subscription_id = args.subscription, deadline = args.deadline,
    profile = args.profile, on_event = not args.quiet and tell_waits or nil,
    api_key = args.key_file and read_key(args.key_file) or nil,
    user_agent = "flarelight-command/" .. require("flarelight")._VERSION,
  }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

--- The client that the command line asks for.
---@return flarelight.Client
function context.client(args, more)
  local flarelight = require "flarelight"
  return (context.expect(flarelight.new(context.options(args, more))))
end

--- The options that another command needs to find the same service and state, as text to type.
function context.same_options(args)
  local words = {}
  for _, name in ipairs { "region", "base_url", "subscription", "key_file", "profile", "state" } do
    if args[name] then
      local value = args[name]
      words[#words + 1] = " --" .. name:gsub("_", "-") .. " " .. (value:find "^[%w%.:/_%-]+$" and value or quote(value))
    end
  end
  return table.concat(words)
end

--- Whether something raised is the user's Ctrl-C, as Lua's own interpreters have it.
function context.is_interrupt(raised)
  if errors.is(raised) then raised = raised.value end
  return type(raised) == "string" and raised:find "interrupted!$" ~= nil
end

--- Asks on standard error, and reads the answer: whether it was yes. No terminal: no.
function context.agreed(question)
  io.stderr:write(question, " [y/N] ")
  local answer = io.read "*l"
  if not answer then output.complain "" end
  return answer ~= nil and answer:lower():match "^%s*y[es]*%s*$" ~= nil
end

return context
