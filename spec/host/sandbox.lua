--- The sandbox for spec/host/behaviours.lua.

local support = require "support"
local system = require "support.system"

local sandbox = {}

--- Starts the sandbox. Also returns the assignments for a shell that let a child reach it.
function sandbox.start()
  local box = support.sandbox { rate_limit = 0, run_seconds = 0.1, reports = { { id = 1, sql = "SELECT 1 AS a" } } }
  local api = support.client(box)
  assert(support.import(api, 500) == 1)
  api:close()
  box:fault { operation = "reports.all", kind = "latency", seconds = 0.15, times = math.huge }
  box:fault { operation = "automations.execute", kind = "latency", seconds = 0.15, times = math.huge }
  box:fault { operation = "preparations.all", kind = "stall", seconds = 300, times = math.huge }
  return box, system.environment(box)
end

return sandbox
