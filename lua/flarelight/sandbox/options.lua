--- Checks the arguments of the sandbox's functions by tables of rules. Relies on names.lua.
--
-- A rule is a table: `type`, of Lua or one of "integer", "choice" (`choices` lists them), "retry_after" (seconds, or a
-- header's text), "definitions" (a table, or a file's path); `default`; for numbers `least` and `most`. The rules of
-- the server's options come from the server's own lists (flarelight.sandbox_core).

local names = require "flarelight.names"

local options = {}

local function is_integer(value)
  return type(value) == "number" and value == math.floor(value)
end

--- The rule that a value breaks, or nil.
function options.fault_of(value, rule)
  local kind = rule.type
  if kind == "choice" then
    for _, choice in ipairs(rule.choices) do
      if value == choice then return nil end
    end
    return "must be one of " .. table.concat(rule.choices, ", ")
  elseif kind == "integer" or kind == "number" then
    if kind == "integer" and not is_integer(value) then return "must be a whole number" end
    if type(value) ~= "number" or value ~= value then return "must be a number" end
    if rule.most == math.huge and value < rule.least then return ("must be at least %g"):format(rule.least) end
    if value < rule.least or value > rule.most then
      return ("must be from %g to %g"):format(rule.least, rule.most)
    end
  elseif kind == "retry_after" then
    if type(value) ~= "string" and not (type(value) == "number" and value >= 0) then
      return "must be a number of seconds or a header's text"
    end
  elseif kind == "definitions" then
    if type(value) ~= "string" and type(value) ~= "table" then
      return "must be a table or the path of a file"
    end
  elseif type(value) ~= kind then
    return "must be a " .. kind
  end
  local is_text = type(value) == "string" and (kind == "string" or kind == "definitions")
  if is_text and value:find("\0", 1, true) then return "must not hold a NUL" end
end

-- The names of the rules, as the end of a message.
local function known_names(rule_sets)
  local all = {}
  for _, rules in ipairs(rule_sets) do
    for name in pairs(rules) do all[name] = true end
  end
  return (" (known: %s)"):format(table.concat(names.sorted(all), ", "))
end

--- The members of `given`, with the defaults of the rules for missing members. Raises on unknown members and wrong
--- values.
---@param what string the function, for messages
---@param given table
---@param level integer of the caller to blame
---@param ... table sets of rules by name
---@return table
function options.checked(what, given, level, ...)
  local values, rule_sets = {}, { ... }
  for _, rules in ipairs(rule_sets) do
    for name, rule in pairs(rules) do values[name] = rule.default end
  end
  for name, value in pairs(given) do
    local rule
    for _, rules in ipairs(rule_sets) do rule = rule or rules[name] end
    if not rule then
      error(("%s: unknown option '%s'%s"):format(what, tostring(name), known_names(rule_sets)), level + 1)
    end
    local fault = options.fault_of(value, rule)
    if fault then error(("%s: %s %s"):format(what, name, fault), level + 1) end
    values[name] = value
  end
  return values
end

--- Raises unless every name of the list is one of `known`.
function options.check_operations(what, list, known, level)
  for _, name in ipairs(list) do
    if not known[name] then
      error(("%s: unknown operation '%s': it is none of %s"):format(what, tostring(name),
        table.concat(names.sorted(known), ", ")), level + 1)
    end
  end
end

--- An id as the text in a path, or nil if the value is no id.
function options.id_text(id)
  if is_integer(id) and math.abs(id) <= 2 ^ 53 then return ("%d"):format(id) end
  if type(id) == "string" and id ~= "" and #id < 200 then return id end
end

return options
