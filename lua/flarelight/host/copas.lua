--- The host of copas. One thread watches the descriptor for all waiting threads: it calls copas.receive on an object
-- that looks like a socket. The waiting threads are parked until it resumes them. It ends when no thread waits.
--
-- The copas of Debian (1.2) can neither time nor park a thread. So the core makes the descriptor readable when a
-- handle's time is up, and a thread is parked by yielding to a queue of this module, as copas's own functions yield to
-- their queues. Newer versions can park and wake threads (pauseforever, wakeup).

local copas = require "copas"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local SLICE = 0.01 -- seconds of work that never waits before others run

local host = { name = "copas" }

local waiting, watched = {}, false -- parked thread -> its handle; whether the watching thread runs
local woken = {}                   -- coroutines to resume

-- The methods of a socket that copas and socket.select call.
local Socket = {}
Socket.__index = Socket
function Socket.getfd() return pollable.fd() end
function Socket.dirty() return false end
function Socket.settimeout() return 1 end
function Socket.close() return 1 end -- copas closes the socket that a thread waited for when the thread ends
-- At first there is nothing to read, so copas waits for the descriptor.
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

-- Steps, and lets the watching thread resume the threads that the step has woken.
local function look()
  pollable.step()
  if #woken > 0 then pollable.ring() end
end

-- Also finds the handles whose time is up, since copas 1.2 has no timers.
local function watch()
  while next(waiting) or #woken > 0 do
    copas.receive(setmetatable({}, Socket), 1)
    pollable.step()
    for _, handle in pairs(waiting) do
      if not handle.queued and handle:is_over() then
        handle.queued = true
        woken[#woken + 1] = handle.coroutine
      end
    end
    local batch = woken
    woken = {}
    for _, co in ipairs(batch) do
      if coroutine.status(co) == "dead" then -- closed while it waited
        waiting[co] = nil
      else
        resume(co)
      end
    end
  end
  watched = false
end

local function be_watched()
  if watched then return end
  watched = true
  copas.addthread(watch)
end

-- Only threads can yield. Newer versions tell whether their loop runs.
function host.is_running() return pollable.coroutine() ~= nil and copas.running ~= false end

function host.spawn(run)
  woken[#woken + 1] = coroutine.create(run)
  be_watched()
  pollable.ring()
end

-- The queue of threads to be resumed at once. Copas calls `push` when the thread has yielded.
local passing = { insert = function() end }
function passing.push(_, _, co)
  woken[#woken + 1] = co
  be_watched()
  pollable.ring()
end

-- Yields, to be resumed in the next turn of the loop.
function host.pass()
  if copas.pause then copas.pause(0) else coroutine.yield(passing, passing) end
end

function host.give_way()
  if not host.is_running() then return end
  host.pass()
  timeslice.set(SLICE, host.give_way)
end

function host.wait(handle)
  look()
  if handle:is_over() then
    timeslice.at_once(handle, SLICE, host.give_way)
  else
    local co = pollable.coroutine()
    handle.coroutine, handle.wake = co, wake
    waiting[co] = handle
    be_watched()
    while not handle:is_over() do
      local timeout = handle:timeout()
      if timeout then pollable.alarm(timeout) end
      handle.queued = false
      park()
    end
    waiting[co], handle.wake, handle.queued = nil, nil, nil
    timeslice.set(SLICE, host.give_way)
  end
end

return host
