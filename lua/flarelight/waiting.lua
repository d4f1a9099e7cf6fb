--- Waiting: calls a function again and again until it returns a value. `api:wait_until` and the waits for the end of a
-- run use it. Relies on calls.lua to sleep through the host.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local tasks = require "flarelight.host.tasks"

local waiting = {}

---@class flarelight.Pace
---@field timeout number seconds
---@field interval number seconds until the second call
---@field growth number? factor of the interval from call to call, 1
---@field most number? seconds, the longest interval
---@field pause nil|fun(seconds: number, left: number): boolean, string?, flarelight.Error? sleeps at most `left`

--- Calls `look` until it returns a true value, and returns that value. `nil, message, err` from `look` ends the wait;
-- nil alone and false mean "not yet". When the time is up, there is a last call; then `nil, message, err` of kind
-- timeout.
---@param api flarelight.Client
---@param look fun(): any, string?, flarelight.Error?
---@param pace flarelight.Pace
---@return any value, string? message, flarelight.Error? err
function waiting.poll(api, look, pace)
  local task, begun, interval = tasks.current(), core.now(), pace.interval
  local pause = pace.pause or function(seconds) return calls.sleep(seconds, api) end
  while true do
    local value, message, err = look()
    if value then return value end
    if err then return nil, message, err end
    if task and task.cancelled then return calls.cancelled() end
    local left = begun + pace.timeout - core.now()
    if left <= 0 then
      return errors.fail("timeout", ("nothing after %g s of waiting"):format(pace.timeout),
        { elapsed = core.now() - begun })
    end
    local slept, cannot, why = pause(math.min(interval, left), left)
    if not slept then return nil, cannot, why end
    interval = math.min(interval * (pace.growth or 1), pace.most or math.huge)
  end
end

return waiting
