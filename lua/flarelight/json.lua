--- JSON without loss of digits. The codec is in C; this module checks arguments.

local core = require "flarelight.core"
local misuse = require "flarelight.misuse"

---@class flarelight.json
---@field null lightuserdata
local json = {}

--- JSON's null: the same value as cjson.null.
json.null = core.null

--- A value as JSON text. Raises for a value that has no form in JSON, with the path to it: NaN and infinity, functions,
-- cyclic tables, sparse arrays, tables with both names and numbers as keys.
---@param value any
---@return string
function json.encode(value)
  local text, message = core.encode(value)
  if not text then misuse("json.encode: " .. message) end
  return text
end

--- The value of a JSON text, or `nil, message` with the position. Null is `flarelight.null`.
---@param text string
---@return any value, string? message
function json.decode(text)
  if type(text) ~= "string" then
    misuse("json.decode: should be given a string, but is given a " .. type(text))
  end
  return core.decode(text)
end

--- Marks a table as an array, so that it is sent as an array even when it is empty. Returns the table.
---@param elements table?
---@return table
function json.array(elements)
  if elements ~= nil and type(elements) ~= "table" then
    misuse("array: should be given a table, but is given a " .. type(elements))
  end
  return setmetatable(elements or {}, core.array_metatable)
end

---@class flarelight.Integer
local integer = core.integer_metatable
integer.__index = integer
integer.__name = "flarelight.integer"
integer.__tostring = function(self) return self[1] end
integer.__eq = function(left, right) return left[1] == right[1] end

--- A whole number of any size, which is sent with the digits given.
---@param digits string|integer
---@return flarelight.Integer
function json.integer(digits)
  local text = type(digits) == "number" and ("%.0f"):format(digits) or digits
  if type(digits) == "number" and (digits ~= math.floor(digits) or math.abs(digits) > 2 ^ 53) then
    if not (math.type and math.type(digits) == "integer") then
      misuse "integer: a number must be whole and within 2^53; give larger ones as a string of digits"
    end
    text = tostring(digits)
  end
  if type(text) ~= "string" or not (text:match "^%-?[1-9]%d*$" or text == "0") then
    misuse("integer: should be given decimal digits, but is given " .. tostring(digits))
  end
  return setmetatable({ text }, integer)
end

return json
