--- The function `map` of an upload: reads the records of a file as tables, and returns the results of the function.
-- Relies on the handle of a source (csrc/lua/source.c). Raises failures (failure.lua).

local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"

local mapping = {}

local PIECE = 64 -- records made by one call into C

-- The place of a record in words, with the file's name if there is one file.
local function place_of(reader, line)
  if #reader.parts > 1 then return ("line %d of its file"):format(line) end
  return ("%s, line %d"):format(reader.spool and reader.spool.name or reader.parts[1].path, line)
end

local function fail(reader, kind, line, words, members)
  members.line = line
  failure.fail(kind, ("%s: map: %s: %s"):format(reader.operation, place_of(reader, line), words), members)
end

-- Calls the function. An error that it raises becomes an error of kind "raised", with the record's line.
local function call(reader, row, line, number)
  local good, result, message, err = pcall(reader.map, row)
  if not good then
    local raised = errors.from_raised(result)
    fail(reader, raised.kind, line, raised.message, { value = result, record = number })
  end
  if result == nil and (message ~= nil or err ~= nil) then
    fail(reader, "io", line, tostring(message), { record = number })
  end
  if result ~= nil and type(result) ~= "table" then
    fail(reader, "invalid_request", line,
      ("the function should return a table, or nil to drop the record, but returned a %s"):format(type(result)),
      { record = number })
  end
  return result
end

--- Returns a function that returns the next record from `map` and its line in the file; nil at the end. Its argument is
-- the number of the record among the sent records.
---@param handle userdata an opened source
---@param map fun(row: table): table?
---@param operation string begins the messages
---@param spool flarelight.Spool? that the file is a copy in
---@return fun(number: integer): table?, integer?
function mapping.reader(handle, map, operation, spool)
  local reader = { map = map, operation = operation, parts = handle:parts(), spool = spool }
  local rows, lines, at = {}, {}, 0
  return function(number)
    while true do
      at = at + 1
      if at > #rows then
        local more, found, line, kind = handle:rows(PIECE)
        if more == nil and found == nil then
          at = at - 1 -- a further call also returns nil
          return nil
        end
        if more == nil then
          local message = spool and spool:named(found) or found
          failure.fail(kind, operation .. ": " .. message, { line = line, record = number })
        end
        rows, lines, at = more, found, 1
      end
      local result = call(reader, rows[at], lines[at], number)
      if result then return result, lines[at] end
    end
  end
end

return mapping
