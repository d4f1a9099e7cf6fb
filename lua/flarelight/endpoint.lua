--- Endpoints: the common part of the modules imports, automations, preparations and reports. A class of endpoints holds
-- its client in `client`; request.endpoints describes the requests. Relies on calls.lua to make the calls.

local calls = require "flarelight.calls"
local options = require "flarelight.options"
local request = require "flarelight.request"

local endpoint = {}

--- A class of endpoints, named as its member of the client, and a function that makes an object of it.
---@param name string
---@return table class, fun(client: flarelight.Client): table new
function endpoint.class(name)
  local class = {}
  class.__index = class
  class.__name = "flarelight." .. name
  class.__tostring = function() return "flarelight " .. name end
  return class, function(client) return setmetatable({ client = client }, class) end
end

--- Makes a call.
---@param self { client: flarelight.Client }
---@param operation string name in request.endpoints
---@param arguments { id: any, query: string?, body: any, bulk: boolean?, note: any }
---@param call_options flarelight.CallOptions
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function endpoint.call(self, operation, arguments, call_options)
  local config = calls.config(self.client)
  local prepared = request.endpoint(operation, arguments, call_options, config)
  local data, meta, err = calls.read(self.client, prepared, call_options.fresh)
  return data, meta, err
end

--- Makes a method that calls an operation. Its arguments are: the id, if the path has one; the body, if the request has
-- one, as a table that is sent unchanged, or nil for {} (`body` is its name in messages); the options of every call.
---@param class table
---@param operation string name in request.endpoints, as "reports.generate"
---@param body string?
---@param known table? the options of the method, if it has more than those of every call
---@return fun(self: table, ...): any, flarelight.Meta|string, flarelight.Error?
function endpoint.method(class, operation, body, known)
  local shown = operation:gsub("%.", ":")
  local takes_id = request.endpoints[operation].path:find("{id}", 1, true)
  -- Named parameters: the compiler of LuaJIT before August 2023 reads a single value of `...` wrongly
  -- (github.com/LuaJIT/LuaJIT/issues/1046). spec/project/varargs refuses such code.
  return function(self, first, second, third)
    options.self(self, class, operation)
    local arguments, rest = {}, first
    if takes_id and body then arguments.id, arguments.body, rest = first, second, third
    elseif takes_id then arguments.id, rest = first, second
    elseif body then arguments.body, rest = first, second end
    local call_options = options.table(shown, rest, known or options.call)
    if body and arguments.body == nil then arguments.body = {} end
    if body then options.check(("%s: %s"):format(shown, body), arguments.body, "table") end
    local data, meta, err = endpoint.call(self, operation, arguments, call_options)
    return data, meta, err
  end
end

return endpoint
