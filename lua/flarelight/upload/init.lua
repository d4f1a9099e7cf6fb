--- Uploads: records from a file, an array or an iterator function, sent in batches, one at a time.
--
-- This file checks the arguments, opens the source and the journal, and begins or continues an upload. delivery.lua
-- runs it, run.lua holds its state. docs/uploads.md describes the protocol and its guarantees. The files behind this
-- one raise failures (failure.lua), which are returned here as `nil, message, err`.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local delivery = require "flarelight.upload.delivery"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local file_options = require "flarelight.file_options"
local journal = require "flarelight.upload.journal"
local json = require "flarelight.json"
local locks = require "flarelight.upload.locks"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local plan = require "flarelight.upload.plan"
local pollable = require "flarelight.host.pollable"
local rejects = require "flarelight.upload.rejects"
local request = require "flarelight.request"
local resumption = require "flarelight.upload.resumption"
local runs = require "flarelight.upload.run"
local scope = require "flarelight.host.scope"
local series = require "flarelight.upload.series"
local shape = require "flarelight.upload.shape"
local source = require "flarelight.upload.source"
local spool = require "flarelight.upload.spool"

---@class flarelight.UploadOptions : flarelight.FileOptions
---@field file string|string[]|nil path of a CSV, TSV, JSON lines or JSON file; a list of them is one source
---@field records table[]|(fun(): table?, string?, flarelight.Error?)|nil instead of a file; `nil` ends a function's records, `nil, message` or `nil, message, err` stops the upload
---@field name string?
---@field description string?
---@field key string? a lasting name of the upload; needs the client's state
---@field id flarelight.Id? an import that exists; needs update = "append"
---@field update "append"|"import_per_batch"|nil
---@field batch_records integer? 5000
---@field batch_bytes integer? 8 MiB
---@field send_events boolean? true: with the last batch
---@field on_reject "stop"|"isolate"|nil "stop"
---@field rejects string? path of the file for rejected records; with on_reject = "isolate"
---@field journal boolean? true if the client has a state file
---@field run_token boolean? as journal: the description carries a mark until the last batch
---@field settle number? seconds before a batch in doubt is read back, 2; doubles to 30
---@field series string? compares the source with that of the last upload of this series; needs the client's state
---@field drift "stop"|"accept"|nil the reaction to differences; "stop"
---@field on_progress fun(progress: flarelight.Progress)?
---@field deadline number? seconds for each request

---@class flarelight.ResumeOptions
---@field file string|string[]|nil the new path of the file, or of the files of a list
---@field records table[]|(fun(): table?)|nil the same records again
---@field map (fun(record: table): table?)? the same function again, if the upload was begun with one
---@field on_progress fun(progress: flarelight.Progress)?
---@field settle number?
---@field deadline number?

---@class flarelight.Progress
---@field token string?
---@field id any the import
---@field records integer acknowledged
---@field batches integer acknowledged
---@field rejected integer
---@field bytes integer of the file; of records: of their JSON
---@field total_bytes integer? of the file
---@field elapsed number seconds
---@field eta number? seconds to go
---@field waiting_for_rate boolean

---@class flarelight.Upload
---@field id any the import
---@field ids any[]? of update = "import_per_batch"
---@field records integer
---@field batches integer
---@field rejected integer
---@field elapsed number seconds
---@field token string?
---@field already boolean? true: the upload was done before, and nothing was sent now
---@field loaded_at number? of an upload that was done before: when, epoch seconds
---@field remarks string[]? remarks about the file for its user

---@class flarelight.PendingUpload
---@field token string
---@field key string?
---@field id any
---@field name string?
---@field file string? the first one of a list
---@field files string[]? of a list
---@field records integer acknowledged
---@field started number epoch seconds
---@field in_doubt boolean the fate of a batch that was sent is not known
---@field failure string? the error that stopped it last

local upload = {}

local known = file_options.with {
  file = "source", records = "array_or_function", name = "string", description = "string", id = "id", key = "string",
  update = "string", batch_records = "positive", batch_bytes = "positive", send_events = "boolean",
  on_reject = "string", rejects = "path", journal = "boolean", run_token = "boolean", settle = "seconds",
  series = "string", drift = "string", map = "function",
  on_progress = "function", deadline = "seconds",
}

local resumable = {
  file = "source", records = "array_or_function", map = "function", on_progress = "function", settle = "seconds",
  deadline = "seconds",
}

-- --- catching failures ---

