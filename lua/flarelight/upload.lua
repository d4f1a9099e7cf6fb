--- Uploads: records from a file, an array or an iterator function, sent in batches, one at a time.
--
-- The first batch creates the import, the others update it. sendEvents is true with the last batch
-- alone, so that automations see whole data. Two things are looked at rather than assumed: after the
-- second batch the first row is read back (an update that replaces would have lost the first batch),
-- and at the end the expected last row. A write whose fate is in doubt stops the upload; nothing is
-- sent twice.

local client = require "flarelight.client"
local core = require "flarelight.core"
local endpoint = require "flarelight.endpoint"
local errors = require "flarelight.error"
local options = require "flarelight.options"
local request = require "flarelight.request"

local upload = {}

local known = {
  file = "string", records = "array_or_function", name = "string", description = "string", id = "id",
  update = "string", batch_records = "positive", batch_bytes = "positive", types = "text_or_table",
  send_events = "boolean", on_progress = "function", deadline = "seconds",
}

-- --- sources: each gives { text =, count =, record =, line = } a batch, nil at the end ---

-- Records that cannot be sent: they are the caller's input, as a rejected request's are.
local function fail_source(message, record)
  return errors.fail("invalid_request", "imports:upload: " .. message, { record = record })
end

local function file_source(given)
  local source, message, line, kind = core.source(given.file, { types = given.types or "auto" })
  if not source then
    if kind == "misuse" then errors.misuse("imports:upload: " .. message) end
    return errors.fail(kind, "imports:upload: " .. message, { line = line })
  end
  local record = 1
  return {
    next = function()
      local text, count, first, wrong = source:read(given.batch_records, given.batch_bytes)
      if text == nil and count == nil then return nil end
      if text == nil then return errors.fail(wrong, "imports:upload: " .. count, { line = first, record = record }) end
      local batch = { text = text, size = text:size(), count = count, record = record, line = first }
      record = record + count
      return batch
    end,
    progress = function() return source:progress() end,
    close = function() source:close() end,
  }
end

local function array_batches(array, given)
  local place = 1
  return function(offset)
    local text, count = core.batch(array, place, given.batch_records, given.batch_bytes)
    if text == nil and count == nil then return nil end
    if text == nil then return fail_source(count, offset + place) end
    local batch = { text = text, size = text:size(), count = count, record = offset + place }
    place = place + count
    return batch
  end
end

local function array_source(given)
  local length, entries = #given.records, 0
  for _ in pairs(given.records) do entries = entries + 1 end
  if entries ~= length then errors.misuse "imports:upload.records: should be an array without gaps" end
  local take = array_batches(given.records, given)
  return { next = function() return take(0) end, close = function() end }
end

