--- The records that an upload sends, from a file, an array or an iterator function, as batches in order.
--
-- A batch is a table of these members. The first group is set here, the second by run.lua as the batch is sent.
--   text, count, size, sha256   the records (a userdata of the binding), how many, bytes and hash of their JSON
--   record, line, file          the first record: its place in the source from 1, its line in the file, the file
--   parts                       the files of the source
--   read                        bytes of the file up to the end of the batch
--   number, rows_before, last   its number in the journal, the rows of the import before it, whether it is the last
--   id, sendings                the import that it has created, how often it was sent
--   fate                        its present fate: not_sent, in_doubt (by the journal, or by a reply), …
--
-- The worker reads files: the next batch while one is being sent. Records of Lua are encoded in place, with members
-- sorted by name, so that equal records give equal text in every process. Functions raise failures (failure.lua).
-- Relies on the binding's sources and on calls.lua to wait for the worker.

local calls = require "flarelight.calls"
local compressed = require "flarelight.compressed"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local file_options = require "flarelight.file_options"
local json = require "flarelight.json"
local mapping = require "flarelight.upload.mapping"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pollable = require "flarelight.host.pollable"
local shape = require "flarelight.upload.shape"
local spool = require "flarelight.upload.spool"
local timeslice = require "flarelight.host.timeslice"

local source = {}

local PIECE = 64     -- records to encode before other code may run
local ENTRIES = 4096 -- elements of an array to count before other code may run

-- A record that cannot be sent is an error in the caller's input, like a record that the service rejects.
local function fail_record(message, record)
  failure.fail("invalid_request", "imports:upload: " .. message, { record = record })
end

-- --- files ---

local File = {}
File.__index = File

-- The path of a file as the caller gave it.
local function given_path(copy, path) return copy and path and copy.original or path end

-- The files of an opened source, with their identities.
local function identify(self)
  self.parts = self.handle:parts()
  local first = self.parts[1]
  self.size, self.modified, self.inode, self.paths = 0, first.modified, first.inode, {}
  for i, part in ipairs(self.parts) do
    self.size, self.paths[i] = self.size + part.size, given_path(self.spool, part.path)
  end
end

local function named(copy, message) return copy and copy:named(message) or message end

local function open_file(api, given, operation)
  local asked = file_options.of(given)
  asked.types = asked.types or "auto"
  -- An upload finds all mistakes of a file before it sends anything. With `map` the function's pass finds them.
  asked.survey = given.series ~= nil or given.map == nil and operation ~= "imports:compare"
  compressed.prepare(given.file)
  local handle, ticket, line, kind, path = core.open_source(given.file, asked, calls.blocks(api))
  local good, message = handle, ticket
  if handle then
    good, message, line, kind, path = calls.done(calls.job(api, ticket))
  elseif kind == "misuse" then
    misuse(operation .. ": " .. message)
  end
  if not good then
    failure.fail(kind, operation .. ": " .. named(given.spool, message), {
      line = line, file = given_path(given.spool, path),
    })
  end
  local self = setmetatable({
    api = api, handle = handle, kind = "file", operation = operation, spool = given.spool,
  }, File)
  identify(self)
  local columns = {}
  for i, column in ipairs(handle:columns()) do columns[i] = { column.name, column.type } end
  self.columns = #columns > 0 and json.encode(columns) or nil
  self.remarks, self.format = handle:remarks(), handle:dialect().format
  return self
end

local function fetch(self, most_records, most_bytes, in_place)
  return calls.job(self.api, (self.results or self.handle):fetch(most_records, most_bytes, in_place))
end

function File:ahead(most_records, most_bytes) self.asked = fetch(self, most_records, most_bytes, false) end

-- The share of the file that was read, as bytes. With `map` the file is read before the first batch; then it is the
-- share of the results.
local function bytes_read(self, read)
  if not self.results then return read end
  local _, total = self.results:progress()
  return total > 0 and math.floor(self.size * (read / total)) or self.size
end

