--- The pages of an import, in order. rows.lua returns their rows, export/ writes them. Relies on the core's pager
-- (policy/page.h has the rules of paging), and on calls.lua to wait, and for another key after a 401.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local request = require "flarelight.request"
local tasks = require "flarelight.host.tasks"

---@class flarelight.PagesOptions : flarelight.CallOptions
---@field start integer? position of the first row, 0
---@field limit integer? most rows to give; none
---@field page_size integer? rows of a request, 5000
---@field prefetch integer? pages to read ahead, 2; at most 16
---@field trust_short_page boolean? the client's

local Pages = {}
Pages.__index = Pages

local pages = {}

--- The options that `pages.open` knows.
pages.options = options.with_call {
  start = "count", page_size = "positive", prefetch = "count", limit = "count", trust_short_page = "boolean",
}

--- The rows in the `data` of a page. The core has checked that it is an array, an object with the array `records`, or
-- null.
---@return any[]|lightuserdata rows, or null
function pages.rows_of(data)
  if data == core.null or getmetatable(data) == core.array_metatable then return data end
  return data.records
end

-- How often the order is checked. A service that does not keep it may return the right rows once by chance.
local CHECKS = 2

--- Opens the pages of an import. The caller has checked `given`. The first `next` sends the first request.
function pages.open(api, id, given)
  if id == nil then misuse "id: is missing" end
  local given_headers = request.headers("imports:rows", given)
  calls.surface(api)
  local config = calls.config(api)
  return setmetatable({
    api = api, id = id, where = given.start or 0, left = given.limit or math.huge,
    page_size = given.page_size or 5000, prefetch = math.min(given.prefetch or 2, 16),
    deadline = given.deadline or config.deadline, given_headers = given_headers,
    trust_short_page = given.trust_short_page == nil and config.trust_short_page or given.trust_short_page,
    -- All members exist from the beginning, so that setting them takes no memory.
    waiter = false, guard = false, failure = false, rotated = false, ended = false, turning = false,
    -- See check_start: keys of rows, and a set of hashes of rows with its size.
    first_row = false, last_first_row = false, last_row = false, seen = {}, seen_count = 0,
    checks_left = CHECKS,
  }, Pages)
end

local function begin(self)
  local endpoint = request.endpoints["imports.data"]
  local waiter, guard, err = calls.pages(self.api, {
    operation = "imports.data", path = endpoint.path, id = self.id,
    start = self.where, page_size = self.page_size, prefetch = self.prefetch,
    limit = self.left < math.huge and self.left or nil,
    trust_short_page = self.trust_short_page, deadline = self.deadline, given_headers = self.given_headers,
  })
  if not waiter then return nil, guard, err end
  self.waiter, self.guard = waiter, guard
  return true
end

local function release(self)
  if self.waiter then mailbox.forget(self.waiter.ticket) end
  if self.guard then self.guard:release() end
  self.waiter, self.guard = false, false
end

--- Ends the pages with an error; every later `next` returns the error, too.
function Pages:fail(message, err)
  release(self)
  self.failure = err
  return nil, message, err
end

-- Takes the next page out of the waiter: the page, or `nil, message, err`.
local function take(self)
  local task = tasks.current()
  if task and task.cancelled then return errors.fail("cancelled", "the task was cancelled") end
  if not self.waiter then
    local begun, message, err = begin(self)
    if not begun then return self:fail(message, err) end
  elseif self.prefetch == 0 then
    core.advance(self.waiter.ticket)
  end
  local waiter = self.waiter
  if #waiter.pages == 0 then
    waiter.ready = false
    local ready, cannot, why = calls.wait(waiter)
    if not ready then
      if why then return nil, cannot, why end
      if task and task.cancelled then
        release(self) -- the pager was cancelled; code outside the task may continue with a new one
        return errors.fail("cancelled", "the task was cancelled")
      end
      local _, message, err = errors.fail("closed", "the rows belong to the parent process")
      return self:fail(message, err)
    end
  end
  local page = table.remove(waiter.pages, 1)
  calls.page_taken(self.api, waiter, page)
  return page
end

local function protocol_error(wrong)
  return errors.fail("protocol", "imports.data: the service " .. wrong
    .. ", so that its rows cannot be read page by page")
end

