--- Data imports: lists, reads, creates and updates them; bulk reads and uploads.

local calls = require "flarelight.calls"
local endpoint = require "flarelight.endpoint"
local loading = require "flarelight.loading"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pages = require "flarelight.pages"
local request = require "flarelight.request"
local rows = require "flarelight.rows"

local compare = loading.later "flarelight.compare"
local export = loading.later "flarelight.export"
local upload = loading.later "flarelight.upload"

---@alias flarelight.Id string|integer|flarelight.Integer

---@class flarelight.DataOptions : flarelight.CallOptions
---@field start integer? position of the first row, 0
---@field count integer? most rows, 100

---@class flarelight.ImportOptions : flarelight.CallOptions
---@field records table[]? short for data = {records = …}
---@field data table? the member `data` of the body, sent unchanged
---@field name string?
---@field description string?
---@field send_events boolean? true: automations may start
---@field id flarelight.Id? the import to update; without it a new one is created

---@class flarelight.Imports
local Imports, new = endpoint.class "imports"

--- Every import that the key may see: GET /Import/All.
---@type fun(self: flarelight.Imports, options: flarelight.CallOptions?): table[]?, flarelight.Meta|string, flarelight.Error?
Imports.all = endpoint.method(Imports, "imports.all")

local data_options = options.with_call { start = "count", count = "positive" }

--- One page of rows: GET /Import/{id}/Data. `data` is the array of rows that the service sends, bare or wrapped in
-- `records`; null stays null. Anything else is an error of kind protocol.
---@param id flarelight.Id
---@param given flarelight.DataOptions?
---@return any[]? rows, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Imports:data(id, given)
  options.self(self, Imports, "imports.data")
  given = options.table("imports:data", given, data_options)
  local query = request.query { start = given.start or 0, count = given.count or 100 }
  local data, meta, err = endpoint.call(self, "imports.data", { id = id, query = query }, given)
  if data == nil then return nil, meta, err end
  return pages.rows_of(data), meta
end

local import_options = options.with_call {
  records = "table", data = "table", name = "string", description = "string", send_events = "boolean", id = "id",
}

--- Creates an import, or updates the one that `id` names: POST /Import/Data. `records` is short for `data = {records =
-- …}`. Sends only the members that are given, and always sendEvents.
---@param given flarelight.ImportOptions
---@return table? import, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Imports:import(given)
  options.self(self, Imports, "imports.import")
  given = options.table("imports:import", given, import_options)
  if (given.records == nil) == (given.data == nil) then
    misuse "imports:import: give either records or data"
  end
  if given.records then options.plain_array("imports:import.records", given.records) end
  if given.records and given.records[1] == nil and next(given.records) ~= nil then
    misuse "imports:import.records: should be an array of records"
  end
  local config = calls.config(self.client)
  local body = request.import_body(given, config.update_key)
  local data, meta, err = endpoint.call(self, "imports.import", { body = body }, given)
  return data, meta, err
end

--- A stream of rows, for a `for` loop or for its methods `next`, `batch`, `columns`, `position`, `close`. See
-- rows.lua.
---@param id flarelight.Id
---@param given flarelight.RowsOptions?
---@return flarelight.Rows
function Imports:rows(id, given)
  options.self(self, Imports, "imports.rows")
  local stream = rows.open(self.client, "imports:rows", id, given)
  -- Lua 5.4 closes the fourth value when a loop is left early.
  if _VERSION == "Lua 5.4" then return stream, nil, nil, stream end
  return stream
end

--- Writes rows as CSV, TSV, JSON, JSON lines or SQLite to a file, to standard output or to a function. See export/.
---@param id flarelight.Id
---@param given flarelight.ExportOptions
---@return flarelight.Export? result, string? message, flarelight.Error? err
function Imports:export(id, given)
  options.self(self, Imports, "imports.export")
  local result, message, err = export.run(self.client, id, given)
  return result, message, err
end

--- Uploads records from a file, an array or an iterator function, in batches. See upload/init.lua.
---@param given flarelight.UploadOptions
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function Imports:upload(given)
  options.self(self, Imports, "imports.upload")
  local result, message, err = upload.run(self.client, given)
  return result, message, err
end

--- Plans an upload with the same options: its requests, bytes and columns, the dialect of a file, and the differences
-- from the last of its series. Sends nothing. See upload/plan.lua.
---@param given flarelight.UploadOptions
---@return flarelight.Plan? result, string? message, flarelight.Error? err
function Imports:plan(given)
  options.self(self, Imports, "imports.plan")
  local result, message, err = upload.plan(self.client, given)
  return result, message, err
end

--- Compares a file with the rows of an import, record by record. See compare.lua.
---@param id flarelight.Id
---@param given flarelight.CompareOptions
---@return flarelight.Comparison? result, string? message, flarelight.Error? err
function Imports:compare(id, given)
  options.self(self, Imports, "imports.compare")
  local result, message, err = compare.run(self.client, id, given)
  return result, message, err
end

--- The uploads in the client's state file that have not ended, oldest first.
---@return flarelight.PendingUpload[]? uploads, string? message, flarelight.Error? err
function Imports:pending()
  options.self(self, Imports, "imports.pending")
  local result, message, err = upload.pending(self.client)
  return result, message, err
end

--- Continues an upload where it stopped; needs the client's state file. Records of Lua have to be given again.
---@param token string
---@param given flarelight.ResumeOptions?
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function Imports:resume(token, given)
  options.self(self, Imports, "imports.resume")
  local result, message, err = upload.resume(self.client, token, given)
  return result, message, err
end

return { new = new }
