--- flarelight help, and the help of every command: its own options, a line about the shared ones, and examples. Relies
-- on argparse for usage and options, on examples.lua for the examples.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local examples = require "flarelight.cli.examples"
local output = require "flarelight.cli.output"
local seeing = require "flarelight.cli.seeing"
local settings = require "flarelight.settings"
local status = require "flarelight.cli.status"

-- `topics`: what `flarelight help` shows besides commands: name -> function of the parser, which returns the text.
local help = { topics = {} }

local WIDEST, USUAL = 100, 80 -- columns

-- The columns for the help: those of the terminal of a stream, within bounds.
local function room(descriptor)
  local columns = core.terminal(descriptor)
  if not columns then return WIDEST end
  if columns == 0 then columns = USUAL end
  return math.max(40, math.min(WIDEST, columns))
end

--- The words of a command behind `flarelight`, as "imports upload".
function help.name_of(command)
  return (command:_get_fullname():gsub("^flarelight ?", ""))
end

--- Text in lines of at most `width` columns, each behind `indent`.
function help.wrapped(text, width, indent)
  local lines, line = {}, indent
  for word in text:gmatch "%S+" do
    if #line > #indent and #line + 1 + #word > width then
      lines[#lines + 1], line = line, indent
    end
    line = line .. (#line > #indent and " " or "") .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Headings stand out on a terminal.
local function emphasised(text, descriptor)
  return ("\n" .. text):gsub("\n(%u[%a ]+:)\n", function(heading)
    return "\n" .. output.coloured(descriptor, "heading", heading) .. "\n"
  end):gsub("^\n(Usage:)", function(heading) return output.coloured(descriptor, "heading", heading) end):gsub("^\n", "")
end

local function examples_of(name, width)
  local lines = {}
  for _, each in ipairs(examples[name] or {}) do
    lines[#lines + 1] = "   " .. each[1] .. "\n" .. help.wrapped(each[2], width, "      ")
  end
  if #lines == 0 then return nil end
  return (#lines > 1 and "Examples:\n" or "Example:\n") .. table.concat(lines, "\n")
end

local function add_block(blocks, block) blocks[#blocks + 1] = block end

local SHARED = {
  printing = "Shared options: --json, -q, -h (flarelight help options).",
  connecting = "Shared options: --json, -q, -h; --environment, --key-file, --state and others choose the service and "
    .. "the limits of its calls (flarelight help options).",
}

-- argparse names an argument by its target, and gives each name of an option a line. Here an argument has the word of
-- the usage, and the names of an option stand in one line. `own_label` of an option replaces it.
local function label_elements(command)
  for _, argument in ipairs(command._arguments) do
    local argname = argument._argname
    if type(argname) == "table" then argname = table.concat(argname, " ") end
    if argname then argument._get_label_lines = function() return { argname } end end
  end
  for _, option in ipairs(command._options) do
    local words = { table.concat(option._public_aliases, ", ") }
    for _, word in ipairs(option:_get_argument_list()) do words[#words + 1] = word end
    option._get_label_lines = function() return { option.own_label or table.concat(words, " ") } end
  end
end

--- The help of a parser of argparse, for this terminal.
---@param command table
---@param descriptor integer? the stream that it is for: 1, standard output, by default
---@return string
function help.of(command, descriptor)
  descriptor = descriptor or 1
  local width = room(descriptor)
  label_elements(command)
  command:help_max_width(width):usage_max_width(math.min(70, width))
  if width < 70 then command:help_description_margin(8) end
  local blocks = { command:get_help() }
  local shared = SHARED[context.shared[command]]
  if shared then add_block(blocks, help.wrapped(shared, width, "")) end
  local shown = examples_of(help.name_of(command), width)
  if shown then add_block(blocks, shown) end
  return (emphasised(table.concat(blocks, "\n\n"), descriptor))
end

--- The help of the shared options: { { flags, text }, … }.
function help.shared_options()
  local list = {
    { "--json", "Prints results and errors as JSON." },
    { "-q, --quiet", "Prints only results and errors: no progress, no remarks." },
    { "-h, --help", "Shows the help of a command." },
    { "--environment NAME", "Section of the configuration file, flarelight/config.ini in $XDG_CONFIG_HOME or ~/.config."
      .. " Variable: " .. settings.ENVIRONMENT .. "." },
  }
  list[#list + 1] = { "--debug", seeing.HELP.debug .. " Variable: FLARELIGHT_DEBUG=1." }
  list[#list + 1] = { "-H, --headers HEADER", seeing.HELP.headers }
  for _, row in ipairs(settings.list) do
    if row.flag then
      list[#list + 1] = { row.flag .. (row.argname and " " .. row.argname or ""),
                          ("%s Variable: %s."):format(row.help, row.variable) }
    end
  end
  return list
end

local function options_text()
  local width, parts = room(1), {}
  for _, each in ipairs(help.shared_options()) do
    parts[#parts + 1] = "   " .. each[1] .. "\n" .. help.wrapped(each[2], width, "      ")
  end
  local head = "These options are shared by the commands: --json and -q by all that print, the others by all that send "
    .. "requests. An option beats its variable, and the variable beats the configuration file."
  return (emphasised(help.wrapped(head, width, "") .. "\n\nShared options:\n" .. table.concat(parts, "\n"), 1)) .. "\n"
end
help.topics.options = options_text

-- The parser of a command by its words.
local function find(parser, words)
  local found = parser
  for place, word in ipairs(words) do
    local next_one
    for _, each in ipairs(found._commands) do
      if each._name == word then next_one = each end
    end
    if not next_one then
      ending.fail(status.USAGE, ("help: there is no command %q"):format(table.concat(words, " ", 1, place)))
    end
    found = next_one
  end
  return found
end

function help.define(parser, define)
  local command = define(parser, "help", "Shows the help of a command, or that of the shared options.", function(args)
    local words = args.topic
    local topic = not words[2] and help.topics[words[1]]
    if topic then return output.write(topic(parser)) end
    output.write(help.of(find(parser, words)) .. "\n")
  end)
  command:argument("topic"):argname "COMMAND":args "*"
    :description "Words of a command; \"options\" for the shared options; \"man\" for the source of the man page."
end

return help
