--- The state of an upload, in memory and in the journal: its task and its progress.
--
-- Other files read a run's fields; only the methods here change them. A method for a step writes the step into the
-- journal, durably, before it counts it. An upload without a journal only counts. Relies on journal.lua, locks.lua and
-- rejects.lua.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local journal = require "flarelight.upload.journal"
local json = require "flarelight.json"
local locks = require "flarelight.upload.locks"
local rejects = require "flarelight.upload.rejects"
local request = require "flarelight.request"
local source = require "flarelight.upload.source"

---@class flarelight.UploadRun
---@field api flarelight.Client
---@field config table the client's configuration
---@field service string base URL and subscription
---@field begun number core.now() when this run began
---@field ticket integer shows whether the run belongs to this process
---@field journal flarelight.Journal?
---@field options table of the upload, in the form of the journal
---@field token string? names the upload in the journal and in the mark of its import
---@field planned boolean the journal holds it as not done
---@field per_batch boolean each batch creates an import of its own
---@field created boolean the upload creates its import
---@field replaces boolean an update is known to replace, so that the import has to be one batch
---@field marks boolean descriptions carry a mark, with which an import in doubt is found
---@field settle number seconds before the first read for a batch in doubt
---@field on_progress fun(progress: flarelight.Progress)?
---@field deadline number? seconds for each request
---@field source table of source.lua
---@field reader table of source.lua: the batches
---@field batch table? the batch that is sent or looked for now; errors name it
---@field id any the import, once it is known
---@field ids any[] of `per_batch`
---@field rows integer? rows of the import after the batches that are counted; nil while unknown
---@field records integer acknowledged
---@field batches integer acknowledged
---@field bytes integer acknowledged: of a file, read from it; of records, their JSON
---@field rejected integer records
---@field first table? the first batch that held records; its text stays open
---@field second any the first row of the second one
---@field last_sent boolean the last acknowledged batch was sent as the last batch
---@field comparison "unknown"|"exact"|"loose"|"unverifiable" how rows of the import are compared, see reconcile.lua
---@field start_checked boolean rows were seen to depend on `start`
---@field checked boolean an update was seen to append
---@field over boolean it has ended, so its locks do not count
---@field under_way table<table, true> see locks.lua
local Run = {}
Run.__index = Run

local run = {}

--- A run without a task. `its_journal`: of the client, or nil.
---@return flarelight.UploadRun
function run.new(api, its_journal)
  local config = calls.config(api)
  return setmetatable({
    api = api, config = config, service = config.base_url .. " " .. config.subscription_id, begun = core.now(),
    ticket = core.ticket(), journal = its_journal, planned = false, ids = {}, records = 0, bytes = 0, batches = 0,
    rejected = 0, last_sent = false, start_checked = false, over = false,
    under_way = {},
  }, Run)
end

--- An id or an option as a word; "none" for nil.
function run.text_of(value)
  if type(value) == "table" then value = value[1] end
  if type(value) == "number" then return request.id_text(value) end
  return value == nil and "none" or tostring(value)
end

-- --- the task ---

--- Sets the task of the upload.
---@param kept table its entry in the journal, or a table of the same shape that is not written yet (without `state`)
---@param given { settle: number?, on_progress: function?, deadline: number? } the options of this call
function Run:set_up(kept, given)
  local options, profile = kept.options, self.config.profile
  self.options, self.token, self.planned = options, kept.token, kept.state ~= nil
  self.per_batch = options.update == "import_per_batch"
  self.created = options.id == nil and not self.per_batch
  self.replaces = self.created and profile ~= nil and profile.found.update == "replace"
  self.marks = options.run_token == true and not self.replaces -- with one batch, no later one would remove the mark
  self.settle = given.settle or options.settle or 2
  self.on_progress, self.deadline = given.on_progress, given.deadline
  self.id, self.rows = kept.id, kept.rows_start or self.created and 0 or nil
  self.comparison, self.checked = kept.comparison or "unknown", kept.checked or false
end

--- Takes ownership of the source, which is closed with the run.
function Run:take_source(opened) self.source = opened end

--- Begins to read the source, in batches of `batch_records`.
function Run:read(batch_records)
  self.reader = source.reader(self.source, { records = batch_records, bytes = self.options.batch_bytes })
end

--- Writes the upload into the journal, under its lock.
---@param entry table see Journal:plan
function Run:plan(entry)
  locks.take(self, "upload " .. self.token)
  if not self.journal:plan(entry) then
    failure.fail("conflict",
      ("imports:upload: key %q: another upload of this key has just begun: wait for its end, or give this one another "
        .. "key"):format(entry.key))
  end
  self.planned = true
  checkpoints.reached "upload.planned"
end

--- Sets the current batch (nil: none). Errors get its records and line.
function Run:handle(batch)
  self.batch = batch
  if batch and not batch.fate then batch.fate = "not_sent" end
end

-- --- steps ---

--- Fails in a child process that was forked during an upload. The child has a copy of the run, but the upload continues
-- in its parent.
function Run:check_ours()
  if core.is_ours(self.ticket) then return end
  failure.fail("closed", "imports:upload: the upload belongs to the parent process",
    { fate = "in_doubt" })
end

local function note(self, name, ...)
  self:check_ours()
  if self.journal then self.journal[name](self.journal, self.token, ...) end
end

--- Adds an event to the history, apart from the steps below, which add theirs.
function Run:tell(event, detail)
  self:check_ours()
  if self.journal then self.journal:tell(journal.subject(self.token), event, detail) end
end

--- Locks the import, if the upload has one and it is known.
function Run:lock_import()
  if self.id ~= nil and not self.per_batch then locks.take(self, "import " .. run.text_of(self.id)) end
end

