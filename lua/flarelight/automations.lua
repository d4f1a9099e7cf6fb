--- Automations: starts automations that are set up for API triggers.

local endpoint = require "flarelight.endpoint"
local wait = require "flarelight.wait.method"

---@class flarelight.Automations
local Automations, new = endpoint.class "automations"

--- Starts an automation: POST /Automation/{id}/Execute. `parameters` are sent unchanged.
-- The option `wait` waits for the end of the run: see wait/init.lua.
---@type fun(self: flarelight.Automations, id: flarelight.Id, parameters: table?, options: flarelight.RunOptions?): any, flarelight.Meta|string, flarelight.Error?
Automations.execute = wait.method(Automations, "automations.execute")

return { new = new }
