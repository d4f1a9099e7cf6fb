-- A night's work: loads two files, prepares them, generates a report, draws its chart and prints a summary. It may be
-- killed at any moment, and started again at any time: docs/night.md explains how, and has the lines for cron and
-- systemd. To try it:
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
-- known what happened, or because the data is not what it was.
local function expect(data, meta, err)
  if data then return data, meta end
  io.stderr:write("nightly: ", tostring(meta), "\n")
  local unknown = err.fate == "in_doubt" or err.fate == "foreign" or err.fate == "partial" or err.fate == "applied"
  os.exit((unknown or err.kind == "conflict") and 3 or 1)
end

local function say(name, ...) print(("%-8s  "):format(name) .. string.format(...)) end

-- The key names the upload for good: a file that is loaded is never loaded again. The series refuses a file that is
-- unlike the one of the night before. The description lets an import be found whose creation is in doubt.
local sent = 0
for _, each in ipairs(files) do
  local name, file = each[1], each[2]
  local key = file:match "[^/]+$"
  local result = expect(api.imports:upload { file = file, name = name, description = key, series = name, key = key })
  if not result.already then sent = sent + 1 end
  say(name, "import %s, %d records%s", tostring(result.id), result.records, result.already and ", loaded before" or "")
end

-- The chart is written last, so it stands for the whole night.
local drawn = io.open(chart)
if sent == 0 and drawn then
  say("chart", "%s, drawn before: nothing to do", chart)
  os.exit(0)
end

-- Both replace what the run before has made, so a night that was broken off runs them again.
local _, prepared = expect(api.preparations:execute(PREPARATION, nil, { wait = 600 }))
say("prepared", "after %.1f s, seen in its %s", prepared.proof.seconds, prepared.proof.seen_in)
local _, generated = expect(api.reports:generate(REPORT, nil, { wait = 600 }))
say("report", "after %.1f s, seen in its %s", generated.proof.seconds, generated.proof.seen_in)

local data = expect(api.reports:chart_data { reportId = REPORT })
expect(flarelight.chart.render(data, { title = night, file = chart .. ".new.svg" }))
assert(os.rename(chart .. ".new.svg", chart))
say("chart", "%s", chart)
api:close()
