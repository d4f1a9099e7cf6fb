--- What an upload sends: records from a file, an array or an iterator function, as batches in order.
--
-- A batch is { text = (records of the binding), count =, record = (its first, from 1), line = (of the file),
-- sha256 = (of the text), size =, read = (bytes of the file up to here) }. Files are read by the worker, the
-- next batch while one is under way; records of Lua are written out in place, members by name, so that the
-- same records give the same text in every process.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local json = require "flarelight.json"
local timeslice = require "flarelight.host.timeslice"

local source = {}

local PIECE = 64       -- records that are written out before others may run
local ENTRIES = 4096   -- of an array, that are counted before

-- Records that cannot be sent: they are the caller's input, as a rejected request's are.
local function fail_records(message, record)
  return errors.fail("invalid_request", "imports:upload: " .. message, { record = record })
end

-- --- files ---

local File = {}
File.__index = File

local function open_file(api, given)
  local asked = { types = given.types or "auto", format = given.format }
  local handle, ticket, line, kind = core.open_source(given.file, asked, calls.blocks(api))
  if not handle then
    if kind == "misuse" then misuse("imports:upload: " .. ticket) end
    return errors.fail(kind, "imports:upload: " .. ticket, { line = line })
  end
  local good, message
  good, message, line, kind = calls.done(calls.job(api, ticket))
  if not good then return errors.fail(kind, "imports:upload: " .. message, { line = line }) end
  local self = setmetatable({ api = api, handle = handle, kind = "file", path = given.file }, File)
  self.size, self.modified, self.inode = handle:identity()
  local columns = {}
  for i, column in ipairs(handle:columns()) do columns[i] = { column.name, column.type } end
  self.columns = #columns > 0 and json.encode(columns) or nil
  return self
end

function File:ahead(most_records, most_bytes)
  self.asked = calls.job(self.api, self.handle:fetch(most_records, most_bytes, false))
end

-- What was asked for ahead comes with the limits of then.
function File:take(most_records, most_bytes)
  local waiter = self.asked
    or calls.job(self.api, self.handle:fetch(most_records, most_bytes, calls.blocks(self.api)))
  self.asked = nil
  local text, count, line, sha256, read = calls.done(waiter)
  if text == nil and count == nil then return nil end
  if text == nil then return errors.fail(sha256, "imports:upload: " .. count, { line = line }) end
  return { text = text, count = count, line = line, sha256 = sha256, size = text:size(), read = read }
end

function File:close() self.handle:close() end

-- --- records of Lua ---

local Records = {}
Records.__index = Records

function Records.ahead() end
function Records.close() end

local function write_out(records, place, offset, most_records, most_bytes)
  local text, total = nil, 0
  repeat
    local most = most_records - total
    if timeslice.slice_end then
      timeslice.check()
      most = math.min(most, PIECE)
    end
    local written, count = core.batch(records, place + total, most, most_bytes, true, offset, text)
    if written == nil and count ~= nil then return fail_records(count) end
    text, total = written, total + (count or 0)
  until count ~= most or total == most_records
  if text == nil then return nil end
  return { text = text, count = total, sha256 = text:sha256(), size = text:size() }
end

local function open_array(given)
  local records = given.records
  local length, entries = #records, 0
  for _ in pairs(records) do
    entries = entries + 1
    if entries % ENTRIES == 0 and timeslice.slice_end then timeslice.check() end
  end
  if entries ~= length then misuse "imports:upload.records: should be an array without gaps" end
  local self = setmetatable({ kind = "array", place = 1 }, Records)
  function self.take(_, most_records, most_bytes)
    local batch, message, err = write_out(records, self.place, 0, most_records, most_bytes)
    if batch then self.place = self.place + batch.count end
    return batch, message, err
  end
  return self
end

local function open_iterator(given)
  local self = setmetatable({ kind = "iterator", gathered = {}, place = 1, taken = 0 }, Records)
  local pull, ended = given.records, false
  local function gather(most)
    local gathered = self.gathered
    if self.place > 1 then -- what is left of before
      local left = {}
      for i = self.place, #gathered do left[#left + 1] = gathered[i] end
      gathered, self.gathered, self.place = left, left, 1
    end
    while #gathered < most and not ended do
      if timeslice.slice_end then timeslice.check() end
      local record = pull()
      local number = self.taken + #gathered + 1
      if record == nil then
        ended = true
      elseif type(record) ~= "table" then
        return fail_records(("record %d is a %s and no table"):format(number, type(record)), number)
      else
        gathered[#gathered + 1] = record
      end
    end
    return true
  end
  function self.take(_, most_records, most_bytes)
    local good, message, err = gather(most_records)
    if not good then return nil, message, err end
    local batch
    batch, message, err = write_out(self.gathered, 1, self.taken, most_records, most_bytes)
    if batch then
      self.place, self.taken = batch.count + 1, self.taken + batch.count
    end
    return batch, message, err
  end
  return self
end

--- Opens what is given: `file` with `types` and `format`, or `records`. Or nil, message, err.
function source.open(api, given)
  if given.file then return open_file(api, given) end
  if type(given.records) == "function" then return open_iterator(given) end
  return open_array(given)
end

-- --- the reader: batches in order, as many ahead as are looked at ---

local Reader = {}
Reader.__index = Reader

--- `limits`: { records =, bytes = }, which may become smaller on the way.
function source.reader(opened, limits)
  return setmetatable({ source = opened, limits = limits, queue = {}, record = 1, ended = false }, Reader)
end

local function number_batch(self, batch)
  batch.record = self.record
  self.record = self.record + batch.count
  return batch
end

--- The batch at `place` of the queue, read if need be; nil where there is none; nil, message, err.
function Reader:peek(place)
  while #self.queue < place and not self.ended do
    local batch, message, err = self.source:take(self.limits.records, self.limits.bytes)
    if err then
      err.record = err.record or self.record
      return nil, message, err
    end
    if batch then self.queue[#self.queue + 1] = number_batch(self, batch) else self.ended = true end
  end
  return self.queue[place]
end

--- Exactly `count` records, as a journal says that they were sent; fewer where the source ends. Only before
-- the first peek.
function Reader:exactly(count)
  local batch, message, err = self.source:take(count, 2 ^ 52)
  if err then
    err.record = err.record or self.record
    return nil, message, err
  end
  return batch and number_batch(self, batch)
end

--- Asks for the batch after those that are read.
function Reader:ahead()
  if not self.ended and not self.source.asked then self.source:ahead(self.limits.records, self.limits.bytes) end
end

function Reader:pop() return table.remove(self.queue, 1) end
function Reader:push(batch) table.insert(self.queue, 1, batch) end

--- A part of a batch, from its record `first` to `last` (places in it), with a text of its own.
function source.part(batch, first, last)
  local text = batch.text:slice(first, last)
  local _, line = text:record(1)
  return {
    text = text, count = last - first + 1, record = batch.record + first - 1, line = line > 0 and line or nil,
    sha256 = text:sha256(), size = text:size(), read = batch.read,
  }
end

--- A batch without records.
function source.empty(record)
  return {
    text = json.array {}, count = 0, record = record, size = 2,
    sha256 = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945", -- of []
  }
end

return source
