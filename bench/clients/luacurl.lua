-- luacurl.lua BASE ROWS: lua-curl (libcurl's easy interface) and lua-cjson, page by page over one
-- connection. Prints the seconds, the rows, and the sum of the column `quantity`.

local curl = require "curl"
local json = require "cjson"
local now = require("socket").gettime

local base, import = arg[1], arg[2]
local handle, pieces = curl.easy_init(), nil
handle:setopt(curl.OPT_WRITEFUNCTION, function(piece)
  pieces[#pieces + 1] = piece
  return #piece
end)

local begun, seen, sum = now(), 0, 0
repeat
  pieces = {}
  handle:setopt(curl.OPT_URL, ("%s/Import/%s/Data?start=%d&count=5000"):format(base, import, seen))
  assert(handle:perform())
  local rows = json.decode(table.concat(pieces)).data
  for _, row in ipairs(rows) do sum = sum + row.quantity end
  seen = seen + #rows
until #rows == 0
print(("%.6f %d %.0f"):format(now() - begun, seen, sum))
