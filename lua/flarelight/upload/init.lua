--- Uploads: records from a file, an array or an iterator function, sent in batches, one at a time.
--
-- This file checks what is asked for, opens the source and the journal, and takes up an upload where it
-- stopped; upload/delivery.lua is the run itself. docs/uploads.md tells the protocol and what it guarantees.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local delivery = require "flarelight.upload.delivery"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local journal = require "flarelight.upload.journal"
local options = require "flarelight.options"
local rejects = require "flarelight.upload.rejects"
local source = require "flarelight.upload.source"
local checkpoints = require "flarelight.upload.checkpoints"

---@class flarelight.UploadOptions
---@field file string? path of a CSV, TSV, JSON lines or JSON file
---@field format "csv"|"tsv"|"jsonl"|"json"|nil by the file's name
---@field types "auto"|"text"|table<string, "number"|"text"|"boolean">|nil of a CSV file's columns, "auto"
---@field records table[]|(fun(): table?)|nil instead of a file
---@field name string?
---@field description string?
---@field key string? names the upload for good; needs the client's state
---@field id flarelight.Id? an import that exists; needs update = "append"
---@field update "append"|"import_per_batch"|nil
---@field batch_records integer? 5000
---@field batch_bytes integer? 8 MiB
---@field send_events boolean? true: with the last batch
---@field on_reject "stop"|"isolate"|nil "stop"
---@field rejects string? path of the file for rejected records; with on_reject = "isolate"
---@field journal boolean? true where the client has a state file
---@field run_token boolean? as journal: the description carries a mark until the last batch
---@field settle number? seconds before a batch in doubt is read back, 2; doubles to 30
---@field on_progress fun(progress: flarelight.Progress)?
---@field deadline number? seconds for each request

---@class flarelight.ResumeOptions
---@field file string? where the file is now
---@field records table[]|(fun(): table?)|nil the same records again
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

---@class flarelight.PendingUpload
---@field token string
---@field key string?
---@field id any
---@field name string?
---@field file string?
---@field records integer acknowledged
---@field started number epoch seconds
---@field in_doubt boolean a batch was sent whose fate is not known
---@field failure string? why it stopped last

local upload = {}

local known = {
  file = "string", records = "array_or_function", name = "string", description = "string", id = "id", key = "string",
  update = "string", batch_records = "positive", batch_bytes = "positive", types = "text_or_table", format = "string",
  send_events = "boolean", on_reject = "string", rejects = "string", journal = "boolean", run_token = "boolean",
  settle = "seconds", on_progress = "function", deadline = "seconds",
}

local resumable = {
  file = "string", records = "array_or_function", on_progress = "function", settle = "seconds", deadline = "seconds",
}

-- --- one writer an import, in this process and on this machine ---

local holders = {} -- name -> { run =, coroutine =, lock = }

-- On Lua 5.1 nothing tells that a task's function has raised, but its coroutine is dead. What the process holds
-- that this one was forked off is not held here.
local function is_gone(holder)
  return not core.is_ours(holder.run.ticket) or holder.coroutine ~= nil and coroutine.status(holder.coroutine) == "dead"
end

local function let_go(name)
  local holder = holders[name]
  holders[name] = nil
  if holder.lock then holder.lock:release() end
end

