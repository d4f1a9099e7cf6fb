--- The pages of an import, in order. rows.lua returns their rows, export/ writes them. Relies on the core's pager
-- (policy/page.h has the rules of paging), and on calls.lua to wait, and for another key after a 401.
--
-- Code is in its *turn* while it takes a page. Several tasks may take the pages of one object: while one has its turn,
-- the others wait. A turn is lost if the pages are closed meanwhile, or other code takes it over; what it has done
-- since the last page then does not count.

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

-- Pages -> the coroutine whose turn it is. It may be collected while it is suspended.
local takers = setmetatable({}, { __mode = "kv" })

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
    waiter = false, guard = false, failure = false, rotated = false, ended = false,
    turning = false, turns = 0, -- the number of the turn under way, and of the last one
    joiners = {},               -- set of the waiters of code that waits for the end of the turn
    -- See check_start: keys of rows, and a set of hashes of rows with its size.
    first_row = false, last_first_row = false, last_row = false, seen = {}, seen_count = 0,
    checks_left = CHECKS,
  }, Pages)
end

local function begin(self, number)
  local endpoint = request.endpoints["imports.data"]
  local waiter, guard, err = calls.pages(self.api, {
    operation = "imports.data", path = endpoint.path, id = self.id,
    start = self.where, page_size = self.page_size, prefetch = self.prefetch,
    limit = self.left < math.huge and self.left or nil,
    trust_short_page = self.trust_short_page, deadline = self.deadline, given_headers = self.given_headers,
  })
  if not waiter then return nil, guard, err end
  if self.turning == number then
    self.waiter, self.guard = waiter, guard
  else
    mailbox.forget(waiter.ticket)
    guard:release()
  end
  return true
end

-- Wakes code that waits, or is about to. Without memory the next step of the mailbox wakes it.
local function wake(waiter) pcall(mailbox.set_ready, waiter) end

-- Gives up the pager. Code that waits for its pages is woken, and finds that it has lost its turn.
local function release(self)
  local waiter, guard = self.waiter, self.guard
  self.waiter, self.guard = false, false
  if guard then guard:release() end
  if waiter then
    mailbox.forget(waiter.ticket)
    wake(waiter)
  end
end

local function wake_joiners(self)
  for waiter in pairs(self.joiners) do wake(waiter) end
end

--- Ends the pages with an error; every later `next` returns the error, too.
function Pages:fail(message, err)
  release(self)
  self.failure = err
  return nil, message, err
end

-- Kinds of errors that concern only the code whose turn it is. Other code may continue, with a new pager.
local OWN = { cancelled = true, phase = true }

local function fail(self, message, err)
  if not OWN[err.kind] then return self:fail(message, err) end
  release(self)
  return nil, message, err
end

-- Takes the next page out of the waiter: the page, or `nil, message, err`; nil if the turn was lost.
local function take(self, number)
  local task = tasks.current()
  if task and task.cancelled then return calls.cancelled() end
  if not self.waiter then
    local begun, message, err = begin(self, number)
    if self.turning ~= number then return nil end
    if not begun then return fail(self, message, err) end
  elseif self.prefetch == 0 then
    core.advance(self.waiter.ticket)
  end
  local waiter = self.waiter
  if #waiter.pages == 0 then
    waiter.ready = false
    local ready, cannot, why = calls.wait(waiter)
    if self.turning ~= number then return nil end
    if why then return nil, cannot, why end
    -- The pager was cancelled, too, even if it has delivered a page before.
    if task and task.cancelled then return fail(self, select(2, calls.cancelled())) end
    if not ready then
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
-- rows. Returns true, or `nil, message, err`; nil if the turn was lost.
local function check_start(self, page, number)
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
    if self.turning ~= number then return nil end
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

