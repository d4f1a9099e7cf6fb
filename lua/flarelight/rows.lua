--- Streams of rows: pages come ahead on the engine's thread, rows are given one at a time.
-- Relies on the pager (page.h has the rules of paging) and on client.lua for waiting.

local client = require "flarelight.client"
local core = require "flarelight.core"
local dispatch = require "flarelight.dispatch"
local errors = require "flarelight.error"
local options = require "flarelight.options"
local request = require "flarelight.request"
local tasks = require "flarelight.tasks"

---@class flarelight.Rows
local Rows = {}
Rows.__index = Rows
Rows.__name = "flarelight.rows"

local rows = {}

local known = options.with_call {
  start = "count", page_size = "positive", prefetch = "count", limit = "count", trust_short_page = "boolean",
}

local function is_array(value)
  return type(value) == "table" and getmetatable(value) == core.array_metatable
end

--- The rows in the `data` of a page: an array, the array `records` of an object that has no other one,
-- or null; nil where it is neither (page.h has the same rule for the engine).
function rows.of_data(data)
  if data == core.null or is_array(data) then return data end
  if type(data) ~= "table" or not is_array(data.records) then return nil end
  for name, value in pairs(data) do
    if name ~= "records" and is_array(value) then return nil end
  end
  return data.records
end

-- Lua 5.1 cannot yield out of a for loop's iterator.
local iterators_yield = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

--- Opens a stream. Nothing is asked before the first row is.
function rows.open(api, operation, id, given)
  given = options.table(operation, given, known)
  if id == nil then errors.misuse "id: is missing" end
  client.surface(api)
  local config = client.config(api)
  local prefetch = given.prefetch or 2
  local self = setmetatable({
    api = api, id = id, where = given.start or 0, left = given.limit or math.huge,
    page_size = given.page_size or 5000, prefetch = math.min(prefetch, 16),
    deadline = given.deadline or config.deadline, null_as_nil = config.null_as_nil or false,
    trust_short_page = given.trust_short_page == nil and config.trust_short_page or given.trust_short_page,
  }, Rows)
  return self
end

local function begin(self)
  local endpoint = request.endpoints["imports.data"]
  local waiter, guard, err = client.pages(self.api, {
    operation = "imports.data", path = endpoint.path, id = self.id,
    start = self.where, page_size = self.page_size, prefetch = self.prefetch,
    limit = self.left < math.huge and self.left or nil,
    trust_short_page = self.trust_short_page, deadline = self.deadline,
  })
  if not waiter then return nil, guard, err end
  self.waiter, self.guard = waiter, guard
  return true
end

local function release(self)
  if self.page then self.page:close() end
  if self.waiter then dispatch.forget(self.waiter.ticket) end
  self.guard = self.guard and self.guard:release() -- nil
  self.page, self.waiter = nil, nil
end

local function fail(self, message, err)
  release(self)
  self.failure = err
  return nil, message, err
end

--- Waits for the next page. True; false at the end; `nil, message, err`.
local function turn(self)
  if self.failure then return nil, self.failure.message, self.failure end
  if self.ended or self.left <= 0 then release(self) self.ended = true return false end
  local task = tasks.current()
  if task and task.cancelled then return errors.fail("cancelled", "the task was cancelled") end
  if not self.waiter then
    local begun, message, err = begin(self)
    if not begun then return fail(self, message, err) end
  elseif self.prefetch == 0 then
    core.advance(self.waiter.ticket)
  end
  local waiter = self.waiter
  if #waiter.pages == 0 then
    waiter.ready = false
    if not client.wait(waiter) then
      if task and task.cancelled then return errors.fail("cancelled", "the task was cancelled") end
      local _, message, err = errors.fail("closed", "the rows belong to the process that this one was forked off")
      return fail(self, message, err)
    end
  end
  local page = table.remove(waiter.pages, 1)
  local _, message, err = page:failure()
  if err then
    if err.kind == "unauthorized" and not self.rotated and client.rotate_key(self.api) then
      self.rotated = true
      release(self)
      return turn(self)
    end
    return fail(self, message, err)
  end
  local count, _, last = page:count()
  self.rotated = nil
  if last then
    self.ended = true
    release(self)
  elseif self.prefetch > 0 then
    core.advance(waiter.ticket)
  end
  if self.page then self.page:close() end
  self.page = page
  if count > 0 then return true end
  return turn(self)
end

--- The next row and its position (from 0); nil at the end; `nil, message, err`.
function Rows:next()
  while true do
    local page = self.page
    if page and self.left > 0 then
      local row, position = page:next(self.null_as_nil)
      if position then
        self.where, self.left = position + 1, self.left - 1
        tasks.pace()
        return row, position
      end
    end
    local more, message, err = turn(self)
    if not more then return nil, message, err end
  end
end

--- An array of up to `most` rows; empty at the end; `nil, message, err`. Rows that came before an error
-- are given first, the error by the next call.
function Rows:batch(most)
  options.self(self, Rows, "rows.batch")
  options.check("rows:batch", most, "positive")
  local batch, length = require("flarelight.json").array {}, 0
  while length < most do
    local count = 0
    if self.page then
      count = self.page:batch(batch, length, math.min(most - length, self.left), self.null_as_nil)
      self.where, self.left, length = self.where + count, self.left - count, length + count
    end
    if count == 0 and length < most then
      local more, message, err = turn(self)
      if more == nil then
        if length > 0 then return batch end
        return nil, message, err
      end
      if not more then break end
    end
  end
  return batch
end

--- The next rows as one array a column: {amount = {…}, …}; a member that a row lacks is null. Also how
-- many rows they are: 0 at the end.
function Rows:columns(most)
  options.self(self, Rows, "rows.columns")
  options.check("rows:columns", most, "positive")
  local columns, length = {}, 0
  while length < most do
    local count, wrong = 0, nil
    if self.page then
      count, wrong = self.page:columns(columns, length, math.min(most - length, self.left))
      if not count then
        local _, message, err = errors.fail("protocol", "imports.data: " .. wrong)
        return fail(self, message, err)
      end
      self.where, self.left, length = self.where + count, self.left - count, length + count
    end
    if count == 0 and length < most then
      local more, message, err = turn(self)
      if more == nil then
        if length > 0 then return columns, length end
        return nil, message, err
      end
      if not more then break end
    end
  end
  return columns, length
end

--- The position of the next row: where to start again.
function Rows:position() return self.where end

--- Gives the stream up: what is under way is cancelled. After it the stream is at its end.
function Rows:close()
  options.self(self, Rows, "rows.close")
  release(self)
  self.ended = true
end
Rows.__close = Rows.close

--- For loops: as `next`, but an error is raised, so that nothing ends a loop silently.
function Rows:__call()
  if not iterators_yield and tasks.current() then
    local page, waiter = self.page, self.waiter
    local has_row = page and page:left() > 0
    if not has_row and not self.ended and not (waiter and #waiter.pages > 0) then
      errors.misuse "rows: a for loop cannot wait inside a task on Lua 5.1; use rows:next()"
    end
  end
  local row, position, err = self:next()
  if row == nil and err then error(err, 0) end
  return row, position
end

return rows
