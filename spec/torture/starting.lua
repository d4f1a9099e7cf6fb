-- The starts of a preparation and a report, once each or as often as the script is started: what torture has to tell
-- apart. Usage: starting.lua [careful]
local flarelight = require "flarelight"

local careful = arg[1] == "careful"
local api = assert(flarelight.new { state = os.getenv "FLARELIGHT_STATE" })

local function expect(data, message, err)
  if data ~= nil then return data end
  io.stderr:write(tostring(message), "\n")
  os.exit(err.fate == "in_doubt" and 3 or 1)
end

local function run(key, start)
  if careful then return expect(api:once(key, start)) end
  return expect(start())
end

expect(api.imports:upload {
  key = "strikes", name = "strikes", description = "d",
  records = {
    { ["Flight Date"] = "1990-01-08", ["Wildlife Size"] = "Large" },
    { ["Flight Date"] = "1990-02-09", ["Wildlife Size"] = "Small" },
  },
})
run("prepare", function() return api.preparations:execute(1, nil, { wait = 20 }) end)
run("report", function() return api.reports:generate(1, nil, { wait = 20 }) end)
api:close()
