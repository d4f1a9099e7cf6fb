--- The run of an upload: batch after batch, each journaled, sent, and its fate known before the next.
--
-- One batch is under way at a time. What becomes of one in doubt is looked up, by rules that are in
-- reconcile.lua. A run without a journal does the same and remembers it only itself. docs/uploads.md tells
-- the protocol; steps.lua names its steps.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local endpoint = require "flarelight.endpoint"
local errors = require "flarelight.error"
local reconcile = require "flarelight.upload.reconcile"
local rejects = require "flarelight.upload.rejects"
local request = require "flarelight.request"
local rows = require "flarelight.rows"
local source = require "flarelight.upload.source"
local checkpoints = require "flarelight.upload.checkpoints"
local tasks = require "flarelight.host.tasks"

local delivery = {}

local LOOKS = 6        -- at what a batch has become, a settle apart
local SENDINGS = 4     -- of one batch
local PAGE = 5000      -- rows of a page that is read back

local function text_of(id)
  if type(id) == "table" then return tostring(id[1]) end
  if type(id) == "number" then return ("%.0f"):format(id) end
  return tostring(id)
end

-- Of a file `bytes` counts what has arrived of it, so that bytes / total_bytes is the share that is done.
function delivery.progress(run)
  local elapsed, total = core.now() - run.begun, run.total
  return {
    token = run.token, id = run.id, records = run.records, batches = run.batches, bytes = run.bytes,
    total_bytes = total, rejected = run.rejected,
    elapsed = elapsed, eta = total and run.bytes > 0 and elapsed * (total - run.bytes) / run.bytes or nil,
    waiting_for_rate = run.api:quota().waiting > 0,
  }
end

-- --- one process ---

-- A child that was forked in the middle of an upload has a copy of it; the upload goes on in its parent.
local function is_ours(run)
  if core.is_ours(run.ticket) then return true end
  return errors.fail("closed", "imports:upload: the upload belongs to the process that this one was forked off",
    { fate = "in_doubt" })
end

-- --- journal: the same calls where there is none ---

local function note(run, name, ...)
  local ours, cannot, why = is_ours(run)
  if not ours then return nil, cannot, why end
  if not run.journal then return true end
  local good, message, err = run.journal[name](run.journal, run.token, ...)
  if good then return true end
  return nil, message, err
end

-- --- reading ---

-- A row or two, which no server gives in pieces.
local function read_page(run, id, start, count)
  local query = request.query { start = start, count = count }
  local data, message, err = endpoint.call({ client = run.api }, "imports.data",
    { id = id, query = query, bulk = true }, { deadline = run.deadline })
  if data == nil then
    if start > 0 and (err.status == 400 or err.status == 404) then return {} end
    return nil, message, err
  end
  local page = rows.of_data(data)
  return page ~= core.null and page or {}
end

