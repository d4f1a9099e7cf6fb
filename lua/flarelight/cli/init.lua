--- The command: reads the command line, runs what it asks for, and ends with a status. docs/command.md
-- describes it. Each group of commands is a file beside this one, which defines its part of the parser.

-- Descriptors 0 to 2 that a caller has closed would be given to the next file or socket, and what is printed
-- would go there. These take their places; writing to them fails, as writing to a closed one should.
local held = {}
for place = 1, 3 do held[place] = io.open("/dev/null", "r") end

local status = require "flarelight.cli.status"

local cli = { held = held }

local GROUPS = {
  "imports", "automations", "preparations", "reports", "service", "plan", "calibrate", "torture", "sandbox",
}

-- argparse is a file of Lua; what needs it says so.
local function load_parser()
  local found, argparse = pcall(require, "argparse")
  if found then return argparse end
  io.stderr:write("flarelight: the command needs argparse (Debian: lua-argparse; LuaRocks: argparse)\n")
  os.exit(status.FAILED)
end

local Asked = {} -- raised by --help, with the text
local Wrong = {} -- raised by a command line that cannot be

-- Its own --help, since argparse's would end the process itself.
local function add_help(parser)
  parser:flag("-h --help"):description "Show this help."
    :action(function() error(setmetatable({ text = parser:get_help() }, Asked), 0) end)
end

local function make_parser(argparse)
  local parser = argparse("flarelight", "The Flarelight Integration API from a shell.")
    :add_help(false):require_command(true):command_target "command":help_max_width(100)
    :epilog("The key comes from FLARELIGHT_API_KEY or the file in FLARELIGHT_API_KEY_FILE, the rest from\n"
      .. "FLARELIGHT_SUBSCRIPTION_ID and FLARELIGHT_REGION. `flarelight sandbox` needs none of them.\n"
      .. "Exit status: 0 done, 1 refused or failed, 2 usage, 3 in doubt, 130 interrupted.")
  add_help(parser)
  parser:flag("--version"):description "Show the version.":action(function()
    error(setmetatable({ text = "flarelight " .. require("flarelight")._VERSION }, Asked), 0)
  end)
  -- What defines a command: a parser below another, and what runs it.
  local function define(parent, name, description, run)
    local command = parent:command(name):description(description):add_help(false)
    if parent == parser then command:summary(description:match "^[^.]*%.") end
    if run then command:action(function(args) args.run = run end)
    else command:require_command(true) end
    add_help(command)
    return command
  end
  for _, group in ipairs(GROUPS) do require("flarelight.cli." .. group).define(parser, define) end
  function parser.error(where, message)
    error(setmetatable({ usage = where:get_usage(), message = message }, Wrong), 0)
  end
  return parser
end

-- The message of misuse without the place in our own files at which it was raised.
local function misuse_of(raised)
  return type(raised) == "string" and raised:match "flarelight: (.*)$"
end

-- What was raised, as a status; says it.
local function ended_by(raised)
  local context, output = require "flarelight.cli.context", require "flarelight.cli.output"
  local kind = type(raised) == "table" and getmetatable(raised)
  if kind == Asked then
    output.write(raised.text .. "\n")
    return status.DONE
  elseif kind == Wrong then
    output.complain(raised.usage .. "\n\nflarelight: " .. raised.message)
    return status.USAGE
  elseif kind == context.Ended then
    if raised.message then output.complain("flarelight: " .. raised.message) end
    return raised.status
  elseif kind == output.Broken then
    error(raised, 0)
  elseif context.is_interrupt(raised) then
    output.complain "flarelight: interrupted"
    return status.INTERRUPTED
  elseif require("flarelight.error").is(raised) then
    output.complain("flarelight: " .. raised.message)
    return status.of(raised)
  elseif misuse_of(raised) then
    output.complain("flarelight: " .. misuse_of(raised))
    return status.USAGE
  end
  output.complain("flarelight: this is a mistake in the command itself: " .. tostring(raised))
  return status.FAILED
end

local function work(arguments)
  local parser = make_parser(load_parser())
  local done, result = pcall(function()
    local args = parser:parse(arguments)
    return args.run(args, require("flarelight.cli.output").new(args)) or status.DONE
  end)
  if not done then return ended_by(result) end
  return result
end

-- Whether a result could be written in the end: a full disk shows no earlier.
local function run(arguments)
  local code = work(arguments)
  require("flarelight.cli.output").flush()
  return code
end

--- Runs a command line and returns the exit status.
---@param arguments string[]
---@return integer
function cli.run(arguments)
  local done, result = pcall(run, arguments)
  if done then return result end
  local output = require "flarelight.cli.output"
  if getmetatable(result) ~= output.Broken then
    return ended_by(result)
  end
  -- Who reads no further has nothing to be told: that is how `| head` ends.
  if not tostring(result.message):find "roken pipe" then
    output.complain("flarelight: standard output: " .. tostring(result.message))
  end
  return status.FAILED
end

--- The command itself: ends the process.
function cli.main(arguments)
  local words = {}
  for place = 1, #arguments do words[place] = arguments[place] end
  local code = cli.run(words)
  -- Every Lua runs its exit handlers here; what stdio still holds was flushed, or is lost and said so.
  os.exit(code)
end

return cli
