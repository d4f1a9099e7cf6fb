-- A script for cron that may be killed at any moment, and run again: the key names the upload for good, so
-- that the same file is never loaded twice; the state file remembers what was sent. Each night's file has a name of
-- its own (strikes-2026-11-24.csv), which is the key. Try it to the limit with
--   flarelight torture examples/nightly.lua
local flarelight = require "flarelight"

local here = arg[0]:match "^(.*/)" or "./"
local file = arg[1] or here .. "data/birdstrikes.csv"
local state = os.getenv "FLARELIGHT_STATE" or "nightly.db"
local api = assert(flarelight.new { state = state })

local result, message, err = api.imports:upload {
  file = file, name = "strikes", key = file:match "[^/]+$", batch_records = tonumber(arg[2]) or 1000,
}
if not result then
  -- In doubt or foreign, or a file that has changed under its name: somebody has to look. Anything else: the next
  -- run goes on.
  io.stderr:write(message, "\n")
  os.exit((err.fate == "in_doubt" or err.fate == "foreign" or err.kind == "conflict") and 3 or 1)
end
print(("import %s: %d records"):format(tostring(result.id), result.records))
api:close()
