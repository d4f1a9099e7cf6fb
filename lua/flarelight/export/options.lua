--- The options of an export, and the rules for combining them; of csv.write, too. Relies on the binding for the
-- compression that a file's name says, and on pages.lua for the options of pages.

local core = require "flarelight.core"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pages = require "flarelight.pages"

---@class flarelight.ExportOptions : flarelight.PagesOptions
---@field to string|fun(text: string): any, any path of a file (a name that ends in .gz, .zst, .xz, .bz2 or .zip is compressed), "-" for standard output, or a function; `nil, message` or false from it ends the export
---@field format "csv"|"tsv"|"jsonl"|"json"|"sqlite"|nil by the file's name, else "csv"
---@field columns string[]? the columns to write, in order; all that the first page has
---@field where (fun(row: table): boolean?, string?, flarelight.Error?)? whether to write a row; nil and a message end the export
---@field delimiter string? of CSV, ","; of TSV a tab
---@field bom boolean? CSV and TSV: begins with a byte order mark
---@field escape_formulas boolean? CSV and TSV: an apostrophe goes before texts that a spreadsheet would run
---@field table string? SQLite: the table's name; the import's
---@field resume boolean? continues the existing PATH.part
---@field continue boolean? appends the rows added since the last run; needs the client's state file
---@field on_progress fun(progress: flarelight.ExportProgress)? called after each page

local export_options = {}

local known = {
  to = "text_or_function", format = "string", columns = "table", where = "function", delimiter = "string",
  bom = "boolean", escape_formulas = "boolean", table = "path", resume = "boolean", continue = "boolean",
  on_progress = "function",
}
for name, kind in pairs(pages.options) do known[name] = kind end

-- The formats: whether they have the options of CSV, and their endings.
local formats = {
  csv = { cells = true, delimiter = ",", endings = { "csv" } },
  tsv = { cells = true, delimiter = "\t", endings = { "tsv" } },
  jsonl = { endings = { "jsonl", "ndjson" } },
  json = { endings = { "json" } },
  sqlite = { database = true, endings = { "sqlite" } },
}
local by_ending = {}
for format, its in pairs(formats) do
  for _, ending in ipairs(its.endings) do by_ending[ending] = format end
end

--- The formats by the ending of a file's name, as `csv` -> "csv".
export_options.by_ending = by_ending

local NAMES, NAMES_OF_TEXTS = '"csv", "tsv", "jsonl", "json" or "sqlite"', '"csv", "tsv", "jsonl" or "json"'

--- A path without the ending of a compression, and that ending, as ".gz"; nil if there is none.
---@param path string
function export_options.uncompressed(path)
  local compression = core.compression(path)
  return compression and path:sub(1, -#compression - 1) or path, compression
end

-- `path`: without the ending of a compression; nil if the target is no path. `texts`: a database cannot be written.
local function format_of(operation, given, path, texts)
  local names = texts and NAMES_OF_TEXTS or NAMES
  if given.format then
    if not formats[given.format] then
      misuse(("%s.format: should be %s, but is %q"):format(operation, names, given.format))
    end
    return given.format
  end
  local ending = path and path:match "%.([^./]*)$"
  if not ending then return "csv" end
  return by_ending[ending:lower()]
    or misuse(("%s.format: is needed for a file that ends in .%s: %s"):format(operation, ending, names))
end

-- The name of the file in a zip: that of the zip, with the ending of its format.
local function member_of(path, format)
  local name = path:match "([^/]*)$"
  local ending = name:match "%.([^.]*)$"
  if ending and by_ending[ending:lower()] then return name end
  return (name == "" and "rows" or name) .. "." .. format
end

--- Raises unless a delimiter can separate cells. `name`: of the option.
function export_options.check_delimiter(name, delimiter)
  if not delimiter:find "^[\t!#$%%&'*/:;<=>?@\\^_`{|}~,]$" then
    misuse(("%s: should be one character that no number holds, as \";\" or \"\\t\", but is %q"):format(name, delimiter))
  end
end

-- Raises for options that the format or the kind of target does not allow.
local function check_format(operation, given, its, is_path)
  for _, name in ipairs { "delimiter", "bom", "escape_formulas" } do
    if given[name] and not its.cells then misuse(("%s.%s: is an option of CSV and TSV"):format(operation, name)) end
  end
  if given.delimiter then export_options.check_delimiter(operation .. ".delimiter", given.delimiter) end
  if not its.database then
    if given.table then misuse(operation .. ".table: is an option of SQLite") end
    return
  end
  if not is_path then misuse(operation .. ".to: a database is written to a file only") end
  if given.table == "" then misuse(operation .. ".table: should be a name") end
end

--- Whether a target is the path of a file. Raises for a path that no file can have.
---@param name string of the option
function export_options.is_path(name, to)
  local is_path = type(to) == "string" and to ~= "-"
  if is_path and (to == "" or to:find("\0", 1, true)) then
    misuse(name .. ": should be a path without NUL bytes, \"-\" or a function")
  end
  return is_path
end

--- The format of what is written, and the settings of the exporter (core.exporter) with these members beside:
--   format       as the user names it: "tsv" is "csv" with a tab for the exporter
--   compression  of the file, as ".gz", or nil
--   member       the name of the file in a zip, where there is a compression
---@param operation string for messages
---@param to any the target, which export_options.is_path has checked
---@param texts boolean? whether a database cannot be written
function export_options.settings(operation, given, to, texts)
  local is_path = type(to) == "string" and to ~= "-"
  local path, compression
  if is_path then path, compression = export_options.uncompressed(to) end
  local format = format_of(operation, given, path, texts)
  local its = formats[format]
  check_format(operation, given, its, is_path)
  return format == "tsv" and "csv" or format, {
    delimiter = given.delimiter or its.delimiter, bom = given.bom or false,
    escape_formulas = given.escape_formulas or false, table = given.table or "import", format = format,
    compression = compression, member = compression and member_of(path, format),
  }
end

-- Raises if a file cannot be continued.
local function check_going_on(given, settings, is_path)
  for _, name in ipairs { "resume", "continue" } do
    local wrong = not is_path and ("only a file can be %sd"):format(name)
      or settings.format == "sqlite" and "a database is written in one go"
      or settings.compression and ("a compressed file (%s) is written in one go"):format(settings.compression)
    if given[name] and wrong then misuse(("imports:export.%s: %s"):format(name, wrong)) end
  end
  if not given.continue then return end
  if given.resume then misuse "imports:export.continue: goes on with the whole file, and resume with its part" end
  if given.limit then misuse "imports:export.continue: goes to the end of the import, so that limit has no place" end
end

--- Checks the options of an export. Returns them, the format and the settings of the exporter, and whether a path is
-- written to.
function export_options.check(given)
  given = options.table("imports:export", given, known)
  if given.to == nil then misuse "imports:export.to: is missing" end
  local is_path = export_options.is_path("imports:export.to", given.to)
  local format, settings = export_options.settings("imports:export", given, given.to)
  check_going_on(given, settings, is_path)
  return given, format, settings, is_path
end

return export_options