-- What the journal is told of a raised value that is no failure; nil of Ctrl-C, after which the upload can be resumed.
local function error_of_raised(raised)
  if errors.is_interrupt(raised) then return nil end
  local _, _, err = errors.fail("raised", errors.from_raised(raised).message)
  return err
end

-- Runs `body`, and closes the run afterwards, whatever `body` raises (a failure, an interrupt, a mistake in
-- on_progress). If memory runs out, the failure is one that was made in advance, since an upload that has sent
-- something has to end with a fate.
local function within(run, body)
  local reserve, reason = failure.in_reserve "imports:upload", nil
  local stop = pollable.prepare(function() run:stop(reason) end)
  local close = pollable.prepare(function() run:close() end)
  local good, result = pollable.protect(body)
  if not good then reserve.ballast = nil end
  if not good and errors.is_of_memory(result) then
    result, reserve.err.fate = reserve, run.batch and run.batch.fate or "not_sent"
  end
  if not good then reason = failure.is(result) and result.err or error_of_raised(result) end
  if reason then
    local stopped, raised = stop()
    -- Keeps the first error if stopping fails too, in the journal. An interrupt is raised again.
    if not stopped and not failure.is(raised) and not errors.is_of_memory(raised) then result = raised end
  end
  run.over = true
  local closed, raised = close()
  if not closed and not errors.is_of_memory(raised) then error(raised, 0) end
  local value, message, err = failure.outcome(good, result)
  if err and err.fate == "in_doubt" then scope.doubt() end
  return value, message, err
end

local function need_journal(api, operation)
  return journal.of(api) or failure.fail("config", operation .. ": needs a state file: flarelight.new { state = path }")
end

-- --- upload ---

local choices = {
  update = { "append", "import_per_batch" }, on_reject = { "stop", "isolate" }, drift = { "stop", "accept" },
}

local function check_series(given)
  if given.series == "" then misuse "imports:upload.series: should not be empty" end
  if given.drift ~= nil and given.series == nil then
    misuse "imports:upload: drift goes with series, the name that the uploads share"
  end
  if given.series and type(given.records) == "function" then
    misuse "imports:upload: series: is for files and arrays: the records of a function cannot be counted beforehand"
  end
end

local function check(given)
  given = options.table("imports:upload", given, known)
  if (given.file == nil) == (given.records == nil) then misuse "imports:upload: give either file or records" end
  for name, values in pairs(choices) do
    local value = given[name]
    if value ~= nil and value ~= values[1] and value ~= values[2] then
      misuse(("imports:upload.%s: should be %q or %q, but is %q"):format(name, values[1], values[2], value))
    end
  end
  if (given.on_reject == "isolate") ~= (given.rejects ~= nil) then
    misuse "imports:upload: on_reject = \"isolate\" and rejects, the path of a file, go together"
  end
  for name in pairs(file_options.known) do
    if given.records and given[name] ~= nil and name ~= "types" and name ~= "format" then
      misuse(("imports:upload.%s: is for files"):format(name))
    end
  end
  for _, path in ipairs(type(given.file) == "table" and given.file or {}) do
    if spool.is_needed(path) then
      misuse("imports:upload.file: standard input and pipes are files of their own, and not parts of one")
    end
  end
  if given.records and given.map then misuse "imports:upload.map: is for files" end
  if given.key == "" then misuse "imports:upload.key: should not be empty" end
  check_series(given)
  local checked = {}
  for name, value in pairs(given) do checked[name] = value end
  checked.batch_records = given.batch_records or 5000
  checked.batch_bytes = given.batch_bytes or 8 * 2 ^ 20
  return checked
end

local kept_options = { "name", "description", "id", "update", "batch_bytes", "send_events", "on_reject", "rejects",
                       "run_token", "settle" }