local function hold(run, what)
  local name = run.service .. " " .. what
  local holder = holders[name]
  if holder and holder.run == run then return true end
  if holder and is_gone(holder) then
    let_go(name)
    holder = nil
  end
  local lock, message, err
  if not holder and run.journal then
    lock, message, err = run.journal:lock(name)
    if err then return nil, message, err end
  end
  if holder or run.journal and not lock then
    return errors.fail("conflict", ("imports:upload: another upload writes into %s"):format(
      what:find "^import" and "the " .. what or "this one's journal (" .. what .. ")"))
  end
  holders[name] = { run = run, coroutine = coroutine.running(), lock = lock }
  run.held[#run.held + 1] = name
  return true
end

local function close(run)
  if run.source then run.source:close() end
  for _, name in ipairs(run.held) do
    if holders[name] and holders[name].run == run then let_go(name) end
  end
  run.held = {}
end

-- --- runs ---

local function new_run(api)
  local config = calls.config(api)
  return {
    api = api, config = config, service = config.base_url .. " " .. config.subscription_id, begun = core.now(),
    ticket = core.ticket(), -- by which a process knows its own runs
    held = {}, hold = hold, ids = {}, number = 1, records = 0, bytes = 0, batches = 0, rejected = 0, sendings = 0,
    comparison = "unknown", checked = false,
  }
end

-- What a run does, from what was asked for: given now, or kept in the journal.
local function set_up(run, kept, given)
  run.options, run.update = kept, kept.update
  run.created = kept.id == nil and kept.update ~= "import_per_batch"
  -- Where updates are known to replace, an import is made of one batch alone: none remains to clear a token with.
  local profile = run.config.profile
  run.replaces = run.created and profile ~= nil and profile.found.update == "replace"
  run.run_token = kept.run_token and not run.replaces
  run.settle = given.settle or kept.settle or 2
  run.on_progress, run.deadline = given.on_progress, given.deadline
end

local function read_from(run, opened, batch_records)
  run.source = opened
  run.total = opened.size
  run.reader = source.reader(opened, { records = batch_records, bytes = run.options.batch_bytes })
end

local function fail(run, message, err)
  -- The import is not there, and nothing was sent: as if it had not been begun, so that its key is free.
  if run.planned and err.kind == "not_found" and core.is_ours(run.ticket) and run.journal:forget(run.token) then
    run.planned, run.token = false, nil
  end
  err.token, err.progress = run.token, delivery.progress(run)
  if run.planned and core.is_ours(run.ticket) then run.journal:stopped(run.token, message) end
  return nil, message, err
end

-- Before the journal says that all is done, and gives the lines of bad records up, the file that has them is
-- on the disk.
local function keep_rejects(run)
  if run.rejected == 0 then return true end
  local ticket = core.durable(run.options.rejects, calls.blocks(run.api))
  local good, message, _, closed = calls.done(calls.job(run.api, ticket))
  if not good then return errors.fail(closed or "io", "imports:upload: rejects: " .. message) end
  checkpoints.reached "reject.durable"
  return true
end

local function finish(run)
  local kept, cannot, why = keep_rejects(run)
  if not kept then return nil, cannot, why end
  local result = {
    id = run.id, ids = run.update == "import_per_batch" and run.ids or nil, records = run.records,
    batches = run.batches, rejected = run.rejected, elapsed = core.now() - run.begun, token = run.token,
  }
  if run.journal then
    local good, message, err = run.journal:done(run.token, result, os.time())
    if not good then return nil, message, err end
  end
  checkpoints.reached "upload.done"
  return result
end

local function go(run)
  local good, message, err = delivery.run(run)
  if good then good, message, err = finish(run) end
  if good then return good end
  return fail(run, message, err)
end

-- Calls yield inside of a pcall everywhere but in a coroutine of Lua 5.1.
local pcall_yields = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

-- Runs `body(run)` and closes the run after it, whatever it raises (an interrupt, a mistake in on_progress).
local function within(run, body)
  local raised_through = not pcall_yields and coroutine.running() ~= nil
  if raised_through then
    local result, message, err = body(run)
    close(run)
    return result, message, err
  end
  local good, result, message, err = pcall(body, run)
  close(run)
  if not good then error(result, 0) end
  return result, message, err
end

-- --- taking up what stopped ---

-- The rejects file is written anew: it may be neither what is uploaded nor the state file.
local function check_rejects(run, path, given_path)
  local state = calls.config(run.api).state
  local others = { { given_path, "the file that is uploaded" } }
  for _, suffix in ipairs { "", "-wal", "-shm", "-journal", "-lock" } do
    others[#others + 1] = { state and state .. suffix, "the state file" }
  end
  for _, other in ipairs(others) do
    if other[1] and core.same_file(path, other[1]) then
      return errors.fail("config", ("imports:upload: rejects: %s is %s"):format(path, other[2]))
    end
  end
  return true
end

local function other_source(words)
  return errors.fail("conflict", "imports:upload: " .. words)
end

local function check_file(kept, opened, moved)
  if opened.kind ~= kept.kind then
    return other_source(("the upload was begun with %s, and not with %s"):format(kept.kind, opened.kind))
  end
  if kept.kind ~= "file" then return true end
  if opened.size ~= kept.size or not moved and (opened.modified ~= kept.modified or opened.inode ~= kept.inode) then
    return other_source(("%s is not the file any more that the upload began with"):format(opened.path))
  end
  if opened.columns ~= kept.columns then
    return other_source(("%s has other columns than the upload began with"):format(opened.path))
  end
  return true
end

-- Reads again what the journal says was sent, and checks it: batches that are applied are counted, one in
-- doubt comes to the front of the queue.
local function replay(run, batches)
  local lines = {}
  for _, row in ipairs(batches) do
    local batch, message, err
    if row.count == 0 then
      batch = source.empty(row.first)
    else
      batch, message, err = run.reader:exactly(row.count)
      if err then return nil, message, err end
    end
    if not batch or batch.count ~= row.count or batch.sha256 ~= row.sha256 then
      return other_source(("the source is another than the upload began with: batch %d, records %d to %d, differs")
        :format(row.number, row.first, row.first + row.count - 1))
    end
    batch.number, batch.rows_before, batch.last, batch.id = row.number, row.rows_before, row.last == 1, row.id
    if row.state == "acknowledged" then
      delivery.count(run, batch, row.id or run.id)
    elseif row.state == "rejected" then
      run.rejected, run.number = run.rejected + 1, row.number + 1
      lines[#lines + 1] = row.reject
    else
      run.number, run.doubt = row.number, batch
      run.reader:push(batch)
    end
  end
  if not run.options.rejects then return true end
  local good, message, err = check_rejects(run, run.options.rejects, run.path)
  if not good then return nil, message, err end
  return rejects.begin(run.options.rejects, lines)
end

-- Goes on with an upload of the journal, or gives what it came to. `opened`: the source, if it is open.
local function continue(run, kept, given, opened)
  run.token = kept.token
  local good, message, err = hold(run, "upload " .. kept.token)
  if not good then return nil, message, err end
  -- It may have ended while nobody held it.
  kept, message, err = run.journal:get(kept.token)
  if kept == nil then return nil, message, err end
  if not kept then return errors.fail("conflict", "imports:upload: the upload is gone from the journal") end
  run.planned = kept.state ~= "done"
  set_up(run, kept.options, given)
  if not opened then
    opened, message, err = source.open(run.api, {
      file = kept.kind == "file" and (given.file or kept.path) or nil, records = given.records,
      types = kept.options.types, format = kept.options.format,
    })
    if not opened then return fail(run, message, err) end
  end
  run.path = opened.path
  read_from(run, opened, kept.batch_records)
  good, message, err = check_file(kept, opened, given.moved)
  if not good then return fail(run, message, err) end
  local batches
  batches, message, err = run.journal:batches(kept.token)
  if not batches then return fail(run, message, err) end
  run.id, run.comparison, run.checked = kept.id, kept.comparison, kept.checked
  run.rows = kept.rows_start
  good, message, err = replay(run, batches)
  if not good then return fail(run, message, err) end
  return go(run)
end

-- Whether the source is the one of an upload that is done: by its time of change, or by what is in it.
local function is_same_source(run, kept, opened)
  if check_file(kept, opened, false) and kept.kind == "file" then return true end
  if opened.kind ~= kept.kind or opened.columns ~= kept.columns then
    return other_source(("key %q: it names the upload of another source"):format(kept.key))
  end
  local batches, message, err = run.journal:batches(kept.token)
  if not batches then return nil, message, err end
  local reader = source.reader(opened, { records = kept.batch_records, bytes = kept.options.batch_bytes })
  local same = true
  for _, row in ipairs(batches) do
    if row.count > 0 and same then
      local batch
      batch, message, err = reader:exactly(row.count)
      if err then return nil, message, err end
      same = batch ~= nil and batch.count == row.count and batch.sha256 == row.sha256
      if batch then batch.text:close() end
    end
  end
  if same then
    local more
    more, message, err = reader:peek(1)
    if err then return nil, message, err end
    same = more == nil
  end
  if same then return true end
  return other_source(("key %q: it names the upload of another source"):format(kept.key))
end

-- --- upload ---

local choices = { update = { "append", "import_per_batch" }, on_reject = { "stop", "isolate" } }

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
  if given.key == "" then misuse "imports:upload.key: should not be empty" end
  local checked = {}
  for name, value in pairs(given) do checked[name] = value end
  checked.batch_records = given.batch_records or 5000
  checked.batch_bytes = given.batch_bytes or 8 * 2 ^ 20
  return checked
end

local kept_options = { "name", "description", "id", "update", "batch_bytes", "send_events", "on_reject", "rejects",
                       "run_token", "settle", "types", "format" }

local function plan(run, given)
  local kept = {}
  for _, name in ipairs(kept_options) do kept[name] = given[name] end
  set_up(run, kept, given)
  run.id = given.id
  if not run.journal then return true end
  local good, message, err = hold(run, "upload " .. run.token)
  if not good then return nil, message, err end
  local opened = run.source
  good, message, err = run.journal:plan {
    token = run.token, key = given.key, kind = opened.kind, path = opened.path, size = opened.size,
    modified = opened.modified, inode = opened.inode, columns = opened.columns, options = kept, id = given.id,
    name = given.name, batch_records = given.batch_records, started = os.time(),
  }
  if good == nil then return nil, message, err end
  if not good then
    return errors.fail("conflict",
      ("imports:upload: key %q: another upload of this key has just begun"):format(given.key))
  end
  run.planned = true
  checkpoints.reached "upload.planned"
  return true
end

-- An id or a choice, as a word.
local function text_of(value)
  if type(value) == "table" then value = value[1] end
  if type(value) == "number" then return ("%.0f"):format(value) end
  return value == nil and "none" or value
end

-- An upload of this key that is known: goes on with it, or gives its result.
local function of_key(run, kept, given)
  for _, name in ipairs { "id", "update" } do
    local was, is = kept.options[name], given[name]
    if text_of(was) ~= text_of(is) then
      return errors.fail("conflict", ("imports:upload: key %q: it names an upload with %s %s, and not %s"):format(
        kept.key, name, text_of(was), text_of(is)))
    end
  end
  if kept.state ~= "done" then return continue(run, kept, given, run.source) end
  local same, message, err = is_same_source(run, kept, run.source)
  if not same then return nil, message, err end
  return kept.result
end

local function start(run, given)
  local opened, message, err = source.open(run.api, given)
  if not opened then return nil, message, err end
  run.source = opened
  if given.key then
    local kept
    kept, message, err = run.journal:find(given.key)
    if kept == nil then return nil, message, err end
    if kept then
      local result
      result, message, err = of_key(run, kept, given)
      return result, message, err
    end
  end
  if run.journal or given.run_token then run.token = journal.token() end
  local good
  if given.rejects then
    good, message, err = check_rejects(run, given.rejects, opened.path)
    if not good then return nil, message, err end
    good, message, err = rejects.begin(given.rejects, {})
    if not good then return nil, message, err end
  end
  good, message, err = plan(run, given)
  if not good then return nil, message, err end
  read_from(run, opened, given.batch_records)
  return go(run)
end

--- Uploads. Returns `{ id =, records =, batches =, rejected =, elapsed =, token = }` (with update =
-- "import_per_batch" also `ids`), or `nil, message, err` with `err.progress` and `err.token`; where a batch
-- failed, `err.record` and `err.records` say which records it held and `err.line` where it begins in the file.
---@param api flarelight.Client
---@param given flarelight.UploadOptions
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function upload.run(api, given)
  given = check(given)
  calls.surface(api)
  local profile = calls.config(api).profile
  local updates = profile and profile.found.update
  if given.id ~= nil and updates == "replace" then
    return errors.fail("config", "imports:upload: the profile says that an update replaces what was there")
  end
  if given.id ~= nil and given.update ~= "append" and updates ~= "append" then
    return errors.fail("config", "imports:upload: an import that exists needs update = \"append\", or a profile that "
      .. "says so: whether an update appends or replaces is not documented")
  end
  local run = new_run(api)
  if given.journal ~= false then run.journal = journal.of(api) end
  if not run.journal and (given.journal or given.key) then
    return errors.fail("config", ("imports:upload: %s needs a state file: flarelight.new { state = path }"):format(
      given.key and "key" or "journal"))
  end
  if given.run_token == nil then given.run_token = run.journal ~= nil end
  local result, message, err = within(run, function() return start(run, given) end)
  return result, message, err
end

-- --- pending and resume ---

local function need_journal(api, operation)
  local kept = journal.of(api)
  if kept then return kept end
  return errors.fail("config", operation .. ": needs a state file: flarelight.new { state = path }")
end

--- The uploads of this service in the state file that did not end, oldest first.
---@return flarelight.PendingUpload[]? uploads, string? message, flarelight.Error? err
function upload.pending(api)
  local kept, message, err = need_journal(api, "imports:pending")
  if not kept then return nil, message, err end
  local rows
  rows, message, err = kept:pending()
  return rows, message, err
end

--- Goes on with an upload where it stopped. Returns as `upload.run` does; of one that is done, its result.
---@param api flarelight.Client
---@param token string
---@param given flarelight.ResumeOptions?
---@return flarelight.Upload? result, string? message, flarelight.Error? err
function upload.resume(api, token, given)
  options.check("imports:resume: token", token, "string")
  given = options.table("imports:resume", given, resumable)
  if given.file and given.records then misuse "imports:resume: give either file or records" end
  calls.surface(api)
  local own, message, err = need_journal(api, "imports:resume")
  if not own then return nil, message, err end
  local run = new_run(api)
  run.journal = own
  local kept
  kept, message, err = run.journal:get(token)
  if kept == nil then return nil, message, err end
  if not kept then
    return errors.fail("config", ("imports:resume: the state file knows no upload %q of this service"):format(token))
  end
  if kept.state == "done" then return kept.result end
  if kept.kind == "file" and given.records or kept.kind ~= "file" and not given.records then
    return errors.fail("config", ("imports:resume: the upload was begun with %s: give %s again"):format(
      kept.kind == "file" and "a file" or "records", kept.kind == "file" and "the file, or nothing," or "them"))
  end
  local asked = { moved = given.file ~= nil }
  for name, value in pairs(given) do asked[name] = value end
  local result
  result, message, err = within(run, function() return continue(run, kept, asked, nil) end)
  return result, message, err
end

return upload
