-- flarelight.lua WHAT BASE COUNT: this library. WHAT is one of the functions below.
-- Prints the seconds, the rows or calls, and the sum of the column `quantity` where rows were read.

local flarelight = require "flarelight"
local core = require "flarelight.core"

local what, base, count = arg[1], arg[2], tonumber(arg[3])

local api = assert(flarelight.new {
  api_key = "key-of-the-benchmark", subscription_id = "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
  base_url = base, max_concurrency = 64,
  -- Tells the server how many rows it will have, and which.
  user_agent = what:find "^upload" and (what:match "^upload%-mapped" or "upload") .. "/" .. arg[3] or nil,
  state = what:find "^upload" and os.getenv "BENCH_SCRATCH" .. "/state" or nil,
})

local function visit(id, options)
  local seen, sum = 0, 0
  for row in api.imports:rows(id, options) do
    seen, sum = seen + 1, sum + row.quantity
  end
  return seen, sum
end

local function export(format)
  local path = os.getenv "BENCH_SCRATCH" .. "/export"
  assert(api.imports:export(arg[3], { to = path, format = format }))
  return count, nil, path
end

local function warm_up()
  for _ = 1, 100 do assert(api.imports:all()) end
end

-- Uploads a file of the pages' folder, with these options.
local function uploader(ending, options)
  return { run = function()
    local given = { file = ("%s/pages/%s%s"):format(os.getenv "BENCH_WORK", arg[3], ending), name = "strikes" }
    for name, value in pairs(options or {}) do given[name] = value end
    return assert(api.imports:upload(given)).records
  end }
end

local kinds = {
  rows = { run = function() return visit(arg[3]) end },
  -- Pages of ten rows: what a page costs.
  pages = { run = function() return visit("ten", { page_size = 10, limit = count * 10 }) / 10 end },
  columns = { run = function()
    local rows, seen, sum = api.imports:rows(arg[3]), 0, 0
    while true do
      local columns, length = rows:columns(1000)
      if assert(columns, length) and length == 0 then return seen, sum end
      local quantity = columns.quantity
      for index = 1, length do sum = sum + quantity[index] end
      seen = seen + length
    end
  end },
  ["export-csv"] = { run = function() return export "csv" end, header = 1 },
  ["export-jsonl"] = { run = function() return export "jsonl" end, header = 0 },
  upload = uploader ".csv",
  ["upload-mapped"] = uploader("-semicolons.csv", {
    delimiter = ";", rename = { cost = "price" }, set = { source = "nightly" },
    columns = { "number", "name", "species", "airport", "observed_at", "price", "quantity", "damaged", "reported" },
  }),
  ["upload-windows"] = uploader("-windows.csv", { encoding = "windows-1252" }),
  ["upload-gzip"] = uploader ".csv.gz",
  ["upload-map"] = uploader(".csv", { map = function(row) return row end }),
  ["upload-input"] = uploader("", { file = "-", format = "csv" }),
  calls = { before = warm_up, run = function()
    for _ = 1, count do assert(api.imports:all()) end
    return count
  end },
  concurrent = { before = warm_up, run = function()
    local items = {}
    for index = 1, count do items[index] = index end
    local _, failed = api:map(items, function() return api.imports:all() end, { concurrency = 64 })
    return count - failed
  end },
}

local kind = assert(kinds[what], "unknown: " .. what)
if kind.before then kind.before() end
local begun = core.now()
local done, sum, path = kind.run()
local seconds = core.now() - begun
if path then
  done = -kind.header
  for _ in io.lines(path) do done = done + 1 end
end
print(("%.6f %d %s"):format(seconds, done, sum and ("%.0f"):format(sum) or ""))
api:close()
