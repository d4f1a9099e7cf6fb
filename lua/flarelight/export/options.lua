--- The options of an export, and the rules for combining them. Pure, apart from the pages' options.

local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pages = require "flarelight.pages"

---@class flarelight.ExportOptions : flarelight.PagesOptions
---@field to string|fun(text: string): any, any path of a file, "-" for standard output, or a function; `nil, message` or false from it ends the export
---@field format "csv"|"tsv"|"jsonl"|"json"|"sqlite"|nil by the file's name, else "csv"
---@field columns string[]? the columns to write, in order; all that the first page has
---@field where (fun(row: table): boolean?, string?, flarelight.Error?)? whether to write a row; nil and a message end the export
---@field delimiter string? of CSV, ","; of TSV a tab
---@field bom boolean? CSV and TSV: begins with a byte order mark
---@field escape_formulas boolean? CSV and TSV: an apostrophe goes before texts that a spreadsheet would run
---@field table string? SQLite: the table's name; the import's
---@field resume boolean? continues the existing PATH.part
---@field continue boolean? appends the rows that came since the last run; needs the client's state file
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

local NAMES = '"csv", "tsv", "jsonl", "json" or "sqlite"'

local function format_of(given)
  if given.format then
    if not formats[given.format] then
      misuse(("imports:export.format: should be %s, but is %q"):format(NAMES, given.format))
    end
    return given.format
  end
  local ending = type(given.to) == "string" and given.to:match "%.([^./]*)$"
  if not ending then return "csv" end
  return by_ending[ending:lower()]
    or misuse(("imports:export.format: is needed for a file that ends in .%s: %s"):format(ending, NAMES))
end

--- Raises unless a delimiter can separate cells. `name`: of the option.
function export_options.check_delimiter(name, delimiter)
  if not delimiter:find "^[\t!#$%%&'*/:;<=>?@\\^_`{|}~,]$" then
    misuse(("%s: should be one character that no number holds, as \";\" or \"\\t\", but is %q"):format(name, delimiter))
  end
end

-- Raises for options that the format or the kind of target does not allow.
local function check_format(given, its, is_path)
  for _, name in ipairs { "delimiter", "bom", "escape_formulas" } do
    if given[name] and not its.cells then misuse(("imports:export.%s: is an option of CSV and TSV"):format(name)) end
  end
  if given.delimiter then export_options.check_delimiter("imports:export.delimiter", given.delimiter) end
  if not its.database then
    if given.table then misuse "imports:export.table: is an option of SQLite" end
    return
  end
  if not is_path then misuse "imports:export.to: a database is written to a file only" end
  if given.table == "" then misuse "imports:export.table: should be a name" end
  for _, name in ipairs { "resume", "continue" } do
    if given[name] then misuse(("imports:export.%s: a database is written in one go"):format(name)) end
  end
end

local function check_continue(given)
  if given.resume then misuse "imports:export.continue: goes on with the whole file, and resume with its part" end
  if given.limit then misuse "imports:export.continue: goes to the end of the import, so that limit has no place" end
end

--- Checks the options of an export. Returns them, the format ("tsv" is "csv" with a tab), the settings of the exporter,
-- and whether a path is written to.
function export_options.check(given)
  given = options.table("imports:export", given, known)
  if given.to == nil then misuse "imports:export.to: is missing" end
  local is_path = type(given.to) == "string" and given.to ~= "-"
  if is_path and (given.to == "" or given.to:find("\0", 1, true)) then
    misuse "imports:export.to: should be a path without NUL bytes, \"-\" or a function"
  end
  for _, name in ipairs { "resume", "continue" } do
    if given[name] and not is_path then misuse(("imports:export.%s: only a file can be %sd"):format(name, name)) end
  end
  local format = format_of(given)
  check_format(given, formats[format], is_path)
  if given.continue then check_continue(given) end
  local settings = {
    delimiter = given.delimiter or formats[format].delimiter, bom = given.bom or false,
    escape_formulas = given.escape_formulas or false, table = given.table or "import",
  }
  return given, format == "tsv" and "csv" or format, settings, is_path
end

return export_options
