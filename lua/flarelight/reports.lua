--- Reports: listing, generating, and chart data for custom reporting.

local endpoint = require "flarelight.endpoint"
local check_self = require("flarelight.options").self

---@class flarelight.Reports
local Reports = endpoint.class "reports"

--- Every report that the key may see: GET /Report/All.
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Reports:all(options)
  check_self(self, Reports, "reports.all")
  options = endpoint.options("reports:all", options)
  local data, meta, err = endpoint.call(self, "reports.all", {}, options)
  return data, meta, err
end

--- Generates a report: POST /Report/{id}/Generate. `parameters` go to the server as they are.
---@param id flarelight.Id
---@param parameters table?
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Reports:generate(id, parameters, options)
  check_self(self, Reports, "reports.generate")
  options = endpoint.options("reports:generate", options)
  parameters = endpoint.parameters("reports:generate", "parameters", parameters)
  local data, meta, err = endpoint.call(self, "reports.generate", { id = id, body = parameters }, options)
  return data, meta, err
end

--- Chart data: POST /Report/ChartData. `query` goes to the server as it is. It changes nothing there,
-- so it is sent again like a GET and has no fate.
---@param query table?
---@param options flarelight.CallOptions?
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Reports:chart_data(query, options)
  check_self(self, Reports, "reports.chart_data")
  options = endpoint.options("reports:chart_data", options)
  query = endpoint.parameters("reports:chart_data", "query", query)
  local data, meta, err = endpoint.call(self, "reports.chart_data", { body = query }, options)
  return data, meta, err
end

return { new = function(client) return setmetatable({ client = client }, Reports) end }
