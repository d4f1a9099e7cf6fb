--- The command's options for reading a file, for changing its records, and for expectations of them, for every command
-- that reads a file like an upload. flarelight/file_options.lua has the options of the module.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local status = require "flarelight.cli.status"

local file_options = {}

-- --- converters for argparse ---

-- --types, as in zip=text,cost=number.
local function types(text)
  if text == "auto" or text == "text" then return text end
  local parts, message = context.list(text)
  if not parts then return nil, message end
  local found = {}
  for _, part in ipairs(parts) do
    local column, kind = part:match "^(.+)=(%a+)$"
    if not column or not (kind == "number" or kind == "text" or kind == "boolean") then
      return nil, ("'%s' is not auto, text or COLUMN=number|text|boolean,…"):format(text)
    end
    found[column] = kind
  end
  return found
end

--- Converts a byte. "\t" is a tab, which is hard to type in a shell.
function file_options.byte(text) return text == "\\t" and "\t" or text end
local byte = file_options.byte

-- NAME=TEXT; a name with "=" is written in quotes.
local function pair(text)
  local name, stop = context.name(text, 1, "=")
  if not name or name == "" or stop > #text then return nil end
  return { name = name, text = text:sub(stop + 1) }
end

local function renaming(text)
  local found = pair(text)
  if found and found.text ~= "" then return { name = found.name, value = found.text } end
  return nil, ("'%s' is not OLD=NEW"):format(text)
end

-- A value that is valid JSON is read as JSON, any other is a text: year=2024 is a number, source=nightly a text.
local function constant(text)
  local found = pair(text)
  if not found then return nil, ("'%s' is not NAME=VALUE"):format(text) end
  local value = json.decode(found.text)
  if value == nil then value = found.text end
  return { name = found.name, value = value }
end

-- --- defining ---

local function define_dialect(command)
  command:option("--delimiter"):argname "C":convert(byte)
    :description "CSV: byte between cells; \\t is a tab. Default: by the file's name, or by a first line sep=C."
  command:mutex(
    command:option("--quote"):argname "C":convert(byte):description "CSV: byte around cells. Default: \".",
    command:flag("--no-quote"):description "CSV: no byte quotes cells.")
  command:mutex(
    command:option("--header"):argname "A,B":convert(context.list)
      :description "CSV: names of the columns of a file whose first row is data.",
    command:flag("--no-header"):description "CSV: the first row is data; the columns are column1, column2, ….")
  command:option("--skip"):argname "N":convert(context.count):description "CSV: lines before the header to skip."
  command:option("--comment"):argname "TEXT":description "CSV: skips lines that begin with TEXT."
  command:option("--encoding"):argname "NAME":description "Encoding of the file, as windows-1252. Default: utf-8."
  command:option("--decimal"):argname "MARK":choices { ".", "," }
    :description "CSV: decimal mark of numbers, a point (default) or a comma. They are sent with a point."
  command:option("--nulls"):argname "A,B":convert(context.list)
    :description "CSV: texts that are null if they stand without quotes."
  command:flag("--trim"):description "CSV: removes white space around cells."
  command:option("--at"):argname "POINTER"
    :description "JSON: pointer (RFC 6901) to the array of records, as /features."
end

local function define_mapping(command)
  command:option("--rename"):argname "OLD=NEW":count "*":convert(renaming)
    :description "Sends the column OLD as NEW. May be given several times."
  command:option("--columns"):argname "A,B":convert(context.list)
    :description "Sends only these columns, by their new names, in this order."
  command:option("--set"):argname "NAME=VALUE":count "*":convert(constant)
    :description "Gives every record this member. VALUE is JSON, or else a text. May be given several times."
end

local function define_expectation(command)
  command:option("--expect-columns"):argname "A,B":convert(context.list)
    :description "Sends nothing unless the columns are these."
  command:option("--expect-required"):argname "A,B":convert(context.list)
    :description "Sends nothing unless each record has a value in these columns."
  command:option("--expect-unique"):argname "A,B":convert(context.list)
    :description "Sends nothing if a value occurs twice in one of these columns."
  command:option("--expect-min-records"):argname "N":convert(context.count)
    :description "Sends nothing unless there are at least N records."
end

--- Adds the options to a command.
function file_options.define(command)
  command:option("--types"):argname "TYPES":convert(types)
    :description "Types of CSV columns: auto, text, or COLUMN=number|text|boolean,…. Default: auto."
  command:option("--input-format"):choices { "csv", "tsv", "jsonl", "json" }
    :description "Format of the file. Default: by its ending."
  define_dialect(command)
  define_mapping(command)
  define_expectation(command)
end

-- --- reading ---

-- Pairs as a table by name; nil if there are none.
local function table_of(option, pairs_given)
  local found
  for _, each in ipairs(pairs_given or {}) do
    found = found or {}
    if found[each.name] ~= nil then
      ending.fail(status.USAGE, ("%s: %s is given twice"):format(option, each.name))
    end
    found[each.name] = each.value
  end
  return found
end

--- The options of the module for this command line.
---@return flarelight.FileOptions
function file_options.of(args)
  local given = { format = args.input_format }
  given.rename, given.set = table_of("--rename", args.rename), table_of("--set", args.set)
  for _, name in ipairs { "types", "delimiter", "quote", "header", "skip", "comment", "encoding", "decimal", "nulls",
    "trim", "at", "columns" } do
    given[name] = args[name]
  end
  if args.no_quote then given.quote = false end
  if args.no_header then given.header = false end
  for _, name in ipairs { "columns", "required", "unique", "min_records" } do
    local value = args["expect_" .. name]
    if value ~= nil then
      given.expect = given.expect or {}
      given.expect[name] = value
    end
  end
  return given
end

return file_options
