--- The command: reads the command line, runs a command, and ends with a status (docs/command.md). Each command and each
-- group of commands is a file beside this one, which defines its part of the parser.

-- If the caller has closed one of the descriptors 0 to 2, the next file or socket would get its number, and output
-- would go there. These files take the free numbers, the lowest first. Reading the one in the place of standard input
-- fails, and so does writing to the others, as with closed descriptors.
local EBADF = 9
local held = {}
for place = 1, 3 do
  local of_input = place == 1 and select(3, io.stdin:seek "cur") == EBADF
  held[place] = io.open("/dev/null", of_input and "w" or "r")
end

-- Loaded first, since it raises a clear message if the C module is built for another Lua.
local flarelight = require "flarelight"
local ending = require "flarelight.cli.ending"
local help = require "flarelight.cli.help"
local output = require "flarelight.cli.output"
local status = require "flarelight.cli.status"

local cli = { held = held }

-- The files that define commands. Each is loaded by its name here, and listed only here.
local COMMANDS = {
  "imports", "automations", "preparations", "reports", "runs", "api", "quota", "service", "doctor", "plan", "calibrate",
  "torture", "sandbox", "completion", "help", "man",
}

-- argparse is a Lua library that may be missing.
local function load_parser()
  local found, argparse = ending.load "argparse"
  if found then return argparse end
  ending.fail(status.FAILED, "the command needs argparse (Debian: lua-argparse; LuaRocks: argparse)")
end

-- Defines --help, since that of argparse would end the process.
local function add_help(parser)
  parser:flag("-h --help"):description "Shows this help."
    :action(function() ending.raise { status = status.DONE, text = help.of(parser) } end)
end

-- argparse wraps it to the width of the terminal.
local EPILOG = "The key comes from FLARELIGHT_API_KEY, a file or a command, the rest from FLARELIGHT_SUBSCRIPTION_ID "
  .. "and FLARELIGHT_REGION, or all from an environment: flarelight help options. No account: flarelight sandbox -- sh "
  .. "starts a shell whose service is the sandbox.\n"
  .. "Exit status: 0 done, 1 refused or failed, 2 usage, 3 in doubt, 130 interrupted."