--- Records the number of rows that an existing import holds before the first batch.
function Run:start(rows)
  note(self, "started", rows)
  self.rows = rows
end

--- Records that a batch is about to be sent for the first time.
function Run:send(batch, last)
  batch.number, batch.last = self.batches + self.rejected + 1, last
  batch.rows_before = not self.per_batch and self.rows or 0
  note(self, "sent", batch)
end

--- Counts an applied batch. Replaying the journal calls only this.
function Run:count(batch, id)
  if self.per_batch then self.ids[#self.ids + 1] = id
  elseif self.rows then self.rows = batch.rows_before + batch.count end
  if self.id == nil then self.id = id end
  self.records, self.batches = self.records + batch.count, self.batches + 1
  self.bytes = batch.read or self.bytes + batch.size
  self.last_sent = batch.last
  if batch.count == 0 then return end
  if not self.first then
    self.first = batch
  else
    if self.second == nil then self.second = source.row(batch, 1) end
    batch.text:close()
  end
end

--- Records that a batch is applied, and takes it off the queue. `id`: of its import, if this batch has shown it.
-- `proof`: how it is known, for the history: { by = "reply"|"reading", rows = }, and the effort
-- (history/effort.lua).
function Run:acknowledge(batch, id, proof)
  note(self, "acknowledged", batch.number, id, self.per_batch, proof)
  checkpoints.reached "batch.acknowledged"
  self:count(batch, id)
  self:lock_import()
end

--- Records that a batch was provably not applied: `err` is the error of its sending.
function Run:withdraw(batch, err)
  note(self, "withdrawn", batch.number, self.reader.limits.records, err)
  checkpoints.reached "batch.withdrawn"
end

--- Records the import that a batch in doubt has created.
function Run:adopt(batch, id)
  note(self, "adopted", batch.number, id, self.per_batch)
  batch.id = id
  if not self.per_batch then self.id = id end
  self:lock_import()
end

--- Records that only the first `count` records of a batch are applied. They become a batch of their own, and the others
-- the next batch.
function Run:divide(batch, count, id)
  local part = source.part(batch, 1, count)
  part.number, part.rows_before, part.last = batch.number, batch.rows_before, false
  note(self, "divided", batch.number, count, part.sha256, id)
  checkpoints.reached "batch.divided"
  self.reader:push(source.part(batch, count + 1, batch.count))
  self:count(part, id)
end

--- Counts a finally refused record. Replaying the journal calls only this.
function Run:count_rejected() self.rejected = self.rejected + 1 end

--- Records that the only record of a batch was finally refused. `line`: of the rejects file.
function Run:reject(batch, line)
  note(self, "rejected", batch.number, line)
  checkpoints.reached "reject.journaled"
  rejects.append(self.options.rejects, line)
  checkpoints.reached "reject.written"
  self:count_rejected()
end

--- Records how rows of the import are compared, and whether an update was seen to append.
function Run:learn(comparison, checked)
  note(self, "learned", comparison, checked)
  self.comparison, self.checked = comparison, checked
end

--- Records that the service was seen to obey `start`.
function Run:trust_start() self.start_checked = true end

-- --- the end ---

--- The progress. For a file, `bytes` counts the bytes that have arrived, so bytes / total_bytes is the share done.
---@return flarelight.Progress
function Run:progress()
  local elapsed, total = core.now() - self.begun, self.source and self.source.size
  return {
    token = self.token, id = self.id, records = self.records, batches = self.batches, bytes = self.bytes,
    total_bytes = total, rejected = self.rejected,
    elapsed = elapsed, eta = total and self.bytes > 0 and elapsed * (total - self.bytes) / self.bytes or nil,
    waiting_for_rate = self.api:quota().waiting > 0,
  }
end

--- Ends the upload after its last batch. Returns the result, which the journal keeps.
---@return flarelight.Upload
function Run:finish()
  -- The journal deletes the lines of rejected records here, so the file with these lines is synced first.
  if self.rejected > 0 then
    rejects.sync(self.api, self.options.rejects)
    checkpoints.reached "reject.durable"
  end
  local result = {
    id = self.id, ids = self.per_batch and self.ids or nil, records = self.records,
    batches = self.batches, rejected = self.rejected, elapsed = core.now() - self.begun, token = self.token,
    remarks = self.source.remarks and self.source.remarks[1] and json.array(self.source.remarks) or nil,
  }
  note(self, "done", result, os.time())
  self.planned = false
  checkpoints.reached "upload.done"
  return result
end

--- Stops the upload with an error, and adds to the error the fate of the current batch, the token, the progress and the
-- batch's records. An upload that has sent nothing is deleted from the journal, so that its key is free.
function Run:stop(err)
  local batch = self.batch
  if not err.fate then err.fate = batch and batch.fate or "not_sent" end
  if not self.planned and not self.reader then return end
  if batch and not err.record then
    err.record, err.records, err.line, err.file = batch.record, batch.count, batch.line, batch.file
  end
  err.token, err.progress = self.token, self:progress()
  if not self.planned or not core.is_ours(self.ticket) then return end
  if self.journal:forget_unsent(self.token, err.message) then
    self.planned, err.token, err.progress.token = false, nil, nil
  else
    self.journal:stopped(self.token, err.message, err.fate)
  end
end

-- Deletes the copy of standard input, unless the journal holds an upload that needs it.
local function close_spool(self)
  local copy = self.source and self.source.spool
  if copy and (self.planned or not core.is_ours(self.ticket)) then copy:close()
  elseif copy then copy:drop() end
end

--- Releases the locks and closes the source. The locks come first, since closing the source may fail for lack of
-- memory.
function Run:close()
  locks.release(self)
  if self.source then self.source:close() end
  close_spool(self)
end

return run