-- Requests a row far beyond the end of the import. True if there is none, or `nil, message, err`.
local function check_end(self)
  local far = math.min(math.max(request.FAR, self.where * 2), 2 ^ 52)
  local asked = { id = self.id, query = request.query { start = far, count = 1 }, bulk = true }
  local data, meta, err = calls.call(self.api,
    request.endpoint("imports.data", asked, { deadline = self.deadline, headers = self.given_headers },
      calls.config(self.api)))
  local rows = data and pages.rows_of(data)
  if data == nil and not err.status then return nil, meta, err end
  if rows and rows ~= core.null and #rows > 0 then
    return protocol_error "gives rows far beyond the end of the import: it ignores or changes `start`"
  end
  return true
end

-- Requests the rows from `start` on again, whose keys are `wanted`. True if the same rows arrive, or `nil, message,
-- err`.
local function check_rows(self, start, wanted)
  local again = pages.open(self.api, self.id, {
    start = start, limit = #wanted, page_size = #wanted, prefetch = 0, deadline = self.deadline,
    headers = self.given_headers,
  })
  again.checks_left = 0
  local found = {}
  repeat
    local page, count, err = again:next()
    if err then return nil, count, err end
    if page then
      for index = 0, count - 1 do found[#found + 1] = page:key(index) end
      page:close()
    end
  until not page
  again:close()
  if found[1] == wanted[1] and found[2] == wanted[2] then return true end
  return protocol_error(("gives other rows from position %d on when it is asked again: it does not keep their order")
    :format(start))
end

-- Some services ignore `start`, or do not keep the order of rows. A repeated row is a reason to check: the first row of
-- all pages, the first row of the page before, or a sampled row. If the checks find nothing, the import holds equal
-- rows. Returns true, or `nil, message, err`.
local function check_start(self, page)
  if self.checks_left == 0 then
    if self.last_row then self.last_row = page:key(page:count() - 1) end -- for check_last
    return true
  end
  local first = page:key(0)
  local again, seen, last = page:sample(self.seen, self.seen_count)
  again = again or self.first_row and page:has(self.first_row, self.last_first_row)
  if again and self.last_row then
    local good, message, err = true, nil, nil
    if self.checks_left == CHECKS then good, message, err = check_end(self) end
    if good then good, message, err = check_rows(self, self.where - 1, { self.last_row, first }) end
    if not good then return nil, message, err end
    self.checks_left = self.checks_left - 1
  end
  -- Set only now: if a check raised an error, the page is requested and checked again.
  self.seen_count, self.last_row = seen, last
  self.last_first_row, self.first_row = first, self.first_row or first
  return true
end

-- If rows were repeated, they may have been counted twice. Then the last row must be at its position. Returns true, or
-- `nil, message, err`.
local function check_last(self)
  if self.checks_left == CHECKS or not self.last_row then return true end
  return check_rows(self, self.where - 1, { self.last_row })
end

local function turn(self)
  while true do
    if self.failure then return nil, self.failure.message, self.failure end
    if self.ended or self.left <= 0 then
      self:close()
      return false
    end
    local page, message, err = take(self)
    if not page then return nil, message, err end
    local _, wrong, failure = page:failure()
    if failure then
      if failure.kind ~= "unauthorized" or self.rotated or not calls.rotate_key(self.api, self.waiter) then
        return self:fail(wrong, failure)
      end
      self.rotated = true
      release(self)
    else
      self.rotated = false
      local count, start, last = page:count()
      local good
      good, message, err = (count > 0 and check_start or check_last)(self, page) -- before the pager may continue
      if not good then
        page:close()
        return self:fail(message, err)
      end
      count = math.min(count, self.left)
      if last then
        release(self)
      elseif self.prefetch > 0 then
        core.advance(self.waiter.ticket)
      end
      -- Nothing raises from here on, or the rows of the last page could be lost.
      self.ended = last
      if count > 0 then
        self.where, self.left = start + count, self.left - count
        return page, count
      end
    end
  end
end

--- The next page that has rows, and the number of rows to take. The caller closes the page. False at the end; `nil,
-- message, err` on failure.
function Pages:next()
  -- Lack of memory or an interrupt raised an error in the last turn. Its page may be lost, so it is requested again.
  if self.turning then release(self) end
  self.turning = true
  local page, count, err = turn(self)
  self.turning = false
  return page, count, err
end

--- Begins `count` rows later. Only before the first `next`.
function Pages:skip(count)
  self.where, self.left = self.where + count, self.left - count
end

--- The host that the client was given, or nil.
function Pages:host() return calls.config(self.api).host end

--- Whether `next` returns at once: a page has arrived, or none will arrive.
function Pages:is_here()
  return self.ended or self.failure ~= false or (self.waiter and #self.waiter.pages > 0)
end

--- Ends the pages and cancels their requests.
function Pages:close()
  release(self)
  self.ended = true
end

return pages
