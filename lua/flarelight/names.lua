--- The keys of a table as a sorted list: for messages and texts that are the same each time. Relies on nothing.

local names = {}

local function before(one, other)
  if type(one) == type(other) then return one < other end
  return type(one) < type(other)
end

--- The keys of a table, sorted; keys of several types by their types. They are strings or numbers.
---@param members table? none counts as empty
---@return (string|number)[]
function names.sorted(members)
  local list = {}
  for name in pairs(members or {}) do list[#list + 1] = name end
  table.sort(list, before)
  return list
end

return names
