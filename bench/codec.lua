-- codec.lua: the decoder of flarelight beside lua-cjson, on one page of rows: the best processor time of several runs,
-- and the digits that are kept. The figures stand in the README.
--
--   eval "$(make -s env)" && lua5.4 bench/codec.lua

local cjson = require "cjson"
local flarelight = require "flarelight"

local ROWS, RUNS = 5000, 30

local function best(run)
  local least = math.huge
  for _ = 1, RUNS do
    collectgarbage()
    local begun = os.clock()
    run()
    least = math.min(least, os.clock() - begun)
  end
  return least * 1000
end

-- A page of rows as the service sends it.
local records = {}
for row in assert(flarelight.csv.rows "examples/data/birdstrikes.csv") do
  records[#records + 1] = row
  if #records == ROWS then break end
end
local page = flarelight.json.encode(records)
print(("a page of %d rows, %.1f MB of JSON"):format(#records, #page / 1e6))
print(("decode  cjson %.1f ms   flarelight %.1f ms"):format(
  best(function() cjson.decode(page) end), best(function() flarelight.json.decode(page) end)))
print(("encode  cjson %.1f ms   flarelight %.1f ms"):format(
  best(function() cjson.encode(records) end), best(function() flarelight.json.encode(records) end)))

-- Read and written again.
local TEXTS = { "9007199254740993", "9223372036854775807", "18446744073709551615", "0.1", "1e400", "[]", "1.0" }
for _, text in ipairs(TEXTS) do
  local read, value = pcall(function() return cjson.encode(cjson.decode("[" .. text .. "]")) end)
  local own, message = flarelight.json.decode("[" .. text .. "]")
  print(("%-22s cjson %-30s flarelight %s"):format(text, read and value or "cannot write it again",
    own and flarelight.json.encode(own) or "refuses it: " .. message))
end
