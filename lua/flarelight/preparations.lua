--- Data preparations: lists the models, and runs one.

local endpoint = require "flarelight.endpoint"
local wait = require "flarelight.wait.method"

---@class flarelight.Preparations
local Preparations, new = endpoint.class "preparations"

--- Every preparation that the key may see: GET /Preparation/All.
---@type fun(self: flarelight.Preparations, options: flarelight.CallOptions?): any, flarelight.Meta|string, flarelight.Error?
Preparations.all = endpoint.method(Preparations, "preparations.all")

--- Runs a preparation: POST /Preparation/{id}/Execute. `parameters` are sent unchanged.
-- The option `wait` waits for the end of the run: see wait/init.lua.
---@type fun(self: flarelight.Preparations, id: flarelight.Id, parameters: table?, options: flarelight.RunOptions?): any, flarelight.Meta|string, flarelight.Error?
Preparations.execute = wait.method(Preparations, "preparations.execute", "preparations")

return { new = new }
