-- A night's work: loads two files, prepares them, generates a report, draws its chart and prints a summary. It may be
-- killed at any moment, and started again at any time, and does each thing once: docs/night.md explains how, and has
-- the lines for cron and systemd. To try it:
--   flarelight sandbox --definitions examples/definitions.lua -- lua examples/nightly.lua
-- Usage: nightly.lua [STRIKES.csv [WEATHER.csv [FOLDER OF CHARTS]]]. The name of each night's file is its own.
local flarelight = require "flarelight"

local PREPARATION, REPORT = 1, 1 -- their ids at the service
local here = arg[0]:match "^(.*/)" or "./"
local files = { { "strikes", arg[1] or here .. "data/birdstrikes.csv" },
                { "weather", arg[2] or here .. "data/seattle-weather.csv" } }
local night = files[1][2]:match "([^/]+)%.[^./]+$"
local chart = (arg[3] or ".") .. "/" .. night .. ".svg"
local api = assert(flarelight.new { state = os.getenv "FLARELIGHT_STATE" or "nightly.db" })

-- Ends the script after an error. 1: the next start goes on from here. 3: somebody has to look first, because it is not
-- known what happened, a run has failed, or the data is not what it was.
local LOOK = { in_doubt = true, foreign = true, partial = true, conflict = true, run_failed = true }
local function expect(data, meta, err)
  if data then return data, meta end
  io.stderr:write("nightly: ", tostring(meta), "\n")
  os.exit((LOOK[err.fate] or LOOK[err.kind]) and 3 or 1)
end

local function say(name, ...) print(("%-8s  "):format(name) .. string.format(...)) end

-- The key names the upload for good: a file that is loaded is never loaded again. The series refuses a file that is
-- unlike the one of the night before. The description lets an import be found whose creation is in doubt.
for _, each in ipairs(files) do
  local name, file = each[1], each[2]
  local key = file:match "[^/]+$"
  local result = expect(api.imports:upload { file = file, name = name, description = key, series = name, key = key })
  say(name, "import %s, %d records%s", tostring(result.id), result.records, result.already and ", loaded before" or "")
end

-- Starts a run once a night, and waits for its end. A script that is started again waits on for the same run.
local function run(name, start)
  local _, meta = expect(api:once(name .. " of " .. night, start))
  local proof = meta.proof -- none if somebody has settled it
  local seen = proof and ("after %.1f s, seen in its %s"):format(proof.seconds, proof.seen_in) or "settled by hand"
  say(name, "%s%s", seen, meta.already and ", before" or "")
end
run("prepared", function() return api.preparations:execute(PREPARATION, nil, { wait = 600 }) end)
run("report", function() return api.reports:generate(REPORT, nil, { wait = 600 }) end)

-- The chart is written last, and gets its name when it is complete.
local drawn = io.open(chart)
if not drawn then
  local data = expect(api.reports:chart_data { reportId = REPORT })
  expect(flarelight.chart.render(data, { title = night, file = chart .. ".new.svg" }))
  assert(os.rename(chart .. ".new.svg", chart))
end
say("chart", "%s%s", chart, drawn and ", drawn before" or "")
api:close()
