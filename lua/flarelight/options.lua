--- Checks of arguments and options. Misuse raises, naming the argument, before anything is sent. Pure.

local misuse = require "flarelight.misuse"

local options = {}

local function whole(value, least)
  return type(value) == "number" and value == math.floor(value) and value >= least and value < 2 ^ 53
end

-- The types of options: a test, and its words in messages.
local types = {
  string = { function(v) return type(v) == "string" end, "a string" },
  boolean = { function(v) return type(v) == "boolean" end, "true or false" },
  ["function"] = { function(v) return type(v) == "function" end, "a function" },
  table = { function(v) return type(v) == "table" end, "a table" },
  path = { function(v) return type(v) == "string" and not v:find("\0", 1, true) end, "a path without NUL bytes" },
  source = {
    function(v) return type(v) == "string" and not v:find("\0", 1, true) or type(v) == "table" end,
    "a path without NUL bytes or a list of them",
  },
  url = { function(v) return type(v) == "string" and not v:find("\0", 1, true) end, "a URL without NUL bytes" },
  tls_version = { function(v) return v == "1.2" or v == "1.3" end, '"1.2" or "1.3"' },
  any = { function() return true end, "anything" },
  seconds = { function(v) return type(v) == "number" and v > 0 end, "a number of seconds above 0" },
  days = { function(v) return type(v) == "number" and v > 0 end, "a number of days above 0" },
  duration = { function(v) return type(v) == "number" and v >= 0 end, "a number of seconds, 0 or more" },
  count = { function(v) return whole(v, 0) end, "a whole number, 0 or more" },
  positive = { function(v) return whole(v, 1) end, "a whole number above 0" },
  text_or_function = {
    function(v) return type(v) == "string" or type(v) == "function" end, "a string or a function",
  },
  boolean_or_function = {
    function(v) return type(v) == "boolean" or type(v) == "function" end, "true, false or a function",
  },
  id = {
    function(v) return type(v) == "string" or type(v) == "number" or type(v) == "table" end,
    "a string or a whole number",
  },
  array_or_function = {
    function(v) return type(v) == "table" or type(v) == "function" end, "an array or an iterator function",
  },
  text_or_table = {
    function(v) return type(v) == "string" or type(v) == "table" end, "a string or a table",
  },
  seconds_or_table = {
    function(v) return type(v) == "number" and v > 0 or type(v) == "table" end,
    "a number of seconds above 0 or a table",
  },
  path_or_false = {
    function(v) return v == false or type(v) == "string" and not v:find("\0", 1, true) end,
    "a path without NUL bytes or false",
  },
  path_or_table = {
    function(v) return type(v) == "string" and not v:find("\0", 1, true) or type(v) == "table" end,
    "a path without NUL bytes or a table",
  },
}

--- A value as it stands in a message, cut to 40 bytes.
function options.describe(value)
  if type(value) == "string" or type(value) == "number" or type(value) == "boolean" then
    local text = tostring(value)
    if #text > 40 then text = text:sub(1, 37) .. "..." end
    return type(value) == "string" and ("%q"):format(text) or text
  end
  return value == nil and "nil" or "a " .. type(value)
end

--- Whether a value has a type; the words for the type in messages.
function options.fits(value, expected) return types[expected][1](value) end
function options.expected(expected) return types[expected][2] end

--- Raises unless `value` has the type. Returns the value. Messages do not show `secret` values.
function options.check(name, value, expected, secret)
  local test = types[expected]
  if not test[1](value) then
    local is = secret and "a " .. type(value) or options.describe(value)
    misuse(("%s: should be %s, but is %s"):format(name, test[2], is))
  end
  return value
end

--- Checks a table of options against `known` (name -> type) and returns it; {} for nil. Messages do not show the
-- values of the names in `secrets`.
function options.table(what, given, known, secrets)
  if given == nil then return {} end
  if type(given) ~= "table" then
    misuse(("%s: should be a table, but is %s"):format(what,
      secrets and "a " .. type(given) or options.describe(given)))
  end
  for name, value in pairs(given) do
    local expected = known[name]
    if not expected then
      local list = table.concat(require("flarelight.names").sorted(known), ", ")
      misuse(("%s: unknown option %s (known: %s)"):format(what, options.describe(name), list))
    end
    options.check(("%s.%s"):format(what, name), value, expected, secrets and secrets[name])
  end
  return given
end

--- Raises if a table gets its elements from its metatable, or can be called as an iterator. Such a table would look
-- empty.
function options.plain_array(name, value)
  local metatable = getmetatable(value)
  if type(metatable) == "table" and metatable.__call then
    misuse(name .. ": should be an array, but is a table that can be called; a function may call it")
  end
  local beyond = #value + 1
  local by_pairs = type(metatable) == "table" and metatable.__pairs ~= nil
  if by_pairs or value[beyond] ~= nil and rawget(value, beyond) == nil then
    misuse(name .. ": should be an array, but is a table whose elements come from its metatable")
  end
end

--- Raises if a method was called with a dot instead of a colon. `name` is the method, as "imports.all".
function options.self(value, metatable, name)
  if type(value) ~= "table" or getmetatable(value) ~= metatable then
    misuse(("%s: call it with a colon, as in object:%s(…)"):format(name, name:match "[^.]+$"))
  end
end

--- Lets a stream raise where code takes it for an array: `ipairs` over it and `#` of it would find nothing, and end in
-- silence. Lua 5.1 and LuaJIT ask no metatable there.
---@param class table the metatable of the stream and its `__index`
---@param words string of the message
function options.no_array(class, words)
  function class.__len() misuse(words) end
  setmetatable(class, {
    __index = function(_, key)
      if type(key) == "number" then misuse(words) end
    end,
  })
end

--- The options that every call takes.
options.call = { deadline = "seconds", repeatable = "boolean", fresh = "boolean", headers = "table" }

--- The options of a call that has more of its own.
function options.with_call(more)
  local known = {}
  for name, expected in pairs(options.call) do known[name] = expected end
  for name, expected in pairs(more) do known[name] = expected end
  return known
end

return options
