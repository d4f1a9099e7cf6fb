--- Translates messages of the module into the words of the command. Messages of misuse and of the configuration name
-- options of Lua, but the user of the command has typed flags. Pure.

local settings = require "flarelight.settings"
local system = require "flarelight.system"

local wording = {}

--- A text as one word of a shell, in quotes if it needs them.
function wording.quoted(text) return text:find "^[%w%.:/_%-]+$" and text or system.quote(text) end

-- A setting at the beginning of a message: `ca_file: ` is `--ca-file: `.
local function of_setting(name, colon)
  local row = settings.by_name[name]
  if row and row.flag then return row.flag .. colon .. " " end
end

-- Pairs of a Lua pattern and its replacement, which are applied in this order.
local PHRASES = {
  { "api_key is missing: give api_key,", "the API key is missing: give --key-file FILE," },
  { "set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE",
    "set FLARELIGHT_API_KEY, FLARELIGHT_API_KEY_FILE or FLARELIGHT_KEY_COMMAND, or give --key-command COMMAND" },
  { "subscription_id is missing: give subscription_id,", "the subscription is missing: give --subscription UUID," },
  { "region is missing: give region or base_url,", "the region is missing: give --region or --base-url," },
  { "^flarelight%.new%.headers: ", "--headers: " }, { "^api:request%.", "api: " },
  { "^region ", "--region " }, { "^state ", "--state " }, { "^profile: ", "--profile: " },
  { "^the key in api_key_file ", "--key-file: the key " }, { "^api_key_file", "--key-file" },
  { "^api_key ", "--key-file: the key " }, { "^([%l_]+)(:?) ", of_setting },
  { "subscription_id", "--subscription" }, { "base_url", "--base-url" }, { "update_key", "--update-key" },
  { "flarelight%.new { state = path }", "--state FILE" },
  { 'on_reject = "isolate" and rejects, the path of a file,', "--on-reject isolate and --rejects FILE" },
  { 'update = "([%w_]+)"', "--update %1" },
  { "allow_insecure_http allows it", "use https://" },
  { ': should be a path without NUL bytes, "%-" or a function$',
    ": should be the path of a file, or - for standard output" },
  { "so that limit has no place$", "so that --limit has no place" },
  { ": drift goes with series, ", ": --drift goes with --series, " },
  { "and resume with its part$", "and --resume with its part" },
  { ": continue: needs a state file %(.*%)$", ": --continue: needs a state file: --state FILE" },
  { "^imports:export: continue: ", "imports:export: --continue: " },
  { "^imports:export: where: ", "imports:export: --where: " },
  { "of CSV from: give columns$", "of CSV from: give --columns" },
  { 'drift = "(%l+)"', "--drift %1" }, { ": series: ", ": --series: " },
  { ": rejects: ", ": --rejects: " }, { ": key needs ", ": --key needs " },
  { "forget this upload and", "forget this upload (flarelight imports forget) and" },
  { "or forget that one", "or forget that one (flarelight imports forget --key KEY)" },
  { ": give done %(or .*$", ": give --until-report ID or --until-preparation ID" },
  { ": give wait a function done that tells it", "; --profile FILE names another profile" },
  { "^(%l+):(%l+)%.wait: ", "%1 %2 --wait: " },
  { "begun with a function map: give it again", "begun with --map: give --map FILE.lua again" },
  { "begun without a function map", "begun without --map" }, { "(names an upload %l+) map:", "%1 --map:" },
  { "or the result of map%)", "or the result of --map)" },
  { "^imports:export", "imports rows" },
  { "^imports:compare", "imports diff" },
  { "^imports:plan", "plan" }, { "^imports:([%w_]+)", "imports %1" }, { "^api:forget", "imports forget" },
}

-- The commands of methods that have other names, and the flags of options that have.
local COMMANDS = { export = "rows", compare = "diff" }
local OPTIONS = { to = "-o", file = "FILE" }

-- "imports:export.page_size: " is "imports rows: --page-size: ".
local function of_option(method, option)
  local flag = OPTIONS[option] or "--" .. option:gsub("_", "-")
  return ("imports %s: %s: "):format(COMMANDS[method] or method, flag)
end

-- The options of a file, by their names in Lua.
local FILE_OPTIONS = {
  "types", "format", "delimiter", "quote", "header", "skip", "comment", "encoding", "decimal", "nulls", "trim", "at",
  "rename", "columns", "set",
}
local FLAGS = { format = "--input-format" }

-- An option and its value as a flag to type: quote = false is --no-quote.
local function typed(flag, value)
  if value == "false" then return "--no-" .. flag:sub(3) end
  if value == "true" then return flag end
  if value == "none" then return "no " .. flag end
  return flag .. " " .. value
end

--- A message about a file in the command's words: `delimiter = ";"` is --delimiter ';'.
function wording.of_file(message)
  for _, name in ipairs(FILE_OPTIONS) do
    local flag = FLAGS[name] or "--" .. name
    message = message:gsub("%f[%w_]" .. name .. ' = "([^"]*)"', function(value)
      return flag .. " " .. wording.quoted(value)
    end)
    message = message:gsub("%f[%w_]" .. name .. " = (%w+)", function(value) return typed(flag, value) end)
    message = message:gsub("%f[%w_]" .. name .. " = ([%[{])", function(open) return flag .. " " .. open end)
    message = message:gsub("^" .. name .. ": ", function() return flag .. ": " end)
    message = message:gsub(": " .. name .. ": ", function() return ": " .. flag .. ": " end)
  end
  return (message:gsub("%f[%w_]expect%.([%a_]+)", function(name) return "--expect-" .. name:gsub("_", "-") end))
end

--- A message of the module in the command's words.
function wording.of(message)
  -- A message about the configuration file names the file's own words.
  if message:find "config%.ini, line %d" or message:find "^environment " then return message end
  -- A message about a batch may end with the service's own words.
  local of_file = message:find "^imports:upload" and not message:find "^imports:upload: batch %d"
    or message:find "^imports:compare" or message:find "^imports:plan"
  message = message:gsub("^imports:(%l+)%.([%l_]+): ", of_option)
  for _, phrase in ipairs(PHRASES) do message = message:gsub(phrase[1], phrase[2]) end
  return of_file and wording.of_file(message) or message
end

return wording
