--- The Lua state's side of the engine's mailbox: who waits for which ticket.
-- A waiter is a plain table: `ready` turns true when there is something for it, `reply` is the outcome
-- of a call, `pages` the pages of a pager that have come and are not read yet. `wake`, if set, is
-- called with the waiter when it turns ready: a host's way to be told. Relies on the binding alone.

local core = require "flarelight.core"

local dispatch = {}

local waiters = {}                                     -- ticket -> waiter
local listeners = setmetatable({}, { __mode = "v" })   -- number of a client -> its listener

--- Registers a waiter for a ticket.
function dispatch.expect(ticket, waiter)
  waiter.ticket = ticket
  waiters[ticket] = waiter
  return waiter
end

--- Nothing is expected for a ticket any more.
function dispatch.forget(ticket)
  waiters[ticket] = nil
end

--- Whether anything is expected at all.
function dispatch.is_expecting()
  return next(waiters) ~= nil
end

--- Where a client's events go: `listener.on_event`. What that raises is kept in `listener.raised`, as
-- {value}: whoever takes deliveries now may wait for something else.
function dispatch.listen(number, listener)
  listeners[number] = listener
end

local function turn_ready(waiter)
  waiter.ready = true
  if waiter.wake then waiter.wake(waiter) end
end

--- Takes everything that has come and gives it to those who wait. Never blocks, never raises.
function dispatch.step()
  for ticket, what, value in core.take do
    if what == "event" then
      local listener = listeners[value.client]
      if listener then
        value.client = nil
        local ok, raised = pcall(listener.on_event, value)
        if not ok and not listener.raised then listener.raised = { raised } end
      end
    else
      local waiter = waiters[ticket]
      if waiter then
        if what == "call" then
          waiters[ticket] = nil
          waiter.reply = value
        else
          waiter.pages[#waiter.pages + 1] = value
        end
        turn_ready(waiter)
      end
    end
  end
end

--- Whether something can still come for a waiter. After a fork nothing does for what the parent asked.
function dispatch.can_come(waiter)
  return waiter.ticket == nil or core.is_ours(waiter.ticket)
end

return dispatch
