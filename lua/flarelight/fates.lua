--- Reports the fate of a write whose outcome no code takes.
--
-- A coroutine that waits for a write may never be resumed, or may be closed. If the outcome arrives, and the coroutine
-- is then collected, the report names the fate. If the Lua state is closed while the write is under way, the report
-- says that it is in doubt. Relies on host/tasks.lua for finalizers and on host/mailbox.lua for `waiter:arrived()`.

local core = require "flarelight.core"
local tasks = require "flarelight.host.tasks"

local fates = {}

-- The writes under way: waiter -> operation. The mailbox keeps a waiter alive until its outcome arrives.
local under_way = setmetatable({}, { __mode = "k" })

fates.guard = tasks.when_collected(function()
  for waiter, operation in pairs(under_way) do
    if not waiter.arrival and core.is_ours(waiter.ticket) then
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
  local arrival, reply, operation, ticket = {}, waiter.reply, under_way[waiter], waiter.ticket
  local report = waiter.here.report or tasks.to_standard_error
  arrival.guard = tasks.when_collected(function()
    if arrival.taken or not core.is_ours(ticket) then return end
    local ok, message = pcall(describe, reply, operation)
    if ok then report(message) end
  end)
  waiter.arrival = arrival
end

--- Watches the waiter of a write that was just submitted. `operation`: its name in the report.
function fates.watch(waiter, operation)
  under_way[waiter], waiter.arrived = operation, arrived
end

--- Ends the watch: the caller gets the outcome now.
function fates.taken(waiter)
  under_way[waiter] = nil
  if waiter.arrival then waiter.arrival.taken = true end
end

return fates
