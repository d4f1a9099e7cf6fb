--- The fate of a write whose outcome its caller does not get.
--
-- If memory runs out while a write is under way, its caller gets an error of kind `memory` with its fate, which was
-- made in advance. If no code takes the outcome of a write, this file reports it:
-- A coroutine that waits for a write may never be resumed, or may be closed. If the outcome arrives, and the coroutine
-- is then collected, the report names the fate. If the Lua state is closed while the write is under way, the report
-- says that it is in doubt. Relies on host/tasks.lua for finalizers, on host/mailbox.lua for `waiter:arrived()`, and on
-- host/pollable.lua to catch errors.

local core = require "flarelight.core"
local errors = require "flarelight.error"
local pollable = require "flarelight.host.pollable"
local tasks = require "flarelight.host.tasks"

local fates = {}

-- The writes under way: waiter -> operation. The mailbox keeps a waiter alive until its outcome arrives.
local under_way = setmetatable({}, { __mode = "k" })

fates.guard = tasks.when_collected(function()
  for waiter, operation in pairs(under_way) do
    if waiter.handed_over and not waiter.arrival and core.is_ours(waiter.ticket) then
      io.stderr:write(("flarelight: the script ended while %s was under way: it is in doubt whether it was applied\n")
        :format(operation))
    end
  end
end)

local function describe(reply, operation)
  local _, meta, err = reply:outcome()
  return ("flarelight: no code took the outcome of a write. It is %s: %s")
    :format(((err or meta).fate:gsub("_", " ")), err and meta or operation)
end

-- Called when the outcome has arrived. The guard is made after `waiter.reply`, so that Lua finalizes it first. A child
-- that was forked meanwhile leaves the report to its parent. Without memory nothing can be reported.
local function arrived(waiter)
  if waiter.is_taken then return end
  local arrival = { taken = false, guard = false }
  local reply, operation, ticket = waiter.reply, under_way[waiter], waiter.ticket
  local report = waiter.here.report or tasks.to_standard_error
  arrival.guard = tasks.when_collected(function()
    if arrival.taken or not core.is_ours(ticket) then return end
    local ok, message = pcall(describe, reply, operation)
    if ok then report(message) end
  end)
  waiter.arrival = arrival
end

--- Watches the waiter of a write that is about to be submitted; its member `handed_over` says whether it was.
-- `operation`: its name in the report.
function fates.watch(waiter, operation)
  under_way[waiter], waiter.arrived = operation, arrived
end

--- Ends the watch: the caller gets the outcome now.
function fates.taken(waiter)
  under_way[waiter], waiter.is_taken = nil, true
  if waiter.arrival then waiter.arrival.taken = true end
end

-- The fate of a write, found out without memory. If its outcome is not here yet, a host that blocks waits for it here.
-- In another host the write is cancelled, so that it cannot be carried out any later.
local function fate_of(waiter)
  if waiter.reply then return waiter.reply:fate() end
  local fate = core.fate(waiter.ticket, waiter.here.blocks)
  if not fate then pcall(core.cancel, waiter.ticket) end
  return fate or "in_doubt"
end

-- Dropped when memory runs out, made again by the next write.
local ballast

-- `data`: what was raised, if not `good`.
local function settle(waiter, reserve, good, data, meta, err)
  if good then
    fates.taken(waiter)
    return data, meta, err
  end
  local raised = data
  ballast = nil
  if not errors.is_of_memory(raised) then error(raised, 0) end -- the outcome is still to be taken
  reserve.fate = fate_of(waiter)
  fates.taken(waiter)
  return nil, reserve.message, reserve
end

--- Prepares the end of a write. Returns a function that returns the results of `take`; if memory runs out in `take`,
-- `nil, message, err` of kind `memory` with the fate of the write.
function fates.prepare(waiter, prepared, take)
  local reserve = errors.in_reserve(prepared.operation,
    { operation = prepared.operation, method = prepared.method, path = prepared.path })
  ballast = ballast or errors.ballast()
  local protected = pollable.prepare(take)
  return function() return settle(waiter, reserve, protected()) end
end

return fates
