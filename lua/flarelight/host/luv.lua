--- The host of luv, and so of Neovim: callbacks of the loop resume coroutines.
--
-- The descriptor is polled only while a coroutine waits, so that a loop with nothing else to do ends. In Neovim
-- coroutines are resumed by vim.schedule, where all of Neovim's functions may be called.

local luv = require "luv"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local SLICE = 0.005 -- seconds of work that never waits before others run

local host = { name = "luv" }

local poll, polled_fd, waiting = nil, nil, 0
local woken = {}  -- coroutines to resume
local parked = {} -- coroutine -> the handle it waits for

-- Stops polling if no coroutine waits any more.
local function unwatch()
  waiting = waiting - 1
  if waiting == 0 and poll then poll:stop() end
end

-- Ends a wait: of the coroutine itself, or of one that was closed while it waited.
local function unpark(co)
  local handle = parked[co]
  if handle.timer then handle.timer:close() end
  parked[co], handle.timer, handle.wake, handle.queued = nil, nil, nil, nil
  unwatch()
end

-- Resumes the coroutines in `woken`. An error of a coroutine is raised like an error of a luv callback.
local function drain()
  local batch, raised = woken, nil
  woken = {}
  for _, co in ipairs(batch) do
    local ok, message
    if coroutine.status(co) == "suspended" then
      ok, message = coroutine.resume(co)
    elseif coroutine.status(co) == "dead" and parked[co] then
      unpark(co)
    end
    if ok == false then raised = raised or debug.traceback(co, tostring(message)) end
  end
  if #woken > 0 then pollable.ring() end
  if raised then error(raised, 0) end
end

local schedule = type(vim) == "table" and vim.schedule -- luacheck: ignore

local function resume_woken()
  if schedule then schedule(drain) else drain() end
end

-- Calls `run` in the loop, after `milliseconds`.
local function start_timer(milliseconds, run)
  local timer = luv.new_timer()
  timer:start(milliseconds, 0, function()
    timer:close()
    run()
    resume_woken()
  end)
end

-- Neovim's loop always runs, so a task may begin outside of a coroutine.
host.begins_anywhere = schedule and true or false

local function on_readable()
  pollable.step()
  if #woken > 0 then resume_woken() end
end

-- Never resumes the coroutine itself: the code that calls this may be a coroutine that is about to wait.
local function wake(handle)
  if handle.queued then return end
  handle.queued = true
  woken[#woken + 1] = handle.coroutine
  pollable.ring()
end

local function watch()
  waiting = waiting + 1
  local fd = pollable.fd()
  if poll and polled_fd == fd then
    if waiting > 1 then return end
  else
    if poll then poll:close() end
    poll, polled_fd = assert(luv.new_poll(fd)), fd
  end
  poll:start("r", on_readable)
end

if schedule then
  function host.report(message)
    schedule(function() vim.notify(message, vim.log.levels.ERROR) end) -- luacheck: ignore
  end
end

function host.is_running() return pollable.coroutine() ~= nil end

function host.spawn(run)
  woken[#woken + 1] = coroutine.create(run)
  watch()
  start_timer(0, unwatch)
end

function host.wait(handle)
  pollable.step()
  if #woken > 0 then pollable.ring() end -- the loop resumes the coroutines that this step has woken
  if handle:is_over() then
    timeslice.at_once(handle, SLICE, host.give_way)
  else
    local co = pollable.coroutine()
    handle.coroutine, handle.wake = co, wake
    parked[co] = handle
    watch()
    while not handle:is_over() do
      local timeout = handle:timeout()
      if timeout then
        handle.timer = handle.timer or luv.new_timer()
        handle.timer:start(math.ceil(timeout * 1000), 0, function() wake(handle) end)
      end
      handle.queued = false
      coroutine.yield()
    end
    unpark(co)
    timeslice.set(SLICE, host.give_way)
  end
end

-- Yields, to be resumed by the loop after `milliseconds`. Raises where Lua cannot yield.
local function pause(milliseconds)
  local co, waits, ok, raised = pollable.coroutine(), true, true, nil
  start_timer(milliseconds, function()
    if waits then woken[#woken + 1] = co end
  end)
  if pollable.pcall_yields then ok, raised = pcall(coroutine.yield) else coroutine.yield() end
  waits = false
  if not ok then error(raised, 0) end
end

function host.give_way()
  if not pollable.coroutine() then return end
  pause(1)
  timeslice.set(SLICE, host.give_way)
end

function host.pass() pause(0) end

return host
