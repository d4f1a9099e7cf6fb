--- flarelight: the client of the Flarelight Integration API.
--
--   local flarelight = require "flarelight"
--   local api = assert(flarelight.new())            -- options come from the environment
--   for row in api.imports:rows(id) do … end
--
-- `require "flarelight"` starts nothing: no thread, no descriptor, no request.

local core = require("flarelight.loading").core()
local misuse = require "flarelight.misuse"
local json = require "flarelight.json"

---@class flarelight
---@field _VERSION string
---@field null lightuserdata JSON's null, the same value as cjson.null
---@field json flarelight.json
---@field csv flarelight.csv
---@field chart flarelight.chart
---@field metrics flarelight.metrics
---@field sandbox flarelight.sandbox
local flarelight = {
  _VERSION = core.version,
  null = json.null,
  array = json.array,
  integer = json.integer,
  json = json,
}

--- Makes a client. Every option may be left out; the environment then has its value. Returns the client, or
-- `nil, message, err` of kind config. Misuse raises.
---@param options flarelight.Options?
---@return flarelight.Client? client, string? message, flarelight.Error? err
function flarelight.new(options)
  if options == flarelight then misuse "flarelight.new: call it with a dot, as in flarelight.new { … }" end
  local client, message, err = require("flarelight.client").new(options)
  return client, message, err
end

-- Loaded at their first use: most scripts need none of them.
local parts = { csv = true, chart = true, metrics = true, sandbox = true }

return setmetatable(flarelight, {
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("flarelight." .. name)
    rawset(self, name, part)
    return part
  end,
})
