--- What the endpoint modules share: a class that holds its client, and calls by name.

local calls = require "flarelight.calls"
local options = require "flarelight.options"
local request = require "flarelight.request"

local endpoint = {}

--- A class of endpoints, named as its member of the client.
function endpoint.class(name)
  local class = {}
  class.__index = class
  class.__name = "flarelight." .. name
  class.__tostring = function() return "flarelight " .. name end
  return class
end

--- A call. `arguments`: id, query, body, bulk.
function endpoint.call(self, operation, arguments, call_options)
  local config = calls.config(self.client)
  local data, meta, err = calls.call(self.client, request.endpoint(operation, arguments, call_options, config))
  return data, meta, err
end

--- Options of a call, checked; `operation` names it in messages.
function endpoint.options(operation, given)
  return options.table(operation, given, options.call)
end

--- Parameters of a run: any table, sent as it is; none is {}.
function endpoint.parameters(operation, name, parameters)
  if parameters == nil then return {} end
  options.check(("%s: %s"):format(operation, name), parameters, "table")
  return parameters
end

return endpoint
