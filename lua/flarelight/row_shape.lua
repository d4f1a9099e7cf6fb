--- Row shapes: functions that make the tables of rows, generated from the names of the members and compiled.
--
-- A table constructor with constant names is the fastest way to make a table in Lua: on PUC Lua it costs as much as in
-- C, on LuaJIT less. A shape is a list of names in order. It takes every row whose members are some of these names in
-- this order; members that a row lacks are nil, and so are absent.
-- Relies on core.row_values for the values. Pure otherwise.

local core = require "flarelight.core"
local timeslice = require "flarelight.host.timeslice"

local row_shape = {}

local compile = loadstring or load -- luacheck: ignore

--- The most members of a shape: each takes a local variable of the function, and Lua allows 200.
row_shape.most = compile and 100 or 0

-- On Lua 5.1 the iterator of a `for` loop cannot yield.
local gives_way = (_VERSION ~= "Lua 5.1" or rawget(_G, "jit"))
  and "if timeslice.slice_end then timeslice.check() end" or ""

-- `made` is set once the table is complete. Setting it takes no memory, so no row is lost if memory runs out.
local SOURCE = [[
local values, timeslice, otherwise = ...
local function row(self, page)
  local position, VALUES = values(page, self.made)
  if position then
    local made = { MEMBERS }
    self.made = position
    return made, position
  end
end
local function advance(self)
  local page = self.page
  if page then
    local position, VALUES = values(page, self.made)
    if position then
      local made = { MEMBERS }
      self.made = position
      GIVES_WAY
      return made, position
    end
  end
  return otherwise(self)
end
return row, advance
]]

local function quote(name)
  return '"' .. name:gsub("[^A-Za-z0-9_]", function(byte) return ("\\%03d"):format(byte:byte()) end) .. '"'
end

local function source_of(names)
  local values, members = {}, {}
  for place, name in ipairs(names) do
    values[place] = "v" .. place
    members[place] = ("[%s] = v%d"):format(quote(name), place)
  end
  local parts = {
    VALUES = table.concat(values, ", "), MEMBERS = table.concat(members, ", "), GIVES_WAY = gives_way,
  }
  return (SOURCE:gsub("%u[%u_]+", parts))
end

local MOST_KEPT = 64
local kept, kept_count = {}, 0 -- shapes by their names, shared by all streams

--- The functions for rows with members of these names, in a table to which the caller may add members. `row(stream,
-- page)` returns the next row of a page and its position, or nothing if that row has another shape or the page has
-- ended. `advance(stream)` does the same for `stream.page`, and lets other code run when the time slice is spent. If
-- there is no such row, it returns the results of `otherwise(stream)`. `stream.made` is the position of the row made
-- last, -1 at first; call page:settle(stream.made) before any other method of the page.
---@param names string[] 1 to `most`, no two the same
---@param otherwise fun(stream: table): any, any the same function at every call
---@return { row: (fun(stream: table, page: any): any, integer?), advance: fun(stream: table): any, any }
function row_shape.of(names, otherwise)
  local key = {}
  for place, name in ipairs(names) do key[place] = #name .. ":" .. name end
  key = table.concat(key)
  local made = kept[key]
  if not made then
    if kept_count == MOST_KEPT then kept, kept_count = {}, 0 end
    made = {}
    made.row, made.advance = assert(compile(source_of(names), "=(rows)"))(core.row_values(names), timeslice, otherwise)
    kept[key], kept_count = made, kept_count + 1
  end
  return made
end

--- The names of a shape that takes the rows of both shapes; nil if the shapes differ in order, or the names are too
-- many.
---@param one string[]
---@param other string[]
---@return string[]?
function row_shape.merge(one, other)
  local place_of, after, merged, last = {}, {}, {}, 0
  for place, name in ipairs(one) do place_of[name] = place end
  for _, name in ipairs(other) do
    local place = place_of[name]
    if not place then
      after[last] = after[last] or {}
      table.insert(after[last], name)
    elseif place < last then
      return nil
    else
      last = place
    end
  end
  for place = 0, #one do
    if place > 0 then merged[#merged + 1] = one[place] end
    for _, name in ipairs(after[place] or {}) do merged[#merged + 1] = name end
  end
  return #merged <= row_shape.most and merged or nil
end

return row_shape
