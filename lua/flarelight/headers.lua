--- Headers of the caller: checks them, and writes them as lines for the binding. Pure. Misuse raises. No message shows
-- a value, since a value may be a secret.

local misuse = require "flarelight.misuse"
local options = require "flarelight.options"

local headers = {}

local MOST = 64        -- headers of a request; FL_HEADERS_MOST of the core
local LONGEST_NAME, LONGEST_ID = 128, 128

local KEY, OWN = "is the API key's, which flarelight sends", "is set by flarelight"
-- Names that the caller may not set -> the reason.
local REFUSED = {
  ["x-api-key"] = KEY, authorization = KEY, ["proxy-authorization"] = "belongs to the URL of the option proxy",
  ["x-subscription-id"] = "is set by the option subscription_id", ["user-agent"] = "is set by the option user_agent",
}
for _, name in ipairs {
  "host", "content-length", "transfer-encoding", "content-encoding", "accept-encoding", "connection", "keep-alive",
  "proxy-connection", "te", "trailer", "upgrade", "expect",
} do REFUSED[name] = OWN end

-- Checks of the values of certain headers: the words that follow the name, or nil if the value is good.
local function check_request_id(value)
  if value:find "[^\33-\126]" or #value > LONGEST_ID then
    return ("should be at most %d visible characters of ASCII"):format(LONGEST_ID)
  end
end

local function check_traceparent(value)
  local version, trace, span = value:match "^([%da-f][%da-f])%-([%da-f]+)%-([%da-f]+)%-[%da-f][%da-f]$"
  if not version or version == "ff" or #trace ~= 32 or #span ~= 16 or not (trace .. "-" .. span):find "[^0-]"
      or not trace:find "[^0]" or not span:find "[^0]" then
    return "should be as in W3C Trace Context: 00-, 32 hexadecimal digits, -, 16 digits, -, 2 digits"
  end
end

local VALUES = { ["x-request-id"] = check_request_id, traceparent = check_traceparent }

-- The fault of a header as the end of a sentence, or nil.
local function fault_of(lower, value, own)
  if lower:find "[^%w!#$%%&'*+.^_`|~-]" or #lower > LONGEST_NAME or lower == "" then
    return "is no name of a header"
  end
  if REFUSED[lower] then return REFUSED[lower] end
  if own and lower == "x-request-id" then return "names one call: give it in the headers of the call" end
  if type(value) ~= "string" and type(value) ~= "number" then return "should be a string, but is a " .. type(value) end
  value = tostring(value)
  if value:find "[%z\1-\8\10-\31\127]" then return "holds a control character" end
  if value:find "^%s*$" then return "is empty" end
  return VALUES[lower] and VALUES[lower](value)
end

--- Checks a table of headers, name -> value. Returns a copy; {} for nil.
---@param what string the argument, for messages
---@param given table<string, string|number>?
---@param own boolean? they are those of all calls of a client
---@return table<string, string>
function headers.check(what, given, own)
  local checked, seen, count = {}, {}, 0
  if given == nil then return checked end
  options.check(what, given, "table")
  for name, value in pairs(given) do
    if type(name) ~= "string" then misuse(("%s: names are strings, but one is a %s"):format(what, type(name))) end
    local lower = name:lower()
    local fault = fault_of(lower, value, own) or seen[lower] and "is given twice"
    if fault then misuse(("%s: %q %s"):format(what, name, fault)) end
    seen[lower], count = true, count + 1
    checked[name] = tostring(value):match "^%s*(.-)%s*$"
  end
  if count > MOST then misuse(("%s: %d headers are too many, at most %d"):format(what, count, MOST)) end
  return checked
end

--- The headers of both tables (of `check`). Those of the second replace those of the first, in any case.
function headers.join(one, other)
  local joined, replaced = {}, {}
  for name, value in pairs(other) do joined[name], replaced[name:lower()] = value, true end
  for name, value in pairs(one) do
    if not replaced[name:lower()] then joined[name] = value end
  end
  return joined
end

--- Headers as lines, each with a NUL behind it, sorted by name, and the request id among them, which is no line. nil
-- for none.
---@param given table<string, string> of `check`
---@return string? lines, string? request_id
function headers.lines(given)
  local lines, id = {}, nil
  for name, value in pairs(given) do
    if name:lower() == "x-request-id" then id = value else lines[#lines + 1] = name .. ": " .. value .. "\0" end
  end
  table.sort(lines)
  return lines[1] and table.concat(lines) or nil, id
end

return headers
