--- Checks of an import during the upload and at its end: that an update appends, and that all rows have arrived. Relies
-- on readback.lua for the reads and on reconcile.lua for the verdicts.

local checkpoints = require "flarelight.upload.checkpoints"
local failure = require "flarelight.upload.failure"
local readback = require "flarelight.upload.readback"
local reconcile = require "flarelight.upload.reconcile"
local source = require "flarelight.upload.source"

local checks = {}

-- Reads rows for a check of the batches that are counted. If they cannot be read, the error is not about a batch.
-- `purpose` completes "could not be read to see".
local function read(run, start, count, purpose, fate)
  local found, _, err = readback.rows(run, run.id, start, count)
  if found then return found end
  run:handle(nil)
  failure.unchecked(("%d records were sent and acknowledged, but the import could not be read to see %s")
    :format(run.records, purpose), fate, err)
end

--- Called after the second batch of an import that the upload has created: checks that the batch was appended.
---@param run flarelight.UploadRun
---@param fate flarelight.Fate of the error if the rows cannot be read
function checks.append(run, fate)
  if not run.created or run.checked or run.second == nil then return end
  local function read_row(start) return read(run, start, 1, "whether the second batch was appended", fate) end
  local found = read_row(0)
  local verdict = reconcile.appended(source.row(run.first, 1), run.second, found[1], run.comparison)
  for look = 1, readback.LOOKS do
    if verdict ~= "unclear" then break end
    -- The rows are equal, so only the number of rows shows it.
    if look > 1 then readback.settle(run, look - 1) end
    found = read_row(run.rows - 1)
    if #found == 1 then verdict = "appended" elseif look == readback.LOOKS then verdict = "replaced" end
  end
  checkpoints.reached "check.append"
  if verdict == "replaced" then
    failure.fail("conflict",
      "imports:upload: the import does not begin with the first record after the second batch: an update "
      .. "seems to replace what was there; use update = \"import_per_batch\"", { fate = "foreign" })
  end
  run:learn(run.comparison, true)
end

--- Checks that the import ends with the last row of the batches that are counted.
---@param run flarelight.UploadRun
---@param looks integer the most reads, with a wait before each further one, since rows may become visible late
---@param fate flarelight.Fate of the error if the rows cannot be read
function checks.last_row(run, looks, fate)
  if run.per_batch or not run.rows or run.rows == 0 or run.records == 0 then return end
  local function read_end(start, count)
    local found = read(run, start, count, "whether it ends with them", fate)
    checkpoints.reached "check.end"
    return found
  end
  local found
  for look = 1, looks do
    if look > 1 then readback.settle(run, look - 1) end
    found = read_end(run.rows - 1, 2)
    if #found == 1 then return end
    if #found > 1 then break end
  end
  if #found > 1 and #read_end(reconcile.far, 1) > 0 then
    readback.fail_start("the rows that were sent cannot be checked", fate)
  end
  failure.fail("conflict", ("imports:upload: %d records were sent and acknowledged, but %s found at the end")
    :format(run.records, #found == 0 and "fewer are" or "more are"), { fate = "foreign" })
end

return checks
