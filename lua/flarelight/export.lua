--- Exports: the rows of an import as CSV or JSON lines, to a file, to standard output or to a function.
--
-- The text is made in C, page by page; no row becomes a Lua table. A file is written as PATH.part and takes its name
-- when it is complete. `resume` goes on with the part of an export that failed or was killed. Relies on pages.lua for
-- the pages.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local timeslice = require "flarelight.host.timeslice"
local pages = require "flarelight.pages"

---@class flarelight.ExportOptions : flarelight.PagesOptions
---@field to string|fun(text: string): any, any path of a file, "-" for standard output, or a function; `nil, message` or false from it ends the export
---@field format "csv"|"jsonl"|nil by the file's name, else "csv"
---@field columns string[]? the columns to write, in order; all that the first page has
---@field resume boolean? goes on with the PATH.part that is there
---@field on_progress fun(progress: flarelight.ExportProgress)? called after each page

---@class flarelight.ExportProgress
---@field rows integer written
---@field bytes integer written
---@field position integer of the next row: where to start again
---@field elapsed number seconds

---@class flarelight.Export
---@field rows integer in the file, those of an earlier run among them
---@field bytes integer
---@field columns string[]? of CSV
---@field position integer after the last row
---@field elapsed number seconds

local export = {}

local known = {
  to = "text_or_function", format = "string", columns = "table", resume = "boolean", on_progress = "function",
}
for name, kind in pairs(pages.options) do known[name] = kind end

local by_ending = { csv = "csv", jsonl = "jsonl", ndjson = "jsonl", [""] = "csv" }

local function format_of(given)
  if given.format then
    if given.format ~= "csv" and given.format ~= "jsonl" then
      misuse(("imports:export.format: should be \"csv\" or \"jsonl\", but is %q"):format(given.format))
    end
    return given.format
  end
  local ending = type(given.to) == "string" and (given.to:match "%.([^./]*)$" or ""):lower() or ""
  -- A file of another name would be taken for what it is not.
  if not by_ending[ending] then
    misuse(("imports:export.format: is needed for a file that ends in .%s: \"csv\" or \"jsonl\""):format(ending))
  end
  return by_ending[ending]
end

local function check(given)
  given = options.table("imports:export", given, known)
  if given.to == nil then misuse "imports:export.to: is missing" end
  local is_path = type(given.to) == "string" and given.to ~= "-"
  if is_path and (given.to == "" or given.to:find("\0", 1, true)) then
    misuse "imports:export.to: should be a path without NUL bytes, \"-\" or a function"
  end
  if given.resume and not is_path then misuse "imports:export.resume: only a file can be resumed" end
  return given, is_path
end

local function progress_of(run)
  return {
    rows = run.rows, bytes = run.bytes, position = run.start + run.rows, elapsed = core.now() - run.begun,
  }
end

local function fail(run, message, err)
  run.exporter:close()
  if run.pages then run.pages:close() end
  err.progress = progress_of(run)
  return nil, message, err
end

local function fail_with(run, message, kind)
  local _, whole, err = errors.fail(kind, "imports:export: " .. message)
  return fail(run, whole, err)
end

-- Writes the text that the exporter holds, of `rows` rows. True, or `nil, message, kind`.
local function hand_on(run, rows)
  if type(run.to) == "function" then
    local text = run.exporter:text()
    local result, reason = true, nil
    if text ~= "" then result, reason = run.to(text) end
    if result == false or result == nil and reason ~= nil then
      return nil, "to: the function failed: " .. tostring(reason or "it returned false"), "io"
    end
    run.bytes = run.bytes + #text
  else
    local bytes, message, kind = run.exporter:write(run.name)
    if not bytes then return nil, message, kind end
    run.bytes = run.bytes + bytes
  end
  run.rows = run.rows + rows
  return true
end

local function write_page(run, page, count)
  local rows, wrong, kind = run.exporter:add(page, count)
  page:close()
  local good, message, failed = hand_on(run, rows)
  if not good then return nil, message, failed end
  if wrong then return nil, ("row %d %s"):format(run.start + run.rows, wrong), kind end
  return true
end

local function open(run, given, is_path)
  if is_path then
    local state = calls.config(run.api).state
    if state and core.same_file(given.to, state) then
      return nil, ("to: %s is the state file"):format(given.to), "config"
    end
    local rows, bytes, kind = run.exporter:open(given.to, given.resume)
    if not rows then return nil, bytes, kind end
    run.rows, run.bytes = rows, bytes
    if given.limit and rows > given.limit then
      return nil, ("%s.part: holds %d rows, more than limit"):format(given.to, rows), "conflict"
    end
  elseif given.to == "-" then
    io.stdout:flush()
    run.exporter:standard_output()
  end
  return true
end

-- What is wrong with the columns that were asked for: a message, where no row has had one of them. The rows of a part
-- that an export has gone on with are not known.
local function missing_columns(run, resumed)
  local missing, members = run.exporter:unmet()
  if not missing or resumed or run.rows == 0 then return nil end
  for i, name in ipairs(missing) do missing[i] = '"' .. name .. '"' end
  return ("no row has the column %s: there are %s"):format(table.concat(missing, ", "), members)
end

--- Exports. Returns `{rows =, bytes =, columns =, position =, elapsed =}`, or `nil, message, err` with `err.progress`.
-- An error that the function `to` or `on_progress` raises is raised here.
---@param api flarelight.Client
---@param id flarelight.Id
---@param given flarelight.ExportOptions
---@return flarelight.Export? result, string? message, flarelight.Error? err
function export.run(api, id, given)
  local is_path
  given, is_path = check(given)
  local format = format_of(given)
  local exporter, wrong = core.exporter(format, given.columns)
  if not exporter then misuse("imports:export." .. wrong) end
  local run = {
    api = api, exporter = exporter, to = given.to, name = given.to == "-" and "standard output" or given.to,
    start = given.start or 0, begun = core.now(), rows = 0, bytes = 0,
  }
  local stream = pages.open(api, id, given) -- misuse is found before a file is touched
  local good, message, kind = open(run, given, is_path)
  if not good then return fail_with(run, message, kind) end
  local resumed = run.rows > 0
  stream:skip(run.rows)
  run.pages = stream
  while true do
    local page, count, err = stream:next()
    if page == nil then return fail(run, count, err) end
    if not page then break end
    good, message, kind = write_page(run, page, count)
    if not good then return fail_with(run, message, kind) end
    if given.on_progress then given.on_progress(progress_of(run)) end
    if timeslice.slice_end then timeslice.check() end
  end
  exporter:header() -- where no row came
  if is_path and format == "csv" and not exporter:columns()[1] then -- readers of CSV, ours too, refuse an empty file
    return fail_with(run, "there are no rows to take the columns of CSV from: give columns", "conflict")
  end
  message = given.columns and missing_columns(run, resumed)
  if message then return fail_with(run, message, "conflict") end
  good, message, kind = hand_on(run, 0)
  if good and is_path then good, message, kind = exporter:finish() end
  if not good then return fail_with(run, message, kind) end
  local result = progress_of(run)
  result.columns = format == "csv" and exporter:columns() or nil
  exporter:close()
  return result
end

return export
