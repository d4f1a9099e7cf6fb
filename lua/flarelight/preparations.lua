--- Data preparations: listing the models and running one.

local endpoint = require "flarelight.endpoint"
local check_self = require("flarelight.options").self

---@class flarelight.Preparations
local Preparations = endpoint.class "preparations"

--- Every preparation that the key may see: GET /Preparation/All.
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Preparations:all(options)
  check_self(self, Preparations, "preparations.all")
  options = endpoint.options("preparations:all", options)
  local data, meta, err = endpoint.call(self, "preparations.all", {}, options)
  return data, meta, err
end

--- Runs a preparation: POST /Preparation/{id}/Execute. `parameters` go to the server as they are.
---@param id flarelight.Id
---@param parameters table?
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Preparations:execute(id, parameters, options)
  check_self(self, Preparations, "preparations.execute")
  options = endpoint.options("preparations:execute", options)
  parameters = endpoint.parameters("preparations:execute", "parameters", parameters)
  local data, meta, err = endpoint.call(self, "preparations.execute", { id = id, body = parameters }, options)
  return data, meta, err
end

return { new = function(client) return setmetatable({ client = client }, Preparations) end }
