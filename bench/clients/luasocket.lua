-- luasocket.lua BASE ROWS: luasocket and lua-cjson, page by page.
-- Prints the seconds, the rows, and the sum of the column `quantity`.

local http = require "socket.http"
local json = require "cjson"
local now = require("socket").gettime

local base, import = arg[1], arg[2]

local begun, seen, sum = now(), 0, 0
repeat
  local body, status = http.request(("%s/Import/%s/Data?start=%d&count=5000"):format(base, import, seen))
  assert(body and status == 200, status)
  local rows = json.decode(body).data
  for _, row in ipairs(rows) do sum = sum + row.quantity end
  seen = seen + #rows
until #rows == 0
print(("%.6f %d %.0f"):format(now() - begun, seen, sum))
