--- The man page flarelight(1), in roff, from the same parser and tables as the help.

local examples = require "flarelight.cli.examples"
local flarelight = require "flarelight"
local help = require "flarelight.cli.help"

local man = {}

-- A text in roff: no line is taken for a request, and hyphens can be copied.
local function escaped(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-")
  return (("\n" .. text):gsub("\n([.'])", "\n\\&%1"):sub(2))
end

local function bold(text) return "\\fB" .. escaped(text) .. "\\fR" end

local function add_item(lines, tag, text)
  lines[#lines + 1] = ".TP\n" .. tag .. "\n" .. escaped(text)
end

-- Flags or the name of an argument, as they are typed.
local function tag_of(element)
  local names = {}
  for _, alias in ipairs(element._public_aliases or {}) do names[#names + 1] = bold(alias) end
  local argname = element._argname
  if type(argname) == "table" then argname = table.concat(argname, " ") end
  if not argname and element._choices then argname = "{" .. table.concat(element._choices, ",") .. "}" end
  if #names == 0 then return "\\fI" .. escaped(argname or element._name) .. "\\fR" end
  local takes = element._maxargs and element._maxargs > 0
  if not argname and takes then argname = element._name:gsub("^%-+", ""):upper() end
  if element.own_label then return bold(element.own_label) end
  return table.concat(names, ", ") .. (takes and argname and " \\fI" .. escaped(argname) .. "\\fR" or "")
end

local function add_command(lines, command)
  if #command._commands > 0 then
    for _, each in ipairs(command._commands) do add_command(lines, each) end
    if command._require_command then return end -- a group that does nothing by itself
  end
  local name = help.name_of(command)
  lines[#lines + 1] = ".SS flarelight " .. escaped(name) .. "\n" .. escaped(command._description)
  for _, kind in ipairs { "_arguments", "_options" } do
    for _, element in ipairs(command[kind]) do
      if not element._hidden and element._name ~= "-h" and element._name ~= "--help" then
        add_item(lines, tag_of(element), element._description or "")
      end
    end
  end
  for _, each in ipairs(examples[name] or {}) do
    lines[#lines + 1] = ".PP\n.EX\n$ " .. escaped(each[1]) .. "\n.EE\n.RS\n" .. escaped(each[2]) .. "\n.RE"
  end
end

local STATUSES = {
  { "0", "Done." }, { "1", "Refused by the service, or failed." },
  { "2", "Used or configured wrongly: nothing was sent." },
  { "3", "In doubt: the write may have happened at the service; check before you try again." },
  { "130", "Interrupted by Ctrl-C." },
}

--- The page. `parser` is the command's parser.
---@return string
function man.page(parser)
  local lines = {
    ('.TH FLARELIGHT 1 "" "flarelight %s" "User Commands"'):format(flarelight._VERSION),
    ".nh", -- a name that is divided by a hyphen cannot be copied
    ".SH NAME\nflarelight \\- the Flarelight Integration API from a shell",
    ".SH SYNOPSIS\n.B flarelight\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]",
    ".SH DESCRIPTION\n" .. escaped("Lists, reads and uploads data imports, runs data preparations and automations, "
      .. "generates reports and draws their charts. Writes are never sent twice without permission, and end with a "
      .. "known fate. A sandbox of the whole service runs on this machine."),
    ".SH COMMANDS",
  }
  for _, command in ipairs(parser._commands) do add_command(lines, command) end
  lines[#lines + 1] = ".SH SHARED OPTIONS\n" .. escaped("An option beats its variable of the environment, and the "
    .. "variable beats the configuration file.")
  for _, each in ipairs(help.shared_options()) do add_item(lines, bold(each[1]), each[2]) end
  lines[#lines + 1] = ".SH EXIT STATUS"
  for _, each in ipairs(STATUSES) do add_item(lines, bold(each[1]), each[2]) end
  lines[#lines + 1] = ".SH ENVIRONMENT"
  add_item(lines, bold "FLARELIGHT_API_KEY", "The API key.")
  add_item(lines, bold "FLARELIGHT_LUA", "The Lua that runs the command.")
  add_item(lines, bold "NO_COLOR", "If it is set and not empty, nothing is coloured.")
  lines[#lines + 1] = ".PP\n" .. escaped "The variables of settings stand at their options."
  lines[#lines + 1] = ".SH FILES"
  add_item(lines, "\\fI" .. escaped "$XDG_CONFIG_HOME/flarelight/config.ini" .. "\\fR",
    "Settings by environment; ~/.config without the variable.")
  add_item(lines, "\\fI" .. escaped "$XDG_STATE_HOME/flarelight/state.db" .. "\\fR",
    "The journal of uploads; ~/.local/state without the variable.")
  return table.concat(lines, "\n") .. "\n"
end

--- Makes the page a topic of `flarelight help`.
function man.define() help.topics.man = man.page end

return man