-- Rows from `start` on, `count` at most. Past the end there may be an error in place of an empty page.
local function read_rows(run, id, start, count)
  if count <= 2 then return read_page(run, id, start, count) end
  local stream = rows.open(run.api, "imports:upload", id,
    { start = start, limit = count, page_size = math.min(count, PAGE), prefetch = 0, deadline = run.deadline })
  local found = {}
  while #found < count do
    local row, message, err = stream:next()
    if row == nil then
      stream:close()
      local past = err and start > 0 and #found == 0 and (err.status == 400 or err.status == 404)
      if err and not past then return nil, message, err end
      return found
    end
    found[#found + 1] = row
  end
  stream:close()
  return found
end

-- The rows from `rows_before` on, and whether the one before them is there. A page that begins with a row
-- that is there is no error on any server.
local function read_place(run, id, rows_before, count)
  local back = rows_before > 0 and 1 or 0
  local found, message, err = read_rows(run, id, rows_before - back, count + back)
  if not found then return nil, message, err end
  if back == 0 then return found, true end
  local anchored = #found > 0
  table.remove(found, 1)
  return found, anchored
end

local function decoded(batch)
  if batch.count == 0 then return {} end
  return core.decode(core.encode(batch.text))
end

-- --- stopping ---

local function describe(batch)
  local line = batch.line and (", from line %d"):format(batch.line) or ""
  local last = batch.record + batch.count - 1
  return ("batch %d (records %d to %d%s)"):format(batch.number or 0, batch.record, last, line)
end

local function mark(err, batch)
  err.record, err.records, err.line = batch.record, batch.count, batch.line
  return err
end

local function stop(kind, batch, fate, words, cause)
  local text = ("imports:upload: %s: %s%s"):format(describe(batch), words, cause and " (" .. cause.message .. ")" or "")
  local _, message, err = errors.fail(kind, text, { fate = fate, status = cause and cause.status })
  mark(err, batch)
  return nil, message, err
end

-- --- sending ---

local function marker(run, number)
  if run.update == "import_per_batch" then return ("[upload %s/%d]"):format(run.token, number) end
  return ("[upload %s]"):format(run.token)
end

-- Whether the description carries the mark with this batch. What creates an import and has no batch after
-- it (a source of one record) goes without: nothing would take it off again.
local function is_marked(run, batch)
  return run.run_token and (run.update == "import_per_batch" or run.created and not batch.last)
end

local function body_of(run, batch)
  local options = run.options
  local per_batch = run.update == "import_per_batch"
  local creates = run.id == nil or per_batch
  local name, description = options.name, options.description
  if per_batch and name and batch.number > 1 then name = ("%s (%d)"):format(name, batch.number) end
  if is_marked(run, batch) then
    description = (description and description .. " " or "") .. marker(run, batch.number)
  elseif run.run_token and run.created and not creates then
    description = description or ""
  end
  return request.import_body({
    records = batch.text, name = name, description = description,
    send_events = batch.last and options.send_events ~= false,
    id = not creates and run.id or nil,
  }, run.config.update_key)
end

local function submit(run, body)
  local ours, cannot, why = is_ours(run)
  if not ours then return nil, cannot, why end
  local arguments = { body = body, bulk = true }
  local prepared = request.endpoint("imports.import", arguments, { deadline = run.deadline }, run.config)
  local data, message, err = calls.call(run.api, prepared)
  return data, message, err
end

-- --- what was acknowledged ---

local function note_first(run, batch)
  if batch.count == 0 then return end
  if not run.first then
    run.first = { rows_before = batch.rows_before, batch = batch, id = run.id }
  elseif not run.second then
    run.second = decoded(source.part(batch, 1, 1))[1]
  end
end

-- Keeps in mind that a batch is applied, whoever has seen it.
function delivery.count(run, batch, id)
  if run.update == "import_per_batch" then
    run.ids[#run.ids + 1] = id
    run.id = run.id or id
  else
    run.id = run.id or id
    if run.rows then run.rows = batch.rows_before + batch.count end
  end
  run.number = batch.number + 1
  run.records, run.batches = run.records + batch.count, run.batches + 1
  run.bytes = batch.read or run.bytes + batch.size
  note_first(run, batch)
  run.last_sent = batch.last
  if batch.count > 0 and batch ~= (run.first and run.first.batch) then batch.text:close() end
end

local function lock_import(run)
  if run.id == nil or run.update == "import_per_batch" or not run.hold then return true end
  return run.hold(run, "import " .. text_of(run.id))
end

local function acknowledge(run, batch, id)
  local good, message, err = note(run, "acknowledged", batch.number, id, run.update == "import_per_batch")
  if not good then return nil, message, err end
  checkpoints.reached "batch.acknowledged"
  local was_known = run.id ~= nil
  delivery.count(run, batch, id)
  if not was_known then
    good, message, err = lock_import(run)
    if not good then return nil, message, err end
  end
  return true
end

local function withdraw(run, batch)
  local good, message, err = note(run, "withdrawn", batch.number, run.reader.limits.records)
  if not good then return nil, message, err end
  run.sendings = 0
  checkpoints.reached "batch.withdrawn"
  return true
end

-- --- doubt ---

local function is_cancelled()
  local task = tasks.current()
  return task ~= nil and task.cancelled
end

local function settle(run, look)
  checkpoints.reached "doubt.settling"
  calls.sleep(reconcile.settle(run.settle, look), run.api)
end

local function in_doubt(batch, words, cause, kind)
  return stop(kind or cause and cause.kind or "conflict", batch, "in_doubt", words, cause)
end

-- Learns how rows of this import are compared, from the first batch that is known to be in it.
local function learn(run)
  local first = run.first
  if run.comparison ~= "unknown" or not first or run.update == "import_per_batch" then return true end
  local found, message, err = read_rows(run, first.id, first.rows_before, first.batch.count)
  if not found then return nil, message, err end
  if #found < first.batch.count then return true end -- it lags behind: there is nothing to learn from
  run.comparison = reconcile.learn(decoded(first.batch), found)
  return note(run, "learned", run.comparison, run.checked)
end

-- A create is in doubt: whether the list shows the import. "again", or its id as `id`.
local function find_created(run, batch, cause)
  if not is_marked(run, batch) then
    return in_doubt(batch, "the import may have been made, and nothing in its description tells it from others", cause)
  end
  local verdicts = {}
  while true do
    settle(run, #verdicts + 1)
    local list, message, err = endpoint.call({ client = run.api }, "imports.all", { bulk = true },
      { deadline = run.deadline })
    if list == nil then return in_doubt(batch, "whether the import was made could not be read: " .. message, err) end
    checkpoints.reached "doubt.looked"
    local verdict, id = reconcile.created(list, marker(run, batch.number))
    verdicts[#verdicts + 1] = verdict
    local action = reconcile.decide_created(verdicts)
    if action == "found" then return "found", id end
    if action == "again" then return "again" end
    if action == "hidden" then
      return in_doubt(batch, "the import may have been made, and the list of imports shows no descriptions", cause)
    elseif action == "several" then
      return stop("conflict", batch, "foreign", "more than one import carries the mark of this upload")
    end
  end
end

-- What became of a batch whose import is known: "applied", "again", "partial" with its number of rows; or
-- nil, message, err.
local function look_up(run, batch, id, cause)
  if not run.rows and run.update ~= "import_per_batch" then
    return in_doubt(batch, "how many rows the import had before is not known", cause)
  end
  local good, message, err = learn(run)
  if not good then return in_doubt(batch, "what has arrived could not be read: " .. message, err) end
  local sent, verdicts = decoded(batch), {}
  while true do
    settle(run, #verdicts + 1)
    local found, anchored, wrong = read_place(run, id, batch.rows_before, batch.count + 1)
    if not found then return in_doubt(batch, "what has arrived could not be read: " .. anchored, wrong) end
    checkpoints.reached "doubt.looked"
    verdicts[#verdicts + 1] = { reconcile.judge(sent, found, anchored, run.comparison) }
    local action = reconcile.decide(verdicts, LOOKS)
    if action == "foreign" then
      return stop("conflict", batch, "foreign",
        "the rows at its place are neither its own nor none: somebody else writes into the import, an update "
        .. "replaces, or rows do not keep their order", cause)
    elseif action == "unverifiable" then
      return in_doubt(batch, "the service changes rows so that they cannot be told from others", cause)
    elseif action == "give_up" then
      return in_doubt(batch, "what is read does not settle", cause)
    elseif action ~= "look" then
      return action, verdicts[#verdicts][2]
    end
  end
end

-- A batch in doubt, from its sending or from the journal: true, and it is off the queue, whole or by a part;
-- true with "again": it is to be sent again. Or nil, message, err.
local function resolve(run, batch, cause)
  local per_batch, id = run.update == "import_per_batch", batch.id
  if not per_batch then id = id or run.id end
  if id == nil then
    local action, found, err = find_created(run, batch, cause)
    if not action then return nil, found, err end
    if action == "again" then
      checkpoints.reached "doubt.resolved"
      return true, "again"
    end
    id = found
    local good, message
    good, message, err = note(run, "adopted", batch.number, id, per_batch)
    if not good then return nil, message, err end
    batch.id = id
    if not per_batch then
      run.id = id
      good, message, err = lock_import(run)
      if not good then return nil, message, err end
    end
  end
  local action, count, err = look_up(run, batch, id, cause)
  if not action then return nil, count, err end
  checkpoints.reached "doubt.resolved"
  if action == "again" and per_batch then
    -- It exists and is empty: to create it again would leave it behind.
    return in_doubt(batch, "its import was made, but holds none of its records", cause)
  end
  if action == "again" then return true, "again" end
  run.reader:pop()
  if action == "applied" then return acknowledge(run, batch, id) end
  if per_batch then return in_doubt(batch, ("its import holds only the first %d records"):format(count), cause) end
  -- A part is in: it becomes a batch of its own, and the rest the next one.
  local part = source.part(batch, 1, count)
  part.number, part.rows_before = batch.number, batch.rows_before
  local good, message
  good, message, err = note(run, "divided", batch.number, count, part.sha256, id)
  if not good then return nil, message, err end
  checkpoints.reached "batch.divided"
  run.reader:push(source.part(batch, count + 1, batch.count))
  delivery.count(run, part, id)
  run.sendings = 0
  return true
end

-- --- refusals ---

-- A batch in two, the first half in front.
local function halve(run, batch)
  local half = math.ceil(batch.count / 2)
  run.reader:pop()
  run.reader:push(source.part(batch, half + 1, batch.count))
  run.reader:push(source.part(batch, 1, half))
  batch.text:close()
end

local function reject(run, batch, err)
  local text = batch.text:record(1)
  local messages = err.messages
  if messages == nil or #messages == 0 then messages = { err.message } end
  local line = rejects.line(batch.record, batch.line, messages, text)
  local good, message, wrong = note(run, "rejected", batch.number, line)
  if not good then return nil, message, wrong end
  checkpoints.reached "reject.journaled"
  good, message, wrong = rejects.append(run.options.rejects, line)
  if not good then return nil, message, wrong end
  checkpoints.reached "reject.written"
  run.reader:pop()
  run.rejected, run.number, run.sendings = run.rejected + 1, batch.number + 1, 0
  return true
end

-- Too large: halved, and so are those that follow.
local function too_large(run, batch, message, err)
  local isolate = run.options.on_reject == "isolate"
  if batch.count <= 1 then
    if batch.count == 1 and isolate then return reject(run, batch, err) end
    local good, wrong, failure = withdraw(run, batch)
    if not good then return nil, wrong, failure end
    return nil, message, mark(err, batch)
  end
  run.reader.limits.records = math.min(run.reader.limits.records, math.ceil(batch.count / 2))
  local good, wrong, failure = withdraw(run, batch)
  if not good then return nil, wrong, failure end
  halve(run, batch)
  checkpoints.reached "batch.divided"
  return true
end

-- Bad: to be divided, but only where nothing of it has gone in.
local function isolate(run, batch, err)
  if run.id ~= nil and run.update ~= "import_per_batch" then
    if not run.rows then
      return stop("conflict", batch, "in_doubt",
        "it was rejected, and how many rows there were before is not known", err)
    end
    local found, anchored, wrong = read_place(run, run.id, batch.rows_before, batch.count + 1)
    if not found then return in_doubt(batch, "whether a part of it went in could not be read: " .. anchored, wrong) end
    if #found > 0 or not anchored then
      return stop("conflict", batch, "partial",
        ("it was rejected, but %s"):format(#found > 0 and "rows of it or of others are there"
          or "the rows before it do not show"), err)
    end
  end
  if batch.count == 1 then return reject(run, batch, err) end
  local good, message, wrong = withdraw(run, batch)
  if not good then return nil, message, wrong end
  halve(run, batch)
  checkpoints.reached "batch.divided"
  return true
end

local function refused(run, batch, message, err)
  if err.status == 413 then return too_large(run, batch, message, err) end
  if err.kind == "invalid_request" and err.status == 400 then
    if run.options.on_reject == "isolate" and batch.count > 0 then return isolate(run, batch, err) end
    -- It stays sent in the journal: some services keep the good records of a batch that they reject, so a
    -- resumed upload looks before it sends again.
    return nil, message, mark(err, batch)
  end
  local good, wrong, failure = withdraw(run, batch)
  if not good then return nil, wrong, failure end
  return nil, message, mark(err, batch)
end

-- --- one batch ---

-- Sends the batch in front: true, whether it is off the queue or not; or nil, message, err.
local function deliver(run, batch, last)
  local good, message, err
  if not batch.number then
    batch.number, batch.rows_before = run.number, run.update == "import_per_batch" and 0 or run.rows or 0
    batch.last = last
    good, message, err = note(run, "sent", batch)
    if not good then
      batch.number = nil
      return nil, message, mark(err, batch)
    end
  end
  checkpoints.reached "batch.journaled"
  run.sendings = run.sendings + 1
  run.reader:ahead()
  local body = body_of(run, batch)
  checkpoints.reached "batch.sending"
  local data
  data, message, err = submit(run, body)
  checkpoints.reached "batch.answered"
  if data ~= nil then
    run.reader:pop()
    run.sendings = 0
    return acknowledge(run, batch, (run.id == nil or run.update == "import_per_batch") and data.id or nil)
  end
  if err.fate == "in_doubt" then
    mark(err, batch)
    if err.kind == "closed" or is_cancelled() then return nil, message, err end
    if run.sendings >= SENDINGS then
      return in_doubt(batch, ("it was sent %d times, each time into doubt"):format(run.sendings), err)
    end
    return resolve(run, batch, err)
  end
  if err.fate == "rejected" then return refused(run, batch, message, err) end
  good, message, err = withdraw(run, batch), message, err
  if not good then return nil, message, err end
  return nil, message, mark(err, batch)
end

-- --- checks on the way ---

-- After two batches of an import of our own: whether the second was appended.
local function check_append(run)
  local found, message, err = read_rows(run, run.id, 0, 1)
  if not found then return nil, message, err end
  local first = decoded(source.part(run.first.batch, 1, 1))[1]
  local verdict = reconcile.appended(first, run.second, found[1], run.comparison)
  for look = 1, LOOKS do
    if verdict ~= "unclear" then break end
    -- The content does not tell: the number of rows does.
    if look > 1 then settle(run, look - 1) end
    found, message, err = read_rows(run, run.id, run.rows - 1, 1)
    if not found then return nil, message, err end
    if #found == 1 then verdict = "appended" elseif look == LOOKS then verdict = "replaced" end
  end
  checkpoints.reached "check.append"
  if verdict == "replaced" then
    return errors.fail("conflict",
      "imports:upload: the import does not begin with the first record after the second batch: an update "
      .. "seems to replace what was there; use update = \"import_per_batch\"", { fate = "foreign" })
  end
  run.checked = true
  return note(run, "learned", run.comparison, true)
end

-- At the end: the last row is there, and nothing behind it.
local function check_end(run)
  if not run.rows or run.rows == 0 or run.records == 0 then return true end
  for look = 1, LOOKS do
    if look > 1 then settle(run, look - 1) end
    local found, message, err = read_rows(run, run.id, run.rows - 1, 2)
    if not found then return nil, message, err end
    checkpoints.reached "check.end"
    if #found == 1 then return true end
    if #found > 1 or look == LOOKS then
      return errors.fail("conflict", ("imports:upload: %d records were sent and acknowledged, but %s found at the end")
        :format(run.records, #found == 0 and "fewer are" or "more are"), { fate = "foreign" })
    end
  end
end

-- How many rows an import that exists holds.
local function count_rows(run)
  local state, position, count = reconcile.probe()
  while position do
    local found, message, err = read_rows(run, run.id, position, 1)
    if not found then return nil, message, err end
    checkpoints.reached "probe.read"
    state, position, count = reconcile.probe(state, #found > 0)
  end
  return count
end

local function begin(run)
  if run.id == nil or run.update == "import_per_batch" then
    run.rows = run.rows or 0
    return true
  end
  local good, message, err = lock_import(run)
  if not good then return nil, message, err end
  if run.rows or not run.journal then return true end
  run.rows, message, err = count_rows(run)
  if not run.rows then return nil, message, err end
  return note(run, "started", run.rows)
end

-- --- the whole ---

-- A batch that is larger than those that may be sent now, or the only one of an import that carries the
-- run's token: it is divided first, so that a batch remains to clear the token with.
local function prepare(run, batch, last)
  local most = run.reader.limits.records
  if batch.count > most then most = math.min(most, batch.count)
  elseif last and run.run_token and run.created and run.id == nil and batch.count > 1 then most = batch.count - 1
  else return batch, last end
  run.reader:pop()
  run.reader:push(source.part(batch, most + 1, batch.count))
  local front = source.part(batch, 1, most)
  run.reader:push(front)
  batch.text:close()
  return front, false
end

local function send_front(run)
  local batch, message, err = run.reader:peek(1)
  if err then return nil, message, err end
  if not batch then
    local unsaid = run.options.send_events ~= false or run.run_token and run.created
    if run.number > 1 and (run.last_sent or run.batches == 0 or not unsaid) then return "end" end
    -- A source without records still makes the import; and where the last record was rejected, what goes
    -- with the last batch has yet to be said.
    batch = source.empty(run.reader.record)
    run.reader:push(batch)
  end
  local last = batch.count == 0
  if not last then
    local following
    following, message, err = run.reader:peek(2)
    if err then return nil, message, err end
    last = following == nil
  end
  if run.replaces and not last and not batch.number then
    return errors.fail("config", "imports:upload: the profile says that an update replaces what was there, and the "
      .. "records are more than one batch: use update = \"import_per_batch\"")
  end
  if not batch.number then batch, last = prepare(run, batch, last) end
  local done
  local before = run.batches
  if run.doubt == batch then
    run.doubt = nil
    done, message, err = resolve(run, batch, nil)
  else
    done, message, err = deliver(run, batch, last)
  end
  if not done then return nil, message, err end
  if run.created and not run.checked and run.second then
    done, message, err = check_append(run)
    if not done then return nil, message, err end
  end
  if run.on_progress and run.batches > before then run.on_progress(delivery.progress(run)) end
  return true
end

--- Runs an upload to its end: true, or nil, message, err.
function delivery.run(run)
  local good, message, err = begin(run)
  if not good then return nil, message, err end
  if run.created and not run.checked and run.second then
    good, message, err = check_append(run)
    if not good then return nil, message, err end
  end
  repeat
    good, message, err = send_front(run)
    if not good then return nil, message, err end
  until good == "end"
  if run.batches == 0 then
    return errors.fail("invalid_request", ("imports:upload: every one of the %d records was rejected")
      :format(run.rejected))
  end
  if run.update ~= "import_per_batch" then
    good, message, err = check_end(run)
    if not good then return nil, message, err end
  end
  return is_ours(run)
end

return delivery