-- The batch that begins with the record `first`. If it was requested ahead, it has the limits of that moment.
function File:take(first, most_records, most_bytes)
  local waiter = self.asked or fetch(self, most_records, most_bytes, calls.blocks(self.api))
  self.asked = nil
  local text, count, line, sha256, read, part = calls.done(waiter)
  if text == nil and count == nil then return nil end
  if text == nil then
    failure.fail(sha256, self.operation .. ": " .. named(self.spool, count), {
      line = line, record = first, file = not self.results and given_path(self.spool, read) or nil,
    })
  end
  return {
    text = text, count = count, line = line, sha256 = sha256, size = text:size(), read = bytes_read(self, read),
    parts = self.paths, file = self.paths[part],
  }
end

function File:close()
  self.handle:close()
  if self.results then self.results:close() end
end

-- --- records of Lua ---

local Records = {}
Records.__index = Records

function Records.ahead() end
function Records.close() end

-- Encodes records from `place` on. `first` is the place of that record in the source.
local function write_out(records, place, first, most_records, most_bytes)
  local text, total, offset = nil, 0, first - place
  repeat
    local most = most_records - total
    if timeslice.slice_end then
      timeslice.check()
      most = math.min(most, PIECE)
    end
    local written, count = core.batch(records, place + total, most, most_bytes, true, offset, text)
    if written == nil and count ~= nil then
      fail_record(count, first)
    end
    text, total = written, total + (count or 0)
  until count ~= most or total == most_records
  if text == nil then return nil end
  return { text = text, count = total, sha256 = text:sha256(), size = text:size() }
end

local function open_array(given)
  local records = given.records
  options.plain_array("imports:upload.records", records)
  local length, entries, wrong = #records, 0, nil
  for number, record in next, records do
    entries = entries + 1
    if type(record) ~= "table" and type(number) == "number" then wrong = math.min(wrong or number, number) end
    if entries % ENTRIES == 0 and timeslice.slice_end then timeslice.check() end
  end
  if entries ~= length then misuse "imports:upload.records: should be an array without gaps" end
  if wrong then fail_record(("record %d is a %s and no table"):format(wrong, type(records[wrong])), wrong) end
  local self = setmetatable({ kind = "array" }, Records)
  function self.take(_, first, most_records, most_bytes)
    return write_out(records, first, first, most_records, most_bytes)
  end
  return self
end

-- Fails because the caller's function has returned `nil, message` or `nil, message, err`.
local function fail_source(message, err, number)
  if not errors.is(err) then
    local text = "imports:upload: records: " .. errors.text_of(message)
    err = errors.is(message) and message or select(3, errors.fail("io", text))
  end
  err.record = err.record or number
  failure.raise(err)
end

local function open_iterator(given)
  local self = setmetatable({ kind = "iterator" }, Records)
  local gathered, used, ended = {}, 0, false
  local function pull(number)
    local record, message, err = given.records()
    if record == nil and (message ~= nil or err ~= nil) then fail_source(message, err, number) end
    if record ~= nil and type(record) ~= "table" then
      fail_record(("record %d is a %s and no table"):format(number, type(record)), number)
    end
    return record
  end
  -- Drops the records of the batch before, and pulls others until there are `most`; `first` is the place of the first.
  local function gather(first, most)
    local left = {}
    for i = used + 1, #gathered do left[#left + 1] = gathered[i] end
    gathered, used = left, 0
    while #gathered < most and not ended do
      if timeslice.slice_end then timeslice.check() end
      local place = #gathered + 1
      gathered[place] = pull(first + place - 1)
      ended = gathered[place] == nil
    end
  end
  function self.take(_, first, most_records, most_bytes)
    gather(first, most_records)
    local batch = write_out(gathered, 1, first, most_records, most_bytes)
    used = batch and batch.count or 0
    return batch
  end
  return self
end

-- --- files with a function `map` ---

local function copy_without(given, names)
  local copy = {}
  for name, value in pairs(given) do copy[name] = value end
  for _, name in ipairs(names) do copy[name] = nil end
  return copy
end

