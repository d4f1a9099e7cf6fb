--- The host of copas: waiting is copas.receive, on an object that has nothing but our descriptor.
--
-- Each waiter has an object of its own: of several waiters of one socket copas resumes only one. The copas
-- of Debian has no timers, so the descriptor is made readable when a handle's time is up.

local copas = require "copas"
local pace = require "flarelight.pace"
local pollable = require "flarelight.pollable"

local SLICE = 0.01 -- seconds of work that never waits before others run

local host = { name = "copas" }

-- What copas and socket.select ask of a socket.
local Socket = {}
Socket.__index = Socket
function Socket.getfd() return pollable.fd() end
function Socket.dirty() return false end
function Socket.settimeout() return 1 end
function Socket.close() return 1 end -- copas closes what a thread waited for when it ends
function Socket:receive()
  if self.passed and self.handle:is_over() then return "over" end
  self.passed = true
  return nil, "timeout"
end

-- In the main coroutine nothing can yield; a copas that knows whether it runs says so.
function host.is_running() return pollable.coroutine() ~= nil and copas.running ~= false end

function host.spawn(run) copas.addthread(run) end

local function wait(handle)
  local socket = setmetatable({ handle = handle, passed = true }, Socket)
  while not handle:is_over() do
    local timeout = handle:timeout()
    if timeout then pollable.alarm(timeout) end
    socket.passed = false
    copas.receive(socket, 1)
    pollable.step()
  end
end

function host.give_way()
  if not host.is_running() then return end
  local once = { is_over = function() return true end }
  pollable.ring()
  copas.receive(setmetatable({ handle = once, passed = false }, Socket), 1)
  pace.set(SLICE, host.give_way)
end

function host.wait(handle)
  handle.wake = pollable.ring
  pollable.step()
  wait(handle)
  handle.wake = nil
  pace.set(SLICE, host.give_way)
end

return host