-- ": is it …?", if a word that is no command of a parser is one of another group; else "".
local function of_groups(names, where, word)
  local found = {}
  for group, commands in pairs(names) do
    for _, name in ipairs(commands) do
      if group ~= where and name == word then found[#found + 1] = group:_get_fullname() .. " " .. name end
    end
  end
  table.sort(found)
  return found[1] and ": is it " .. table.concat(found, " or ") .. "?" or ""
end

local function has_option(command, name)
  for _, option in ipairs(command._options) do
    for _, alias in ipairs(option._aliases) do
      if alias == name then return true end
    end
  end
  return false
end

-- Lets the messages of a command's converters begin with the option, as argparse's own do. Adds to `takes` the options
-- that have a value.
local function name_options(command, takes)
  local function name(element, called)
    local convert = element._convert
    if type(convert) ~= "function" then return end
    element._convert = function(text)
      local value, message = convert(text)
      if value == nil and message then message = called .. ": " .. message end
      return value, message
    end
  end
  for _, option in ipairs(command._options) do
    local aliases = option._aliases
    name(option, aliases[#aliases])
    for _, alias in ipairs(aliases) do takes[alias] = takes[alias] or option._maxargs > 0 end
  end
  for _, argument in ipairs(command._arguments) do name(argument, argument._argname or argument._name) end
  for _, each in ipairs(command._commands) do name_options(each, takes) end
end

local function make_parser(argparse)
  local parser = argparse("flarelight", "The Flarelight Integration API from a shell.")
    :add_help(false):require_command(true):command_target "command":epilog(EPILOG)
  add_help(parser)
  parser:flag("--version"):description "Shows the version.":action(function()
    ending.raise { status = status.DONE, text = "flarelight " .. flarelight._VERSION }
  end)
  local names = {} -- parser -> the names of the commands below it, in order
  -- Defines a command below a parser. `run(args, out)` does its work and returns a status; nil for a group.
  local function define(parent, name, description, run)
    local command = parent:command(name):description(description):add_help(false)
    names[parent] = names[parent] or {}
    table.insert(names[parent], name)
    if parent == parser then command:summary(description:match "^[^.]*%.") end
    -- The action of the innermost command comes first.
    if run then command:action(function(args) args.run = args.run or run end)
    else command:require_command(true) end
    add_help(command)
    return command
  end
  for _, file in ipairs(COMMANDS) do require("flarelight.cli." .. file).define(parser, define) end
  local takes = {}
  name_options(parser, takes)
  function parser.error(where, message)
    local usage
    if message == "a command is required" then usage = help.of(where, 2) end -- whoever types no command looks for one
    if message:find "^unknown command" then
      message = message .. of_groups(names, where, message:match "^unknown command '(.-)'")
        .. "\nThe commands are: " .. table.concat(names[where], ", ") .. "."
    elseif message == "too many arguments" and has_option(where, "--wait") then
      message = message .. " (the seconds of --wait stand in its word: --wait=60)"
    end
    ending.raise { status = status.USAGE, kind = "usage", usage = usage or where:get_usage(), message = message }
  end
  return parser, takes
end

local function asks_for_json(arguments)
  for _, word in ipairs(arguments) do
    if word == "--json" then return true end
  end
  return false
end

-- The words of a command line, in which an option that may stand alone has its value: argparse would take the next word
-- for it. Words behind "--" are another command's.
local ALONE = { ["--wait"] = "--wait=600" }
local function complete(arguments)
  local words, own = {}, true
  for place, word in ipairs(arguments) do
    own = own and word ~= "--"
    words[place] = own and ALONE[word] or word
  end
  return words
end

-- The words with each negative number joined to the option before it that has a value: argparse would take the number
-- for an option.
local function joined(words, takes)
  local list, own = {}, true
  for _, word in ipairs(words) do
    own = own and word ~= "--" -- what follows is for a script
    if own and takes[list[#list]] and word:find "^%-[%d.]+$" then
      local option = list[#list]
      list[#list] = option .. (option:find "^%-%-" and "=" or "") .. word
    else
      list[#list + 1] = word
    end
  end
  return list
end

-- The words before and behind the first "--" of `sandbox`, and whether there is one; all words of other commands.
local function divided(words)
  local own, behind, found = {}, {}, false
  for _, word in ipairs(words) do
    local list = found and behind or own
    if word == "--" and words[1] == "sandbox" and not found then found = true
    else list[#list + 1] = word end
  end
  return own, behind, found
end

--- Parses a command line. Returns the options by name; raises what ending.lua tells.
---@param arguments string[]
---@return table
function cli.parse(arguments)
  local own, behind, divides = divided(complete(arguments))
  local parser, takes = make_parser(load_parser())
  local args = parser:parse(joined(own, takes))
  args.command_line, args.no_command = behind, divides and #behind == 0
  return args
end

-- Runs a command line and flushes the output: a full disk may show only then.
local function run(arguments)
  local done, result = pcall(function()
    local args = cli.parse(arguments)
    return args.run(args, output.new(args)) or status.DONE
  end)
  if not done then result = ending.tell(result, asks_for_json(arguments)) end
  output.flush()
  return result
end

--- Runs a command line and returns the exit status.
---@param arguments string[]
---@return integer
function cli.run(arguments)
  local done, result = pcall(run, arguments)
  if done then return result end
  if ending.is_broken(result) then return ending.tell_broken(result, asks_for_json(arguments)) end
  return ending.tell(result, asks_for_json(arguments))
end

--- The command itself: ends the process.
function cli.main(arguments)
  local words = {}
  for place = 1, #arguments do words[place] = arguments[place] end
  local code = cli.run(words)
  -- Output was flushed before, or its loss was reported.
  os.exit(code)
end

return cli
