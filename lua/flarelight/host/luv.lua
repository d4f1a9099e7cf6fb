--- The host of luv, and so of Neovim: coroutines, which the loop's own callbacks resume.
--
-- One poll of the descriptor runs while anybody waits, so that a loop with nothing else ends. In Neovim
-- coroutines go on where its whole interface may be called (vim.schedule).

local luv = require "luv"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local SLICE = 0.005 -- seconds of work that never waits before others run

local host = { name = "luv" }

local poll, polled_fd, waiting = nil, nil, 0
local woken = {} -- coroutines to resume

-- What a coroutine raises that nobody waits for goes where luv's callbacks' errors go.
local function drain()
  local batch, raised = woken, nil
  woken = {}
  for _, co in ipairs(batch) do
    local ok, message = coroutine.resume(co)
    if not ok then raised = raised or debug.traceback(co, tostring(message)) end
  end
  if #woken > 0 then pollable.ring() end
  if raised then error(raised, 0) end
end

local schedule = type(vim) == "table" and vim.schedule -- luacheck: ignore

-- Neovim's loop always runs: what is begun outside of a coroutine goes on, too.
host.begins_anywhere = schedule and true or false

local function on_readable()
  pollable.step()
  if #woken == 0 then return end
  if schedule then schedule(drain) else drain() end
end

-- Never resumes by itself: who wakes may be a coroutine that waits next.
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

local function unwatch()
  waiting = waiting - 1
  if waiting == 0 and poll then poll:stop() end
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
  local starter = luv.new_timer()
  starter:start(0, 0, function()
    starter:close()
    unwatch()
    if schedule then schedule(drain) else drain() end
  end)
end

function host.wait(handle)
  pollable.step()
  if #woken > 0 then pollable.ring() end -- the loop is to resume those that this has woken
  if handle:is_over() then
    timeslice.at_once(handle, SLICE, host.give_way)
  else
    local timer
    handle.coroutine, handle.wake = pollable.coroutine(), wake
    watch()
    while not handle:is_over() do
      local timeout = handle:timeout()
      if timeout then
        timer = timer or luv.new_timer()
        timer:start(math.ceil(timeout * 1000), 0, function() wake(handle) end)
      end
      handle.queued = false
      coroutine.yield()
    end
    if timer then timer:close() end
    handle.wake, handle.queued = nil, nil
    unwatch()
    timeslice.set(SLICE, host.give_way)
  end
end

function host.give_way()
  local co = pollable.coroutine()
  if not co then return end
  local timer = luv.new_timer()
  timer:start(1, 0, function()
    timer:close()
    woken[#woken + 1] = co
    if schedule then schedule(drain) else drain() end
  end)
  coroutine.yield()
  timeslice.set(SLICE, host.give_way)
end

return host
