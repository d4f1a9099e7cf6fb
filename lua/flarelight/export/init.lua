--- Exports: the rows of an import as CSV, TSV, JSON lines or a JSON array, to a file, to standard output or to a
-- function; or as the table of an SQLite database.
--
-- The text is made in C, page by page; a row becomes a Lua table only for the function `where`. A file is written as
-- PATH.part, and renamed to PATH when it is complete. `resume` continues the part of an export that failed or was
-- killed; `continue` appends to a complete file. Compression runs on the worker, so that the host is not blocked.
-- Relies on pages.lua for the pages.

local calls = require "flarelight.calls"
local compressed = require "flarelight.compressed"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local continuation = require "flarelight.export.continuation"
local json = require "flarelight.json"
local misuse = require "flarelight.misuse"
local options = require "flarelight.export.options"
local pollable = require "flarelight.host.pollable"
local timeslice = require "flarelight.host.timeslice"
local pages = require "flarelight.pages"
local request = require "flarelight.request"

---@class flarelight.ExportProgress
---@field rows integer written
---@field bytes integer written
---@field position integer of the next row, for a new start
---@field elapsed number seconds

---@class flarelight.Export
---@field rows integer in the file, those of an earlier run among them
---@field bytes integer
---@field columns string[]? of CSV, TSV and SQLite
---@field position integer after the last row
---@field elapsed number seconds

local export = {}

local function progress_of(run)
  return {
    rows = run.rows, bytes = run.bytes, position = run.position, elapsed = core.now() - run.begun,
  }
end

local function fail(run, message, err)
  run.exporter:close()
  if run.pages then run.pages:close() end
  err.progress = progress_of(run)
  return nil, message, err
end

-- `kind` may be an error instead, which is then the outcome.
local function fail_with(run, message, kind)
  if errors.is(kind) then return fail(run, kind.message, kind) end
  local _, whole, err = errors.fail(kind, "imports:export: " .. message)
  return fail(run, whole, err)
end

-- Compresses the text that the exporter holds, and with `last` the end of the file. Returns true, or `nil, message,
-- kind`.
local function pack(run, last)
  local bytes, message, kind
  if calls.blocks(run.api) then
    bytes, message, kind = run.exporter:pack(last, false, run.member)
  else
    local ticket
    ticket, message, kind = run.exporter:pack(last, true, run.member)
    if ticket then
      local _
      bytes, message, _, kind = calls.done(calls.job(run.api, ticket))
    end
  end
  if not bytes then return nil, ("%s: %s"):format(run.name, message), kind end
  run.bytes = bytes
  return true
end

-- Writes the `rows` rows that the exporter holds to the target. `last`: these are the last rows. Returns true, or `nil,
-- message, kind`.
local function hand_on(run, rows, last)
  if type(run.to) == "function" then
    local text = run.exporter:text()
    local result, reason = true, nil
    if text ~= "" then result, reason = run.to(text) end
    if result == false or result == nil and reason ~= nil then
      return nil, "to: the function failed: " .. errors.text_of(reason or "it returned false"), "io"
    end
    run.bytes = run.bytes + #text
  elseif run.member and (last or run.format ~= "sqlite") then
    local good, message, kind = pack(run, last)
    if not good then return nil, message, kind end
  else
    local bytes, message, kind = run.exporter:write(run.name)
    if not bytes then return nil, message, kind end
    run.bytes = run.bytes + bytes
  end
  run.rows = run.rows + rows
  return true
end

-- The row at `place` of a page should be the last one of the part that is resumed: otherwise the part is another's.
-- Returns true, or `nil, message, kind`.
local function check_last(run, page, place)
  local kept = {}
  for i = 1, place do kept[i] = i == place end
  run.resumes = false
  local passed = run.exporter:add(page, place, kept)
  local same = run.exporter:ends_with_added()
  if passed == place and same then return true end
  return nil, ("%s.part: its last row is not row %d of this export: it belongs to another import or to other options. "
    .. "Remove it, or write another file"):format(run.name, run.rows), "conflict"
end

-- Whether `where` keeps a row; or `nil, message, kind`.
local function ask(run, row, position)
  local keep, message, err = run.where(row)
  if timeslice.slice_end then timeslice.check() end
  if keep ~= nil or message == nil and err == nil then return keep and true or false end
  if errors.is(err) or errors.is(message) then return nil, nil, errors.is(err) and err or message end
  return nil, ("where: row %d: %s"):format(position, errors.text_of(message)), "io"
end

-- The rows of a page to write: an array of booleans, and its length. If `where` fails at a row, the array ends before
-- that row, and `message, kind` follow.
local function choose(run, page, count)
  local kept = {}
  if run.where then page:begin(count, run.null_as_nil) end
  for i = 1, count do
    local keep, message, kind = true, nil, nil
    local row = run.where and page:next()
    if i == 1 and (run.known or run.again) then keep = false -- the last row of the run before, read again
    elseif run.where then keep, message, kind = ask(run, row, run.position + i - 1) end
    if keep == nil then return kept, i - 1, message, kind end
    if keep and run.passed > 0 then -- the part already has this row
      keep, run.passed = false, run.passed - 1
      if run.passed == 0 then
        local good, why, whose = check_last(run, page, i)
        if not good then return kept, i - 1, why, whose end
      end
    end
    kept[i] = keep
  end
  return kept, count
