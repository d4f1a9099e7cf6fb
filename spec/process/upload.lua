-- upload.lua STATE FILE [STEP NTH [REJECTS]]: uploads a file in batches of 10. The process is killed when the upload
-- reaches STEP for the NTH time. SERIES in the environment names its series.

local flarelight = require "flarelight"
local checkpoints = require "flarelight.upload.checkpoints"
local state, file, step, nth = arg[1], arg[2], arg[3], tonumber(arg[4])

if step then
  local seen = 0
  checkpoints.on = function(name)
    if name ~= step then return end
    seen = seen + 1
    if seen == nth then
      os.execute "kill -9 $PPID"
      while true do end -- luacheck: ignore
    end
  end
end
local api = assert(flarelight.new { state = state })
local result, message, err = api.imports:upload {
  file = file, name = "killed", description = "kept", key = "killed", batch_records = 10, settle = 0.01,
  on_reject = arg[5] and "isolate" or nil, rejects = arg[5], series = os.getenv "SERIES",
}
if result then print("done", result.records, result.id) else print("failed", err.fate, message) end
