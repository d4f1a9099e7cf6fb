--- The Lua side of the engine's mailbox: the table of waiters by ticket. A waiter is a table. `ready` turns true when
-- an item has arrived for it; `reply` is the outcome of a call or job; `pages` has the pages of a pager that have
-- arrived and are not read yet. Hosts know it as the handle that pollable.lua describes. Relies on the binding, and on
-- error.lua to recognise a lack of memory.

local core = require "flarelight.core"
local errors = require "flarelight.error"

local mailbox = {}

local waiters = {}                                     -- ticket -> waiter, of calls and jobs
local streams = setmetatable({}, { __mode = "v" })     -- ticket -> waiter, of pagers; their readers keep them alive
local held = {}                                        -- set of the waiters of pagers during a wait
local mark = 0                                         -- the first ticket of this process, which shows a fork
local listeners = setmetatable({}, { __mode = "v" })   -- number of a client -> its listener

local Waiter = {}
Waiter.__index = Waiter

--- A waiter without a ticket: it ends when `due` passes, or when mailbox.set_ready makes it ready.
function mailbox.waiter(members) return setmetatable(members, Waiter) end

--- Whether the wait has ended: the waiter is ready, its time is up, its task was cancelled (a cancelled call ends by
-- itself), or nothing can arrive for it after a fork.
function Waiter:is_over()
  return self.ready or (self.due ~= nil and core.now() >= self.due)
    or (self.ticket ~= nil and not core.is_ours(self.ticket))
    or ((self.ticket == nil or self.pages ~= nil) and self.task ~= nil and self.task.cancelled) or false
end

--- Seconds until its time is up, or nil.
function Waiter:timeout()
  return self.due and math.max(0, self.due - core.now())
end

-- Queue of the waiters to wake, linked by `next_woken`; that of the last is LAST.
local LAST = {}
local first_woken, last_woken = LAST, LAST

local function queue_to_wake(waiter)
  if waiter.next_woken then return end
  waiter.next_woken = LAST
  if first_woken == LAST then first_woken = waiter else last_woken.next_woken = waiter end
  last_woken = waiter
end

-- A waiter that could not be woken for lack of memory is woken by the next step.
local function wake_first()
  local waiter = first_woken
  first_woken, waiter.next_woken = waiter.next_woken, false
  if not waiter.wake then return end
  local ok, raised = pcall(waiter.wake, waiter)
  if ok then return end
  if errors.is_of_memory(raised) then
    waiter.next_woken, first_woken = first_woken, waiter
    if waiter.next_woken == LAST then last_woken = waiter end
  end
  error(raised, 0)
end

--- Makes a waiter ready and wakes the code that waits for it.
function mailbox.set_ready(waiter)
  waiter.ready = true
  if not waiter.wake then return end
  queue_to_wake(waiter)
  while first_woken ~= LAST do wake_first() end
end

--- Registers a waiter for a ticket. It gets all the members that mailbox.step sets, so that step needs no memory.
function mailbox.expect(ticket, waiter)
  setmetatable(waiter, Waiter)
  waiter.ticket, waiter.ready, waiter.reply, waiter.next_woken = ticket, false, false, false
  if mark == 0 then mark = ticket end
  if waiter.pages then streams[ticket] = waiter else waiters[ticket] = waiter end
  return waiter
end

--- Removes the waiter of a ticket.
function mailbox.forget(ticket)
  local waiter = streams[ticket]
  if waiter then held[waiter] = nil end -- its coroutine may have been closed during a wait
  waiters[ticket], streams[ticket] = nil, nil
end

--- Marks that code waits for a waiter, or with `false` that it no longer does. The waiter of a pager is kept alive only
-- during a wait, or by its reader.
function mailbox.hold(waiter, is_held)
  if waiter.pages then held[waiter] = is_held or nil end
end

--- Whether anything is expected.
function mailbox.is_expecting()
  return next(waiters) ~= nil or next(held) ~= nil
end

--- Sends the events of a client to `listener.event`, and its traces to `listener.trace`. An error that they raise is
-- kept in `listener.raised`, as {value}, since the code that steps now may wait for something else.
function mailbox.listen(number, listener)
  listeners[number] = listener
end

-- After a fork nothing arrives for the calls of the parent. Their waiters are woken, so that they end.
local function leave_to_parent()
  local left = {}
  mark = 0
  for ticket, waiter in pairs(waiters) do
    if core.is_ours(ticket) then
      mark = ticket
    else
      left[#left + 1] = waiter
      waiters[ticket] = nil
    end
  end
  for waiter in pairs(held) do left[#left + 1] = waiter end
  for _, waiter in ipairs(left) do
    if waiter.wake then waiter:wake() end
  end
end

-- The item that was taken and has no place yet: if memory runs out while it gets its place, the next step begins with
-- it.
local ticket_taken, what_taken, value_taken

-- `what`: "event" or "trace".
local function tell_listener(what, value)
  local listener = listeners[value.client]
  if not listener then return end
  value.client = nil
  local ok, raised = pcall(listener[what], value)
  if not ok and (not listener.raised or errors.is_interrupt(raised)) then listener.raised = { raised } end
end

-- Gives the item to its waiter. Returns the waiter if it has to be woken.
local function place()
  local waiter = waiters[ticket_taken] or streams[ticket_taken]
  if not waiter then return nil end
  if what_taken == "call" then
    waiter.reply, waiter.ready = value_taken, true
    waiters[ticket_taken] = nil
    if waiter.arrived then pcall(waiter.arrived, waiter) end -- without memory it reports nothing
  else
    waiter.pages[#waiter.pages + 1] = value_taken
    waiter.ready = true
  end
  return waiter.wake and waiter or nil
end

--- Takes all items that have arrived, and gives them to the waiters. Never blocks. Raises only if memory runs out; the
-- items are then with the next step.
function mailbox.step()
  while true do
    if not ticket_taken then
      ticket_taken, what_taken, value_taken = core.take()
      if not ticket_taken then break end
    end
    if what_taken == "event" or what_taken == "trace" then
      local what, value = what_taken, value_taken
      ticket_taken, value_taken = nil, nil
      tell_listener(what, value)
    else
      local waiter = place()
      ticket_taken, value_taken = nil, nil
      if waiter then queue_to_wake(waiter) end
    end
  end
  -- Wakes after all items were taken, which resets the descriptor: `wake` may make it readable again.
  while first_woken ~= LAST do wake_first() end
  if mark > 0 and not core.is_ours(mark) then leave_to_parent() end
end

return mailbox
