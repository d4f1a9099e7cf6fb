--- Automations: starting those that are set up for API triggers.

local endpoint = require "flarelight.endpoint"
local check_self = require("flarelight.options").self

---@class flarelight.Automations
local Automations = endpoint.class "automations"

--- Starts an automation: POST /Automation/{id}/Execute. `parameters` go to the server as they are.
---@param id flarelight.Id
---@param parameters table?
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Automations:execute(id, parameters, options)
  check_self(self, Automations, "automations.execute")
  options = endpoint.options("automations:execute", options)
  parameters = endpoint.parameters("automations:execute", "parameters", parameters)
  local data, meta, err = endpoint.call(self, "automations.execute", { id = id, body = parameters }, options)
  return data, meta, err
end

return { new = function(client) return setmetatable({ client = client }, Automations) end }
