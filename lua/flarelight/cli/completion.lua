--- flarelight completion: scripts for bash, zsh and fish. argparse writes them; this file adds the words that only this
-- machine knows: tokens of pending uploads, ids of their imports, environments. They are read from local files; no
-- request is sent for them.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local environments = require "flarelight.environments"
local flarelight = require "flarelight"
local output = require "flarelight.cli.output"

local completion = {}

-- --- words ---

-- The uploads to the service of the variables that did not end, by the state file. Sends nothing, so any key does.
local function pending()
  local path = context.state {}
  local file = path and io.open(path, "rb")
  if not file then return {} end -- opening the state file would create it
  file:close()
  local api = flarelight.new { state = path, api_key = "none" }
  local found = api and api.imports:pending() or {}
  if api then api:close() end
  return found
end

local WORDS = {
  tokens = function()
    local words = {}
    for _, each in ipairs(pending()) do words[#words + 1] = each.token end
    return words
  end,
  ids = function()
    local words, seen = {}, {}
    for _, each in ipairs(pending()) do
      local id = each.id ~= nil and each.id ~= core.null and tostring(each.id)
      if id and not seen[id] then words[#words + 1], seen[id] = id, true end
    end
    return words
  end,
  environments = function() return environments.names(os.getenv) end,
}

-- The option or command whose word is completed, as the scripts test for it.
local PLACES = {
  { command = "imports resume", words = "tokens" }, { command = "imports forget", words = "tokens" },
  { command = "imports data", words = "ids" }, { command = "imports rows", words = "ids" },
}

-- --- scripts ---

local BASH = [[

_flarelight_words() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" words=
    case "$prev" in
        --environment) words=environments ;;
    esac
    if [ -z "$words" ] && [ "${cur#-}" = "$cur" ]; then
        case "${COMP_WORDS[1]} ${COMP_WORDS[2]} $COMP_CWORD" in
%s        esac
    fi
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" completion words "$words" 2>/dev/null)" -- "$cur"))
        return 0
    fi
    _flarelight
}

complete -F _flarelight_words -o bashdefault -o default flarelight
]]

function completion.bash(parser)
  local cases = {}
  for _, place in ipairs(PLACES) do
    cases[#cases + 1] = ('            "%s 3") words=%s ;;\n'):format(place.command, place.words)
  end
  local own = parser:get_bash_complete():gsub("\ncomplete %-F [^\n]*\n*$", "\n")
  return own .. BASH:format(table.concat(cases))
end

local ZSH_WORDS = [[
_flarelight_words() {
  local -a words
  words=(${(f)"$(flarelight completion words $1 2>/dev/null)"})
  (( $#words )) && compadd -a words
}

]]

-- argparse completes the value of any option, and any argument, as a file.
function completion.zsh(parser)
  local text = parser:get_zsh_complete()
  text = text:gsub('("%-%-environment%[[^\n]*%]): :_files"', '%1: :{_flarelight_words environments}"')
  for _, place in ipairs(PLACES) do
    local group, name = place.command:match "^(%S+) (%S+)$"
    local from = text:find(("_flarelight_%s_cmds"):format(group), 1, true)
    local start, stop = nil, nil
    if from then
      -- The branch of the command within that of its group.
      local branch = text:find(("\n +%s%%)\n"):format(group))
      start = branch and text:find(("\n +%s%%)\n"):format(name), branch)
      if start then start, stop = text:find('": :_files"', start, true) end
    end
    if start then
      text = ('%s": :{_flarelight_words %s}"%s'):format(text:sub(1, start - 1), place.words, text:sub(stop + 1))
    end
  end
  return (text:gsub("\n_flarelight%(%) {", function(head) return "\n" .. ZSH_WORDS .. head:sub(2) end, 1))
end

local FISH_WORDS = "'(flarelight completion words %s 2>/dev/null)'"

function completion.fish(parser)
  local lines = { parser:get_fish_complete() }
  for _, place in ipairs(PLACES) do
    lines[#lines + 1] = ("complete -c flarelight -n '__fish_flarelight_seen_command %s' -fa %s"):format(place.command,
      FISH_WORDS:format(place.words))
  end
  lines[#lines + 1] = "complete -c flarelight -l environment -xa " .. FISH_WORDS:format "environments"
  return table.concat(lines, "\n") .. "\n"
end

local SHELLS = { "bash", "zsh", "fish" }

-- "words" is for the scripts themselves.
local function shell(text)
  if text == "words" or completion[text] and text ~= "define" then return text end
  return nil, ("'%s' is none of %s"):format(text, table.concat(SHELLS, ", "))
end

function completion.define(parser, define)
  local command = define(parser, "completion", "Prints the completion of this command for a shell.", function(args)
    if args.shell == "words" then
      local words = (WORDS[args.kind] or function() return {} end)()
      return output.write(table.concat(words, "\n") .. (words[1] and "\n" or ""))
    end
    output.write(completion[args.shell](parser))
  end)
  command:argument("shell"):argname "SHELL":convert(shell):description("One of " .. table.concat(SHELLS, ", ") .. ".")
  command:argument("kind"):argname "KIND":args "?":hidden(true)
end

return completion
