--- The options for reading a file: their types, and the comparison of two sets of them. csv.rows, uploads and
-- comparisons take them. The core checks their values when it opens the file. Relies on the binding to write options
-- as JSON.

local core = require "flarelight.core"

---@class flarelight.FileOptions
---@field types "auto"|"text"|table<string, "number"|"text"|"boolean"|"auto">|nil
---@field format "csv"|"tsv"|"jsonl"|"json"|nil
---@field delimiter string? one byte; if it is not given, a first line `sep=;` sets it
---@field quote string|false|nil one byte; false: no byte quotes
---@field header boolean|string[]|nil whether the first row names the columns, or the names of a file without such a row
---@field skip integer? lines before the header
---@field comment string? lines that begin with it are skipped
---@field encoding string? a name that iconv knows; UTF-8 without it
---@field decimal "."|","|nil of numbers; a comma becomes a point
---@field nulls string[]? texts that are null if they stand without quotes
---@field trim boolean? removes white space around cells
---@field at string? JSON: the RFC 6901 pointer to the array of records
---@field rename table<string, string>? new names by old ones
---@field columns string[]? the members to keep, in this order, by their new names
---@field set table<string, any>? members that every record gets
---@field expect { columns: string[]?, required: string[]?, unique: string[]?, min_records: integer? }?

local file_options = {}

--- Types for options.table.
file_options.known = {
  types = "text_or_table", format = "string", delimiter = "string", quote = "any", header = "any", skip = "count",
  comment = "string", encoding = "string", decimal = "string", nulls = "table", trim = "boolean", at = "string",
  rename = "table", columns = "table", set = "table", expect = "table",
}

--- `known` types of options together with those of this file.
function file_options.with(known)
  for name, expected in pairs(file_options.known) do known[name] = expected end
  return known
end

--- The options of this file among others.
function file_options.of(given)
  local own = {}
  for name in pairs(file_options.known) do own[name] = given[name] end
  return own
end

-- The defaults of the options. The delimiter has none: if it is not given, a first line `sep=;` sets it, unlike with a
-- comma.
local defaults = { quote = '"', header = true, skip = 0, decimal = ".", trim = false, at = "" }

-- The options that change records. Types and formats are compared by the columns and records that they make.
local telling = {
  "delimiter", "quote", "header", "skip", "comment", "encoding", "decimal", "nulls", "trim", "at", "rename", "columns",
  "set",
}

-- An option as JSON with members in the order of their names; nil if it changes nothing.
local function text_of(name, value)
  if value == nil or value == defaults[name] then return nil end
  if name == "encoding" and value:lower():gsub("%-", "") == "utf8" then return nil end
  if type(value) == "table" and next(value) == nil then return nil end
  local written = core.batch({ { value } }, 1, 1, 2 ^ 40, true)
  return written and (written:record(1):sub(2, -2)) or "?"
end

--- The first option that makes two sets of options read different records, and its two values as text; nil if there is
-- none.
---@return string? name, string? before, string? now
function file_options.difference(before, now)
  for _, name in ipairs(telling) do
    local was, is = text_of(name, before[name]), text_of(name, now[name])
    if was ~= is then return name, was or "none", is or "none" end
  end
end

return file_options
