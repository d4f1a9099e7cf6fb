--- Handles a batch that the service refuses: the batch is divided, its bad record is set aside, or the upload stops.

local checkpoints = require "flarelight.upload.checkpoints"
local failure = require "flarelight.upload.failure"
local readback = require "flarelight.upload.readback"
local rejects = require "flarelight.upload.rejects"

local refusals = {}

local function halve(run, batch, err)
  run:withdraw(batch, err)
  run.reader:divide(math.ceil(batch.count / 2))
  checkpoints.reached "batch.divided"
end

local function reject(run, batch, err)
  local messages = err.messages
  if messages == nil or #messages == 0 then messages = { err.message } end
  run:reject(batch, rejects.line(batch.record, batch.line, messages, (batch.text:record(1))))
  run.reader:pop()
end

-- Checks that no row of a refused batch was stored. Only then may it be divided, or its record set aside.
local function check_absent(run, batch, err)
  if run.id == nil or run.per_batch then return end
  if not run.rows then
    failure.stop("conflict", batch, "in_doubt",
      "it was rejected, and the number of rows before it is not known", err)
  end
  local function unread(wrong) failure.unread(batch, "it was rejected", err, "the rows at its place", wrong) end
  local good, _, wrong = readback.check_start(run, run.id)
  if not good then unread(wrong) end
  local found, anchored, failed = readback.place(run, run.id, batch.rows_before, batch.count + 1)
  if not found then
    unread(failed)
  elseif #found > 0 or not anchored then
    failure.stop("conflict", batch, "partial",
      ("it was rejected, but %s"):format(#found > 0 and "there are rows at its place"
        or "the rows before it are not visible"), err)
  end
end

--- Handles the batch at the front, which was refused with `err`. Afterwards it is off the queue or divided; otherwise
-- this fails.
---@param run flarelight.UploadRun
---@param err flarelight.Error
function refusals.handle(run, batch, err)
  local isolates = run.options.on_reject == "isolate" and batch.count > 0
  if err.status == 413 then
    if batch.count > 1 then
      run.reader:limit(math.ceil(batch.count / 2)) -- the next batches would be too large as well
      return halve(run, batch, err)
    elseif isolates then
      return reject(run, batch, err)
    end
  elseif err.status == 400 and err.kind == "invalid_request" then
    -- The batch stays "sent" in the journal. Some services keep the good records of a rejected batch, so a resumed
    -- upload has to read back before it sends again.
    if not isolates then failure.raise(err) end
    check_absent(run, batch, err)
    if batch.count == 1 then return reject(run, batch, err) end
    return halve(run, batch, err)
  end
  run:withdraw(batch, err)
  failure.raise(err)
end

return refusals
