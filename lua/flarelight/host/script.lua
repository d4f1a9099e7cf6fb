--- The host of plain scripts: waiting blocks.
-- A host has `wait(waiter, due)`, which returns once the waiter is ready, nothing can come for it any
-- more, or the time `due` (core.now) has passed. It relies on the pollable contract of dispatch.lua and
-- the binding: a descriptor, a time-out, a step.

local core = require "flarelight.core"
local dispatch = require "flarelight.dispatch"

local script = { name = "script" }

function script.wait(waiter, due)
  dispatch.step()
  while not waiter.ready and dispatch.can_come(waiter) do
    local left
    if due then
      left = due - core.now()
      if left <= 0 then return end
    elseif waiter.ticket == nil then
      return -- nothing would ever wake it
    end
    core.wait(left)
    dispatch.step()
  end
end

return script
