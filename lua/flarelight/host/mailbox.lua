--- The Lua state's side of the engine's mailbox: who waits for which ticket.
-- A waiter is a table: `ready` turns true when there is something for it, `reply` is the outcome of a
-- call, `pages` the pages of a pager that have come and are not read yet. To a host it is the handle that
-- pollable.lua describes. Relies on the binding alone.

local core = require "flarelight.core"

local mailbox = {}

local waiters = {}                                     -- ticket -> waiter, of calls
local streams = setmetatable({}, { __mode = "v" })     -- the same of pagers, which their readers hold
local held = {}                                        -- set: waiters of pagers that are waited for
local newest = 0                                       -- the last ticket, to see a fork by
local listeners = setmetatable({}, { __mode = "v" })   -- number of a client -> its listener

local Waiter = {}
Waiter.__index = Waiter

--- A waiter that no ticket stands behind: `due` passes, or somebody makes it ready.
function mailbox.waiter(members) return setmetatable(members, Waiter) end

--- Whether there is nothing to wait for any more: it is ready, its time is up, its task was cancelled
-- (what a ticket stands behind ends by itself then), or (after a fork) nothing can come for it.
function Waiter:is_over()
  return self.ready or (self.due ~= nil and core.now() >= self.due)
    or (self.ticket ~= nil and not core.is_ours(self.ticket))
    or ((self.ticket == nil or self.pages ~= nil) and self.task ~= nil and self.task.cancelled) or false
end

--- Seconds until its time is up, or nil.
function Waiter:timeout()
  return self.due and math.max(0, self.due - core.now())
end

--- Makes a waiter ready and wakes whoever waits for it.
function mailbox.set_ready(waiter)
  waiter.ready = true
  if waiter.wake then waiter:wake() end
end

--- Registers a waiter for a ticket.
function mailbox.expect(ticket, waiter)
  setmetatable(waiter, Waiter)
  waiter.ticket = ticket
  newest = ticket
  if waiter.pages then streams[ticket] = waiter else waiters[ticket] = waiter end
  return waiter
end

--- Nothing is expected for a ticket any more.
function mailbox.forget(ticket)
  waiters[ticket], streams[ticket] = nil, nil
end

--- Somebody waits for a waiter, or (`false`) nobody any more. A pager's lives only as long as that, or as
-- its reader.
function mailbox.hold(waiter, is_held)
  if waiter.pages then held[waiter] = is_held or nil end
end

--- Whether anybody waits for something that can come.
function mailbox.is_expecting()
  return next(waiters) ~= nil or next(held) ~= nil
end

--- Where a client's events go: `listener.on_event`. What that raises is kept in `listener.raised`, as
-- {value}: whoever takes deliveries now may wait for something else.
function mailbox.listen(number, listener)
  listeners[number] = listener
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
    if waiter.wake then waiter:wake() end
  end
end

--- Takes everything that has come and gives it to those who wait. Never blocks, never raises.
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
  -- Now that all is taken, which silences the descriptor: to wake may be to ring it.
  for i = 1, woken and #woken or 0 do
    local waiter = woken[i]
    if waiter.wake then waiter:wake() end
  end
  if newest > 0 and not core.is_ours(newest) then leave_to_parent() end
end

return mailbox
