--- The host of copas. Of all that wait, one thread watches the descriptor, in copas.receive on an object
-- that has nothing else; the others are parked until it resumes them. It ends when nobody waits.
--
-- The copas of Debian (1.2) has no timers and no way to park a thread: the descriptor is made readable when
-- a handle's time is up, and a thread is parked by yielding to a queue of ours, as copas's own functions do
-- to theirs. Newer ones park and wake by themselves (pauseforever, wakeup).

local copas = require "copas"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local SLICE = 0.01 -- seconds of work that never waits before others run

local host = { name = "copas" }

local waiting, watched = {}, false -- set of handles; whether the watching thread runs
local woken = {}                   -- coroutines to resume

-- What copas and socket.select ask of a socket.
local Socket = {}
Socket.__index = Socket
function Socket.getfd() return pollable.fd() end
function Socket.dirty() return false end
function Socket.settimeout() return 1 end
function Socket.close() return 1 end -- copas closes what a thread waited for when it ends
-- The first time it has nothing, and copas waits for it; then it is readable.
function Socket:receive()
  if self.waited then return "readable" end
  self.waited = true
  return nil, "timeout"
end

local parking = { insert = function() end, push = function() end }
local park = copas.pauseforever or function() coroutine.yield(parking, parking) end
local resume = copas.wakeup or copas.addthread

local function wake(handle)
  if handle.queued then return end
  handle.queued = true
  woken[#woken + 1] = handle.coroutine
  pollable.ring()
end

-- Looks for itself; the watcher is told of those that this has woken.
local function look()
  pollable.step()
  if #woken > 0 then pollable.ring() end
end

-- Those whose time is up are found here: copas has no timers.
local function watch()
  while next(waiting) or #woken > 0 do
    copas.receive(setmetatable({}, Socket), 1)
    pollable.step()
    for handle in pairs(waiting) do
      if not handle.queued and handle:is_over() then
        handle.queued = true
        woken[#woken + 1] = handle.coroutine
      end
    end
    local batch = woken
    woken = {}
    for _, co in ipairs(batch) do resume(co) end
  end
  watched = false
end

local function be_watched()
  if watched then return end
  watched = true
  copas.addthread(watch)
end

-- In the main coroutine nothing can yield; a copas that knows whether it runs says so.
function host.is_running() return pollable.coroutine() ~= nil and copas.running ~= false end

function host.spawn(run)
  woken[#woken + 1] = coroutine.create(run)
  be_watched()
  pollable.ring()
end

function host.give_way()
  local co = pollable.coroutine()
  if not host.is_running() then return end
  woken[#woken + 1] = co
  be_watched()
  pollable.ring()
  park()
  timeslice.set(SLICE, host.give_way)
end

function host.wait(handle)
  look()
  if handle:is_over() then
    timeslice.at_once(handle, SLICE, host.give_way)
  else
    handle.coroutine, handle.wake = pollable.coroutine(), wake
    waiting[handle] = true
    be_watched()
    while not handle:is_over() do
      local timeout = handle:timeout()
      if timeout then pollable.alarm(timeout) end
      handle.queued = false
      park()
    end
    waiting[handle], handle.wake, handle.queued = nil, nil, nil
    timeslice.set(SLICE, host.give_way)
  end
end

return host
