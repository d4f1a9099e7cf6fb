--- Lists and sets of names, for the specs that compare what is listed at two places. Relies on nothing.

local names = {}

--- The keys of a table, sorted.
function names.sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- The keys that are texts, sorted.
function names.texts(members)
  local set = {}
  for name in pairs(members) do
    if type(name) == "string" then set[name] = true end
  end
  return names.sorted(set)
end

--- A table that has true for each name of a list.
function names.set(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

return names
