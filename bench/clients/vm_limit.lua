-- vm_limit.lua WAY FOLDER ROWS: makes and visits the tables of ROWS rows, from tokens that are ready in
-- memory (20 pages of FOLDER, again and again). WAY is pages, rows, chunks or columns: how many tables are alive
-- at a time decides how a Lua's memory behaves, so no one way is the fastest on every Lua.
-- Prints the seconds, the rows, and the sum of the column `quantity`.

local vm_limit = require "vm_limit"

local way, folder, wanted = arg[1], arg[2], tonumber(arg[3])

local texts = {}
for page = 1, 20 do
  local file = assert(io.open(("%s/%d.json"):format(folder, (page - 1) * 5000), "rb"))
  texts[page] = file:read "*a"
  file:close()
end
local next_page, next_row, next_chunk, next_columns = vm_limit.load(texts)
texts = nil -- luacheck: ignore
collectgarbage()
collectgarbage()

local ways = {
  pages = function()
    local seen, sum = 0, 0
    for rows in next_page do
      for index = 1, #rows do sum = sum + rows[index].quantity end
      seen = seen + #rows
    end
    return seen, sum
  end,
  rows = function()
    local seen, sum = 0, 0
    for row in next_row do
      seen, sum = seen + 1, sum + row.quantity
    end
    return seen, sum
  end,
  chunks = function()
    local seen, sum, rows = 0, 0, {}
    while true do
      local count = next_chunk(rows)
      if count == 0 then return seen, sum end
      for index = 1, count do sum = sum + rows[index].quantity end
      seen = seen + count
    end
  end,
  columns = function()
    local seen, sum = 0, 0
    while true do
      local columns, count = next_columns(1000)
      if count == 0 then return seen, sum end
      local quantity = columns.quantity
      for index = 1, count do sum = sum + quantity[index] end
      seen = seen + count
    end
  end,
}

local run = ways[way]
local begun, seen, sum = vm_limit.now(), 0, 0
while seen < wanted do
  local more_seen, more_sum = run()
  seen, sum = seen + more_seen, sum + more_sum
end
print(("%.6f %d %.0f"):format(vm_limit.now() - begun, seen, sum))
