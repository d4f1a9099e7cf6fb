--- A batch in doubt: it was sent, and no reply shows its fate. This file searches for the batch in the import, and for
-- an import in doubt in the list of imports. reconcile.lua has the rules, docs/uploads.md describes the protocol.

local checkpoints = require "flarelight.upload.checkpoints"
local endpoint = require "flarelight.endpoint"
local failure = require "flarelight.upload.failure"
local readback = require "flarelight.upload.readback"
local reconcile = require "flarelight.upload.reconcile"
local runs = require "flarelight.upload.run"
local source = require "flarelight.upload.source"

local doubt = {}

--- The mark in the description that is sent with a batch, or nil if there is none. An import of one batch has no mark,
-- since no later batch would remove it.
---@param run flarelight.UploadRun
function doubt.mark(run, batch)
  if not run.marks then return nil end
  if run.per_batch then return ("[upload %s/%d]"):format(run.token, batch.number) end
  return run.created and not batch.last and ("[upload %s]"):format(run.token) or nil
end

-- Finds out how rows of this import are compared, from the first batch, which is known to be applied.
local function learn(run)
  local first = run.first
  if run.comparison ~= "unknown" or not first or run.per_batch then return true end
  local found, message, err = readback.rows(run, run.id, first.rows_before, first.count)
  if not found then return nil, message, err end
  -- Nothing can be learned while the rows are not all visible.
  if #found == first.count then run:learn(reconcile.learn(source.rows(first), found), run.checked) end
  return true
end

-- Resolves a create in doubt: returns the id of its import, or nil if it has to be sent again.
local function find_created(run, batch, cause)
  local mark = doubt.mark(run, batch)
  if not mark then
    failure.in_doubt(batch, "the import may have been created, and its description has no mark to find it by", cause)
  end
  local verdicts = {}
  while true do
    readback.settle(run, #verdicts + 1)
    local list, _, err = endpoint.call({ client = run.api }, "imports.all", { bulk = true },
      { deadline = run.deadline })
    if list == nil then failure.unread(batch, "it is in doubt", cause, "the list of imports", err) end
    checkpoints.reached "doubt.looked"
    local verdict, id = reconcile.created(list, mark)
    verdicts[#verdicts + 1] = verdict
    run:tell("read list", { batch = batch.number, mark = mark, verdict = verdict })
    local action = reconcile.decide_created(verdicts)
    if action == "found" then return id end
    if action == "again" then return nil end
    if action == "hidden" then
      failure.in_doubt(batch, "the import may have been created, and the list of imports shows no descriptions", cause)
    elseif action == "nameless" then
      failure.in_doubt(batch, "the import was created, and the list of imports lacks its id", cause)
    elseif action == "several" then
      failure.stop("conflict", batch, "foreign", "more than one import carries the mark of this upload")
    end
  end
end

-- Resolves a batch in doubt whose import is known. Returns "applied", "again", or "partial" with the number of its
-- rows.
local function look_up(run, batch, id, cause)
  if not run.rows and not run.per_batch then
    failure.in_doubt(batch, "the number of rows before it is not known", cause)
  end
  local function unread(err) failure.unread(batch, "it is in doubt", cause, "the rows of the import", err) end
  local good, _, err = readback.check_start(run, id)
  if good then good, _, err = learn(run) end
  if not good then unread(err) end
  local sent, verdicts = source.rows(batch), {}
  while true do
    readback.settle(run, #verdicts + 1)
    local found, anchored, wrong = readback.place(run, id, batch.rows_before, batch.count + 1)
    if not found then unread(wrong) end
    checkpoints.reached "doubt.looked"
    verdicts[#verdicts + 1] = { reconcile.judge(sent, found, anchored, run.comparison) }
    run:tell("read rows", {
      batch = batch.number, import = runs.text_of(id), start = batch.rows_before, sent = #sent, rows = #found,
      verdict = verdicts[#verdicts][1], comparison = run.comparison,
    })
    local action = reconcile.decide(verdicts, readback.LOOKS)
    if action == "foreign" then
      failure.stop("conflict", batch, "foreign",
        "the rows at its place are not its own: another program writes into the import, an update replaces "
        .. "rows, or rows do not keep their order", cause)
    elseif action == "unverifiable" then
      failure.in_doubt(batch, "the service changes rows, so that they cannot be recognised", cause)
    elseif action == "give_up" then
      failure.in_doubt(batch, "repeated reads disagree", cause)
    elseif action ~= "look" then
      return action, verdicts[#verdicts][2]
    end
  end
end

--- Finds out the fate of the batch at the front, which was sent just now or by an earlier run. Afterwards the batch, or
-- its first part, is off the queue; or the batch is still at the front, to be sent again. Fails if the fate cannot be
-- found out.
---@param run flarelight.UploadRun
---@param cause flarelight.Error? of the sending
function doubt.resolve(run, batch, cause)
  local id = batch.id
  if id == nil and not run.per_batch then id = run.id end
  if id == nil then
    id = find_created(run, batch, cause)
    if id == nil then
      batch.fate = "not_sent"
      return checkpoints.reached "doubt.resolved"
    end
    run:adopt(batch, id)
  end
  local action, count = look_up(run, batch, id, cause)
  batch.fate = action == "again" and "not_sent" or action
  checkpoints.reached "doubt.resolved"
  if action == "again" then
    -- The import exists and is empty. Creating it again would leave the empty one behind.
    if run.per_batch then failure.in_doubt(batch, "its import was created, but holds none of its records", cause) end
    return
  end
  if action == "partial" and run.per_batch then
    failure.in_doubt(batch, ("its import holds only the first %d records"):format(count), cause)
  end
  run.reader:pop()
  if action == "partial" then run:divide(batch, count, id) else run:acknowledge(batch, id, { by = "reading" }) end
end

return doubt
