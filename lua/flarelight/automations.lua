--- Automations: starts automations that are set up for API triggers.

local endpoint = require "flarelight.endpoint"

---@class flarelight.Automations
local Automations, new = endpoint.class "automations"

--- Starts an automation: POST /Automation/{id}/Execute. `parameters` are sent unchanged.
---@type fun(self: flarelight.Automations, id: flarelight.Id, parameters: table?, options: flarelight.CallOptions?): any, flarelight.Meta|string, flarelight.Error?
Automations.execute = endpoint.method(Automations, "automations.execute", "parameters")

return { new = new }