-- Opens a file with a function `map`. All records are passed to the function before the first is sent. The results are
-- read from a temporary file.
local function open_mapped(api, given, operation)
  local look, found
  if given.series then look, found = shape.finder() end
  local self = open_file(api, copy_without(given, { "series" }), operation)
  local good, results = pollable.protect(function() return mapping.run(self, given.map, look) end)
  if not good then
    self:close()
    error(results, 0)
  end
  self.results, self.mapped, self.shape = results, true, found and found()
  return self
end

-- Opens a copy of a file that can be read only once.
local function open_copy(api, given, operation)
  local copy = spool.take(api, given.file, given.format, operation)
  local asked = copy_without(given, {})
  asked.file, asked.format, asked.spool = copy.path, copy.format, copy
  local good, opened = pollable.protect(function() return source.open(api, asked, operation) end)
  if good then return opened end
  copy:drop()
  error(opened, 0)
end

--- Opens `given.file`, a path or a list of them, with the options of file_options.lua; or `given.records`. Of standard
-- input ("-") and of pipes a copy is opened: the source has `spool`, which the caller closes or drops.
-- `operation`: begins the messages about a file, "imports:upload" by default.
function source.open(api, given, operation)
  operation = operation or "imports:upload"
  if given.file then
    if not given.spool and spool.is_needed(given.file) then return open_copy(api, given, operation) end
    return (given.map and open_mapped or open_file)(api, given, operation)
  end
  if type(given.records) == "function" then return open_iterator(given) end
  return open_array(given)
end

-- --- batches ---

--- A part of a batch, from its record `first` to `last` (places in the batch), with its own text.
function source.part(batch, first, last)
  local text = batch.text:slice(first, last)
  local _, line, part = text:record(1)
  return {
    text = text, count = last - first + 1, record = batch.record + first - 1, line = line > 0 and line or nil,
    sha256 = text:sha256(), size = text:size(), read = batch.read, parts = batch.parts,
    file = batch.parts and batch.parts[part] or nil,
  }
end

--- A batch without records.
function source.empty(record)
  return {
    text = json.array {}, count = 0, record = record, size = 2,
    sha256 = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945", -- of []
  }
end

--- The records of a batch as rows, decoded from their JSON like rows of the service.
function source.rows(batch)
  if batch.count == 0 then return {} end
  return core.decode(core.encode(batch.text))
end

--- One of them.
function source.row(batch, place) return core.decode((batch.text:record(place))) end

-- --- the reader: a queue of batches, read as far ahead as requested ---

local Reader = {}
Reader.__index = Reader

--- `limits`: { records =, bytes = } of a batch.
function source.reader(opened, limits)
  return setmetatable({ source = opened, limits = limits, queue = {}, record = 1, ended = false }, Reader)
end

local function take(self, most_records, most_bytes)
  local batch = self.source:take(self.record, most_records, most_bytes)
  if batch then
    batch.record = self.record
    self.record = self.record + batch.count
  end
  return batch
end

--- The batch at `place` of the queue, which is read if necessary; nil if there is none.
function Reader:peek(place)
  while #self.queue < place and not self.ended do
    local batch = take(self, self.limits.records, self.limits.bytes)
    if batch then self.queue[#self.queue + 1] = batch else self.ended = true end
  end
  return self.queue[place]
end

--- The next `count` records as one batch, to repeat a batch of the journal; fewer if the source ends. Only before the
-- first peek.
function Reader:exactly(count) return take(self, count, 2 ^ 52) end

--- Lets the worker read the batch after those in the queue.
function Reader:ahead()
  if not self.ended and not self.source.asked then self.source:ahead(self.limits.records, self.limits.bytes) end
end

function Reader:pop() return table.remove(self.queue, 1) end
function Reader:push(batch) table.insert(self.queue, 1, batch) end

--- Divides the batch at the front. Its first `count` records become the batch at the front, which is returned.
function Reader:divide(count)
  local batch = self:pop()
  local front = source.part(batch, 1, count)
  self:push(source.part(batch, count + 1, batch.count))
  self:push(front)
  batch.text:close()
  return front
end

--- Limits all batches that are read from now on to `most` records.
function Reader:limit(most) self.limits.records = math.min(self.limits.records, most) end

return source