end

-- With `continue`, checks that the first row is the last row of the run before. Returns true, or `nil, message, kind`.
local function check_known(run, page)
  if not run.known or page:digest(0) == run.known then return true end
  return nil, ("continue: row %d is not the one that was exported last: begin anew without %s"):format(run.position,
    run.name), "conflict"
end

-- The end of a message if one of the chosen columns was in no row, else nil. The rows of a resumed part are not known,
-- so it is then nil.
local function missing_columns(run)
  local missing, members = run.exporter:unmet()
  if not missing or not run.chosen or run.resumed then return nil end
  for i, name in ipairs(missing) do missing[i] = json.encode(name) end
  return ("has the column %s: there are %s"):format(table.concat(missing, ", "), members)
end

local function write_page(run, page, count)
  local good, message, failed = check_known(run, page)
  if good and run.again then good, message, failed = check_last(run, page, 1) end
  if not good then
    page:close()
    return nil, message, failed
  end
  local kept, why, whose
  if run.where or run.known or run.again then kept, count, why, whose = choose(run, page, count) end
  if run.again then run.position = run.position - 1 end
  run.known, run.again = nil, nil
  local passed, rows, wrong, kind = run.exporter:add(page, count, kept)
  if run.kept and passed > 0 then run.digest = page:digest(passed - 1) end
  page:close()
  good, message, failed = hand_on(run, rows)
  if not good then return nil, message, failed end
  run.position = run.position + passed
  if wrong then
    local missing = missing_columns(run) -- often the name of the column is wrong, and not the row
    return nil, ("row %d %s%s"):format(run.position, wrong, missing and "; no row so far " .. missing or ""), kind
  end
  if whose then return nil, why, whose end
  return true
end

-- The options that decide the content of a file, as a list without holes.
local function identity(given, format, settings)
  return { format, settings.delimiter or "", settings.bom, settings.escape_formulas, given.start or 0,
           given.columns or "", given.where ~= nil }
end

