--- Sends the batches of an upload, from the first to the last. One batch is under way at a time: it is written into the
-- journal, sent, and its fate is known before the next one is sent. docs/uploads.md describes the protocol,
-- checkpoints.lua names its steps.
-- Relies on run.lua for the state, doubt.lua and refusals.lua for batches that failed, checks.lua to check the import.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local checks = require "flarelight.upload.checks"
local doubt = require "flarelight.upload.doubt"
local failure = require "flarelight.upload.failure"
local readback = require "flarelight.upload.readback"
local refusals = require "flarelight.upload.refusals"
local request = require "flarelight.request"
local source = require "flarelight.upload.source"
local tasks = require "flarelight.host.tasks"

local delivery = {}

local SENDINGS = 4      -- of one batch at most, each of which ended in doubt
local RESUMED_LOOKS = 2 -- at the end of the import before the first batch of a resumed upload

local function body_of(run, batch)
  local options = run.options
  local creates = run.id == nil or run.per_batch
  local name, description, mark = options.name, options.description, doubt.mark(run, batch)
  if run.per_batch and name and batch.number > 1 then name = ("%s (%d)"):format(name, batch.number) end
  if mark then
    description = (description and description .. " " or "") .. mark
  elseif run.marks and run.created and not creates then
    description = description or "" -- takes the mark off
  end
  return request.import_body({
    records = batch.text, name = name, description = description,
    send_events = batch.last and options.send_events ~= false,
    id = not creates and run.id or nil,
  }, run.config.update_key)
end

local function submit(run, body)
  run:check_ours()
  local data, _, err = calls.call(run.api,
    request.endpoint("imports.import", { body = body, bulk = true }, { deadline = run.deadline }, run.config))
  return data, err
end

-- Sends the batch in front. Afterwards it is off the queue, divided, or in front still to be sent again.
local function deliver(run, batch, last)
  if not batch.number then run:send(batch, last) end
  checkpoints.reached "batch.journaled"
  batch.sendings = (batch.sendings or 0) + 1
  run.reader:ahead()
  local body = body_of(run, batch)
  checkpoints.reached "batch.sending"
  local data, err = submit(run, body)
  batch.fate = data ~= nil and "applied" or err.fate
  checkpoints.reached "batch.answered"
  if data ~= nil then
    run.reader:pop()
    return run:acknowledge(batch, (run.id == nil or run.per_batch) and data.id or nil)
  elseif err.fate == "rejected" then
    return refusals.handle(run, batch, err)
  elseif err.fate == "in_doubt" then
    local task = tasks.current()
    if err.kind == "closed" or task and task.cancelled then failure.raise(err) end
    if batch.sendings >= SENDINGS then
      failure.in_doubt(batch, ("it was sent %d times, each time into doubt"):format(batch.sendings), err)
    end
    return doubt.resolve(run, batch, err)
  end
  run:withdraw(batch)
  failure.raise(err)
end

-- The batch in front and whether it is the last; nil where all is sent.
local function front(run)
  local reader = run.reader
  local batch = reader:peek(1)
  if batch then return batch, batch.count == 0 or reader:peek(2) == nil end
  local begun = run.batches + run.rejected > 0
  local unsaid = run.options.send_events ~= false or run.marks and run.created
  if begun and (run.last_sent or run.batches == 0 or not unsaid) then return nil end
  -- A source without records makes an import all the same. Where the last record was rejected, a batch has yet to
  -- carry what the last batch says.
  batch = source.empty(reader.record)
  reader:push(batch)
  return batch, true
end

-- Divides a batch that is larger than batches may be by now, or that is the only one of an import with a mark: another
-- batch has to take the mark off.
local function prepare(run, batch, last)
  local most = run.reader.limits.records
  if batch.count <= most then
    local alone = last and run.marks and run.created and run.id == nil and batch.count > 1
    if not alone then return batch, last end
    most = batch.count - 1
  end
  return run.reader:divide(most), false
end

-- Whether there was a batch to send.
local function send_front(run)
  local batch, last = front(run)
  if not batch then return false end
  if not batch.number then
    if run.replaces and not last then
      failure.fail("config", "imports:upload: the profile says that an update replaces what was there, and the "
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
  checks.append(run)
  run:handle(nil)
  if run.on_progress and run.batches > before then run.on_progress(run:progress()) end
  return true
end

-- What the journal says of a resumed upload is checked with two reads at most: that the first record stands first, if
-- that was not seen before, and that the last acknowledged one stands last. A batch in doubt is looked for instead.
local function check_resumed(run)
  checks.append(run)
  local doubtful = run.reader.queue[1] -- nothing else was read yet
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
