--- Streams of rows: the engine's thread reads pages ahead, the stream gives their rows one at a time.
-- Relies on pages.lua for the pages, on row_shape.lua for functions that make the tables of rows.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local host = require "flarelight.host"
local json = require "flarelight.json"
local options = require "flarelight.options"
local timeslice = require "flarelight.host.timeslice"
local pages = require "flarelight.pages"
local row_shape = require "flarelight.row_shape"

---@class flarelight.RowsOptions : flarelight.PagesOptions

---@class flarelight.Rows
---@overload fun(): any, integer?
local Rows = {}
Rows.__index = Rows
Rows.__name = "flarelight.rows"
options.no_array(Rows, "rows: a stream is no array; use for row in rows, or rows:batch(n)")

local rows = {}

-- On Lua 5.1 the iterator of a `for` loop cannot yield.
local iterators_yield = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

-- The current page, after it was told how far the functions of its shape have read. Only these functions may use
-- self.page directly.
local function settled(self)
  local page = self.page
  if page and self.shaped then page:settle(self.made) end
  return page
end

-- Leaves the current page, and stores its position.
local function leave_page(self)
  local page = settled(self)
  if not page then return end
  self.where = (page:position())
  self.page = false
  page:close()
end

--- Moves to the next page that has rows. True, also if another task has done so meanwhile, and may have taken the
-- rows; false at the end; `nil, message, err`.
local function turn(self)
  leave_page(self)
  local page, count, err = self.pages:next()
  if not page or page == true then return page, count, err end
  self.page = page
  page:begin(count, self.null_as_nil)
  return true
end

-- Ends the stream with an error: its rows cannot be the requested ones.
local function fail(self, wrong)
  leave_page(self)
  local _, message, err = errors.fail("protocol", "imports.data: " .. wrong)
  return self.pages:fail(message, err)
end

-- Rows are made one at a time, so that garbage is collected early, by the functions of their shape if it is known. A
-- stream tries at most this many shapes, each with the members of the shapes before. After them it makes rows in C.
local SHAPES = 8

-- Held in a local: looking the method up for each row costs measurable time.
local page_next = core.page_methods.next

local next_or_raise

local is_rows = setmetatable({ [Rows] = true }, { __mode = "k" }) -- set of the classes of streams

-- Streams of one shape are a class of their own, so that a loop calls the function of the shape directly.
local function set_shape(self, found)
  local class = found.class
  if not class then
    class = { __index = Rows, __name = Rows.__name, __call = found.advance, __close = Rows.__close,
      __len = Rows.__len }
    found.class, is_rows[class] = class, true
  end
  self.shaped = found.row
  setmetatable(self, class)
end

local function check_self(self, name)
  if not is_rows[getmetatable(self)] then options.self(self, Rows, name) end
end

-- Takes the next row of a page if no known shape fits.
local function take_unshaped(self)
  local page = settled(self)
  local names = self.shapes_left > 0 and page:names(row_shape.most)
  if names then
    self.names = self.names and row_shape.merge(self.names, names) or names
    self.shapes_left = self.shapes_left - 1
    set_shape(self, row_shape.of(self.names, next_or_raise))
    local row, position = self.shaped(self, page)
    if position then return row, position end
    page:settle(self.made)
  elseif names == false then
    self.shapes_left = self.shapes_left - 1
  end
  if self.shapes_left <= 0 then
    self.shaped = false
    setmetatable(self, Rows)
  end
  local row, position = page_next(page)
  return row, position
end

-- Takes the next row of the current page; nothing if there is none.
local function take(self)
  local page, shaped = self.page, self.shaped
  if not page then return nil end
  if shaped then
    local row, position = shaped(self, page)
    if position then return row, position end
  end
  local row, position = take_unshaped(self)
  return row, position
end

local function next_row(self)
  while true do
    local row, position = take(self)
    if position then
      if timeslice.slice_end then timeslice.check() end
      return row, position
    end
    local more, message, err = turn(self)
    if not more then return nil, message, err end
  end
end

--- The next row and its position (from 0); nil at the end; `nil, message, err`.
---@return any row, integer|string|nil position_or_message, flarelight.Error? err
function Rows:next()
  if self == nil then check_self(self, "rows.next") end
  return next_row(self)
end

-- Collects up to `most` rows by `take_some(page, length, count)`, page after page. Returns the number of rows, or `nil,
-- message, err` for an error before the first row.
local function collect(self, most, take_some)
  local length = 0
  while length < most do
    local count = 0
    local page = settled(self)
    if page then
      local wrong
      count, wrong = take_some(page, length, most - length)
      if not count then return fail(self, wrong) end
      length = length + count
    end
    if count == 0 then
      local more, message, err = turn(self)
      if more == nil and length == 0 then return nil, message, err end
      if not more then break end
    end
  end
  return length
end

--- An array of up to `most` rows, empty at the end; or `nil, message, err`. Rows before an error are returned first,
-- and the next call returns the error.
---@param most integer
---@return any[]? rows, string? message, flarelight.Error? err
function Rows:batch(most)
  check_self(self, "rows.batch")
  options.check("rows:batch", most, "positive")
  local batch = json.array {}
  local _, message, err = collect(self, most, function(page, length, count)
    return page:batch(batch, length, count)
  end)
  if err then return nil, message, err end
  return batch
end

--- Up to `most` rows as one array for each column: {amount = {…}, …}. A member that a row lacks is null. The second
-- value is the number of rows, 0 at the end.
---@param most integer
---@return table<string, any[]>? columns, integer|string count_or_message, flarelight.Error? err
function Rows:columns(most)
  check_self(self, "rows.columns")
  options.check("rows:columns", most, "positive")
  local columns = {}
  local length, message, err = collect(self, most, function(page, before, count)
    return page:columns(columns, before, count)
  end)
  if not length then return nil, message, err end
  return columns, length
end

--- The position of the next row, to be used as `start` of another stream.
---@return integer
function Rows:position()
  local page = settled(self)
  if not page then return self.where end
  return (page:position())
end

--- Ends the stream and cancels its requests.
function Rows:close()
  check_self(self, "rows.close")
  leave_page(self)
  self.pages:close()
end
Rows.__close = Rows.close

-- Whether `next` returns without waiting.
local function has_row(self)
  local page = settled(self)
  if page and select(2, page:position()) > 0 then return true end
  return self.pages:is_here()
end

-- For `for` loops: as `next`, but an error raises, so that no error ends a loop silently.
function next_or_raise(self)
  local slice_end = timeslice.slice_end
  if not iterators_yield then
    timeslice.slice_end = nil
    if not self.blocks and not has_row(self) then
      self.blocks = host.any(self.pages:host()).blocks
      if not self.blocks then
        misuse "rows: a for loop cannot wait in a task or a coroutine on Lua 5.1; use rows:next()"
      end
    end
  end
  local row, position, err = next_row(self)
  if not iterators_yield then timeslice.slice_end = slice_end end
  if row == nil and err then
    local here = host.any(self.pages:host())
    if here.raises_badly then here.report(err.message) end
    error(err, 0)
  end
  return row, position
end

Rows.__call = next_or_raise

--- Opens a stream. Taking the first row sends the first request.
function rows.open(api, operation, id, given)
  given = options.table(operation, given, pages.options)
  return setmetatable({
    pages = pages.open(api, id, given), where = given.start or 0,
    null_as_nil = calls.config(api).null_as_nil or false,
    -- All members exist from the beginning, so that setting them takes no memory.
    page = false, names = false, shaped = false, made = -1, shapes_left = SHAPES,
  }, Rows)
end

return rows
