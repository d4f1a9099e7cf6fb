-- A good script: writes bad records to a rejects file, and loads the rest.
local flarelight = require "flarelight"
local api = assert(flarelight.new { state = os.getenv "FLARELIGHT_STATE" })
local records = {}
for n = 1, 60 do records[n] = { n = n, amount = n % 17 ~= 0 and n or nil } end
local result = assert(api.imports:upload {
  records = records, name = "rejecting", key = "rejecting", batch_records = 20, on_reject = "isolate",
  rejects = os.getenv "FLARELIGHT_TORTURE" .. "/rejects.jsonl",
})
assert(result.rejected == 3, "rejected " .. result.rejected)
local lines = 0
for _ in io.lines(os.getenv "FLARELIGHT_TORTURE" .. "/rejects.jsonl") do lines = lines + 1 end
assert(lines == 3, "lines of rejects: " .. lines)
