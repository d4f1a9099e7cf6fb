-- One file under a key that names the upload for good: the script of the project's own torture campaign
-- (docs/torture.md). Usage: loading.lua [FILE [RECORDS_A_BATCH]].
local flarelight = require "flarelight"

local file = arg[1] or "examples/data/birdstrikes.csv"
local api = assert(flarelight.new { state = os.getenv "FLARELIGHT_STATE" })
local result, message, err = api.imports:upload {
  file = file, name = "strikes", key = file:match "[^/]+$", batch_records = tonumber(arg[2]) or 1000,
}
if not result then
  io.stderr:write(message, "\n")
  os.exit((err.fate == "in_doubt" or err.fate == "foreign" or err.kind == "conflict") and 3 or 1)
end
api:close()
