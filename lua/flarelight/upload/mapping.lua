--- The function `map` of an upload: makes the records of a file into tables, calls the function once for each, and
-- keeps the results in a temporary file, from which they are sent. So all results are known before the first is sent.
--
-- The temporary file has no name, and is gone with the process. A resumed upload makes the results again. Relies on
-- the handle of a source (csrc/lua/source.c) and on recordings (csrc/lua/recording.c). Raises failures (failure.lua).

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local pollable = require "flarelight.host.pollable"
local spool = require "flarelight.upload.spool"
local timeslice = require "flarelight.host.timeslice"

local mapping = {}

local PIECE = 64                                   -- records made by one call into C
local AHEAD = { records = 1000, bytes = 2 ^ 20 }   -- that the worker reads while earlier ones are made
local ENOUGH = 2 ^ 20                              -- bytes of results to gather before the worker writes them
local NAME = "the temporary file of map"

---@class flarelight.Mapping
---@field handle userdata the opened source
---@field recording userdata
---@field api flarelight.Client
---@field map fun(record: table): table?
---@field look fun(record: table)? called with each result
---@field operation string begins the messages
---@field spool flarelight.Spool? that the file is a copy in
---@field paths string[] of the files of the source
---@field sent integer results in the recording
---@field place integer the row that is passed to the function
---@field rows userdata? that the worker has read
---@field reading table? waits for the worker to read the next ones
---@field writing table? waits for the worker to write

-- The file of a row, as the caller gave it.
local function path_of(self, piece, place) return self.paths[piece.parts and piece.parts[place] or 1] end

-- The place of a row in words: the file and the line.
local function place_of(self, piece)
  local name = self.spool and self.spool.name or path_of(self, piece, self.place)
  return ("%s, line %d"):format(name, piece.lines[self.place])
end

-- Fails because of the row that was passed to the function last.
local function fail(self, piece, kind, words, members)
  local number = self.sent + 1
  for place = piece.first, self.place - 1 do
    if piece.results[place] then number = number + 1 end
  end
  members.line, members.record, members.file = piece.lines[self.place], number, path_of(self, piece, self.place)
  failure.fail(kind, ("%s: map: %s: %s"):format(self.operation, place_of(self, piece), words), members)
end

-- Calls the function for the rows from `piece.first` on. Returns the place of the last one, and if the function has
-- returned neither a table nor nil, true and its results. Ends early if the slice of the host is spent.
local function call_all(self, piece)
  local map, look, rows, results = self.map, self.look, piece.rows, piece.results
  for place = piece.first, #rows do
    self.place = place
    local result, message, err = map(rows[place])
    if type(result) ~= "table" and (result ~= nil or message ~= nil or err ~= nil) then
      return place, true, result, message
    end
    results[place] = result or false
    if look and result then look(result) end
    if timeslice.slice_end and core.now() >= timeslice.slice_end then return place end
  end
  return #rows
end

-- Waits until the worker has written what was given to it.
local function wait(self)
  if not self.writing then return end
  local done, message, _, kind = calls.done(self.writing)
  self.writing = nil
  if not done then failure.fail(kind or "io", ("%s: %s: %s"):format(self.operation, NAME, message)) end
end

-- Lets the worker write the results that were gathered.
local function write(self, last)
  wait(self)
  self.writing = calls.job(self.api, self.recording:write(last, false))
end

-- Adds the results from `piece.first` to `last` to the recording.
local function add(self, piece, last)
  local count, pending, bad = self.recording:add(piece.results, piece.first, last, piece.lines, piece.parts, self.sent)
  if not count then
    local line = piece.lines[bad]
    local path = path_of(self, piece, bad)
    local place = piece.parts and ("%s, line %d"):format(path, line) or ("line %d of the file"):format(line)
    failure.fail("invalid_request", ("%s: %s (%s)"):format(self.operation, pending, place), {
      line = line, file = path, record = tonumber(pending:match "records%[(%d+)%]"),
    })
  end
  self.sent = self.sent + count
  if pending >= ENOUGH then write(self, false) end
end

local function map_piece(self, piece)
  while piece.first <= #piece.rows do
    local good, last, wrong, result, message = pcall(call_all, self, piece)
    if not good then
      local raised = errors.from_caller(last)
      fail(self, piece, raised.kind, raised.message, { value = last })
    elseif wrong and result == nil then
      fail(self, piece, "io", errors.text_of(message), {})
    elseif wrong then
      fail(self, piece, "invalid_request",
        ("the function should return a table, or nil to drop the record, but returned a %s"):format(type(result)), {})
    end
    add(self, piece, last)
    piece.first = last + 1
    if timeslice.slice_end then timeslice.check() end
  end
end

-- Lets the worker read the next rows.
local function read(self)
  self.reading = calls.job(self.api, self.handle:fetch(AHEAD.records, AHEAD.bytes, false, true))
end

-- Takes the rows that the worker has read. False at the end.
local function take_rows(self)
  if self.rows then self.rows:close() end
  local message, line, kind, path
  self.rows, message, line, kind, path = calls.done(self.reading)
  if self.rows then
    read(self)
    return true
  end
  if not message then return false end
  failure.fail(kind, self.operation .. ": " .. (self.spool and self.spool:named(message) or message), {
    line = line, record = self.sent + 1, file = path and self.spool and self.spool.original or path,
  })
end

-- The next rows; nil at the end.
local function next_piece(self)
  repeat
    local rows, lines, parts
    if self.rows then rows, lines, parts = self.rows:next(PIECE) end
    if rows then return { rows = rows, lines = lines, parts = parts, first = 1, results = {} } end
  until not take_rows(self)
end

--- Passes all records of an opened file to the function. Returns the results as a source, in their order, with the
-- lines of their records.
---@param file table of source.lua
---@param map fun(record: table): table?
---@param look fun(record: table)? called with each result
---@return userdata handle of the source
function mapping.run(file, map, look)
  local self = {
    api = file.api, handle = file.handle, paths = file.paths, operation = file.operation, spool = file.spool,
    recording = core.recording(spool.prefix(file.api), spool.compression()), map = map, look = look, sent = 0,
  }
  local good, result = pollable.protect(function()
    read(self)
    -- No `for` loop: Lua 5.1 cannot wait inside its iterator.
    local piece = next_piece(self)
    while piece do
      map_piece(self, piece)
      piece = next_piece(self)
    end
    write(self, true)
    wait(self)
    local handle, message, _, kind = core.recording_source(NAME, self.recording)
    return handle or failure.fail(kind, self.operation .. ": " .. message)
  end)
  self.recording:close()
  if not good then error(result, 0) end
  return result
end

return mapping
