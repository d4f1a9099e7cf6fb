--- Compares the records of a file with the rows of an import: api.imports:compare.
--
-- Both sides are read ahead, a batch and a page at a time, and dropped after the comparison, so that memory is bounded.
-- Relies on upload/source.lua for the file and on pages.lua for the rows; upload/reconcile.lua decides whether two
-- values are the same.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local file_options = require "flarelight.file_options"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pages = require "flarelight.pages"
local pollable = require "flarelight.host.pollable"
local reconcile = require "flarelight.upload.reconcile"
local source = require "flarelight.upload.source"
local timeslice = require "flarelight.host.timeslice"

---@class flarelight.CompareOptions : flarelight.FileOptions
---@field file string|string[] path of a file that imports:upload takes; a list of them is one source
---@field map (fun(record: table): table?)? as for an upload
---@field page_size integer? rows of a request, 5000
---@field deadline number? seconds for each request
---@field on_progress fun(progress: { records: integer, bytes: integer, total_bytes: integer })? after each batch

---@class flarelight.FirstDifference
---@field position integer of the row, from 0
---@field line integer? of the record in the file; nil if the file has ended
---@field column string? the member that differs; nil if a whole row or record is missing, or is no object
---@field here any in the file: the member's value, or the record; nil if there is none
---@field there any in the import

---@class flarelight.Comparison
---@field equal boolean the rows are the records, in their order, value by value
---@field alike boolean as equal, but the import may have more members in a row, lack members that are null in the file, or hold texts of numbers
---@field rows integer of the import
---@field records integer of the file
---@field first_difference flarelight.FirstDifference? nil if `equal`

local compare = {}

local known = file_options.with {
  file = "source", map = "function", page_size = "positive", deadline = "seconds", on_progress = "function",
}

-- The records that are decoded at once, which bounds the wait of other work in the host.
local BATCH = { records = 250, bytes = 2 ^ 20 }

-- --- the two sides ---

-- The next row and true; nil and false at the end.
local function next_row(run)
  while true do
    if run.page then
      local row, position = run.page:next()
      if position then return row, true end
      run.page:close()
      run.page = nil
    end
    local page, count, err = run.pages:next()
    if page == nil then failure.raise(err) end
    if not page then return nil, false end
    page:begin(count, false)
    run.page = page
  end
end

local function next_batch(run)
  local batch = run.reader:peek(1)
  if not batch then return false end
  run.reader:pop()
  run.reader:ahead()
  if run.batch then run.batch.text:close() end
  run.batch, run.decoded, run.place = batch, source.rows(batch), 0
  if run.on_progress then
    run.on_progress { records = run.records, bytes = batch.read or 0, total_bytes = run.opened.size }
  end
  return true
end

-- The next record and true; nil and false at the end.
local function next_record(run)
  if (not run.batch or run.place == run.batch.count) and not next_batch(run) then return nil, false end
  run.place = run.place + 1
  return run.decoded[run.place], true
end

-- --- the difference ---

local function is_object(value) return type(value) == "table" and getmetatable(value) ~= core.array_metatable end

-- The names of the members of both: first the file's columns in their order, then the others.
local function names_of(columns, record, row)
  local names, others, seen = {}, {}, {}
  for _, column in ipairs(columns) do
    names[#names + 1], seen[column.name] = column.name, true
  end
  for _, object in ipairs { record, row } do
    for name in pairs(object) do
      if not seen[name] then others[#others + 1], seen[name] = name, true end
    end
  end
  table.sort(others)
  for _, name in ipairs(others) do names[#names + 1] = name end
  return names
end

-- Describes the difference between a record and a row at one position.
local function describe(run, position, record, row)
  local line
  if record ~= nil then
    local _, found = run.batch.text:record(run.place)
    line = found > 0 and found or nil
  end
  local difference = { position = position, line = line, here = record, there = row }
  if not (is_object(record) and is_object(row)) then return difference end
  for _, name in ipairs(names_of(run.opened.handle:columns(), record, row)) do
    if not reconcile.same(record[name], row[name], false) then
      difference.column, difference.here, difference.there = name, record[name], row[name]
      return difference
    end
  end
  return difference
end

-- Compares both sides to their ends.
local function compare_all(run)
  local result = { equal = true, alike = true, rows = 0, records = 0 }
  while true do
    local record, has_record = next_record(run)
    local row, has_row = next_row(run)
    if not has_record and not has_row then return result end
    local both = has_record and has_row
    local same = both and reconcile.same(record, row, false)
    if not same then
      if result.equal then
        result.first_difference = describe(run, math.max(result.rows, result.records), record, row)
      end
      result.equal = false
      result.alike = result.alike and both and reconcile.same(record, row, true)
    end
    result.rows = result.rows + (has_row and 1 or 0)
    result.records = result.records + (has_record and 1 or 0)
    run.records = result.records
    if timeslice.slice_end then timeslice.check() end
  end
end

--- Compares a file with an import. Sends nothing but reads; a difference is a result and no error. Returns `nil,
-- message, err` if the file or the rows cannot be read.
---@param api flarelight.Client
---@param id flarelight.Id
---@param given flarelight.CompareOptions
---@return flarelight.Comparison? result, string? message, flarelight.Error? err
function compare.run(api, id, given)
  given = options.table("imports:compare", given, known)
  if given.file == nil then misuse "imports:compare.file: is missing" end
  calls.surface(api)
  local run = {
    pages = pages.open(api, id, { page_size = given.page_size, deadline = given.deadline }),
    on_progress = given.on_progress, records = 0,
  }
  local good, result = pollable.protect(function()
    run.opened = source.open(api, given, "imports:compare")
    run.reader = source.reader(run.opened, { records = BATCH.records, bytes = BATCH.bytes })
    return compare_all(run)
  end)
  if run.page then run.page:close() end
  run.pages:close()
  if run.opened then
    run.opened:close()
    if run.opened.spool then run.opened.spool:drop() end
  end
  local value, message, err = failure.outcome(good, result)
  return value, message, err
end

return compare
