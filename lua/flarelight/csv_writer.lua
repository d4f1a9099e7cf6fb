--- Files from Lua tables, row by row: csv.write. The text is that of exports (export/), made in C (core.exporter), and
-- the file is written as PATH.part, which gets its name when the writer is closed.
--
-- Everything runs in the caller's thread, like the reading of csv.rows.

local compressed = require "flarelight.compressed"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local export_options = require "flarelight.export.options"
local options = require "flarelight.options"

---@class flarelight.CsvWriteOptions
---@field format "csv"|"tsv"|"jsonl"|"json"|nil by the file's name, else "csv"
---@field columns string[]? the members to write, in order; those of the first row by name
---@field delimiter string? of CSV, ","; of TSV a tab
---@field bom boolean? CSV and TSV: begins with a byte order mark
---@field escape_formulas boolean? CSV and TSV: an apostrophe goes before texts that a spreadsheet would run

---@class flarelight.CsvWritten
---@field rows integer
---@field bytes integer of the file
---@field columns string[]? of CSV and TSV

local csv_writer = {}

local known = {
  format = "string", columns = "table", delimiter = "string", bom = "boolean", escape_formulas = "boolean",
}

local ENOUGH = 128 * 1024 -- bytes of text to gather before they are written

---@class flarelight.CsvWriter
local Writer = {}
Writer.__index = Writer
Writer.__name = "flarelight.csv.writer"

-- Ends the writer with a failure, which every later call returns. An old file at the path stays. The part is removed,
-- since no writer can continue it.
local function fail(self, message, kind, record)
  self.exporter:discard()
  local _, _, err = errors.fail(kind, "csv.write: " .. message, { record = record })
  self.failure = err
  return nil, err.message, err
end

-- Writes the text that was gathered; with `last`, the end of a compressed file, too. Returns true, or what `fail`
-- returns.
local function put(self, last)
  local bytes, message, kind
  if self.member then
    bytes, message, kind = self.exporter:pack(last)
    if bytes then self.bytes = bytes else message = self.name .. ": " .. message end
  else
    bytes, message, kind = self.exporter:write(self.name)
    if bytes then self.bytes = self.bytes + bytes end
  end
  if not bytes then return fail(self, message, kind) end
  return true
end

-- Checks that the writer is open. Returns true, or `nil, message, err`.
local function check_open(self, name)
  options.self(self, Writer, name)
  if self.failure then return nil, self.failure.message, self.failure end
  if self.closed then misuse(name .. ": the writer is closed") end
  return true
end

--- Writes a row, a table by column. A member that it lacks, and null, are an empty cell. Returns true, or `nil,
-- message, err` with `err.record`, the number of the row from 1. After an error all later calls return it, and the
-- file is not completed. A value that has no form in JSON raises, and the row is not written.
---@param row table
---@return true? done, string? message, flarelight.Error? err
function Writer:write(row)
  local good, message, err = check_open(self, "writer.write")
  if not good then return nil, message, err end
  options.check("writer:write: row", row, "table")
  local pending, wrong, kind = self.exporter:add_row(row)
  if not pending then
    if kind == "misuse" then misuse("writer:write: " .. wrong) end
    return fail(self, ("row %d %s"):format(self.rows + 1, wrong), kind, self.rows + 1)
  end
  self.rows = self.rows + 1
  if pending < ENOUGH then return true end
  good, message, err = put(self, false)
  return good, message, err
end

-- Writes the end of the file, and gives it its name.
local function finish(self)
  self.exporter:header() -- if there was no row
  local has_columns = self.format == "csv"
  if has_columns and not self.exporter:columns()[1] then
    return fail(self, "there are no rows to take the columns from: give columns", "conflict")
  end
  local good, message, kind = self.exporter:complete()
  if not good then return fail(self, message, kind) end
  local err
  good, message, err = put(self, true)
  if not good then return nil, message, err end
  local columns = has_columns and self.exporter:columns() or nil
  good, message, kind = self.exporter:finish()
  if not good then return fail(self, message, kind) end
  return { rows = self.rows, bytes = self.bytes, columns = columns }
end

--- Completes the file, which then gets its name. Returns `{rows =, bytes =, columns =}`, or `nil, message, err`. To
-- close again returns the same.
---@return flarelight.CsvWritten? result, string? message, flarelight.Error? err
function Writer:close()
  options.self(self, Writer, "writer.close")
  if self.failure then return nil, self.failure.message, self.failure end
  if self.closed then return self.closed end
  local result, message, err = finish(self)
  if not result then return nil, message, err end
  self.exporter:close()
  self.closed = result
  return result
end

--- Discards the file: an old file at the path stays, and the part is removed. Later calls return an error.
function Writer:discard()
  options.self(self, Writer, "writer.discard")
  if self.failure or self.closed then return end
  fail(self, "the file was given up", "cancelled")
end

-- A writer that is left without `close`, by an error or since its coroutine was closed, gives its file up.
Writer.__close = Writer.discard

--- Begins a file. `path` may be "-" for standard output. Formats, quoting and compression are those of exports, by the
-- file's name. Returns a writer, or `nil, message, err`.
---@param path string
---@param given flarelight.CsvWriteOptions?
---@return flarelight.CsvWriter? writer, string? message, flarelight.Error? err
function csv_writer.open(path, given)
  options.check("csv.write: path", path, "string")
  export_options.is_path("csv.write: path", path)
  given = options.table("csv.write", given, known)
  local format, settings = export_options.settings("csv.write", given, path, true)
  if format == "sqlite" then misuse "csv.write.format: a database is written by imports:export only" end
  local exporter, wrong = core.exporter(format, given.columns, settings)
  if not exporter then misuse("csv.write." .. wrong) end
  local self = setmetatable({
    exporter = exporter, format = format, name = path == "-" and "standard output" or path, rows = 0, bytes = 0,
    member = settings.member, failure = false, closed = false,
  }, Writer)
  local message, kind = compressed.writable(settings.compression)
  if message then return fail(self, ("%s: %s"):format(path, message), kind) end
  if path == "-" then
    io.stdout:flush()
    exporter:standard_output()
    return self
  end
  local rows
  rows, message, kind = exporter:open(path, false, self.member)
  if not rows then return fail(self, message, kind) end
  return self
end

return csv_writer
