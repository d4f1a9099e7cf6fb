--- Reports: lists and generates them, and reads chart data for custom reporting.

local endpoint = require "flarelight.endpoint"
local wait = require "flarelight.wait.method"

---@class flarelight.Reports
local Reports, new = endpoint.class "reports"

--- Every report that the key may see: GET /Report/All.
---@type fun(self: flarelight.Reports, options: flarelight.CallOptions?): any, flarelight.Meta|string, flarelight.Error?
Reports.all = endpoint.method(Reports, "reports.all")

--- Generates a report: POST /Report/{id}/Generate. `parameters` are sent unchanged.
-- The option `wait` waits for the end of the run: see wait/init.lua.
---@type fun(self: flarelight.Reports, id: flarelight.Id, parameters: table?, options: flarelight.RunOptions?): any, flarelight.Meta|string, flarelight.Error?
Reports.generate = wait.method(Reports, "reports.generate", "reports")

--- Chart data: POST /Report/ChartData. `query` is sent unchanged. The request changes nothing on the server, so it is
-- repeated like a GET and has no fate.
---@type fun(self: flarelight.Reports, query: table?, options: flarelight.CallOptions?): any, flarelight.Meta|string, flarelight.Error?
Reports.chart_data = endpoint.method(Reports, "reports.chart_data", "query")

return { new = new }