local function entry_of(run, rows, bytes)
  local size = bytes + (run.format == "json" and #"\n]\n" or 0)
  for _, entry in ipairs(run.entries) do
    if entry.rows == rows and entry.size == size then return entry end
  end
end

-- With `continue`: makes the open part a copy of the file, and reads rows from the last known one on. If there is no
-- file, or no entry for it, the export begins anew. Returns true, or `nil, message, kind`.
local function take_up(run, stream)
  local entries, same, kind = run.kept:entries()
  if not entries then return nil, same, kind end
  if #entries == 0 then return true end
  run.entries = entries
  local rows, bytes, failed = run.exporter:append()
  if rows == nil then return nil, bytes, failed end
  if rows == false then return true end
  if not same then
    return nil, ("continue: %s was exported with other options: begin anew without it"):format(run.name), "conflict"
  end
  local entry = entry_of(run, rows, bytes)
  if not entry then
    return nil, ("continue: %s was changed since it was exported: begin anew without it"):format(run.name), "conflict"
  end
  run.rows, run.bytes, run.entry = rows, bytes, entry
  local read = entry.position - run.position
  if read > 0 then
    run.known, run.digest, run.position = entry.digest, entry.digest, entry.position - 1
    stream:skip(read - 1)
  end
  return true
end

local function open(run, given, is_path, stream)
  if is_path then
    local state = calls.config(run.api).state_path
    if state and core.same_file(given.to, state) then
      return nil, ("to: %s is the state file"):format(given.to), "config"
    end
    local rows, bytes, kind = run.exporter:open(given.to, given.resume, run.member,
      calls.config(run.api).shared_files)
    if not rows then return nil, bytes, kind end
    run.rows, run.bytes = rows, bytes
    if given.limit and rows > given.limit then
      return nil, ("%s.part: holds %d rows, more than limit"):format(given.to, rows), "conflict"
    end
    if run.kept then return take_up(run, stream) end
    if rows == 0 then return true end
    run.resumes = true -- until its last row was seen
    if run.where then -- the positions of the part's rows are not known, so the rows are read again
      run.passed = rows
    else
      run.position, run.again = run.position + rows, true
      stream:skip(rows - 1)
    end
  elseif given.to == "-" then
    io.stdout:flush()
    run.exporter:standard_output()
  end
  return true
end

-- The name of an import in the service's list; or `nil, message, err`.
local function name_of(api, id, given)
  local config = calls.config(api)
  local list, message, err = calls.call(api,
    request.endpoint("imports.all", {}, {
      deadline = given.deadline or config.deadline, headers = given.headers,
    }, config))
  if list == nil then return nil, message, err end
  for _, each in ipairs(type(list) == "table" and list or {}) do
    if type(each) == "table" and request.id_text(each.id) == request.id_text(id) then
      local name = each.name
      if type(name) == "string" and name ~= "" and not name:find("\0", 1, true) then return name end
    end
  end
  return "import"
end

-- Reads pages and writes them, to the end. True; or what `fail` returns.
local function write_pages(run, on_progress)
  while true do
    local page, count, err = run.pages:next()
    if page == nil then return fail(run, count, err) end
    if not page then break end
    local good, message, kind = write_page(run, page, count)
    if not good then return fail_with(run, message, kind) end
    if on_progress then on_progress(progress_of(run)) end
    if timeslice.slice_end then timeslice.check() end
  end
  if run.resumes then
    return fail_with(run, ("%s.part: has more rows than this export: it belongs to another import or to other options. "
      .. "Remove it, or write another file"):format(run.name), "conflict")
  end
  if not run.known then return true end
  return fail_with(run, ("continue: row %d, the last that was exported, is not there any more: begin anew without %s")
    :format(run.position, run.name), "conflict")
end

-- Ends the text and gives the file its name. Returns true, or `nil, message, kind`.
local function complete(run, is_path)
  local good, message, kind = run.exporter:complete()
  if good then good, message, kind = hand_on(run, 0, true) end
  if good and run.kept then
    good, message, kind = run.kept:announce({
      rows = run.rows, size = run.bytes, position = run.position, digest = run.digest,
    }, run.entry)
  end
  if good and is_path then good, message, kind = run.exporter:finish() end
  if good and run.kept then good, message, kind = run.kept:confirm() end
  return good, message, kind
end

-- Calls `body(run, given)`, which may call functions of the caller. What it raises is raised again, once the file is
-- closed: its lock would keep the next export away until it is collected.
local function closing(run, body, given)
  local ran, good, message, err = pollable.protect(function()
    local its_good, its_message, its_err = body(run, given)
    return its_good, its_message, its_err
  end)
  if not ran then
    run.exporter:close()
    run.pages:close()
    error(good, 0)
  end
  return good, message, err
end

-- Lua 5.4 calls this, too, if the coroutine of the export is closed.
local closable = {}
function closable.__close(run)
  run.exporter:close()
  run.pages:close()
end

-- Exports from the opening of the target to its end. Returns what `export.run` returns.
local function carry_out(run, given, settings, is_path)
  local format = run.format
  local message, kind = compressed.writable(settings.compression)
  if message then return fail_with(run, ("%s: %s"):format(run.name, message), kind) end
  if given.continue then
    run.kept, message, kind = continuation.open(run.api, run.id, given.to, identity(given, format, settings))
    if not run.kept then return fail_with(run, message, kind) end
  end
  if format == "sqlite" and not given.table then
    settings.table, message, kind = name_of(run.api, run.id, given)
    if not settings.table then return fail(run, message, kind) end
    run.exporter = core.exporter(format, given.columns, settings)
  end
  local exporter = run.exporter
  local good
  good, message, kind = open(run, given, is_path, run.pages)
  if not good then return fail_with(run, message, kind) end
  run.resumed = run.rows > 0
  local err
  good, message, err = closing(run, write_pages, given.on_progress)
  if not good then return nil, message, err end
  exporter:header() -- for an import without rows
  local has_columns = format == "csv" or format == "sqlite"
  if is_path and has_columns and not exporter:columns()[1] then -- readers of CSV refuse an empty file
    return fail_with(run, ("there are no rows to take the columns of %s from: give columns")
      :format(format == "csv" and "CSV" or "a table"), "conflict")
  end
  message = run.rows > 0 and missing_columns(run)
  if message then
    exporter:discard() -- an export that continued the part would end with the same error
    return fail_with(run, "no row " .. message, "conflict")
  end
  good, message, kind = closing(run, complete, is_path)
  if not good then return fail_with(run, message, kind) end
  local result = progress_of(run)
  result.columns = has_columns and exporter:columns() or nil
  exporter:close()
  return result
end

-- An iterator for a loop of one turn.
local function one_turn(_, begun) return begun == nil or nil end

--- Exports. Returns `{rows =, bytes =, columns =, position =, elapsed =}`, or `nil, message, err` with `err.progress`.
-- An error that a function in `to`, `where` or `on_progress` raises is not caught.
---@param api flarelight.Client
---@param id flarelight.Id
---@param given flarelight.ExportOptions
---@return flarelight.Export? result, string? message, flarelight.Error? err
function export.run(api, id, given)
  local format, settings, is_path
  given, format, settings, is_path = options.check(given)
  local exporter, wrong = core.exporter(format, given.columns, settings)
  if not exporter then misuse("imports:export." .. wrong) end
  local run = {
    api = api, id = id, exporter = exporter, to = given.to, name = given.to == "-" and "standard output" or given.to,
    format = format, where = given.where, null_as_nil = calls.config(api).null_as_nil or false,
    position = given.start or 0, begun = core.now(), rows = 0, bytes = 0, passed = 0,
    chosen = given.columns ~= nil, member = settings.member,
  }
  run.pages = pages.open(api, id, given) -- misuse is found before a file is touched
  local result, message, err
  -- The loop closes its fourth value on Lua 5.4, however it ends.
  for _ in one_turn, nil, nil, setmetatable(run, closable) do
    result, message, err = carry_out(run, given, settings, is_path)
  end
  return result, message, err
end

return export
