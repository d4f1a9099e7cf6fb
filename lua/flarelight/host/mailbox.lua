--- The Lua side of the engine's mailbox: the table of waiters by ticket. A waiter is a table. `ready` turns true when
-- an item has arrived for it; `reply` is the outcome of a call or job; `pages` has the pages of a pager that have
-- arrived and are not read yet. Hosts know it as the handle that pollable.lua describes. Relies on the binding alone.

local core = require "flarelight.core"

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

--- Makes a waiter ready and wakes the code that waits for it.
function mailbox.set_ready(waiter)
  waiter.ready = true
  if waiter.wake then waiter:wake() end
end

--- Registers a waiter for a ticket.
function mailbox.expect(ticket, waiter)
  setmetatable(waiter, Waiter)
  waiter.ticket = ticket
  if mark == 0 then mark = ticket end
  if waiter.pages then streams[ticket] = waiter else waiters[ticket] = waiter end
  return waiter
end

--- Removes the waiter of a ticket.
function mailbox.forget(ticket)
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

--- Sends the events of a client to `listener.on_event`. An error that it raises is kept in `listener.raised`, as
-- {value}, since the code that steps now may wait for something else.
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

--- Takes all items that have arrived, and gives them to the waiters. Never blocks, never raises.
function mailbox.step()
  local woken
  for ticket, what, value in core.take do
    if what == "event" then
      local listener = listeners[value.client]
      if listener then
        value.client = nil
        local ok, raised = pcall(listener.on_event, value)
        if not ok and not listener.raised then listener.raised = { raised } end
      end
    else
      local waiter = waiters[ticket] or streams[ticket]
      if waiter then
        if what == "call" then
          waiters[ticket] = nil
          waiter.reply = value
          if waiter.arrived then waiter:arrived() end
        else
          waiter.pages[#waiter.pages + 1] = value
        end
        waiter.ready = true
        if waiter.wake then
          woken = woken or {}
          woken[#woken + 1] = waiter
        end
      end
    end
  end
  -- Wakes after all items were taken, which resets the descriptor: `wake` may make it readable again.
  for i = 1, woken and #woken or 0 do
    local waiter = woken[i]
    if waiter.wake then waiter:wake() end
  end
  if mark > 0 and not core.is_ours(mark) then leave_to_parent() end
end

return mailbox
