--- Sends the batches of an upload, from the first to the last. Only one batch is under way at a time. It is written
-- into the journal and sent, and its fate is known before the next batch is sent. docs/uploads.md describes the
-- protocol, checkpoints.lua names its steps. Relies on run.lua for the state, doubt.lua and refusals.lua for batches
-- that failed, checks.lua to check the import.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local checks = require "flarelight.upload.checks"
local doubt = require "flarelight.upload.doubt"
local effort = require "flarelight.history.effort"
local failure = require "flarelight.upload.failure"
local readback = require "flarelight.upload.readback"
local refusals = require "flarelight.upload.refusals"
local request = require "flarelight.request"
local source = require "flarelight.upload.source"
local tasks = require "flarelight.host.tasks"

local delivery = {}

local SENDINGS = 4      -- the most times that one batch is sent, if it is in doubt each time
local RESUMED_LOOKS = 2 -- the most reads at the end of the import before the first batch of a resumed upload

local function body_of(run, batch)
  local options = run.options
  local creates = run.id == nil or run.per_batch
  local name, description, mark = options.name, options.description, doubt.mark(run, batch)
  if run.per_batch and name and batch.number > 1 then name = ("%s (%d)"):format(name, batch.number) end
  if mark then
    description = (description and description .. " " or "") .. mark
  elseif run.marks and run.created and not creates then
    description = description or "" -- removes the mark
  end
  return request.import_body({
    records = batch.text, name = name, description = description,
    send_events = batch.last and options.send_events ~= false,
    id = not creates and run.id or nil,
  }, run.config.update_key)
end

local function submit(run, body)
  run:check_ours()
  local prepared = request.endpoint("imports.import", { body = body, bulk = true }, { deadline = run.deadline },
    run.config)
  prepared.journaled = run.journal ~= nil
  prepared.permit = run.journal and run.journal.store -- sent only while the locks are held
  run.under_way[prepared] = true
  local data, meta, err = calls.call(run.api, prepared)
  run.under_way[prepared] = nil
  return data, err, meta
end

-- Sends the batch at the front of the queue. Afterwards the batch is off the queue, or divided, or still at the front
-- to be sent again.
local function deliver(run, batch, last)
  if not batch.number then run:send(batch, last) else run:tell("sent again", { batch = batch.number }) end
  checkpoints.reached "batch.journaled"
  batch.sendings = (batch.sendings or 0) + 1
  run.reader:ahead()
  local body = body_of(run, batch)
  checkpoints.reached "batch.sending"
  local data, err, meta = submit(run, body)
  batch.fate = data ~= nil and "applied" or err.fate
  checkpoints.reached "batch.answered"
  if err and err.kind == "memory" then failure.raise(err) end
  if data ~= nil then
    run.reader:pop()
    local proof = effort.of(meta)
    proof.by = "reply"
    return run:acknowledge(batch, (run.id == nil or run.per_batch) and data.id or nil, proof)
  elseif err.fate == "rejected" then
    return refusals.handle(run, batch, err)
  elseif err.fate == "in_doubt" then
    local detail = effort.of(err)
    detail.batch, detail.message = batch.number, err.message
    run:tell("doubt", detail)
    local task = tasks.current()
    if err.kind == "closed" or task and task.cancelled then failure.raise(err) end
    if batch.sendings >= SENDINGS then
      failure.in_doubt(batch, ("it was sent %d times, and was in doubt each time"):format(batch.sendings), err)
    end
    return doubt.resolve(run, batch, err)
  end
  run:withdraw(batch, err)
  failure.raise(err)
end

-- The batch at the front, and whether it is the last; nil if all batches are sent.
local function front(run)
  local reader = run.reader
  local batch = reader:peek(1)
  if batch then return batch, batch.count == 0 or reader:peek(2) == nil end
  local begun = run.batches + run.rejected > 0
  local unsaid = run.options.send_events ~= false or run.marks and run.created
  if begun and (run.last_sent or run.batches == 0 or not unsaid) then return nil end
  -- A source without records still creates an import. If the last record was rejected, an empty batch has to carry the
  -- members of the last request.
  batch = source.empty(reader.record)
  reader:push(batch)
  return batch, true
end

-- Divides a batch that exceeds the present limit. Also divides the only batch of an import with a mark, since a second
-- batch has to remove the mark.
local function prepare(run, batch, last)
  local most = run.reader.limits.records
  if batch.count <= most then
    local alone = last and run.marks and run.created and run.id == nil and batch.count > 1
    if not alone then return batch, last end
    most = batch.count - 1
  end
  return run.reader:divide(most), false
end

-- Sends the batch at the front. Returns whether there was one.
local function send_front(run)
  local batch, last = front(run)
  if not batch then return false end
  if not batch.number then
    if run.replaces and not last then
      failure.fail("config", "imports:upload: by the profile, an update replaces all rows, and the "
        .. "records are more than one batch: use update = \"import_per_batch\"")
    end
    batch, last = prepare(run, batch, last)
  end
  local before = run.batches
  run:handle(batch)
  if batch.fate == "in_doubt" then
    doubt.resolve(run, batch, nil)
  else
    deliver(run, batch, last)
  end
  checks.append(run, "applied")
  run:handle(nil)
  if run.on_progress and run.batches > before then run.on_progress(run:progress()) end
  return true
end

-- Checks the journal of a resumed upload against the import, with two reads at most: the first record must be the first
-- row, if that was not checked before, and the last acknowledged record must be the last row. If a batch is in doubt,
-- it is looked for instead.
local function check_resumed(run)
  checks.append(run, "not_sent")
  local doubtful = run.reader.queue[1] -- nothing else is in the queue yet
  if not doubtful then checks.last_row(run, RESUMED_LOOKS, "not_sent") end
  if run.on_progress then run.on_progress(run:progress()) end
end

--- Runs an upload to its end. Returns its result; fails otherwise.
---@param run flarelight.UploadRun
function delivery.run(run)
  run:lock_import()
  if run.journal and not run.rows and not run.per_batch then run:start(readback.count(run)) end
  if run.batches > 0 then check_resumed(run) end
  repeat until not send_front(run)
  if run.batches == 0 then
    failure.fail("invalid_request", ("imports:upload: every one of the %d records was rejected"):format(run.rejected))
  end
  checks.last_row(run, readback.LOOKS, "applied")
  run:check_ours()
  return run:finish()
end

return delivery
