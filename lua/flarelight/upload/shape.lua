--- The shape of a source: its columns, their types, and the number of its records. series.lua compares shapes.
--
-- The core finds the shape of a file in the pass before the first record (the option `survey` of a source). The shape
-- of an array is found here. Relies on timeslice.lua to let other code run meanwhile.

local core = require "flarelight.core"
local json = require "flarelight.json"
local timeslice = require "flarelight.host.timeslice"

local shape = {}

local PIECE = 64 -- records to read before other code may run

local TYPES = { number = "number", string = "text", boolean = "boolean" }

-- The type of a value, in the core's words for members of JSON; nil for null.
local function type_of(value)
  if value == json.null then return nil end
  if type(value) ~= "table" then return TYPES[type(value)] end
  if getmetatable(value) == core.integer_metatable then return "number" end
  return (getmetatable(value) == core.array_metatable or value[1] ~= nil) and "array" or "object"
end

local function learn(types, record)
  for name, value in next, record do
    local kind = type_of(value)
    if type(name) == "string" then
      local known = types[name]
      if known == nil or known == "null" then types[name] = kind or "null"
      elseif kind and kind ~= known then types[name] = "mixed" end
    end
  end
end

--- Finds a shape record by record. Returns a function that takes a record, and a function that returns the shape of
-- all. Records that are no tables are only counted.
---@return fun(record: any) look, fun(): table shape
function shape.finder()
  local types, count = {}, 0
  local function look(record)
    count = count + 1
    if count % PIECE == 0 and timeslice.slice_end then timeslice.check() end
    if type(record) == "table" then learn(types, record) end
  end
  return look, function()
    local columns = json.array {}
    for name, kind in pairs(types) do columns[#columns + 1] = { name, kind } end
    table.sort(columns, function(left, right) return left[1] < right[1] end)
    return { records = count, columns = columns }
  end
end

--- The shape of an array of records.
function shape.of_array(records)
  local look, found = shape.finder()
  for _, record in ipairs(records) do look(record) end
  return found()
end

--- The shape of an opened file of source.lua.
function shape.of_file(opened)
  local found = opened.handle:shape()
  return { records = found.records, columns = json.array(found.columns) }
end

return shape
