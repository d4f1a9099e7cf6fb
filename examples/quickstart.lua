-- The main job: upload a file, start an automation, read everything back, chart the result.
-- Runs on the sandbox, or against the service that the environment names (FLARELIGHT_API_KEY, …):
--   lua examples/quickstart.lua [AUTOMATION_ID] [REPORT_ID]
local flarelight = require "flarelight"

local here = arg[0]:match "^(.*/)" or "./"
local file = here .. "data/birdstrikes.csv"
local options = {}
local sandbox
if not (os.getenv "FLARELIGHT_API_KEY" or os.getenv "FLARELIGHT_API_KEY_FILE") then
  sandbox = flarelight.sandbox.start { definitions = here .. "definitions.lua" }
  options = { api_key = sandbox.api_key, subscription_id = sandbox.subscription_id, base_url = sandbox.url }
end
local api = assert(flarelight.new(options))
print("Service     " .. tostring(api))

local upload = assert(api.imports:upload {
  file = file, name = "strikes", batch_records = 2500,
  on_progress = function(p) print(("Uploading   %d records in %d requests"):format(p.records, p.batches)) end,
})

local run = assert(api.automations:execute(arg[1] or 1))
print("Automation  " .. tostring(run.name or run.id or "started"))

-- Every row that was sent is there, once, in its place, with its exact values.
local sent, count = flarelight.csv.rows(file), 0
for row, position in api.imports:rows(upload.id, { page_size = 2500 }) do
  for column, value in pairs(sent()) do
    local read = row[column]
    assert(read == value, ("row %d, %s: sent %s, read %s"):format(position, column, tostring(value), tostring(read)))
  end
  count = count + 1
end
assert(sent() == nil and count == upload.records, "the import and the file differ in length")
print(("Compared    %d rows read back, every value equal"):format(count))

local chart = assert(api.reports:chart_data { reportId = tonumber(arg[2]) or arg[2] or 1 })
print()
print(flarelight.chart.render(chart, { format = "text", stacked = true, title = "Bird strikes by month and size" }))

local quota = api:quota()
print(("Quota       %d requests used, %s of %s left for %.0f s"):format(quota.spent, quota.remaining or "?",
  quota.limit or "?", quota.reset_in or 0))
api:close()
if sandbox then sandbox:stop() end
