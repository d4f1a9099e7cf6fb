--- Plans of uploads: reads a source in batches like an upload, and counts the requests and bytes. Sends nothing. Relies
-- on source.lua, which raises failures.

local source = require "flarelight.upload.source"

---@class flarelight.Plan
---@field records integer
---@field batches integer
---@field bytes integer of JSON
---@field largest_batch integer bytes of JSON
---@field last_record integer? bytes of JSON
---@field requests integer of an upload without failures: writes, and reads that check them
---@field writes integer
---@field reads integer
---@field columns { name: string, type: string }[] of CSV and TSV
---@field dialect table? of a file: as `dialect` of csv.rows gives it
---@field remarks string[] remarks about the file for its user
---@field first_records string[] the first `show` records as JSON
---@field differences flarelight.Difference[]? from the last upload of the series; nil if there is none
---@field compared_with number? the time of that upload, epoch seconds

local plan = {}

--- Adds the requests of an upload without failures: the number of writes, and of the reads that check them. One read
-- checks the end. On a new import another one checks after the second batch that the first is still there. An upload
-- with a journal keeps the last record of an only batch back, in a batch that removes the mark. `updates`: the import
-- exists; the search for its end is not counted, since its length is not known. docs/uploads.md explains each request.
---@param found flarelight.Plan
function plan.complete(found, updates, journaled)
  if not updates and journaled and found.batches == 1 and found.records > 1 then
    -- Two arrays have two brackets more than one, and a comma less.
    found.batches, found.bytes = 2, found.bytes + 1
    found.largest_batch = math.max(found.largest_batch - found.last_record - 1, found.last_record + 2)
  end
  -- Without records, one batch without rows is sent.
  if found.batches == 0 then found.batches, found.bytes, found.largest_batch = 1, #"[]", #"[]" end
  found.writes, found.reads = found.batches, 0
  if found.records > 0 and not (updates and not journaled) then
    found.reads = not updates and found.writes > 1 and 2 or 1
  end
  found.requests = found.writes + found.reads
end

--- Reads an opened source to its end.
---@param limits { records: integer, bytes: integer } of a batch
---@param show integer records to give as JSON
---@return flarelight.Plan found without its requests and differences
function plan.measure(opened, limits, show)
  local found = { records = 0, batches = 0, bytes = 0, largest_batch = 0, first_records = {} }
  local reader = source.reader(opened, limits)
  while reader:peek(1) do
    local batch = reader:pop()
    for place = 1, math.min(batch.count, show - #found.first_records) do
      found.first_records[#found.first_records + 1] = (batch.text:record(place))
    end
    found.records, found.batches = found.records + batch.count, found.batches + 1
    found.bytes, found.largest_batch = found.bytes + batch.size, math.max(found.largest_batch, batch.size)
    found.last_record = #batch.text:record(batch.count)
    batch.text:close()
  end
  found.columns = opened.handle and opened.handle:columns() or {}
  found.dialect = opened.handle and opened.handle:dialect() or nil
  if found.dialect and opened.spool then found.dialect.compression = opened.spool.compression end
  found.remarks = opened.remarks or {}
  return found
end

return plan
