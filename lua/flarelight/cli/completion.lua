--- flarelight completion: scripts for bash, zsh and fish. argparse writes them; this file adds the words of arguments,
-- and those that only this machine knows: tokens of pending uploads, ids of their imports, keys of runs, environments.
-- They are read from local files; no request is sent for them.
--
-- Keys and ids are texts of others: no script may let its shell expand them.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local environments = require "flarelight.environments"
local flarelight = require "flarelight"
local output = require "flarelight.cli.output"

local completion = {}

-- --- words ---

-- What `read` gets of a client of the state file; an empty list without one. Sends nothing, so any key does.
local function recorded(read)
  local path = context.state {}
  local file = path and io.open(path, "rb")
  if not file then return {} end -- opening the state file would create it
  file:close()
  local api = flarelight.new { state = path, api_key = "none" }
  local found = api and read(api) or {}
  if api then api:close() end
  return found
end

local function pending() return recorded(function(api) return api.imports:pending() end) end

-- The keys of runs, or the tokens of uploads without one.
local function keys(given, kind, state)
  local words = {}
  for _, each in ipairs(recorded(function(api) return api:runs(given) end)) do
    local fits = (not kind or each.kind == kind) and (not state or each.state == state)
    if fits then words[#words + 1] = each.key or each.token end
  end
  return words
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
  keys = function() return keys {} end,
  doubts = function() return keys({ pending = true }, "once", "in_doubt") end,
  environments = function() return environments.names(os.getenv) end,
}

local SHELLS = { "bash", "zsh", "fish" }

-- The commands whose argument is completed: by words of this machine, or by a list.
local PLACES = {
  { command = "imports resume", words = "tokens" }, { command = "imports forget", words = "tokens" },
  { command = "imports data", words = "ids" }, { command = "imports rows", words = "ids" },
  { command = "runs show", words = "keys" }, { command = "runs forget", words = "keys" },
  { command = "runs settle", words = "doubts" }, { command = "completion", list = SHELLS },
}

-- The words behind `help`: { { words before, words that may follow }, … }.
local function topics(parser)
  local first, list = {}, { { "help", nil } }
  for _, command in ipairs(parser._commands) do
    first[#first + 1] = command._name
    local names = {}
    for i, each in ipairs(command._commands) do names[i] = each._name end
    if names[1] then list[#list + 1] = { "help " .. command._name, names } end
  end
  first[#first + 1], first[#first + 2] = "options", "man"
  list[1][2] = first
  return list
end

-- --- scripts ---

-- The options of all commands that take a value, so that it is not counted as a word of the command.
local function valued(parser, seen, list)
  for _, option in ipairs(parser._options) do
    for _, alias in ipairs(option._minargs > 0 and option._aliases or {}) do
      if not seen[alias] then seen[alias], list[#list + 1] = true, alias end
    end
  end
  for _, command in ipairs(parser._commands) do valued(command, seen, list) end
  return list
end

local BASH = [=[

_flarelight_words() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" kind= places= word i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
            OPTIONS) ((i++)) ;;
            -*) ;;
            *) places="$places ${COMP_WORDS[i]}" ;;
        esac
    done
    case "$prev" in
        --environment) kind=environments ;;
        OPTIONS) _flarelight; return ;;
    esac
    if [ -z "$kind" ] && [ "${cur#-}" = "$cur" ]; then
        case "$places" in
CASES        esac
    fi
    if [ -n "$kind" ]; then
        COMPREPLY=()
        while IFS= read -r word; do
            printf -v word %q "$word"
            [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
        done < <("${COMP_WORDS[0]}" completion words "$kind" 2>/dev/null)
        return 0
    fi
    _flarelight
}

complete -F _flarelight_words -o bashdefault -o default flarelight
]=]

function completion.bash(parser)
  local cases = {}
  local function add(words, action) cases[#cases + 1] = ('            " %s") %s ;;\n'):format(words, action) end
  local function add_list(words, list)
    add(words, ('COMPREPLY=($(compgen -W "%s" -- "$cur")); return 0'):format(table.concat(list, " ")))
  end
  for _, place in ipairs(PLACES) do
    if place.list then add_list(place.command, place.list) else add(place.command, "kind=" .. place.words) end
  end
  for _, topic in ipairs(topics(parser)) do add_list(topic[1], topic[2]) end
  local own = parser:get_bash_complete():gsub("\ncomplete %-F [^\n]*\n*$", "\n")
  local parts = { OPTIONS = table.concat(valued(parser, {}, {}), "|"), CASES = table.concat(cases) }
  return own .. BASH:gsub("OPTIONS", parts):gsub("CASES", parts)
end

local ZSH_WORDS = [[
_flarelight_words() {
  local -a words
  words=(${(f)"$(flarelight completion words $1 2>/dev/null)"})
  (( $#words )) && compadd -a words
}

_flarelight_topics() {
  case "${words[2,CURRENT-1]}" in
%s  esac
}

]]

-- The text with the action of the argument of a command instead of its files.
local function with_action(text, words, action)
  local group, name = words:match "^(%S+) ?(%S*)$"
  -- The branch of the command, within that of its group.
  local branch = text:find(("\n    %s%%)\n"):format(group))
  if branch and name ~= "" then branch = text:find(("\n        %s%%)\n"):format(name), branch) end
  local start, stop = nil, nil
  if branch then start, stop = text:find(': :_files" \\\n', branch, true) end
  return start and text:sub(1, start - 1) .. ": :" .. action .. '" \\\n' .. text:sub(stop + 1) or text
end

-- argparse completes the value of any option, and any argument, as a file.
function completion.zsh(parser)
  local text = parser:get_zsh_complete()
  text = text:gsub('("%-%-environment%[[^\n]*%]): :_files"', '%1: :{_flarelight_words environments}"')
  for _, place in ipairs(PLACES) do
    text = with_action(text, place.command, place.list and "(" .. table.concat(place.list, " ") .. ")"
      or ("{_flarelight_words %s}"):format(place.words))
  end
  text = with_action(text, "help", "_flarelight_topics")
  local cases = {}
  for i, topic in ipairs(topics(parser)) do
    cases[i] = ('    "%s") compadd -- %s ;;\n'):format(topic[1]:sub(6), table.concat(topic[2], " "))
  end
  local own = ZSH_WORDS:format(table.concat(cases))
  return (text:gsub("\n_flarelight%(%) {", function(head) return "\n" .. own .. head:sub(2) end, 1))
end

local FISH_WORDS = "'(flarelight completion words %s 2>/dev/null)'"

function completion.fish(parser)
  local lines = { parser:get_fish_complete() }
  local function add(condition, words)
    lines[#lines + 1] = ("complete -c flarelight -n '%s' -fa %s"):format(condition, words)
  end
  for _, place in ipairs(PLACES) do
    add("__fish_flarelight_seen_command " .. place.command,
      place.list and "'" .. table.concat(place.list, " ") .. "'" or FISH_WORDS:format(place.words))
  end
  for _, topic in ipairs(topics(parser)) do
    add(('test (commandline -poc | string join " ") = "flarelight %s"'):format(topic[1]),
      "'" .. table.concat(topic[2], " ") .. "'")
  end
  lines[#lines + 1] = "complete -c flarelight -l environment -xa " .. FISH_WORDS:format "environments"
  return table.concat(lines, "\n") .. "\n"
end

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
