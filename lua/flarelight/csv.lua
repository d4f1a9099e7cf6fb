--- Rows of a file as Lua tables, typed as an upload would send them; and files from Lua tables (csv_writer.lua). The
-- reader is in C (core.source).

local compressed = require "flarelight.compressed"
local core = require "flarelight.core"
local csv_writer = require "flarelight.csv_writer"
local errors = require "flarelight.error"
local file_options = require "flarelight.file_options"
local misuse = require "flarelight.misuse"
local check = require "flarelight.options"

---@class flarelight.csv
local csv = {}

-- The rows of one call into C: enough to make the cost of the call small, few enough that garbage is collected early.
local CHUNK = 64

---@class flarelight.CsvRows
---@overload fun(): table?, integer?
local Rows = {}
Rows.__index = Rows
Rows.__name = "flarelight.csv.rows"
check.no_array(Rows, "csv.rows: a stream is no array; use for row, line in rows")

-- `nil, message, err` of the failure.
local function failed(self)
  local message, line, kind, file = self.failure[1], self.failure[2], self.failure[3], self.failure[4]
  return errors.fail(kind, message, { line = line, file = file })
end

--- The next row, keyed by column, and the line on which it begins; nil at the end; `nil, message, err` if the file
-- cannot be read or is malformed. An empty cell is `flarelight.null`.
---@return table? row, integer|string|nil line_or_message, flarelight.Error? err
function Rows:next()
  check.self(self, Rows, "rows.next")
  self.at = self.at + 1
  if not self.chunk[self.at] and self.source then
    local chunk, lines, line, kind, file = self.source:rows(CHUNK)
    if not chunk then
      self.failure = lines and { lines, line, kind, file } -- before the source is closed: there may be no memory for it
      self:close()
    end
    self.chunk, self.lines, self.at = chunk or {}, lines, 1
  end
  local row = self.chunk[self.at]
  if row then return row, self.lines[self.at] end
  if self.failure then return failed(self) end
  return nil
end

--- For `for` loops: as `next`, but an error raises.
function Rows:__call()
  local row, line, err = self:next()
  if err then error(err, 0) end
  return row, line
end

-- What is known of the file; `nil, message, err` if it could not be opened.
local function known(self, value)
  if self.opened then return value end
  return failed(self)
end

--- The columns in the header's order, each with its name and its type: "number", "text" or "boolean". Empty if the
-- format is not CSV or TSV. `nil, message, err` if the file could not be opened; this holds for `dialect` and
-- `remarks`, too.
---@return { name: string, type: string }[]? columns, string? message, flarelight.Error? err
function Rows:columns()
  check.self(self, Rows, "rows.columns")
  local columns, message, err = known(self, self.list)
  return columns, message, err
end

--- Closes the file. Reading to the end or to an error closes it, too.
function Rows:close()
  check.self(self, Rows, "rows.close")
  if self.source then self.source:close() end
  self.source = nil
  self.chunk = {}
end

--- The dialect of the file: `{ format =, encoding =, compression = }`, and for CSV and TSV `delimiter`, `quote` (false:
-- none), `header`, `skip`, `comment`, `trim`, `decimal` and `separator_line` (a first line `sep=;` named the
-- delimiter).
---@return table? dialect, string? message, flarelight.Error? err
function Rows:dialect()
  check.self(self, Rows, "rows.dialect")
  local dialect, message, err = known(self, self.read_by)
  return dialect, message, err
end

--- Remarks about the file for its user, as a list of texts.
---@return string[]? remarks, string? message, flarelight.Error? err
function Rows:remarks()
  check.self(self, Rows, "rows.remarks")
  local remarks, message, err = known(self, self.noted)
  return remarks, message, err
end

--- Reads a file row by row: `for row, line in flarelight.csv.rows("strikes.csv") do … end`. In the loop every error
-- raises, including an error of opening; `rows:next()` returns it instead. All formats of uploads can be read, by the
-- file's name or the option `format`, also compressed (.gz, .zst, .xz, .bz2, .zip). A list of paths is read as one
-- file. As for an upload, the types are inferred from the whole file before the first row is returned.
---@param path string|string[]
---@param options flarelight.FileOptions?
---@return flarelight.CsvRows
function csv.rows(path, options)
  check.check("csv.rows: path", path, type(path) == "table" and "table" or "string")
  for _, each in ipairs(type(path) == "table" and path or { path }) do
    if each == "-" then
      misuse "csv.rows: path: should be a file: standard input can be read only once; uploads and plans copy it"
    end
  end
  options = check.table("csv.rows: options", options, file_options.known)
  compressed.prepare(path)
  local source, message, line, kind, file = core.source(path, options)
  if kind == "misuse" then misuse("csv.rows: " .. message) end
  return setmetatable({
    source = source, opened = source ~= nil and source ~= false,
    failure = not source and { message, line, kind, file },
    lines = false, -- exists from the beginning, since there may be no memory for the member when rows have been read
    list = source and source:columns() or {},
    read_by = source and source:dialect(),
    noted = source and source:remarks() or {},
    chunk = {},
    at = 0,
  }, Rows)
end

--- Writes a file row by row. See csv_writer.lua.
---@param path string
---@param options flarelight.CsvWriteOptions?
---@return flarelight.CsvWriter? writer, string? message, flarelight.Error? err
function csv.write(path, options)
  local writer, message, err = csv_writer.open(path, options)
  return writer, message, err
end

return csv
