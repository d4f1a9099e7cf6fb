--- Translates messages of the module into the words of the command: messages of misuse and of the configuration name
-- options of Lua, but the user of the command has typed flags. Pure.

local wording = {}

-- Pairs of a Lua pattern and its replacement, which are applied in this order.
local PHRASES = {
  { "api_key is missing: give api_key,", "the API key is missing: give --key-file FILE," },
  { "subscription_id is missing: give subscription_id,", "the subscription is missing: give --subscription UUID," },
  { "region is missing: give region or base_url,", "the region is missing: give --region or --base-url," },
  { "^region ", "--region " }, { "^state ", "--state " }, { "^profile: ", "--profile: " },
  { "^api_key ", "--key-file: the key " },
  { "subscription_id", "--subscription" }, { "base_url", "--base-url" }, { "update_key", "--update-key" },
  { "flarelight%.new { state = path }", "--state FILE" },
  { 'on_reject = "isolate" and rejects, the path of a file,', "--on-reject isolate and --rejects FILE" },
  { 'update = "([%w_]+)"', "--update %1" },
  { "of CSV from: give columns$", "of CSV from: give --columns" },
  { ": rejects: ", ": --rejects: " }, { ": key needs ", ": --key needs " },
  { "forget this upload and", "forget this upload (flarelight imports forget) and" },
  { "or forget that one", "or forget that one (flarelight imports forget --key KEY)" },
  { "^imports:export", "imports rows" }, { "^imports:([%w_]+)", "imports %1" }, { "^api:forget", "imports forget" },
}

--- A message of the module in the command's words.
function wording.of(message)
  for _, phrase in ipairs(PHRASES) do message = message:gsub(phrase[1], phrase[2]) end
  return message
end

return wording