-- Checks a page, before the pager may continue. Returns the page and the number of rows to take; nil if there are none,
-- or the turn was lost; or `nil, message, err`.
local function accept(self, page, number)
  self.rotated = false
  local count, start, last = page:count()
  local good, message, err = (count > 0 and check_start or check_last)(self, page, number)
  if self.turning ~= number or not good then
    page:close()
    if self.turning ~= number then return nil end
    return fail(self, message, err)
  end
  count = math.min(count, self.left)
  if last then
    release(self)
  elseif self.prefetch > 0 then
    core.advance(self.waiter.ticket)
  end
  -- Nothing raises from here on, or the rows of the last page could be lost.
  self.ended = last
  if count == 0 then return nil end
  self.where, self.left = start + count, self.left - count
  return page, count
end

-- After an error of the service: nothing if the page is to be requested with another key, or the turn was lost; or
-- `nil, message, err`.
local function refused(self, number, message, failure)
  local renewed = failure.kind == "unauthorized" and not self.rotated and calls.rotate_key(self.api, self.waiter)
  if self.turning ~= number then return nil end
  if not renewed then return fail(self, message, failure) end
  self.rotated = true
  release(self)
end

-- One turn. Returns what `next` returns.
local function turn(self, number)
  while self.turning == number do
    if self.failure then return nil, self.failure.message, self.failure end
    if self.ended or self.left <= 0 then
      self:close()
      return false
    end
    local page, message, err = take(self, number)
    if err then return nil, message, err end
    if self.turning == number then
      local _, wrong, failure = page:failure()
      local count
      if failure then page, count, err = refused(self, number, wrong, failure)
      else page, count, err = accept(self, page, number) end
      if page or err then return page, count, err end
    elseif page then
      page:close()
    end
  end
  return true
end

-- Whether the code whose turn it is waits inside of it. It does not if it has raised (lack of memory, an interrupt),
-- if its coroutine was closed or collected, or after a fork. To find false here by mistake costs a request, and no row.
local function is_inside(self)
  local co = takers[self]
  if not co or not core.is_suspended(co) then return false end
  local waiter = self.waiter
  if waiter and not core.is_ours(waiter.ticket) then return false end
  -- A light thread that nginx has killed stays suspended. One that waits takes its page as soon as it has come.
  if coroutine.status(co) == "dead" and waiter and #waiter.pages > 0 then return false end
  if not debug then return true end
  local level = 0
  repeat
    local info = debug.getinfo(co, level, "f")
    -- It may have raised here, and be inside of the pages of another stream.
    if info and info.func == Pages.next and select(2, debug.getlocal(co, level, 1)) == self then return true end
    level = level + 1
  until not info
  return false
end

-- Nothing tells of a coroutine that was closed or collected in its turn, so code that waits looks after this time.
local LOOK = 1 -- seconds

-- Waits for the end of the turn under way. True; or `nil, message, err`.
local function join(self)
  local waiter = mailbox.waiter {
    due = core.now() + LOOK, of_tasks = true, chosen = calls.config(self.api).host, ready = false, next_woken = false,
  }
  self.joiners[waiter] = true
  local _, message, err = calls.wait(waiter)
  self.joiners[waiter] = nil
  if err then return nil, message, err end
  local task = tasks.current()
  if task and task.cancelled then return calls.cancelled() end
  return true
end

--- The next page that has rows, and the number of rows to take. The caller closes the page. False at the end; `nil,
-- message, err` on failure. True if other code had its turn meanwhile: its page may still have rows.
function Pages:next()
  if self.turning then
    -- Code that blocks takes over, since nothing else could run while it waits.
    if is_inside(self) and not calls.blocks(self.api) then
      local joined, message, err = join(self)
      return joined, message, err
    end
    release(self) -- a page that was taken in that turn may be lost, so it is requested again
  end
  takers[self] = coroutine.running()
  local number = self.turns + 1
  self.turns, self.turning = number, number
  local page, count, err = turn(self, number)
  if self.turning == number then
    self.turning = false
    wake_joiners(self)
  end
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
  return self.ended or self.failure ~= false
    or (not self.turning and self.waiter and #self.waiter.pages > 0)
end

--- Ends the pages and cancels their requests. Code that waits for a page gets the end.
function Pages:close()
  self.ended, self.turning = true, false
  release(self)
  wake_joiners(self)
end

return pages