local function iterator_source(given)
  local pull, taken, ended, take, begun = given.records, 0, false, nil, 0
  local function gather()
    local gathered = {}
    while #gathered < given.batch_records do
      local record = pull()
      if record == nil then ended = true break end
      if type(record) ~= "table" then
        return fail_source(("record %d is a %s and no table"):format(taken + #gathered + 1, type(record)),
          taken + #gathered + 1)
      end
      gathered[#gathered + 1] = record
    end
    begun, taken = taken, taken + #gathered
    take = #gathered > 0 and array_batches(gathered, given) or nil
    return true
  end
  return {
    next = function()
      while true do
        if take then
          local batch, message, err = take(begun)
          if batch or err then return batch, message, err end
        end
        if ended then return nil end
        local ok, message, err = gather()
        if not ok then return nil, message, err end
        if not take then return nil end
      end
    end,
    close = function() end,
  }
end

local function open_source(given)
  if given.file then return file_source(given) end
  if type(given.records) == "function" then return iterator_source(given) end
  return array_source(given)
end

-- --- comparing what was sent with what is read back ---

local function number_of(value)
  if type(value) == "number" then return value end
  -- Numbers too large for a double come as digits.
  return type(value) == "string" and value:match "^%-?%d+$" and #value > 15 and value or nil
end

local function same(sent, found)
  if sent == core.null then return found == nil or found == core.null end
  if type(sent) == "table" and type(found) == "table" then
    for name, value in pairs(sent) do
      if not same(value, found[name]) then return false end
    end
    return true
  end
  local left, right = number_of(sent), number_of(found)
  if left and right then return left == right or tostring(left) == tostring(right) end
  return sent == found
end

-- --- the run ---


local function progress_of(run)
  local read, total
  if run.source.progress then read, total = run.source.progress() end
  local elapsed = core.now() - run.begun
  local eta
  if total and read and read > 0 then eta = elapsed * (total - read) / read end
  return {
    id = run.id, records = run.records, bytes = run.bytes, batches = run.batches, total_bytes = total,
    elapsed = elapsed, eta = eta, waiting_for_rate = run.api:quota().waiting > 0,
  }
end

local function fail(run, message, err)
  err.progress = progress_of(run)
  run.source.close()
  return nil, message, err
end

-- Hands the batch over and returns its waiter.
local function submit(run, batch, last)
  local given = run.given
  local creates = run.id == nil or given.update == "import_per_batch"
  local name = given.name
  if given.update == "import_per_batch" and name and run.batches > 0 then
    name = ("%s (%d)"):format(name, run.batches + 1)
  end
  local body = request.import_body({
    records = batch.text, name = name, description = given.description,
    send_events = last and given.send_events ~= false,
    id = not creates and run.id or nil,
  }, run.config.update_key)
  local arguments = { body = body, bulk = true }
  local prepared = request.endpoint("imports.import", arguments, { deadline = given.deadline }, run.config)
  return client.submit(run.api, prepared)
end

local function read_back(run, start, count)
  local query = request.query { start = start, count = count }
  local data, message, err = endpoint.call({ client = run.api }, "imports.data",
    { id = run.id, query = query, bulk = true }, {})
  if data == nil then return nil, message, err end
  local page = require("flarelight.rows").of_data(data)
  return page ~= core.null and page or {}
end

local function check_append(run, first_batch)
  local rows, message, err = read_back(run, 0, 1)
  if not rows then return nil, message, err end
  local sent = core.decode(core.encode(first_batch.text))[1]
  if not same(sent, rows[1]) then
    return errors.fail("conflict",
      "imports:upload: the import does not begin with the first record after the second batch: an update "
      .. "seems to replace what was there; use update = \"import_per_batch\"")
  end
  return true
end

local function check_end(run)
  if run.records == 0 then return true end
  local rows, message, err = read_back(run, run.records - 1, 2)
  if not rows then return nil, message, err end
  if #rows ~= 1 then
    return errors.fail("conflict", ("imports:upload: %d records were sent and acknowledged, but %s found at the end")
      :format(run.records, #rows == 0 and "fewer are" or "more are"))
  end
  return true
end

local function send_all(run)
  local source, given = run.source, run.given
  local batch, message, err = source.next()
  if err then return nil, message, err end
  -- A source without records still makes the import.
  batch = batch or { text = require("flarelight.json").array {}, size = 2, count = 0, record = 1 }
  local first_batch = batch
  while batch do
    -- One batch is read ahead: only so is it known which one is the last.
    local following
    if batch.count > 0 then
      following, message, err = source.next()
      if err then return nil, message, err end
    end
    local waiter
    waiter, message, err = submit(run, batch, following == nil)
    if not waiter then return nil, message, err end
    local data
    data, message, err = client.outcome(run.api, waiter)
    if data == nil and err.kind == "unauthorized" and client.rotate_key(run.api, waiter) then
      waiter, message, err = submit(run, batch, following == nil)
      if not waiter then return nil, message, err end
      data, message, err = client.outcome(run.api, waiter)
    end
    if data == nil then
      err.record, err.records, err.line = batch.record, batch.count, batch.line
      return nil, message, err
    end
    if run.id == nil or given.update == "import_per_batch" then
      run.id = run.id or data.id
      run.ids[#run.ids + 1] = data.id
    end
    run.batches, run.records = run.batches + 1, run.records + batch.count
    run.bytes = run.bytes + batch.size
    if run.created and run.batches == 2 then
      local good
      good, message, err = check_append(run, first_batch)
      if not good then return nil, message, err end
    end
    if batch ~= first_batch and batch.count > 0 then batch.text:close() end
    if given.on_progress then given.on_progress(progress_of(run)) end
    batch = following
  end
  if run.created then return check_end(run) end
  return true
end

local function check(given)
  given = options.table("imports:upload", given, known)
  if (given.file == nil) == (given.records == nil) then errors.misuse "imports:upload: give either file or records" end
  local update = given.update
  if update and update ~= "append" and update ~= "import_per_batch" then
    errors.misuse(("imports:upload.update: should be \"append\" or \"import_per_batch\", but is %q"):format(update))
  end
  local checked = {}
  for name, value in pairs(given) do checked[name] = value end
  checked.batch_records = given.batch_records or 5000
  checked.batch_bytes = given.batch_bytes or 8 * 2 ^ 20
  return checked
end

--- Uploads. Returns `{ id =, records =, batches =, rejected =, elapsed = }` (with update =
-- "import_per_batch" also `ids`), or `nil, message, err` with `err.progress`; where a batch failed,
-- `err.record` and `err.records` say which records it held and `err.line` where it begins in the file.
---@param api flarelight.Client
---@param given { file: string?, records: table[]|function|nil, name: string?, description: string?, id: any, update: string?, batch_records: integer?, batch_bytes: integer?, types: string|table|nil, send_events: boolean?, on_progress: function?, deadline: number? }
function upload.run(api, given)
  given = check(given)
  if given.id ~= nil and given.update ~= "append" then
    return errors.fail("config", "imports:upload: an import that exists needs update = \"append\": whether an update "
      .. "appends or replaces is not documented")
  end
  local source, message, err = open_source(given)
  if not source then return nil, message, err end
  local run = {
    api = api, config = client.config(api), given = given, source = source, begun = core.now(),
    id = given.id, ids = {}, created = given.id == nil and given.update ~= "import_per_batch",
    records = 0, bytes = 0, batches = 0,
  }
  local done
  done, message, err = send_all(run)
  if not done then return fail(run, message, err) end
  source.close()
  return {
    id = run.id, ids = given.update == "import_per_batch" and run.ids or nil,
    records = run.records, batches = run.batches, rejected = 0, elapsed = core.now() - run.begun,
  }
end

return upload
