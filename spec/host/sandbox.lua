--- The sandbox that the behaviours talk to.

local support = require "support"
local system = require "support.system"

local sandbox = {}

--- Starts one; also what a child's environment needs to reach it, as words for a shell.
function sandbox.start()
  local box = support.sandbox { rate_limit = 0 }
  local api = support.client(box)
  assert(support.import(api, 500) == 1)
  api:close()
  box:fault { operation = "reports.all", kind = "latency", seconds = 0.15, times = math.huge }
  box:fault { operation = "preparations.all", kind = "stall", seconds = 300, times = math.huge }
  return box, system.environment(box)
end

return sandbox
