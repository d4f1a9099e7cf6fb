--- The reader of a worker of nginx: one light thread that reads the wake-ups of all waiting calls of its Lua state, and
-- posts to a semaphore for each of them.
--
-- A cosocket and a light thread belong to the handler that made them, so the reader runs in a timer, which no request
-- ends. It starts when a call waits, and ends when none has waited for a moment, or none waits and the worker exits.
-- Calls that wait while there is no reader have to wait in another way (openresty.lua): ngx.semaphore is missing, the
-- worker exits, no timer or no connection is left. Relies on engine/wakeup.h for the socket.

local core = require "flarelight.core"
local pollable = require "flarelight.host.pollable"

local ngx = require "ngx" -- luacheck: ignore
local has_semaphores, semaphores = pcall(require, "ngx.semaphore")

local nginx_reader = {}

local TICK = 0.25          -- seconds after which an idle reader ends
local START = 1            -- seconds in which nginx has to run the timer
local PAUSE = 1            -- seconds after a failure until the next start
local LONGEST = 2000000    -- seconds of a wait; nginx counts milliseconds in 32 bits
local KEPT = 60000         -- ms that an idle connection is kept
local MOST_KEPT = 256      -- semaphores that are kept for later waits
local FOREVER = 2 ^ 31 - 1 -- ms, the longest time-out

-- The handles whose items have not arrived yet. Weak, since nginx may end a handler that waits.
local waiting = setmetatable({}, { __mode = "k" })
local kept = {}           -- semaphores without posts
local state = nil         -- nil, "starting" or "running"
local next_start = 0      -- by core.now

local function wake(handle)
  waiting[handle] = nil
  handle.semaphore:post(1)
end

-- Reads wake-ups until nothing waits. Returns nothing, or a message.
local function read(socket, path)
  local ticket, due, idle_since = core.ticket(), 0, nil
  socket:settimeouts(5000, 5000, FOREVER) -- alarms end the reads in time, since nginx would log its own time-out
  local ok, message = socket:connect("unix:" .. path)
  if not ok then return message end
  core.watch(ticket, true)
  ok, message = socket:send(("%d\n"):format(ticket))
  while ok do
    pollable.step()
    -- An item that is posted from now on sends a line. One that was posted before is taken here.
    if not core.watch(ticket, true) then pollable.step() end
    local now, exiting = core.now(), ngx.worker.exiting()
    if next(waiting) ~= nil then
      idle_since = nil
    elseif exiting or idle_since and now - idle_since >= TICK then
      core.unwatch(ticket)
      socket:setkeepalive(KEPT)
      return nil
    else
      idle_since = idle_since or now
    end
    if now >= due then
      if exiting then collectgarbage() end -- handlers that nginx has ended wait no longer
      due = now + TICK
      core.alarm(TICK, ticket)
    end
    ok, message = socket:receive()
  end
  core.unwatch(ticket)
  socket:close()
  return message
end

local function run(premature)
  local message
  if not premature then
    state = "running"
    local path, reason = core.wakeup_path()
    local ok, raised = true, reason
    if path then ok, raised = pcall(read, ngx.socket.tcp(), path) end
    message = raised
    if not ok then message = tostring(raised) end
  end
  state = nil
  if premature or message then next_start = core.now() + PAUSE end
  if message then ngx.log(ngx.WARN, "flarelight reads no wake-ups for a second: ", message) end
  for handle in pairs(waiting) do wake(handle) end -- they have to wait in another way
end

-- Whether the reader runs, or will.
local function begin()
  if state then return true end
  if core.now() < next_start or not ngx.timer.at(0, run) then return false end
  state = "starting"
  return true
end

--- Waits until the handle is woken, or its time is up; may return earlier. False, at once, if there is no reader.
---@param handle flarelight.Handle
---@return boolean
function nginx_reader.wait(handle)
  if not has_semaphores then return false end
  if handle.ticket then
    if not begin() then return false end
    waiting[handle] = true
  end
  local semaphore = table.remove(kept) or semaphores.new()
  local seconds = math.max(0.001, math.min(handle:timeout() or LONGEST, LONGEST))
  local begun = state == "starting" and core.now()
  if begun then seconds = math.min(seconds, START) end
  handle.semaphore, handle.wake = semaphore, wake
  semaphore:wait(seconds)
  handle.wake, handle.semaphore, waiting[handle] = nil, nil, nil
  if semaphore:count() == 0 and #kept < MOST_KEPT then kept[#kept + 1] = semaphore end
  if begun and state == "starting" and core.now() - begun >= START then
    -- nginx dropped the timer: lua_max_running_timers is too low.
    state, next_start = nil, core.now() + PAUSE
  end
  return true
end

return nginx_reader
