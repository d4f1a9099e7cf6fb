--- Methods that start a run. Their option `wait` is carried out by wait/init.lua, which is loaded at its first use.
-- Relies on endpoint.lua for the calls.

local endpoint = require "flarelight.endpoint"
local loading = require "flarelight.loading"
local options = require "flarelight.options"

local wait = loading.later "flarelight.wait"

local method = {}

--- A method that starts a run, with the option `wait`. `kind` is "preparations" or "reports", whose list shows the
-- run's preparation or report; nil if there is no list.
---@param class table
---@param operation string name in request.endpoints
---@param kind string?
---@return fun(self: table, ...): any, flarelight.Meta|string, flarelight.Error?
function method.method(class, operation, kind)
  local known = options.with_call { wait = "seconds_or_table" }
  local start = endpoint.method(class, operation, "parameters", known)
  return function(self, id, parameters, given)
    local data, meta, err
    if type(given) ~= "table" or given.wait == nil then
      data, meta, err = start(self, id, parameters, given)
    else
      options.self(self, class, operation)
      data, meta, err = wait.start(operation, kind, known, self, id, parameters, given)
    end
    return data, meta, err
  end
end

return method
