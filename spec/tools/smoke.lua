--- smoke.lua MODULE...: loads the modules in this order, then writes and reads through both of the C
-- modules in one process. For checks of what is installed: it uses nothing of this tree.

for _, name in ipairs(arg) do require(name) end
local flarelight = require "flarelight"

local sandbox = flarelight.sandbox.start {}
local api = assert(flarelight.new {
  api_key = sandbox.api_key, subscription_id = sandbox.subscription_id, base_url = sandbox.url,
})
local records = {}
for n = 1, 1000 do records[n] = { n = n, name = "row " .. n } end
local id = assert(api.imports:import { records = records, name = "smoke" }).id
local sum = 0
for row in api.imports:rows(id, { page_size = 300 }) do sum = sum + row.n end
assert(sum == 500500, "rows are missing")
assert(flarelight.chart.render { labels = { "sum" }, series = { { values = { sum } } } })
api:close()
sandbox:stop()

for name in pairs(package.loaded) do
  if name:find "^flarelight" and package.searchpath then
    local path = package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
    assert(path and path:find(os.getenv "SMOKE_ROOT", 1, true) == 1, name .. " came from " .. tostring(path))
  end
end
