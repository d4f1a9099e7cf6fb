--- The host of frame loops: `api:update` resumes tasks once a frame, for as long as its slice lasts.
--
-- It also runs the tasks of a plain script, while the script waits for one of them. Each Lua state has one scheduler.

local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local misuse = require "flarelight.misuse"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local frame = { name = "frame" }

local mine = setmetatable({}, { __mode = "k" }) -- set of the coroutines that this scheduler resumes
local ready = { first = 1, last = 0 }           -- queue of the coroutines to resume
local queued = {}                               -- set of the coroutines in `ready`
local waiting = {}                              -- coroutine -> the handle it waits for
local sleepers = {}                             -- handles with a time, in no order
local PASS = {}                                 -- yielded by frame.pass

local function make_ready(co)
  if queued[co] then return end
  ready[ready.last + 1] = co -- first: memory may run out here
  queued[co] = true
  ready.last = ready.last + 1
end

local function wake(handle) make_ready(handle.coroutine) end

local function resume_one()
  local co = ready[ready.first]
  ready[ready.first] = nil
  ready.first = ready.first + 1
  queued[co] = nil
  if coroutine.status(co) ~= "suspended" then -- closed by other code
    waiting[co] = nil
    return
  end
  local ok, raised
  repeat ok, raised = coroutine.resume(co) until raised ~= PASS
  if coroutine.status(co) == "dead" then
    mine[co] = nil
    if not ok then error(raised, 0) end -- an error of the scheduler: the errors of tasks are their results
  elseif not waiting[co] then
    make_ready(co) -- it let others run
  end
end

local function wake_sleepers()
  if #sleepers == 0 then return end
  local now = core.now()
  for i = #sleepers, 1, -1 do
    local handle = sleepers[i]
    if handle.ready or handle.due <= now then
      table.remove(sleepers, i)
      make_ready(handle.coroutine)
    end
  end
end

-- Seconds until the time of the handle, or of one that sleeps, is up; nil if none has a time.
local function next_timeout(of)
  local due = of.due
  for _, handle in ipairs(sleepers) do
    if not due or handle.due < due then due = handle.due end
  end
  return due and math.max(0, due - core.now())
end

function frame.is_running() return mine[pollable.coroutine() or false] == true end

function frame.spawn(run)
  local co = coroutine.create(run)
  mine[co] = true
  make_ready(co)
end

function frame.wait(handle)
  local co = pollable.coroutine()
  if handle:is_over() then return timeslice.at_once(handle, nil, frame.give_way) end
  handle.coroutine, handle.wake = co, wake
  if handle.due then sleepers[#sleepers + 1] = handle end
  while not handle:is_over() do
    waiting[co] = handle
    coroutine.yield()
    waiting[co] = nil
  end
  handle.wake = nil
  if handle.due then
    for i, each in ipairs(sleepers) do
      if each == handle then table.remove(sleepers, i) break end
    end
  end
end

function frame.give_way()
  if frame.is_running() then coroutine.yield() end
end

function frame.pass() coroutine.yield(PASS) end

--- Resumes the coroutines that are ready, for at most `budget` seconds. Never blocks.
function frame.update(budget)
  local before, give_way = timeslice.slice_end, timeslice.give_way
  timeslice.set(budget, frame.give_way)
  local slice_end = timeslice.slice_end
  local ok, raised = pcall(function()
    repeat
      pollable.step()
      wake_sleepers()
      if ready.first > ready.last then break end
      resume_one()
    until core.now() >= slice_end
  end)
  timeslice.slice_end, timeslice.give_way = before, give_way
  if not ok then error(raised, 0) end
end

--- Runs tasks until the handle is over. Blocks while no task can be resumed.
function frame.run_until(handle)
  while true do
    pollable.step()
    wake_sleepers()
    -- The calls that begin in this round wake the engine only once. Coroutines that become ready in this round are
    -- resumed in the next one, after the replies that have arrived.
    core.cork(true)
    for _ = ready.first, ready.last do
      if handle.ready then break end
      resume_one()
    end
    core.cork(false)
    if handle:is_over() then return end
    if ready.first > ready.last then
      local timeout = next_timeout(handle)
      if not timeout and not mailbox.is_expecting() then
        misuse "the tasks wait for each other: none of them can continue"
      end
      core.wait(timeout)
    end
  end
end

return frame
