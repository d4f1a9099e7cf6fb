--- The Lua state's side of the engine's mailbox: who waits for which ticket.
-- A waiter is a plain table: `ready` turns true when there is something for it, `reply` is the outcome
-- of a call, `pages` the pages of a pager that have come and are not read yet. `wake`, if set, is
-- called with the waiter when it turns ready: a host's way to be told. Relies on the binding alone.

local core = require "flarelight.core"

local dispatch = {}

local waiters = {}                                     -- ticket -> waiter, of calls
local streams = setmetatable({}, { __mode = "v" })     -- the same of pagers, which their readers hold
local held = {}                                        -- set: waiters of pagers that are waited for
local newest = 0                                       -- the last ticket, to see a fork by
local listeners = setmetatable({}, { __mode = "v" })   -- number of a client -> its holder of on_event

--- Registers a waiter for a ticket.
function dispatch.expect(ticket, waiter)
  waiter.ticket = ticket
  newest = ticket
  if waiter.pages then streams[ticket] = waiter else waiters[ticket] = waiter end
  return waiter
end

--- Nothing is expected for a ticket any more.
function dispatch.forget(ticket)
  waiters[ticket], streams[ticket] = nil, nil
end

--- Somebody waits for a waiter, or (`false`) nobody any more. A pager's lives only as long as that, or as
-- its reader.
function dispatch.hold(waiter, is_held)
  if waiter.pages then held[waiter] = is_held or nil end
end

--- Whether anybody waits for something that can come.
function dispatch.is_expecting()
  return next(waiters) ~= nil or next(held) ~= nil
end

--- Where a client's events go: `holder.on_event`.
function dispatch.listen(number, holder)
  listeners[number] = holder
end

-- After a fork nothing comes for what the parent asked: whoever waits for it is woken to see that.
local function leave_to_parent()
  local left = {}
  for ticket, waiter in pairs(waiters) do
    left[#left + 1] = waiter
    waiters[ticket] = nil
  end
  for waiter in pairs(held) do left[#left + 1] = waiter end
  newest = 0
  for _, waiter in ipairs(left) do
    if waiter.wake then waiter.wake(waiter) end
  end
end

local function turn_ready(waiter)
  waiter.ready = true
  if waiter.wake then waiter.wake(waiter) end
end

--- Takes everything that has come and gives it to those who wait. Never blocks. An error raised by an
-- on_event function is raised again once everything has found its place, so that nothing is lost.
function dispatch.step()
  local failed, failure
  for ticket, what, value in core.take do
    if what == "event" then
      local holder = listeners[value.client]
      if holder then
        value.client = nil
        local ok, raised = pcall(holder.on_event, value)
        if not ok and not failed then failed, failure = true, raised end
      end
    else
      local waiter = waiters[ticket] or streams[ticket]
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
  if newest > 0 and not core.is_ours(newest) then leave_to_parent() end
  if failed then error(failure, 0) end
end

--- Whether something can still come for a waiter. After a fork nothing does for what the parent asked.
function dispatch.can_come(waiter)
  return waiter.ticket == nil or core.is_ours(waiter.ticket)
end

return dispatch
