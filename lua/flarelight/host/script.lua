--- The host of plain scripts: waiting blocks. Tasks run while the script waits for one of them, in the scheduler of
-- host/frame.lua.

local core = require "flarelight.core"
local frame = require "flarelight.host.frame"
local pollable = require "flarelight.host.pollable"

local script = { name = "script", blocks = true, spawn = frame.spawn }

function script.is_running() return true end

function script.wait(handle)
  if handle.of_tasks then return frame.run_until(handle) end
  pollable.step()
  while not handle:is_over() do
    core.wait(handle:timeout())
    pollable.step()
  end
end

return script