for name in pairs(file_options.known) do kept_options[#kept_options + 1] = name end

-- The path from the root, so that the upload can be resumed from another folder.
local function absolute(path)
  if path == nil then return nil end
  local whole, message = core.absolute_path(path)
  return whole or failure.fail("config", "imports:upload: " .. message)
end

-- The entry of the journal for a source that was opened.
local function entry_of(run, opened, given)
  local kept, first = {}, opened.parts and opened.parts[1] or {}
  for _, name in ipairs(kept_options) do kept[name] = given[name] end
  kept.rejects = absolute(given.rejects)
  kept.spool = opened.spool and opened.spool.original
  kept.mapped = given.map ~= nil or nil
  kept.format = opened.format -- a moved file may have another ending
  if type(given.file) == "table" then
    kept.parts = json.array {}
    for i, part in ipairs(opened.parts) do
      kept.parts[i] = { path = absolute(part.path), size = part.size, modified = part.modified, inode = part.inode }
    end
  end
  return {
    token = (run.journal or given.run_token) and journal.token() or nil, key = given.key, kind = opened.kind,
    path = absolute(first.path), size = first.size, modified = first.modified, inode = first.inode,
    columns = opened.columns, options = kept, id = given.id, name = given.name, batch_records = given.batch_records,
    started = os.time(), series = given.series,
  }
end

-- The differences of a shape from the last upload of its series, and the time of that upload; false if there was none.
local function compare_with_last(own, name, found)
  local last = own:last_of_series(name)
  return last ~= nil and { differences = series.compare(last.shape, found), ended = last.ended }
end

local function shape_of(opened, given)
  if opened.shape then return opened.shape end
  return opened.kind == "file" and shape.of_file(opened) or shape.of_array(given.records)
end

-- Compares a source with the last upload of its series. Returns its shape.
local function guard(run, opened, given)
  local found = shape_of(opened, given)
  local compared = compare_with_last(run.journal, given.series, found)
  if not compared or #compared.differences == 0 then return found end
  if given.drift ~= "accept" then
    failure.fail("conflict", "imports:upload: " .. series.message(given.series, compared),
      { differences = compared.differences })
  end
  opened.remarks = opened.remarks or {}
  table.insert(opened.remarks, series.remark(compared))
  return found
end

local function open_source(run, given)
  local kept = spool.is_needed(given.file) and journal.of(run.api)
  if kept ~= false then
    spool.sweep(run.api, function(path) return kept ~= nil and kept:needs(path) end)
  end
  run:take_source(source.open(run.api, given))
  return run.source
end

local function start(run, given)
  local opened = open_source(run, given)
  local earlier = given.key and run.journal:find(given.key)
  if earlier then return resumption.of_key(run, earlier, given) end
  local found = given.series and guard(run, opened, given) or nil
  if given.rejects then
    rejects.check(run.api, given.rejects, opened.parts)
    rejects.begin(given.rejects, {})
  end
  local entry = entry_of(run, opened, given)
  entry.shape = found
  run:set_up(entry, given)
  if run.journal then run:plan(entry) end
  run:read(given.batch_records)
  return delivery.run(run)
end

-- Fails if the options need something that the client does not have. Misuse of a body's members raises here, before the
-- upload is in the journal.
local function check_client(run, given)
  request.import_body({ records = {}, name = given.name, description = given.description, id = given.id },
    run.config.update_key)
  local profile = run.config.profile
  local updates = profile and profile.found.update
  if given.id ~= nil and updates == "replace" then
    failure.fail("config", "imports:upload: by the profile, an update replaces all rows")
  end
  if given.id ~= nil and given.update ~= "append" and updates ~= "append" then
    failure.fail("config", "imports:upload: an import that exists needs update = \"append\", or a profile that "
      .. "says so: whether an update appends or replaces is not documented")
  end
  if not run.journal and (given.journal or given.key) then
    need_journal(run.api, "imports:upload: " .. (given.key and "key" or "journal"))
  end
end

local function open_run(api, given)
  local run = runs.new(api, given.journal ~= false and journal.of(api) or nil)
  if given.series and not run.journal then
    misuse "imports:upload: series: needs a state file: flarelight.new { state = path }"
  end
  return run
end

-- An upload inside of a block of once gets a key derived from the block's, so that the block can run again.
local function give_key(run, given)
  local block = run.journal and given.key == nil and scope.current()
  if not block then return end
  local file = type(given.file) == "table" and given.file[1] or given.file
  given.key = block:upload_key(given.name or file and file:match "[^/]*$" or "records")
end

--- Uploads. Returns `{ id =, records =, batches =, rejected =, elapsed =, token = }` (with update = "import_per_batch"
-- also `ids`), or `nil, message, err` with `err.progress` and `err.token`; if the error is about a batch, `err.record`
-- and `err.records` name its records, and `err.line` its first line in the file.
---@param api flarelight.Client
---@param given flarelight.UploadOptions
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function upload.run(api, given)
  given = check(given)
  calls.surface(api)
  local run = open_run(api, given)
  give_key(run, given)
  if given.run_token == nil then given.run_token = run.journal ~= nil end
  local result, message, err = within(run, function()
    check_client(run, given)
    return start(run, given)
  end)
  return result, message, err
end

--- Plans `upload.run` with the same options, and sends nothing. Its errors are those of `upload.run`, except that a
-- source that differs from the last of its series is no error.
---@param api flarelight.Client
---@param given flarelight.UploadOptions | { show: integer? } `show`: records to give as JSON, 0
---@return flarelight.Plan? result, string? message, flarelight.Error? err
function upload.plan(api, given)
  local asked = {}
  for name, value in pairs(type(given) == "table" and given or {}) do asked[name] = value end
  local show = asked.show == nil and 0 or options.check("imports:plan.show", asked.show, "count")
  asked.show = nil
  given = check(type(given) == "table" and asked or given)
  if type(given.records) == "function" then
    misuse "imports:plan: is for files and arrays: a function gives its records only once"
  end
  calls.surface(api)
  local run = open_run(api, given)
  local result, message, err = within(run, function()
    local opened = source.open(api, given, "imports:plan")
    run:take_source(opened)
    local compared = given.series and compare_with_last(run.journal, given.series, shape_of(opened, given))
    local found = plan.measure(opened, { records = given.batch_records, bytes = given.batch_bytes }, show)
    plan.complete(found, given.id ~= nil, run.journal ~= nil)
    if compared then found.differences, found.compared_with = compared.differences, compared.ended end
    return found
  end)
  return result, message, err
end

-- --- pending, resume, forget ---

--- The unfinished uploads of this service in the state file, oldest first.
---@return flarelight.PendingUpload[]? uploads, string? message, flarelight.Error? err
function upload.pending(api)
  local rows, message, err = failure.caught(function() return need_journal(api, "imports:pending"):pending() end)
  return rows, message, err
end

local function resume(run, token, given)
  local kept = run.journal:get(token)
  if not kept then
    failure.fail("config", ("imports:resume: the state file has no upload %q of this service"):format(token))
  end
  if kept.state == "done" then return resumption.earlier_result(kept) end
  local of_file = kept.kind == "file"
  if of_file and given.records or not of_file and not given.records then
    failure.fail("config", ("imports:resume: the upload was begun with %s: give %s again"):format(
      of_file and "a file" or "records", of_file and "the file, or nothing," or "them"))
  end
  if resumption.mapping_differs(kept, given.map) then
    failure.fail("config", kept.options.mapped
      and "imports:resume: the upload was begun with a function map: give it again"
      or "imports:resume: the upload was begun without a function map")
  end
  local asked = { moved = given.file ~= nil }
  for name, value in pairs(given) do asked[name] = value end
  return resumption.continue(run, kept, asked)
end

--- Continues an upload where it stopped. Returns as `upload.run` does; for a finished upload, its result.
---@param api flarelight.Client
---@param token string
---@param given flarelight.ResumeOptions?
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function upload.resume(api, token, given)
  options.check("imports:resume: token", token, "string")
  given = options.table("imports:resume", given, resumable)
  if given.file and given.records then misuse "imports:resume: give either file or records" end
  if given.file and spool.is_needed(given.file) then
    misuse "imports:resume.file: should be a file: standard input and pipes were copied when the upload was begun"
  end
  calls.surface(api)
  local run = runs.new(api, journal.of(api))
  local result, message, err = within(run, function()
    need_journal(api, "imports:resume")
    return resume(run, token, given)
  end)
  return result, message, err
end

--- Deletes an unfinished upload from the journal, so that its key is free again. Rows that have arrived stay in the
-- import. Fails with kind not_found if the state file does not have it, conflict if it is done or another process runs
-- it.
---@param api flarelight.Client
---@param name string token or key
---@return true? forgotten, string? message, flarelight.Error? err
function upload.forget(api, name)
  options.check("api:forget: token or key", name, "string")
  local own = journal.of(api)
  local run = runs.new(api, own)
  local forgotten, message, err = within(run, function()
    need_journal(api, "api:forget")
    local kept = own:get(name) or own:find(name)
    if not kept then
      failure.fail("not_found", ("api:forget: the state file has no upload %q of this service"):format(name))
    end
    if kept.state ~= "done" then locks.take(run, "upload " .. kept.token) end
    local forgotten = own:forget(kept.token)
    local copy = forgotten and resumption.spool_of(run, kept)
    if copy then copy:drop() end
    if not forgotten then
      failure.fail("conflict", ("api:forget: the upload %q is done, and not pending"):format(name))
    end
    return true
  end)
  return forgotten, message, err
end

return upload
